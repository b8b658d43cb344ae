//! A server that assigns firmware and renews certificates, over some lives of one board: honest, forged, cut,
//! changed, taken away, in any order, with connections that end anywhere.
//!
//! The bootloader never finds an image that the maker did not sign, what is not to be written is not, and a
//! device connects with nothing that it has not proven. No sample is lost.
#![no_main]

use climate::Air;
use device::cloud::{Command, speak_in_the_clear};
use fuzz::Script;
use fuzz::body;
use fuzz::broker::{Broker, End};
use fuzz::shelf::{Shelf, offer};
use fuzz::time::{self, Task};
use fuzz::world::{Samples, World};
use libfuzzer_sys::fuzz_target;
use sha2::Digest;

const LIVES: usize = 3;
const STEPS: usize = 80;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    time::reset();
    let shelf = Shelf::get();
    let mut flash = shelf.flash.clone();
    let mut server = Server { shelf, offer: None };
    for _ in 0..LIVES {
        // As the bootloader and the first code of ours do.
        for _ in 0..2 {
            let running = Shelf::running(&flash);
            let mut chip = body::flash(flash);
            let again = device::firmware::begin(&mut chip, Some(running));
            flash = chip.to_bytes();
            shelf.check(&flash);
            if !again {
                break;
            }
        }
        flash = live(&mut script, &mut server, flash);
        shelf.check(&flash);
        if script.is_over() {
            return;
        }
    }
});

/// What the server has.
struct Server {
    shelf: &'static Shelf,
    /// What it assigned: the signed package, or the forged one.
    offer: Option<bool>,
}

fn live(script: &mut Script<'_>, server: &mut Server, flash: Vec<u8>) -> Vec<u8> {
    let world = World::new(body::chip(Some(Shelf::running(&flash))), flash);
    let context = world.begin();
    let mut samples = Samples::of(&Air::default());
    samples.push(&context, 1);
    let end = End::default();
    let mut broker = Broker::at(&end);
    let mut device = Task::new(speak_in_the_clear(&context, "SN-000001", end));
    let mut result = device.settle();
    broker.read_packets();
    broker.say(&[0x20, 3, 0, 0, 0]);
    result = result.or_else(|| device.nudge());
    let polite = script.byte_or_0() % 8 != 0;
    for _ in 0..STEPS {
        broker.read_packets();
        for _ in 0..8 {
            if polite {
                broker.acknowledge(0);
            }
        }
        result = result.or_else(|| device.nudge());
        let Some(step) = script.byte() else { break };
        if result.is_some() {
            break;
        }
        match step & 0xF {
            12 => samples.push(&context, step >> 4),
            13 => result = device.pass(u64::from(script.short())),
            14 => broker.act(script.byte_or_0(), script),
            15 => break,
            _ => server.act(step, &mut broker, script),
        }
        result = result.or_else(|| device.nudge());
    }
    samples.push(&context, 1);
    broker.end.0.borrow_mut().closed = true;
    let result = result
        .or_else(|| device.nudge())
        .or_else(|| device.pass(600_000))
        .expect("it gives up");
    match result {
        Ok(Command::Restart) => assert!(broker.told("reboot")),
        Ok(Command::FactoryReset) => assert!(broker.told("factoryReset")),
        Ok(Command::Update) => assert!(server.offer.is_some() || broker.told("fw_")),
        // No chain of anybody's is for the key that the device made; anchors need none.
        Ok(Command::Reconnect) => assert!(broker.told("serverChain")),
        Err(error) => drop(error.to_string()),
    }
    drop(device);
    samples.check(&world, &context);
    drop(context);
    world.storage.release().to_bytes()
}

impl Server {
    fn package(&self) -> &'static [u8] {
        match self.offer {
            Some(true) => &self.shelf.forged,
            _ => &self.shelf.package,
        }
    }

    fn act(&mut self, step: u8, broker: &mut Broker, script: &mut Script<'_>) {
        const ATTRIBUTES: &str = "v1/devices/me/attributes";
        match step & 0xF {
            0 | 1 => {
                self.offer = Some(step & 1 == 1);
                broker.publish(
                    ATTRIBUTES,
                    format!("{{{}}}", offer(self.package())).as_bytes(),
                );
            }
            2 => {
                self.offer = None;
                broker.publish(ATTRIBUTES, br#"{"deleted":["fw_title","fw_version"]}"#);
            }
            3..=6 => self.chunk(broker, |_| {}),
            7 => {
                let (at, bits) = (usize::from(script.short()), script.byte_or_0());
                self.chunk(broker, |bytes| match bytes.get_mut(at) {
                    Some(byte) => *byte ^= bits,
                    None => bytes.truncate(at / 16),
                });
            }
            8 => self.attributes(broker, None),
            9 => {
                let text = script.string().to_vec();
                self.attributes(broker, Some(&text));
            }
            10 => broker.publish(
                "v1/devices/me/rpc/request/9",
                br#"{"method":"renewCertificate","params":{}}"#,
            ),
            _ => {
                let of = ["renewedChain", "serverChain"][usize::from(step >> 7)];
                let bytes = script.string();
                let mut digest = String::new();
                for byte in sha2::Sha256::digest(bytes) {
                    digest += &format!("{byte:02x}");
                }
                let pieces = step >> 4 & 7;
                let text = format!(r#"{{"{of}":"{pieces} {digest}"}}"#);
                broker.publish(ATTRIBUTES, text.as_bytes());
            }
        }
    }

    /// Answers the oldest question for a chunk of what is assigned.
    fn chunk(&self, broker: &mut Broker, change: impl FnOnce(&mut Vec<u8>)) {
        let is_for_a_chunk = |(topic, _): &(String, Vec<u8>)| topic.starts_with("v2/fw/request/");
        let Some(at) = broker.published.iter().position(is_for_a_chunk) else {
            return;
        };
        let Some((topic, size)) = broker.published.remove(at) else {
            return;
        };
        let size: usize = String::from_utf8_lossy(&size).parse().expect("a size");
        let (_, number) = topic.rsplit_once('/').expect("a topic");
        let from = number.parse::<usize>().expect("a number") * size;
        let package = self.package();
        let until = package.len().min(from + size);
        let mut bytes = package.get(from..until).unwrap_or_default().to_vec();
        change(&mut bytes);
        broker.publish(&topic.replace("request", "response"), &bytes);
    }

    /// Answers the oldest question for attributes: with what is assigned, or with this.
    fn attributes(&self, broker: &mut Broker, text: Option<&[u8]>) {
        let is_a_question = |(topic, _): &(String, Vec<u8>)| topic.contains("attributes/request/");
        let Some(at) = broker.published.iter().position(is_a_question) else {
            return;
        };
        let Some((topic, _)) = broker.published.remove(at) else {
            return;
        };
        let shared = match self.offer {
            Some(_) => format!(r#"{{"shared":{{{}}}}}"#, offer(self.package())),
            None => "{}".to_owned(),
        };
        let answer = text.unwrap_or(shared.as_bytes());
        broker.publish(&topic.replace("request", "response"), answer);
    }
}
