//! The btsnoop log format, which Wireshark, btmon and others open.
//!
//! Records carry H4 packets (datalink type 1002). The format is RFC 1761's with the changes of
//! the Frontline format: <https://fte.com/webhelpii/hsu/Content/Technical_Information/BT_Snoop_File_Format.htm>.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// HCI UART (H4).
const DATALINK_H4: u32 = 1002;
/// Microseconds from midnight of 1 January of the year 0 to the Unix epoch.
const EPOCH: u64 = 0x00DC_DDB3_0F2F_8000;

/// Which way a packet went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Host to controller.
    Sent,
    /// Controller to host.
    Received,
}

/// Writes a log. Errors of the file end the log, not the traffic: the first one is kept for
/// [`Btsnoop::finish`].
pub struct Btsnoop<W> {
    file: W,
    error: Option<io::Error>,
}

impl<W: Write> Btsnoop<W> {
    /// Writes the file's header.
    pub fn new(file: W) -> Self {
        let mut log = Self { file, error: None };
        let header = [
            b"btsnoop\0".as_slice(),
            &1u32.to_be_bytes(),
            &DATALINK_H4.to_be_bytes(),
        ]
        .concat();
        log.write(&header);
        log
    }

    /// Writes one packet, its indicator byte first.
    pub fn packet(&mut self, direction: Direction, packet: &[u8], at: SystemTime) {
        let received = u32::from(direction == Direction::Received);
        // Commands and events are marked apart from data.
        let control = u32::from(matches!(packet.first(), Some(1 | 4)));
        let micros = at
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_micros() as u64);
        let length = packet.len() as u32;
        let record = [
            &length.to_be_bytes()[..],
            &length.to_be_bytes(),
            &(received | control << 1).to_be_bytes(),
            &0u32.to_be_bytes(),
            &(EPOCH + micros).to_be_bytes(),
            packet,
        ]
        .concat();
        self.write(&record);
    }

    /// Flushes the log.
    ///
    /// # Errors
    /// The first error that the file gave since the log began.
    pub fn finish(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(e) => Err(e),
            None => self.file.flush(),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none()
            && let Err(e) = self.file.write_all(bytes).and_then(|()| self.file.flush())
        {
            self.error = Some(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_log_is_what_the_format_says() {
        let mut file = Vec::new();
        let mut log = Btsnoop::new(&mut file);
        log.packet(
            Direction::Sent,
            &[1, 3, 0x0C, 0],
            UNIX_EPOCH + Duration::from_micros(5),
        );
        log.packet(Direction::Received, &[2, 0x40, 0x20, 0, 0], UNIX_EPOCH);
        log.finish().unwrap();
        assert_eq!(&file[..16], b"btsnoop\0\0\0\0\x01\0\0\x03\xEA");
        let (first, second) = file[16..].split_at(28);
        assert_eq!(first, b"\0\0\0\x04\0\0\0\x04\0\0\0\x02\0\0\0\0\x00\xDC\xDD\xB3\x0F\x2F\x80\x05\x01\x03\x0C\x00");
        assert_eq!(&second[8..12], [0, 0, 0, 1], "received, data");
    }

    #[test]
    fn a_full_disk_is_reported_at_the_end() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut log = Btsnoop::new(Full);
        log.packet(Direction::Sent, &[1], UNIX_EPOCH);
        assert_eq!(log.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
