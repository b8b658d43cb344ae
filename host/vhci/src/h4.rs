//! H4 framing: finds the packets in a stream of bytes (Core 5.4, Vol 4, Part A).

use crate::wire::h4;

/// The stream does not carry H4: this byte stands where a packet indicator belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not an H4 stream: {0:#04x} is no packet indicator (is the peer an H4 controller or host?)"
)]
pub struct NotH4(pub u8);

/// Collects bytes and gives packets: the indicator byte, then the HCI packet.
///
/// At most one packet of at most 65,540 bytes is held beyond what was pushed.
#[derive(Default)]
pub struct Framer {
    bytes: Vec<u8>,
}

impl Framer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was read from the stream, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet, if there is one.
    ///
    /// # Errors
    /// [`NotH4`] once the stream is out of step; it cannot be brought back.
    pub fn pop(&mut self) -> Result<Option<Vec<u8>>, NotH4> {
        let Some(&kind) = self.bytes.first() else {
            return Ok(None);
        };
        let at = |i: usize| self.bytes.get(i).copied().map(usize::from);
        let total = match kind {
            h4::COMMAND | h4::SYNC => at(3).map(|n| 4 + n),
            h4::EVENT => at(2).map(|n| 3 + n),
            h4::ACL => at(3).zip(at(4)).map(|(l, h)| 5 + (h << 8 | l)),
            h4::ISO => at(3).zip(at(4)).map(|(l, h)| 5 + ((h & 0x3F) << 8 | l)),
            other => return Err(NotH4(other)),
        };
        match total {
            Some(total) if self.bytes.len() >= total => {
                let rest = self.bytes.split_off(total);
                Ok(Some(std::mem::replace(&mut self.bytes, rest)))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = &[
        0x01, 0x03, 0x0C, 0x00, // HCI Reset
        0x04, 0x0E, 0x04, 0x01, 0x03, 0x0C, 0x00, // its Command Complete
        0x02, 0x40, 0x20, 0x02, 0x00, 0xAA, 0xBB, // two bytes of ACL data
    ];

    #[test]
    fn packets_are_found_however_the_stream_is_cut() {
        for size in 1..=STREAM.len() {
            let mut framer = Framer::new();
            let mut found = Vec::new();
            for piece in STREAM.chunks(size) {
                framer.push(piece);
                while let Some(packet) = framer.pop().unwrap() {
                    found.push(packet);
                }
            }
            assert_eq!(
                found,
                [&STREAM[..4], &STREAM[4..11], &STREAM[11..]],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn a_stream_of_something_else_is_told_apart() {
        let mut framer = Framer::new();
        framer.push(b"HTTP/1.1 200 OK");
        assert_eq!(framer.pop(), Err(NotH4(b'H')));
    }
}
