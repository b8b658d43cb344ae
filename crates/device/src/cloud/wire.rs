//! The byte stream below MQTT, watched for what the MQTT library does not tell: why the broker
//! ended the connection, which is the reason in its DISCONNECT packet.

use core::cell::Cell;

use embedded_io_async::{ErrorType, Read, Write};

/// What is known of the stream, while the MQTT library owns it.
#[derive(Default)]
pub(super) struct Line {
    /// The other end closed the stream.
    pub(super) closed: Cell<bool>,
    /// The reason code of the broker's DISCONNECT.
    pub(super) disconnect: Cell<Option<u8>>,
}

/// A watched stream.
pub(super) struct Wire<'a, IO> {
    io: IO,
    line: &'a Line,
    packet: Packet,
}

impl<'a, IO> Wire<'a, IO> {
    pub(super) fn new(io: IO, line: &'a Line) -> Self {
        Self {
            io,
            line,
            packet: Packet::default(),
        }
    }
}

impl<IO: ErrorType> ErrorType for Wire<'_, IO> {
    type Error = IO::Error;
}

impl<IO: Read> Read for Wire<'_, IO> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let length = self.io.read(buffer).await?;
        if length == 0 && !buffer.is_empty() {
            self.line.closed.set(true);
        }
        for &byte in buffer.get(..length).unwrap_or_default() {
            if let Some(reason) = self.packet.pass(byte) {
                self.line.disconnect.set(Some(reason));
            }
        }
        Ok(length)
    }
}

impl<IO: Write> Write for Wire<'_, IO> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        self.io.write(buffer).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.io.flush().await
    }
}

/// The first byte of a DISCONNECT packet (MQTT 5, 3.14.1).
const DISCONNECT: u8 = 0xe0;

/// Follows the packets of a stream: a byte of type, the length in groups of 7 bits, the rest.
#[derive(Debug, Default, Clone, Copy)]
enum Packet {
    #[default]
    Start,
    Length {
        kind: u8,
        length: u32,
        shift: u32,
    },
    Body {
        kind: u8,
        left: u32,
    },
}

impl Packet {
    /// Takes the next byte; returns the reason if it is that of a DISCONNECT.
    fn pass(&mut self, byte: u8) -> Option<u8> {
        match *self {
            Self::Start => {
                *self = Self::Length {
                    kind: byte,
                    length: 0,
                    shift: 0,
                };
                None
            }
            Self::Length {
                kind,
                length,
                shift,
            } => {
                let length = length | u32::from(byte & 0x7f) << shift;
                if byte & 0x80 != 0 && shift < 21 {
                    *self = Self::Length {
                        kind,
                        length,
                        shift: shift + 7,
                    };
                    return None;
                }
                *self = match length {
                    0 => Self::Start,
                    left => Self::Body { kind, left },
                };
                // Without a reason it is a normal one (MQTT 5, 3.14.2.1).
                (kind == DISCONNECT && length == 0).then_some(0)
            }
            Self::Body { kind, left } => {
                *self = match left {
                    0 | 1 => Self::Start,
                    left => Self::Body {
                        // The reason is the first byte only.
                        kind: 0,
                        left: left - 1,
                    },
                };
                (kind == DISCONNECT).then_some(byte)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(stream: &[u8]) -> alloc::vec::Vec<u8> {
        let mut packet = Packet::default();
        stream.iter().filter_map(|&b| packet.pass(b)).collect()
    }

    #[test]
    fn only_a_disconnect_tells_a_reason() {
        // PINGRESP, a PUBLISH full of what looks like a DISCONNECT, DISCONNECT with properties.
        let mut stream = alloc::vec![0xd0, 0, 0x30, 0x82, 0x01];
        stream.extend([0xe0, 0x8e].iter().cycle().take(130));
        stream.extend([0xe0, 2, 0x8e, 0]);
        assert_eq!(reasons(&stream), [0x8e]);
        assert_eq!(reasons(&[0xe0, 0]), [0]);
        assert_eq!(reasons(&[0xe0, 1, 0x8b]), [0x8b]);
    }

    #[test]
    fn no_bytes_panic() {
        for byte in 0..=255 {
            reasons(&[byte; 64]);
            reasons(&[0xe0, 0xff, 0xff, 0xff, byte, 1, 2, 3]);
        }
    }
}
