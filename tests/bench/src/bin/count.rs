//! One piece of work for valgrind to count.

use std::cell::Cell;
use std::task::Waker;

use bench::lives::{Alarm, Lives, on_one_thread};
use bench::sessions::{End, session, verifier};
use bench::{Gate, images, measured_region};
use device::event::Event;
use pki::KeyAlgorithm;

const USAGE: &str = "\
count mount golden | mount SIZE FILES | build SIZE FILES
count session device|client 1|2 REQUESTS | verifier
count sample|message MESSAGES INTERVAL_MS";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("{USAGE}"));
    match words[..] {
        ["mount", "golden"] => mount(&images::golden()),
        ["mount", size, files] => {
            mount(&images::build(
                number(size),
                &images::credentials(),
                number(files),
            ));
        }
        ["build", size, files] => {
            let (size, files, credentials) = (number(size), number(files), images::credentials());
            measured_region(|| images::build(size, &credentials, files));
        }
        ["session", "device", security, requests] => {
            session(End::Device, number(security) as u8, number(requests));
        }
        ["session", "client", security, requests] => {
            session(End::Client, number(security) as u8, number(requests));
        }
        ["verifier"] => {
            measured_region(verifier);
        }
        ["sample", messages, interval] => samples(number(messages), number(interval), false),
        ["message", messages, interval] => samples(number(messages), number(interval), true),
        _ => panic!("{USAGE}"),
    }
}

fn mount(image: &[u8]) {
    measured_region(|| images::mount_and_read(image));
}

/// Counts the device's own work for `messages` messages once it is online and the first was
/// acknowledged: from sensor to encrypted record, with `all` on to the acknowledgement. Prints how
/// many samples they held.
fn samples(messages: u32, interval_ms: u32, all: bool) {
    let samples = on_one_thread(async {
        let lives = Lives::begin(KeyAlgorithm::default(), interval_ms).await;
        // The first life is for being provisioned.
        lives
            .live(1, Gate::default(), |_| {}, |one, context| one(context))
            .await;
        let (gate, counting, samples) = (Gate::default(), Cell::new(false), Cell::new(0));
        let told = |event: &Event| {
            if let Event::Acknowledged { samples: n, .. } = event {
                if counting.get() {
                    samples.set(samples.get() + u32::from(*n));
                }
                counting.set(true);
            }
        };
        let mut alarm = None;
        let outside = gate.clone();
        lives
            .live(messages + 1, gate, told, |one, context| {
                let waker: &Waker = context.waker();
                let alarm = alarm.get_or_insert_with(|| Alarm::new(waker));
                // Nothing can come in, so what the device does it does of its own accord.
                outside.set(false);
                let polled = alarm.settle(|context| {
                    if counting.get() {
                        measured_region(|| one(context))
                    } else {
                        one(context)
                    }
                });
                outside.set(true);
                if polled.is_ready() {
                    return polled;
                }
                alarm.settle(|context| {
                    if all && counting.get() {
                        measured_region(|| one(context))
                    } else {
                        one(context)
                    }
                })
            })
            .await;
        samples.get()
    });
    println!("{samples}");
}
