//! The device's inbound MQTT from a misbehaving broker: packets of every kind, in order or not, cut and
//! changed, silence, a stream that takes nothing.
//!
//! The connection ends in good time, no sample is lost, and the device restarts or forgets its
//! network only if it was told so. Some messages are larger than the device takes.
#![no_main]

use climate::Air;
use device::cloud::{Command, speak_in_the_clear};
use device::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS};
use fuzz::body::chip;
use fuzz::broker::{Broker, End};
use fuzz::time::{self, Task};
use fuzz::world::{Samples, World};
use fuzz::{Script, board};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    time::reset();
    let world = World::new(chip(None), board::blank());
    let context = world.begin();
    let mut samples = Samples::of(&Air {
        temperature_decicelsius: Some(215),
        ..Air::default()
    });
    samples.push(&context, 2);
    let end = End::default();
    let mut broker = Broker::at(&end);
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
            12 => samples.push(&context, step >> 4),
            13 => result = device.pass(u64::from(script.short())),
            _ => broker.act(step, &mut script),
        }
        result = result.or_else(|| device.nudge());
        broker.read_packets();
    }
    // Whatever state that was: a broker that falls silent is noticed with the next sample, however
    // seldom it wants to be pinged; unless it set a limit, for which samples may wait for long.
    samples.push(&context, 1);
    if broker.told("rateLimits") {
        broker.end.0.borrow_mut().closed = true;
    }
    let result = result
        .or_else(|| device.nudge())
        .or_else(|| device.pass(600_000))
        .expect("it gives up");
    match result {
        Ok(Command::Restart) => assert!(broker.told("reboot")),
        Ok(Command::FactoryReset) => assert!(broker.told("factoryReset")),
        Ok(Command::Update) => panic!("no maker's key is in this flash"),
        Ok(Command::Reconnect) => panic!("no certificate is in this flash"),
        Err(error) => drop(error.to_string()),
    }
    drop(device);
    assert!((LEAST_INTERVAL_MS..=MOST_INTERVAL_MS).contains(&context.interval_ms()));
    samples.check(&world, &context);
    // What the broker says of the time is not before what is past, but for what its answer may have been off.
    let least_unix_ms = context.certainly_past_s() * 1_000 - 15_000;
    assert!(context.clock.now_unix_ms() >= Some(least_unix_ms));
    let acknowledged = world.watcher.acknowledged.get();
    let puback = broker.said.contains(&0x40);
    assert!(puback || acknowledged == 0, "nobody acknowledged it");
});
