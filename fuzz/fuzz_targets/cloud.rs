//! The device's inbound MQTT from a misbehaving broker: packets of every kind, in order or not, cut and
//! changed, silence, a stream that takes nothing.
//!
//! The connection ends in good time, no sample is lost, and the device restarts or forgets its
//! network only if it was told so. Some messages are larger than the device takes.
#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use climate::{Air, Climate};
use device::clock::Clock;
use device::cloud::{Command, speak_in_the_clear};
use device::context::{Context, Parts as Shared};
use device::event::ClockSource;
use device::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS, Settings};
use device::storage::Storage;
use device::telemetry::Sample;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use fuzz::body::{Net, NoSensor, Parts, Radio, Sys, Watcher};
use fuzz::ram::Ram;
use fuzz::time::{self, Task};
use fuzz::{Script, board};
use libfuzzer_sys::fuzz_target;
use product::{Card, Faults, Readings};

const TOPICS: [&str; 7] = [
    "v1/devices/me/rpc/request/7",
    "v1/devices/me/attributes",
    "v1/devices/me/attributes/response/1",
    "v1/devices/me/rpc/response/1",
    "v1/devices/me/rpc/request/4294967296",
    "v2/fw/response/1/chunk/0",
    "$SYS",
];

/// The stream between the two.
#[derive(Default)]
struct Stream {
    to_device: VecDeque<u8>,
    from_device: Vec<u8>,
    closed: bool,
    stalled: bool,
}

#[derive(Clone, Default)]
struct End(Rc<RefCell<Stream>>);

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
struct Broker {
    end: End,
    /// Everything that it ever said.
    said: Vec<u8>,
    /// What it has read of the device's packets.
    read: usize,
    /// Packets that wait for an acknowledgement: first byte and packet identifier.
    open: VecDeque<(u8, [u8; 2])>,
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    time::reset();
    let (radio, net, system, watcher) = (
        Radio::default(),
        Net::default(),
        Sys::default(),
        Watcher::default(),
    );
    let (storage, _) = Storage::open(Ram::new(board::blank()));
    let clock = Clock::boot();
    clock.set(1_800_000_000_000, ClockSource::Sntp);
    let settings = Settings::default();
    let parts = Shared {
        wifi: &radio,
        network: &net,
        system: &system,
        observer: &watcher,
        storage: &storage,
    };
    let card = Card::of::<Climate<NoSensor>>();
    let context = Context::<Parts>::begin(parts, card, settings, clock);
    let air = Air {
        temperature_decicelsius: Some(215),
        ..Air::default()
    };
    let readings = Readings::of::<Climate<NoSensor>>(&air, &mut Faults::default());
    let mut pushed: u64 = 0;
    let mut push = |count: u8| {
        for _ in 0..count {
            pushed += 1;
            context.queue.push(Sample {
                uptime_ms: pushed * 1_000,
                readings,
                ..Sample::default()
            });
        }
    };
    push(2);
    let end = End::default();
    let mut broker = Broker {
        end: end.clone(),
        said: Vec::new(),
        read: 0,
        open: VecDeque::new(),
    };
    let mut device = Task::new(speak_in_the_clear(&context, "SN-000001", end));
    let mut result = device.settle();
    if script.byte_or_0() % 8 != 0 {
        // Most brokers are polite at first.
        broker.read_packets();
        broker.say(&[0x20, 3, 0, 0, 0]);
        result = result.or_else(|| device.nudge());
        broker.read_packets();
        broker.acknowledge(0);
        result = result.or_else(|| device.nudge());
    }
    for _ in 0..150 {
        let Some(step) = script.byte() else { break };
        if result.is_some() {
            break;
        }
        match step & 0xF {
            12 => push(step >> 4),
            13 => result = device.pass(u64::from(script.short())),
            _ => broker.act(step, &mut script),
        }
        result = result.or_else(|| device.nudge());
        broker.read_packets();
    }
    let told = |word: &str| {
        broker
            .said
            .windows(word.len())
            .any(|at| at == word.as_bytes())
    };
    // Whatever state that was: a broker that falls silent is noticed with the next sample, however
    // seldom it wants to be pinged; unless it set a limit, for which samples may wait for long.
    push(1);
    if told("rateLimits") {
        broker.end.0.borrow_mut().closed = true;
    }
    let result = result
        .or_else(|| device.nudge())
        .or_else(|| device.pass(600_000))
        .expect("it gives up");
    match result {
        Ok(Command::Restart) => assert!(told("reboot")),
        Ok(Command::FactoryReset) => assert!(told("factoryReset")),
        Ok(Command::Update) => panic!("no maker's key is in this flash"),
        Ok(Command::Reconnect) => panic!("no certificate is in this flash"),
        Err(error) => drop(error.to_string()),
    }
    drop(device);
    assert!((LEAST_INTERVAL_MS..=MOST_INTERVAL_MS).contains(&context.interval_ms()));
    let left = context.queue.len() as u64 + u64::from(context.queue.dropped());
    let acknowledged = watcher.acknowledged.get();
    assert_eq!(left + acknowledged, pushed, "a sample is lost");
    let puback = broker.said.contains(&0x40);
    assert!(puback || acknowledged == 0, "nobody acknowledged it");
});

impl Broker {
    fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        self.end.0.borrow_mut().to_device.extend(bytes);
    }

    fn packet(&mut self, first: u8, body: &[u8]) {
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

    /// Takes note of what has to be acknowledged. The device's packets are sound.
    fn read_packets(&mut self) {
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
                3 if first & 6 != 0 => {
                    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    self.open
                        .push_back((0x40, [body[2 + topic], body[3 + topic]]));
                }
                8 => self.open.push_back((0x90, [body[0], body[1]])),
                _ => {}
            }
            self.read += 1 + used + length;
        }
    }

    /// Acknowledges the oldest.
    fn acknowledge(&mut self, reason: u8) {
        match self.open.pop_front() {
            Some((0x90, [high, low])) => {
                self.packet(0x90, &[high, low, 0, reason, reason, reason, reason]);
            }
            Some((kind, [high, low])) => self.packet(kind, &[high, low, reason, 0]),
            None => {}
        }
    }

    fn act(&mut self, step: u8, script: &mut Script<'_>) {
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
