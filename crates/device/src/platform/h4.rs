//! A Bluetooth controller behind a serial line, in H4 framing (Core 5.4, Vol 4, Part A), for bodies
//! whose controller is not in the chip.
//!
//! Opening the line resets the controller and waits until it says so; whatever a life before left
//! on the line is passed over. Dropping it resets the controller again, so that it is off the air.
//! How bytes get over the line is the body's.

use core::fmt;

use bt_hci_transport::{PacketKind, PacketToController, PacketToHost, Transport, WithIndicator};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex};
use embassy_time::{Duration, with_timeout};
use embedded_io::ErrorKind;
use embedded_io_async::{ErrorType, Read, Write};
use heapless::Vec;

/// The longest packet: the indicator, then 4 bytes of header and 255 of content. The Bluetooth
/// host reads no longer ones; a controller fragments.
const LONGEST: usize = 1 + 4 + 255;
const RESET: &[u8] = &[0x01, 0x03, 0x0c, 0x00];
/// How a command's completion begins, and where in it the opcode is.
const COMPLETE: &[u8] = &[0x04, 0x0e];
const RESET_OPCODE: &[u8] = &[0x03, 0x0c];
/// How long a reset may take.
const RESET_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a controller behind a line does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// The line fails.
    Line(ErrorKind),
    /// The controller does not answer a reset: nothing is connected, or at another speed.
    Silent,
    /// What came over the line makes no sense: the speed is wrong, or bytes were lost.
    Malformed,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => write!(f, "the line to the Bluetooth controller: {error:?}"),
            Self::Silent => f.write_str(
                "the Bluetooth controller does not answer: look at its wires, power and speed",
            ),
            Self::Malformed => f.write_str(
                "the Bluetooth controller sends what makes no sense: look at its speed and flow \
                 control",
            ),
        }
    }
}

impl core::error::Error for LineError {}

impl embedded_io::Error for LineError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Line(kind) => *kind,
            Self::Silent => ErrorKind::TimedOut,
            Self::Malformed => ErrorKind::InvalidData,
        }
    }
}

/// The way to a controller: a line's two directions. The sending one can also send at once,
/// without waiting for its turn, for the reset at the end.
pub struct H4<R, W: embedded_io::Write> {
    receiving: Mutex<NoopRawMutex, Receiving<R>>,
    sending: Mutex<NoopRawMutex, W>,
}

struct Receiving<R> {
    line: R,
    /// What has come of the next packet, its indicator first. Kept, so that reading can be dropped
    /// and begun again.
    packet: Vec<u8, LONGEST>,
}

impl<R, W> H4<R, W>
where
    R: Read,
    W: Write + embedded_io::Write,
{
    /// Opens the line: resets the controller.
    ///
    /// # Errors
    ///
    /// [`LineError`] if the controller does not answer within three seconds, or the line fails.
    pub async fn open(receiving: R, sending: W) -> Result<Self, LineError> {
        let this = Self {
            receiving: Mutex::new(Receiving {
                line: receiving,
                packet: Vec::new(),
            }),
            sending: Mutex::new(sending),
        };
        let reset = async {
            this.send(RESET).await?;
            this.receiving.lock().await.until_reset().await
        };
        match with_timeout(RESET_TIMEOUT, reset).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(LineError::Silent),
        }
        Ok(this)
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), LineError> {
        let mut line = self.sending.lock().await;
        Write::write_all(&mut *line, bytes).await.map_err(broken)?;
        Write::flush(&mut *line).await.map_err(broken)
    }
}

impl<R: Read> Receiving<R> {
    /// Waits for a whole packet; it is in `packet` until that is cleared. Cancel-safe, if reading
    /// the line is.
    async fn whole_packet(&mut self) -> Result<(), LineError> {
        while !whole(&self.packet) {
            let mut byte = [0];
            if self.line.read(&mut byte).await.map_err(broken)? == 0 {
                return Err(LineError::Malformed);
            }
            // Out of step, as after a restart in the middle of a packet.
            let passed_over = self.packet.is_empty() && !is_indicator(byte[0]);
            if !passed_over && self.packet.push(byte[0]).is_err() {
                self.packet.clear();
                return Err(LineError::Malformed);
            }
        }
        Ok(())
    }

    async fn until_reset(&mut self) -> Result<(), LineError> {
        loop {
            // Too long a packet is what was on the line when it was opened.
            if let Err(LineError::Line(error)) = self.whole_packet().await {
                return Err(LineError::Line(error));
            }
            let packet = &self.packet;
            let complete = packet.starts_with(COMPLETE) && packet.get(4..6) == Some(RESET_OPCODE);
            self.packet.clear();
            if complete {
                return Ok(());
            }
        }
    }
}

fn broken(error: impl embedded_io::Error) -> LineError {
    LineError::Line(error.kind())
}

/// Whether a byte can begin a packet from a controller.
fn is_indicator(byte: u8) -> bool {
    [
        PacketKind::AclData,
        PacketKind::SyncData,
        PacketKind::Event,
        PacketKind::IsoData,
    ]
    .iter()
    .any(|kind| *kind as u8 == byte)
}

