//! The tests for which an emulated board will do: what only the chip's body does, on its own ROM, radio
//! libraries and hardware, as far as an emulator has them.
//!
//! The boundary: the emulator is none of the project's. Which one it is, and what has to be changed in it, tells
//! firmware/README.md.

mod bench;
mod clock;
mod gdb;
mod machine;
mod places;
mod server;
mod talker;

use std::{ops::RangeInclusive, path::Path};

use anyhow::{Result, ensure};

use super::Tally;
use crate::terminal;
use bench::{Bench, DEVICE};
use machine::Unusual;

struct Test {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Bench) -> Result<()>,
}

/// From reset to the first acknowledged sample, in milliseconds, of a board that knows its network and where
/// that is: the most that it is promised to take.
const PROMISED_MS: u64 = 600;
/// So often it is tried: part of the time is real, and other programs' too.
const TRIES: usize = 5;
/// How often the device is told to restart.
const RESTARTS: usize = 3;
/// After how long a device that hangs is reset, in milliseconds: a minute from when the watchdog was last fed. What
/// it is reckoned from is told up to a second before, and the RTC is looked at a moment after each reset.
const HANGS_MS: RangeInclusive<u64> = 58_000..=62_000;

const TESTS: &[Test] = &[
    Test {
        name: "boot",
        about: "bootloader, app and console start",
        run: |bench| {
            bench.flash("known.bin")?;
            starts(bench, "power-on")
        },
    },
    Test {
        name: "credentials",
        about: "SPIFFS is mounted, and the certificates are proven on the chip",
        run: |bench| bench.machine()?.until("credentials.proven").map(drop),
    },
    Test {
        name: "online",
        about: "Wi-Fi, clock, TLS and MQTT: telemetry is acknowledged",
        run: |bench| bench.machine()?.until("telemetry.acknowledged").map(drop),
    },
    Test {
        name: "report",
        about: "of a board that knows its network: 600 ms from reset to the first acknowledged sample; each phase in target/hil/second-life.json",
        run: second_life,
    },
    Test {
        name: "restart",
        about: "the RPC reboot is a reset by software: no panic, no pause",
        run: |bench| (0..RESTARTS).try_for_each(|_| restart(bench)),
    },
    Test {
        name: "crash",
        about: "a jump to nowhere leaves its record, is told to the server, and the clock goes on",
        run: crash,
    },
    Test {
        name: "crashes",
        about: "another crash before that life is online: the device waits before it goes on",
        run: |bench| {
            crash_here(bench)?;
            bench.machine()?.until("boot")?;
            crash_here(bench)?;
            bench.machine()?.until("boot.paused")?;
            told(bench, "panic")
        },
    },
    Test {
        name: "watchdog",
        about: "a poll that never returns ends after a minute, by the RTC's watchdog",
        run: hang,
    },
    Test {
        name: "spare",
        about: "where the RTC's clock stands still the console says so, and the timer group's watchdog does it",
        run: |bench| {
            bench.power_cycle(Unusual {
                clock_stopped: true,
                ..Unusual::default()
            })?;
            let machine = bench.machine()?;
            machine.until_line("the RTC's clock stands still")?;
            machine.until("telemetry.acknowledged")?;
            stick(bench)?;
            bench.machine()?.until_reset("TG0WDT")?;
            starts(bench, "watchdog")
        },
    },
    Test {
        name: "advertise",
        about: "a board without a network waits for a provisioning client",
        run: |bench| {
            bench.flash("blank.bin")?;
            bench.machine()?.until("provisioning.started").map(drop)
        },
    },
    Test {
        name: "provision",
        about: "a client gives it a network, by security 2; it gets online; each phase in target/hil/first-life.json",
        run: |bench| {
            bench.provision()?;
            bench.machine()?.until("telemetry.acknowledged")?;
            bench.report("telemetry.acknowledged", "first-life.json")
        },
    },
    Test {
        name: "remember",
        about: "after a restart it joins that network again",
        run: restart,
    },
    Test {
        name: "forget",
        about: "the RPC factoryReset is a reset by software, after which it waits for a client again",
        run: |bench| {
            bench.server.call(DEVICE, "factoryReset")?;
            starts(bench, "software")?;
            bench.machine()?.until("provisioning.started").map(drop)
        },
    },
    Test {
        name: "conformance",
        about: "it provisions as ESP-IDF's devices do",
        run: Bench::conform,
    },
];

