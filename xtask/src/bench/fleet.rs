//! Fleets of simulated devices at one message a second: against the local server, and against
//! Mosquitto.

use std::fs;
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
/// With all devices online.
const STEADY: &str = "20s";
/// Devices switched on each second where it is the connections that are measured: more than come
/// in, so that the pace is the broker's and the devices'.
const AT_ONCE: &str = "100000";

/// Runs fleets up to `most` devices.
pub(super) fn measure(most: u32) -> Result<Vec<Figure>> {
    let sizes = [most / 20, most / 4, most / 2, most].map(|size| size.max(1));
    let mut figures = fleets("local", "the local server", &sizes, &[])?;
    let mosquitto = Mosquitto::start()?;
    let broker = mosquitto.arguments();
    figures.extend(fleets("mosquitto", "Mosquitto", &sizes, &broker)?);
    Ok(figures)
}

/// What is taken of a summary: key, title, unit, plot.
const TAKEN: [(&str, &str, &str, &str); 7] = [
    (
        "memory_per_device",
        "Memory per device",
        "bytes",
        "fleet-memory",
    ),
    (
        "messages_per_s",
        "Messages a second",
        "messages/s",
        "fleet-messages",
    ),
    (
        "device_cores",
        "Cores that the devices take",
        "cores",
        "fleet-cores",
    ),
    (
        "server_cores",
        "Cores that the server takes",
        "cores",
        "fleet-cores",
    ),
    (
        "devices_per_core",
        "Devices per core",
        "devices",
        "fleet-per-core",
    ),
    ("sampled", "Samples taken", "samples", "fleet-samples"),
    (
        "acknowledged",
        "Samples acknowledged",
        "samples",
        "fleet-samples",
    ),
];

fn fleets(name: &str, broker: &str, sizes: &[u32], arguments: &[String]) -> Result<Vec<Figure>> {
    let against = |title: &str| format!("{title}, against {broker}");
    let figure = |key: &str, title: &str, unit: &str, plot: &str| {
        Figure::new(&format!("fleet.{name}.{key}"), &against(title), unit).over(AXIS, plot)
    };
    let mut taken = TAKEN.map(|(key, title, unit, plot)| figure(key, title, unit, plot));
    let percentiles = ["p50_ms", "p99_ms"];
    let mut acknowledge = percentiles.map(|key| {
        let title = format!("From PUBLISH to PUBACK, {}", &key[..3]);
        figure(key, &title, "ms", &format!("fleet-puback-{name}"))
    });
    let title = "Connections a second, all devices switched on at once";
    let mut connections = figure("connections", title, "connections/s", "fleet-connections");
    for &size in sizes {
        let summary = fleet(size, &["--for", STEADY], arguments)?;
        for (figure, (key, ..)) in taken.iter_mut().zip(TAKEN) {
            if let Some(value) = summary[key].as_f64() {
                *figure = figure.clone().at(size, value);
            }
        }
        for (figure, key) in acknowledge.iter_mut().zip(percentiles) {
            if let Some(value) = summary["acknowledge"][key].as_f64() {
                *figure = figure.clone().at(size, value);
            }
        }
        let rush = fleet(size, &["--for", "1s", "--ramp", AT_ONCE], arguments)?;
        if let Some(value) = rush["connections_per_s"].as_f64() {
            connections = connections.at(size, value);
        }
    }
    let figures = taken.into_iter().chain([connections]).chain(acknowledge);
    Ok(figures.collect())
}

/// Lets a fleet live and returns its summary.
///
/// # Errors
///
/// Also if it lost a sample.
fn fleet(size: u32, options: &[&str], broker: &[String]) -> Result<Value> {
    let mut fleet = program("esptb");
    fleet.args(["simulate", "--json", "--count", &size.to_string()]);
    let summary = process::capture(fleet.args(options).args(broker))?;
    serde_json::from_str(&summary).context("no summary of the fleet")
}

/// A Mosquitto that demands certificates of an authority of its own.
struct Mosquitto {
    process: Child,
    port: u16,
    ca: String,
}

impl Mosquitto {
    fn start() -> Result<Self> {
        let folder = folder("mosquitto")?;
        let ca = folder.join("ca");
        let mut init = program("esptb");
        init.args(["pki", "init", "--ca"]).arg(&ca);
        process::capture(&mut init)?;
        let mut server = program("esptb");
        server.args(["pki", "server", "localhost", "127.0.0.1", "--ca"]);
        process::capture(server.arg(&ca))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = folder.join("mosquitto.conf");
        let file = |name: &str| ca.join(name).display().to_string();
        // All of ThingsBoard's devices speak of `me`: a broker that does not know it brings what one asks to all.
        let acl = folder.join("acl");
        fs::write(&acl, "pattern write v1/devices/me/#\n")?;
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nacl_file {}\ncafile {}\ncertfile {}\nkeyfile {}\n\
             require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n\
             log_type error\n",
            acl.display(),
            file("root.crt"),
            file("server.crt"),
            file("server.key"),
        );
        fs::write(&config, text)?;
        let process = with_many_files(&config)?;
        let mosquitto = Self {
            process,
            port,
            ca: ca.display().to_string(),
        };
        mosquitto.wait()?;
        Ok(mosquitto)
    }

    fn wait(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > end {
                bail!("Mosquitto does not listen");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let broker = format!("mqtts://127.0.0.1:{}", self.port);
        let words = [
            "--broker",
            &broker,
            "--server-name",
            "localhost",
            "--ca",
            &self.ca,
        ];
        words.map(str::to_owned).to_vec()
    }
}

/// Mosquitto takes the limit of open files that it is born with.
fn with_many_files(config: &Path) -> Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "ulimit -n $(ulimit -Hn); PATH=$PATH:/usr/sbin exec mosquitto -c \"$0\"",
        ])
        .arg(config)
        .stdout(Stdio::null())
        .spawn()
        .context("mosquitto does not start: `cargo xtask setup` installs it")
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
