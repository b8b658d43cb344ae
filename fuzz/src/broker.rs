//! A broker at the other end of a connection in the clear: it knows the rules, and keeps to them as far as the
//! script says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::Script;

const TOPICS: [&str; 8] = [
    "v1/devices/me/rpc/request/7",
    "v1/devices/me/attributes",
    "v1/devices/me/attributes/response/1",
    "v1/devices/me/rpc/response/1",
    "v1/devices/me/rpc/request/4294967296",
    "v2/fw/response/1/chunk/0",
    "$SYS",
    "v1/devices/me/rpc/response/2",
];

/// The stream between the two.
#[derive(Default)]
pub struct Stream {
    to_device: VecDeque<u8>,
    from_device: Vec<u8>,
    /// Whether the broker hung up.
    pub closed: bool,
    stalled: bool,
}

/// The device's end of it.
#[derive(Clone, Default)]
pub struct End(pub Rc<RefCell<Stream>>);

impl ErrorType for End {
    type Error = ErrorKind;
}

// Nobody wakes the device: it is polled after everything that the broker does.
impl Read for End {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let mut stream = self.0.borrow_mut();
            let length = buffer.len().min(stream.to_device.len());
            if length == 0 && !stream.closed && !buffer.is_empty() {
                return Poll::Pending;
            }
            for (place, byte) in buffer.iter_mut().zip(stream.to_device.drain(..length)) {
                *place = byte;
            }
            Poll::Ready(Ok(length))
        })
        .await
    }
}

impl Write for End {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let mut stream = self.0.borrow_mut();
            if stream.closed {
                return Poll::Ready(Err(ErrorKind::BrokenPipe));
            }
            if stream.stalled {
                return Poll::Pending;
            }
            stream.from_device.extend_from_slice(buffer);
            Poll::Ready(Ok(buffer.len()))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// The broker, as far as it knows the rules.
#[derive(Default)]
pub struct Broker {
    /// The connection.
    pub end: End,
    /// Everything that it ever said.
    pub said: Vec<u8>,
    /// What the device published: topic and payload.
    pub published: VecDeque<(String, Vec<u8>)>,
    /// What it has read of the device's packets.
    read: usize,
    /// Packets that wait for an acknowledgement: first byte and packet identifier.
    open: VecDeque<(u8, [u8; 2])>,
}

impl Broker {
    /// At the other end of this.
    pub fn at(end: &End) -> Self {
        Self {
            end: end.clone(),
            ..Self::default()
        }
    }

    /// Whether it ever said this.
    pub fn told(&self, word: &str) -> bool {
        let mut windows = self.said.windows(word.len());
        windows.any(|at| at == word.as_bytes())
    }

    /// Says these bytes.
    pub fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        self.end.0.borrow_mut().to_device.extend(bytes);
    }

    /// Says a packet, by its first byte and what is behind the length.
    pub fn packet(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        while length > 127 {
            packet.push(length as u8 | 0x80);
            length >>= 7;
        }
        packet.push(length as u8);
        packet.extend_from_slice(body);
        self.say(&packet);
    }

    /// Publishes, with quality 0.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        let length = (topic.len() as u16).to_be_bytes();
        let body = [&length, topic.as_bytes(), &[0], payload].concat();
        self.packet(0x30, &body);
    }

    /// Takes note of what has to be acknowledged and of what was published. The device's packets are sound.
    pub fn read_packets(&mut self) {
        let end = self.end.clone();
        let stream = end.0.borrow();
        loop {
            let bytes = &stream.from_device[self.read..];
            let Some((&first, rest)) = bytes.split_first() else {
                return;
            };
            let (mut length, mut used) = (0, 0);
            for byte in rest.iter().take(4) {
                length |= usize::from(byte & 0x7F) << (7 * used);
                used += 1;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let Some(body) = rest.get(used..used + length) else {
                return;
            };
            match first >> 4 {
                3 => {
                    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let (topic, mut rest) = (&body[2..end], &body[end..]);
                    if first & 6 != 0 {
                        self.open.push_back((0x40, [rest[0], rest[1]]));
                        rest = &rest[2..];
                    }
                    let payload = &rest[1 + usize::from(rest[0])..];
                    let topic = String::from_utf8_lossy(topic).into_owned();
                    self.published.push_back((topic, payload.to_vec()));
                }
                8 => self.open.push_back((0x90, [body[0], body[1]])),
                _ => {}
            }
            self.read += 1 + used + length;
        }
    }

    /// Acknowledges the oldest.
    pub fn acknowledge(&mut self, reason: u8) {
        match self.open.pop_front() {
            Some((0x90, [high, low])) => {
                self.packet(0x90, &[high, low, 0, reason, reason, reason, reason]);
            }
            Some((kind, [high, low])) => self.packet(kind, &[high, low, reason, 0]),
            None => {}
        }
    }

    /// Does one of many things, by the lower half of `step`; whom the script wants it to.
    pub fn act(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 0xF {
            0 => self.say(script.short_string()),
            1 => {
                let first = script.byte_or_0();
                self.packet(first, script.string());
            }
            2 => {
                let reason = script.byte_or_0();
                let properties = script.short_string();
                let head = [script.byte_or_0(), reason, properties.len() as u8];
                self.packet(0x20, &[&head, properties].concat());
            }
            3 | 4 => self.acknowledge(0),
            5 => self.acknowledge(script.byte_or_0()),
            // A message: its topic known or not, its quality and properties as it comes.
            6..=9 => {
                let topic = usize::from(script.byte_or_0());
                let other = script;
                let topic = match TOPICS.get(topic) {
                    Some(topic) => topic.as_bytes(),
                    None => other.short_string(),
                };
                let quality = step >> 4 & 3;
                let mut body = (topic.len() as u16).to_be_bytes().to_vec();
                body.extend_from_slice(topic);
                if quality > 0 {
                    body.extend([0, step]);
                }
                match step & 0x80 {
                    0 => body.push(0),
                    _ => {
                        let properties = other.short_string();
                        body.push(properties.len() as u8);
                        body.extend_from_slice(properties);
                    }
                }
                body.extend_from_slice(other.string());
                // Larger than the device takes, by blanks, which mean nothing in JSON.
                if step & 0x40 != 0 && other.byte_or_0() % 4 == 0 {
                    let more = usize::from(other.short());
                    body.resize(body.len() + more, b' ');
                }
                self.packet(0x30 | quality << 1, &body);
            }
            10 => self.packet(0xD0, &[]),
            11 => self.packet(0xE0, script.short_string()),
            14 => self.end.0.borrow_mut().closed = true,
            _ => {
                let mut stream = self.end.0.borrow_mut();
                stream.stalled = !stream.stalled;
            }
        }
    }
}