/// What no emulator has.
const BOARD_ONLY: &[(&str, &str)] = &[
    (
        "flash, again",
        "a boot ROM that takes an image over the serial line",
    ),
    ("button", "somebody who holds BOOT"),
    (
        "sensor",
        "a DHT, and the RMT by which its pulses are measured",
    ),
    (
        "light",
        "the RMT by which the light is driven, and somebody who looks",
    ),
    ("brownout", "a supply that sags"),
    ("bluetooth", "the chip's own controller, beside Wi-Fi"),
    (
        "air",
        "an access point with a passphrase, distance, others on the channel",
    ),
];

/// Tests the firmware on the emulator.
///
/// # Errors
///
/// It is not an emulator that has the chip.
pub(super) fn run(program: &Path, tally: &mut Tally) -> Result<()> {
    let mut bench = Bench::new(program)?;
    for test in TESTS {
        tally.test(test.name, test.about, None, || (test.run)(&mut bench));
    }
    for (name, needs) in BOARD_ONLY {
        tally.skip(name, &format!("needs a board: {needs}"));
    }
    Ok(())
}

/// Waits for a life that began by a reset of this kind.
fn starts(bench: &mut Bench, reason: &str) -> Result<()> {
    let boot = bench.machine()?.until("boot")?;
    let wanted = format!("started ({reason})");
    ensure!(
        boot.text.starts_with(&wanted),
        "the board {}, not {wanted}",
        boot.text
    );
    Ok(())
}

/// Waits until that life is online, and has told the server how it began.
fn told(bench: &mut Bench, reason: &str) -> Result<()> {
    bench.machine()?.until("telemetry.acknowledged")?;
    bench
        .server
        .told(DEVICE, "reset_reason", |told| told == reason)
}

fn second_life(bench: &mut Bench) -> Result<()> {
    let mut best = u64::MAX;
    for _ in 0..TRIES {
        bench.power_cycle(Unusual::default())?;
        let ms = bench.machine()?.until("telemetry.acknowledged")?.ms;
        if ms < best {
            best = ms;
            bench.report("telemetry.acknowledged", "second-life.json")?;
        }
        if best <= PROMISED_MS {
            terminal::remark(format!(
                "{best} ms from reset to the first acknowledged sample"
            ));
            return Ok(());
        }
    }
    anyhow::bail!("it took {best} ms at best of {TRIES}, where {PROMISED_MS} are promised")
}

fn restart(bench: &mut Bench) -> Result<()> {
    bench.server.call(DEVICE, "reboot")?;
    starts(bench, "software")?;
    told(bench, "software")?;
    let life = bench.machine()?.life();
    ensure!(!life.contains("boot.paused"), "a restart counts as a crash");
    Ok(())
}

/// Sends the device's own thread to where there is nothing, and waits for the record of that.
fn crash_here(bench: &mut Bench) -> Result<()> {
    let sampling = bench.sampling;
    let machine = bench.machine()?;
    machine.gdb.stop_at(sampling)?;
    machine.gdb.go_on_at(0)?;
    machine.until_panic()
}

/// Keeps the device's own thread where it is, for ever.
fn stick(bench: &mut Bench) -> Result<()> {
    let sampling = bench.sampling;
    let gdb = &mut bench.machine()?.gdb;
    gdb.stop_at(sampling)?;
    gdb.write(places::AT, &places::FOR_EVER)?;
    gdb.go_on_at(places::AT)
}

fn crash(bench: &mut Bench) -> Result<()> {
    let before_ms = bench.machine()?.powered_ms()?;
    crash_here(bench)?;
    starts(bench, "panic")?;
    told(bench, "panic")?;
    bench
        .server
        .told(DEVICE, "panic", |told| !matches!(told, "" | "null"))?;
    let after_ms = bench.machine()?.powered_ms()?;
    ensure!(
        after_ms > before_ms,
        "the RTC began anew: {before_ms} ms, then {after_ms}"
    );
    Ok(())
}

fn hang(bench: &mut Bench) -> Result<()> {
    // Without crashes before, for which lives begin later than the RTC is looked at.
    bench.power_cycle(Unusual::default())?;
    let machine = bench.machine()?;
    machine.until("telemetry.acknowledged")?;
    let began_ms = machine.powered_ms()?;
    stick(bench)?;
    let machine = bench.machine()?;
    let before_ms = began_ms + machine.last_ms();
    machine.until_reset("RTCWDT")?;
    starts(bench, "watchdog")?;
    let took_ms = bench.machine()?.powered_ms()?.saturating_sub(before_ms);
    ensure!(
        HANGS_MS.contains(&took_ms),
        "the watchdog took {took_ms} ms"
    );
    terminal::remark(format!("reset {took_ms} ms after it came by last"));
    told(bench, "watchdog")
}
