//! Campaigns rehearsed on a fleet of simulated devices, with `esptb serve`: `esptb tb rollout` brings a new
//! version, which each device downloads, restarts into and comes back with; `esptb tb renew` brings each a
//! certificate for a new key. Everything runs on this computer.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::record::Figure;
use super::{folder, program};
use crate::process;

const AXIS: &str = "devices";
/// Between two samples of a device.
const INTERVAL: &str = "30s";
/// How long all may take to come online first.
const ONLINE_WITHIN: Duration = Duration::from_secs(1_800);

/// What is rehearsed.
pub(super) struct Campaign {
    /// The command of `esptb tb`, and the key of its figures.
    name: &'static str,
    chapter: &'static str,
    /// The time that it tells of a device.
    of_a_device: &'static str,
    /// What the folder needs.
    prepare: &'static [&'static [&'static str]],
    /// How the fleet is made, beside what all are.
    fleet: &'static [&'static str],
    /// What the campaign itself is told, beside what all are.
    campaign: &'static [&'static str],
}

/// A new version of the firmware.
pub(super) const ROLLOUT: Campaign = Campaign {
    name: "rollout",
    chapter: "Rollout",
    of_a_device: "of a device, from its assignment to the new version",
    prepare: &[
        &["firmware", "key"],
        &[
            "firmware",
            "sign",
            "--simulated",
            "1.1.0",
            "--simulated-size",
            "16K",
        ],
    ],
    fleet: &[
        "--firmware",
        "1.0.0",
        "--firmware-key",
        "maker/firmware_key.pem",
    ],
    campaign: &["firmware.bin"],
};

/// Certificates that end soon.
pub(super) const RENEWAL: Campaign = Campaign {
    name: "renew",
    chapter: "Renewal",
    of_a_device: "of a device, from being asked to the new certificate",
    prepare: &[],
    // No device begins by itself before two thirds of that are over.
    fleet: &["--certificate-days", "60"],
    campaign: &["--expires-within", "90"],
};

impl Campaign {
    /// Rehearses it with so many devices.
    pub(super) fn rehearse(&self, devices: u32) -> Result<Vec<Figure>> {
        let folder = folder(self.name)?;
        let esptb = |arguments: &[&str]| {
            let mut command = program("esptb");
            command.current_dir(&folder).args(arguments);
            command
        };
        let pki = [
            &["pki", "init"][..],
            &["pki", "server", "localhost", "127.0.0.1"],
        ];
        for arguments in pki.iter().chain(self.prepare) {
            process::capture(&mut esptb(arguments))?;
        }
        let [mqtt, http] = [free()?, free()?];
        let serve = ["serve", "--mqtt", &mqtt, "--http", &http];
        let server = Running::start(with_many_files(&folder, &serve))?;
        wait_for(&http)?;
        let (broker, url) = (format!("mqtts://{mqtt}"), format!("http://{http}"));
        let mut fleet = esptb(&["simulate", "--count", &devices.to_string(), "--json"]);
        fleet.args(["--ramp", "200", "--interval", INTERVAL, "--broker", &broker]);
        fleet.args(self.fleet).stdout(Stdio::piped());
        let fleet = Running::start(fleet)?;
        let tb = |command: &str, arguments: &[&str]| {
            let mut tb = esptb(&["tb", command, "--server", &url, "--json"]);
            tb.args(arguments)
                .env("ESPTB_TB_USER", "tenant@thingsboard.org")
                .env("ESPTB_TB_PASSWORD", "tenant");
            let told = process::capture(&mut tb)?;
            serde_json::from_str::<Value>(&told).with_context(|| format!("{command}: no JSON"))
        };
        let begun = Instant::now();
        let online = loop {
            let told = tb("status", &[])?;
            if told["online"] == devices {
                break begun.elapsed();
            }
            if begun.elapsed() > ONLINE_WITHIN {
                bail!("of {devices} devices {} came online", told["online"]);
            }
            std::thread::sleep(Duration::from_secs(2));
        };
        let begun = Instant::now();
        let mut arguments = self.campaign.to_vec();
        arguments.extend(["--profile", "default", "--soak", "5s", "--every", "2s"]);
        arguments.extend(["--at-once", "500", "--patience", "30m"]);
        let report = tb(self.name, &arguments)?;
        let took = begun.elapsed();
        if report["passed"] != devices {
            bail!("{} of {devices} devices passed", report["passed"]);
        }
        let server_peak = peak(server.0.id())?;
        let summary = fleet.interrupt()?;
        let summary: Value = serde_json::from_str(&summary).context("no summary of the fleet")?;
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        let of_a_device = |part| format!("{}, {part}", self.of_a_device);
        let figures = [
            (
                "online",
                "until all were online before it".to_owned(),
                "s",
                online.as_secs_f64(),
            ),
            (
                "time",
                "from the first device to the last that passed".to_owned(),
                "s",
                took.as_secs_f64(),
            ),
            (
                "p50",
                of_a_device("p50"),
                "s",
                number(&report["update_s"]["p50"]),
            ),
            (
                "p99",
                of_a_device("p99"),
                "s",
                number(&report["update_s"]["p99"]),
            ),
            (
                "fleet",
                "memory of a device after it".to_owned(),
                "bytes",
                number(&summary["memory_per_device"]),
            ),
            (
                "server",
                "memory of the server at most".to_owned(),
                "bytes",
                server_peak,
            ),
            (
                "lost",
                "samples lost".to_owned(),
                "samples",
                number(&summary["lost"]),
            ),
        ];
        let figures = figures.map(|(key, title, unit, value)| {
            let key = format!("{}.{key}", self.name);
            let title = format!("{}: {title}", self.chapter);
            let figure = Figure {
                // One size makes no plot.
                axis: Some(AXIS.to_owned()),
                ..Figure::new(&key, &title, unit)
            };
            figure.at(devices, value)
        });
        Ok(figures.into())
    }
}

fn free() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn wait_for(address: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            bail!("the server does not listen at {address}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A server takes the limit of open files that it is born with.
fn with_many_files(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .current_dir(folder)
        .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""])
        .arg(program("esptb").get_program())
        .args(arguments)
        .stdout(Stdio::null());
    command
}

/// The most memory that a process had, in bytes.
fn peak(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("the system tells no VmHWM")? * 1024.0)
}

/// A program that ends with this.
struct Running(Child);

impl Running {
    fn start(mut command: impl std::borrow::BorrowMut<Command>) -> Result<Self> {
        Ok(Self(command.borrow_mut().spawn()?))
    }

    /// Ends it as Ctrl-C does; returns what it printed.
    fn interrupt(mut self) -> Result<String> {
        let mut kill = Command::new("kill");
        process::run(kill.args(["-INT", &self.0.id().to_string()]))?;
        let mut told = String::new();
        if let Some(out) = &mut self.0.stdout {
            out.read_to_string(&mut told)?;
        }
        match self.0.wait()?.success() {
            true => Ok(told),
            false => bail!("the fleet failed; what it said is above"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