fn whole(packet: &[u8]) -> bool {
    let length = match packet {
        [kind, _, length, ..] if *kind == PacketKind::Event as u8 => 3 + usize::from(*length),
        [kind, _, _, length, ..] if *kind == PacketKind::SyncData as u8 => 4 + usize::from(*length),
        [kind, _, _, low, high, ..] if *kind == PacketKind::AclData as u8 => {
            5 + usize::from(u16::from_le_bytes([*low, *high]))
        }
        [kind, _, _, low, high, ..] if *kind == PacketKind::IsoData as u8 => {
            5 + usize::from(u16::from_le_bytes([*low, *high]) & 0x3fff)
        }
        _ => return false,
    };
    packet.len() >= length
}

impl<R, W: embedded_io::Write> Drop for H4<R, W> {
    fn drop(&mut self) {
        // Nobody is left to be told if it fails.
        let _ = self.sending.get_mut().write_all(RESET);
    }
}

impl<R: Read, W: embedded_io::Write> ErrorType for H4<R, W> {
    type Error = LineError;
}

impl<R, W> Transport for H4<R, W>
where
    R: Read,
    W: Write + embedded_io::Write,
{
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, LineError> {
        let mut receiving = self.receiving.lock().await;
        receiving.whole_packet().await?;
        let mut rest = &receiving.packet[..];
        let read = match PacketKind::read(&mut rest) {
            Ok(kind) => P::read_hci(kind, &mut rest, rx).map_err(|_| LineError::Malformed),
            Err(_) => Err(LineError::Malformed),
        };
        receiving.packet.clear();
        read
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), LineError> {
        let mut bytes = [0; LONGEST];
        let mut rest = &mut bytes[..];
        WithIndicator::new(packet)
            .write_hci(&mut rest)
            .map_err(|_| LineError::Malformed)?;
        let left = rest.len();
        self.send(&bytes[..LONGEST - left]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use crate::tls::tests::pipe::{End, pipe};
    use bt_hci::ControllerToHostPacket;
    use bt_hci::cmd::controller_baseband::Reset;

    /// The sending direction of a line that also notes what was sent without waiting.
    struct Sending(End, alloc::rc::Rc<core::cell::Cell<usize>>);

    impl ErrorType for Sending {
        type Error = core::convert::Infallible;
    }

    impl Write for Sending {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            Write::write(&mut self.0, bytes).await
        }

        async fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    impl embedded_io::Write for Sending {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            assert_eq!(bytes, RESET);
            self.1.update(|count| count + 1);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    const RESET_DONE: &[u8] = &[0x04, 0x0e, 4, 1, 0x03, 0x0c, 0];

    /// What the controller says, and what comes of opening and one read.
    fn line(said: &[&[u8]]) -> Result<usize, LineError> {
        let (to_host, mut controller) = pipe(4096);
        let (from_host, _sink) = pipe(4096);
        let resets = alloc::rc::Rc::default();
        let sending = Sending(from_host, alloc::rc::Rc::clone(&resets));
        let host = async {
            let h4 = H4::open(to_host, sending).await?;
            h4.write(&Reset::new()).await?;
            let mut buffer = [0; 300];
            let packet: ControllerToHostPacket<'_> = h4.read(&mut buffer).await?;
            Ok(match packet {
                ControllerToHostPacket::Acl(acl) => acl.data().len(),
                _ => 0,
            })
        };
        let controller = async {
            for chunk in said {
                Write::write_all(&mut controller, chunk).await.unwrap();
            }
            core::future::pending::<()>().await;
        };
        let outcome = run(async {
            match embassy_futures::select::select(host, controller).await {
                embassy_futures::select::Either::First(outcome) => outcome,
                embassy_futures::select::Either::Second(()) => unreachable!(),
            }
        });
        assert_eq!(resets.get(), 1, "off the air");
        outcome
    }

    #[test]
    fn packets_come_whole_whatever_was_on_the_line_before() {
        let acl = [0x02, 0x40, 0x20, 3, 0, 7, 8, 9];
        assert_eq!(line(&[RESET_DONE, &acl]), Ok(3));
        assert_eq!(
            line(&[&[0x00, 0xff, 0x99], RESET_DONE, &acl[..4], &acl[4..]]),
            Ok(3)
        );
        // Another event before the completion.
        assert_eq!(line(&[&[0x04, 0x13, 1, 0], RESET_DONE, &acl]), Ok(3));
    }

    #[test]
    fn a_line_with_nobody_on_it_and_one_with_noise_are_told_apart() {
        assert_eq!(line(&[]), Err(LineError::Silent));
        let endless = [0x02, 0xff, 0xff, 0xff, 0xff];
        let noise = [0xff; 300];
        assert_eq!(
            line(&[RESET_DONE, &endless, &noise]),
            Err(LineError::Malformed)
        );
    }
}
