//! A campaign rehearsed: `esptb tb rollout` brings a new version to a fleet of simulated devices, which
//! download it from `esptb serve`, restart and come back. Everything runs on this computer.

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
/// The length of the new app.
const SIZE: &str = "16K";
/// How long all may take to come online first.
const ONLINE_WITHIN: Duration = Duration::from_secs(1_800);

/// Rehearses with so many devices.
pub(super) fn measure(devices: u32) -> Result<Vec<Figure>> {
    let folder = folder("rollout")?;
    let esptb = |arguments: &[&str]| {
        let mut command = program("esptb");
        command.current_dir(&folder).args(arguments);
        command
    };
    for arguments in [
        &["pki", "init"][..],
        &["pki", "server", "localhost", "127.0.0.1"],
        &["firmware", "key"],
        &[
            "firmware",
            "sign",
            "--simulated",
            "1.1.0",
            "--simulated-size",
            SIZE,
        ],
    ] {
        process::capture(&mut esptb(arguments))?;
    }
    let [mqtt, http] = [free()?, free()?];
    let server = Running::start(with_many_files(
        &folder,
        &["serve", "--mqtt", &mqtt, "--http", &http],
    ))?;
    wait_for(&http)?;
    let (count, broker, url) = (
        devices.to_string(),
        format!("mqtts://{mqtt}"),
        format!("http://{http}"),
    );
    let mut fleet = esptb(&[
        "simulate",
        "--count",
        &count,
        "--ramp",
        "200",
        "--interval",
        INTERVAL,
        "--firmware",
        "1.0.0",
        "--firmware-key",
        "maker/firmware_key.pem",
        "--broker",
        &broker,
        "--json",
    ]);
    let fleet = Running::start(fleet.stdout(Stdio::piped()))?;
    let login = |command: &mut Command| {
        command
            .env("ESPTB_TB_USER", "tenant@thingsboard.org")
            .env("ESPTB_TB_PASSWORD", "tenant");
        process::capture(command)
    };
    let begun = Instant::now();
    let online = loop {
        let told = login(&mut esptb(&["tb", "status", "--server", &url, "--json"]))?;
        let told: Value = serde_json::from_str(&told).context("no status")?;
        if told["online"] == devices {
            break begun.elapsed();
        }
        if begun.elapsed() > ONLINE_WITHIN {
            bail!("of {devices} devices {} came online", told["online"]);
        }
        std::thread::sleep(Duration::from_secs(2));
    };
    let begun = Instant::now();
    let report = login(&mut esptb(&[
        "tb",
        "rollout",
        "firmware.bin",
        "--server",
        &url,
        "--profile",
        "default",
        "--soak",
        "5s",
        "--every",
        "2s",
        "--at-once",
        "500",
        "--patience",
        "30m",
        "--json",
    ]))?;
    let took = begun.elapsed();
    let report: Value = serde_json::from_str(&report).context("no report")?;
    if report["passed"] != devices {
        bail!("{} of {devices} devices passed", report["passed"]);
    }
    let server_peak = peak(server.0.id())?;
    let summary = fleet.interrupt()?;
    let summary: Value = serde_json::from_str(&summary).context("no summary of the fleet")?;
    let figure = |key: &str, title: &str, unit: &str, value: f64| {
        let title = format!("Rollout: {title}");
        let figure = Figure {
            // One size makes no plot.
            axis: Some(AXIS.to_owned()),
            ..Figure::new(&format!("rollout.{key}"), &title, unit)
        };
        figure.at(devices, value)
    };
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    Ok(vec![
        figure(
            "online",
            "until all were online before it",
            "s",
            online.as_secs_f64(),
        ),
        figure(
            "time",
            "from the first assignment to the last device that passed",
            "s",
            took.as_secs_f64(),
        ),
        figure(
            "p50",
            "of a device, from its assignment to the new version, p50",
            "s",
            number(&report["update_s"]["p50"]),
        ),
        figure(
            "p99",
            "of a device, from its assignment to the new version, p99",
            "s",
            number(&report["update_s"]["p99"]),
        ),
        figure(
            "fleet",
            "memory of a device after it",
            "bytes",
            number(&summary["memory_per_device"]),
        ),
        figure(
            "server",
            "memory of the server at most",
            "bytes",
            server_peak,
        ),
        figure("lost", "samples lost", "samples", number(&summary["lost"])),
    ])
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
