//! `cargo xtask hil`: the tests that need a board, or for some of which an emulated one will do. Without either
//! they are skipped, and said to be.

mod desk;
mod emulated;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::{setup, terminal};
use desk::Desk;

/// Names the emulator where no option does.
pub(crate) const EMULATOR: &str = "ESPTB_EMULATOR";

/// The options of `cargo xtask hil`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The board's port; without it and --emulator everything is skipped
    #[arg(long, env = "ESPTB_PORT", value_name = "PORT")]
    port: Option<String>,
    /// An emulated board, where no port of a real one is named: the qemu-system-riscv32 of lcgamboa/qemu, changed as
    /// firmware/README.md tells ("On an emulated chip")
    #[arg(long, env = EMULATOR, value_name = "PATH")]
    emulator: Option<PathBuf>,
    /// The board's chip; those known are in firmware/Cargo.toml
    #[arg(long, value_name = "CHIP")]
    chip: Option<String>,
    /// The device's files, for a broker that the board reaches; with the network in ESPTB_WIFI the
    /// board goes online. Otherwise certificates are made for the occasion, and it stays offline
    #[arg(long, value_name = "DIR")]
    spiffs: Option<PathBuf>,
    /// A Bluetooth controller near the board, as `esptb provision` takes it: the board is
    /// provisioned over the air, with the network in ESPTB_WIFI
    #[arg(long, value_name = "CONTROLLER")]
    hci: Option<String>,
    /// A DHT sensor is connected
    #[arg(long)]
    sensor: bool,
    /// Somebody is there to press the BOOT button when asked
    #[arg(long)]
    attended: bool,
}

/// What a test needs beside the board.
#[derive(Clone, Copy)]
enum Need {
    Nothing,
    Network,
    /// Certificates that a broker takes, and a network.
    Broker,
    /// A Bluetooth controller near it.
    Controller,
    ControllerAndNetwork,
    Sensor,
    /// Somebody beside it.
    Hand,
}

struct Test {
    name: &'static str,
    about: &'static str,
    need: Need,
    run: fn(&Desk) -> Result<()>,
}

/// In the order of a board's life; the first brings the firmware onto it.
const TESTS: &[Test] = &[
    Test {
        name: "flash",
        about: "the image is written and verified",
        need: Need::Nothing,
        run: |desk| desk.flash("flash.bin"),
    },
    Test {
        name: "again",
        about: "what is there already is not written again",
        need: Need::Nothing,
        run: Desk::flash_again,
    },
    Test {
        name: "boot",
        about: "bootloader, app and console start",
        need: Need::Nothing,
        run: |desk| desk.until("boot", "20s"),
    },
    Test {
        name: "credentials",
        about: "SPIFFS is mounted, and, once the time is known, the certificates are proven on the chip",
        need: Need::Network,
        run: |desk| desk.until("credentials.proven", "90s"),
    },
    Test {
        name: "advertise",
        about: "a board without a network waits for a provisioning client",
        need: Need::Nothing,
        run: |desk| {
            desk.flash("blank.bin")?;
            desk.until("provisioning.started", "60s")
        },
    },
    Test {
        name: "conformance",
        about: "it provisions as ESP-IDF's devices do",
        need: Need::Controller,
        run: Desk::conform,
    },
    Test {
        name: "provision",
        about: "a client gives it a network, which it joins",
        need: Need::ControllerAndNetwork,
        run: Desk::provision,
    },
    Test {
        name: "remember",
        about: "after a restart it joins that network again",
        need: Need::ControllerAndNetwork,
        run: |desk| desk.until("wifi.joined", "60s"),
    },
    Test {
        name: "button",
        about: "the BOOT button, held for five seconds, makes it forget its network",
        need: Need::Hand,
        run: |desk| {
            desk.flash("flash.bin")?;
            terminal::heading("as soon as lines come: hold BOOT for five seconds and more");
            desk.until("factory.reset", "60s")
        },
    },
    Test {
        name: "sensor",
        about: "the DHT sensor is read",
        need: Need::Sensor,
        run: Desk::read_sensor,
    },
    Test {
        name: "online",
        about: "Wi-Fi, clock, TLS and MQTT: telemetry is acknowledged",
        need: Need::Broker,
        run: |desk| {
            desk.flash("flash.bin")?;
            desk.until("telemetry.acknowledged", "3m")
        },
    },
    Test {
        name: "report",
        about: "time and memory of each phase of the next start, in target/hil/report.json",
        need: Need::Broker,
        run: Desk::report,
    },
];

/// How it went.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// Runs a test, unless something is missing for it, or one has failed before.
    fn test(
        &mut self,
        name: &str,
        about: &str,
        missing: Option<&str>,
        run: impl FnOnce() -> Result<()>,
    ) {
        terminal::heading(format!("{name}: {about}"));
        let after = (self.failed > 0).then_some("after the failure above");
        if let Some(why) = after.or(missing) {
            self.skipped += 1;
            anstream::println!("{}: {why}", terminal::yellow("skipped"));
            return;
        }
        match run() {
            Ok(()) => {
                self.passed += 1;
                anstream::println!("{}", terminal::green("passed"));
            }
            Err(error) => {
                self.failed += 1;
                anstream::eprintln!("{} {error:#}", terminal::red("failed:"));
            }
        }
    }

    /// Tells of a test that is not to be run here.
    fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        anstream::println!("{name}: {}, {why}", terminal::yellow("skipped"));
    }

    /// Prints the sum.
    fn close(&self) -> Result<()> {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        anstream::println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        match failed {
            0 => Ok(()),
            _ => bail!("the board did not pass"),
        }
    }
}

/// Tests the board, if there is one, or an emulated one.
///
/// # Errors
///
/// A test failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Some(port) = options.port.clone() else {
        if let Some(emulator) = &options.emulator {
            return emulate(emulator).map(drop);
        }
        let width = TESTS.iter().map(|test| test.name.len()).max().unwrap_or(0);
        for test in TESTS {
            let skipped = terminal::yellow("skipped");
            anstream::println!("{:width$}  {skipped}  {}", test.name, test.about);
        }
        anstream::println!(
            "0 passed, 0 failed, {} skipped: they need a board; name its port by --port. For some an emulated one \
             will do: --emulator",
            TESTS.len()
        );
        return Ok(());
    };
    setup::run(setup::Purpose::Firmware)?;
    let desk = Desk::new(options, port)?;
    let mut tally = Tally::default();
    for test in TESTS {
        let missing = desk.missing(test.need);
        tally.test(test.name, test.about, missing, || (test.run)(&desk));
    }
    tally.close()
}

/// Tests the firmware on an emulated board; returns what was found.
///
/// # Errors
///
/// A test failed, or it is not an emulator that has the chip.
pub(crate) fn emulate(emulator: &Path) -> Result<String> {
    setup::run(setup::Purpose::Firmware)?;
    let mut tally = Tally::default();
    emulated::run(emulator, &mut tally)?;
    tally.close()?;
    Ok(format!("{} passed", tally.passed))
}
