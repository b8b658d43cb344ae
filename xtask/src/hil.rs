//! `cargo xtask hil`: the tests that need a board. Without one they are skipped, and said to be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    esptb,
    firmware::{self, chips},
    flash, process, setup, terminal, workspace,
};

/// The options of `cargo xtask hil`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The board's port; without it everything is skipped
    #[arg(long, env = "ESPTB_PORT", value_name = "PORT")]
    port: Option<String>,
    /// The board's chip; those known are in firmware/Cargo.toml
    #[arg(long, value_name = "CHIP")]
    chip: Option<String>,
    /// The device's files, for a broker that the board reaches; with the network in ESPTB_WIFI the
    /// board goes online. Otherwise certificates are made for the occasion, and it stays offline
    #[arg(long, value_name = "DIR")]
    spiffs: Option<PathBuf>,
}

/// A board on the desk and what it is tested with.
struct Desk {
    esptb: PathBuf,
    port: String,
    folder: PathBuf,
    elf: PathBuf,
    chip: String,
    spiffs: PathBuf,
    /// Whether it knows a network and a broker.
    online: bool,
}

struct Test {
    name: &'static str,
    about: &'static str,
    /// Whether it needs a network and a broker.
    online: bool,
    run: fn(&Desk) -> Result<()>,
}

/// In the order of a board's life; the first brings the firmware onto it.
const TESTS: &[Test] = &[
    Test {
        name: "flash",
        about: "the image is written and verified",
        online: false,
        run: |desk| desk.flash("flash.bin", &["--nvs"]),
    },
    Test {
        name: "again",
        about: "what is there already is not written again",
        online: false,
        run: |desk| desk.flash("flash.bin", &["--nvs"]),
    },
    Test {
        name: "boot",
        about: "bootloader, app and console start",
        online: false,
        run: |desk| desk.until("boot", "20s", &[]),
    },
    Test {
        name: "credentials",
        about: "SPIFFS is mounted, the certificates are proven on the chip",
        online: false,
        run: |desk| desk.until("credentials.proven", "60s", &[]),
    },
    Test {
        name: "advertise",
        about: "a board without a network waits for a provisioning client",
        online: false,
        run: |desk| {
            desk.image("blank.bin", false)?;
            desk.flash("blank.bin", &["--nvs"])?;
            desk.until("provisioning.started", "60s", &[])
        },
    },
    Test {
        name: "online",
        about: "Wi-Fi, clock, TLS and MQTT: telemetry is acknowledged",
        online: true,
        run: |desk| {
            desk.flash("flash.bin", &["--nvs"])?;
            desk.until("telemetry.acknowledged", "3m", &[])
        },
    },
    Test {
        name: "report",
        about: "time and memory of each phase of the next start, in target/hil/report.json",
        online: true,
        run: Desk::report,
    },
];

/// Tests the board, if there is one.
///
/// # Errors
///
/// A test failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Some(port) = options.port.clone() else {
        let width = TESTS.iter().map(|test| test.name.len()).max().unwrap_or(0);
        for test in TESTS {
            let skipped = terminal::yellow("skipped");
            anstream::println!("{:width$}  {skipped}  {}", test.name, test.about);
        }
        anstream::println!(
            "0 passed, 0 failed, {} skipped: they need a board; name its port by --port",
            TESTS.len()
        );
        return Ok(());
    };
    setup::run(setup::Purpose::Firmware)?;
    let desk = Desk::new(options, port)?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in TESTS {
        terminal::heading(format!("{}: {}", test.name, test.about));
        if failed > 0 || test.online && !desk.online {
            skipped += 1;
            let why = match failed {
                0 => "it needs --spiffs and the network in ESPTB_WIFI",
                _ => "after the failure above",
            };
            anstream::println!("{}: {why}", terminal::yellow("skipped"));
            continue;
        }
        match (test.run)(&desk) {
            Ok(()) => {
                passed += 1;
                anstream::println!("{}", terminal::green("passed"));
            }
            Err(error) => {
                failed += 1;
                anstream::eprintln!("{} {error:#}", terminal::red("failed:"));
            }
        }
    }
    anstream::println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    match failed {
        0 => Ok(()),
        _ => bail!("the board did not pass"),
    }
}

impl Desk {
    fn new(options: &Options, port: String) -> Result<Self> {
        let chip = chips::find(options.chip.as_deref())?;
        let folder = workspace::root().join("target/hil");
        fs::create_dir_all(&folder)?;
        let esptb = esptb::build()?;
        let spiffs = match &options.spiffs {
            Some(spiffs) => spiffs.clone(),
            None => made_up(&esptb, &folder)?,
        };
        let desk = Self {
            port,
            elf: firmware::elf(&chip)?,
            chip: chip.name,
            spiffs,
            online: options.spiffs.is_some() && std::env::var_os("ESPTB_WIFI").is_some(),
            esptb,
            folder,
        };
        desk.image("flash.bin", desk.online)?;
        Ok(desk)
    }

    fn image(&self, name: &str, with_network: bool) -> Result<()> {
        let image = self.folder.join(name);
        if with_network {
            return flash::make(&self.chip, &self.elf, &self.spiffs, &image);
        }
        let mut command = Command::new(&self.esptb);
        command.env_remove("ESPTB_WIFI");
        command.args(["image", "--chip", &self.chip, "--app"]);
        command.arg(&self.elf).arg("--spiffs").arg(&self.spiffs);
        process::run(command.arg("--out").arg(image))
    }

    fn flash(&self, image: &str, more: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.esptb);
        command.arg("flash").arg(self.folder.join(image));
        process::run(command.args(["--port", &self.port]).args(more))
    }

    /// Lets the board start anew and waits for an event on its console.
    fn until(&self, event: &str, time: &str, more: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.esptb);
        command.args(["monitor", "--port", &self.port, "--until", event]);
        command.args(["--for", time]).args(more);
        process::run(command.arg("--elf").arg(&self.elf))
    }

    fn report(&self) -> Result<()> {
        let mut command = Command::new(&self.esptb);
        command.args(["board-report", "--port", &self.port, "--json"]);
        let report = process::capture(&mut command)?;
        let file = self.folder.join("report.json");
        fs::write(&file, report).with_context(|| file.display().to_string())
    }
}

/// Certificates of a device that no broker knows.
fn made_up(esptb: &Path, folder: &Path) -> Result<PathBuf> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(esptb);
        process::run(command.current_dir(folder).args(arguments))
    };
    if !folder.join("ca").exists() {
        run(&["pki", "init"])?;
    }
    run(&["pki", "device", "HIL-1", "--replace"])?;
    Ok(folder.join("devices/HIL-1"))
}
