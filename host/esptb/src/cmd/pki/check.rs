//! `esptb pki check`: what the device would say of its credentials, before it gets them.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use device::calendar::Date;
use device::credentials::{Bundle, File, Files};
use device::settings::Settings;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

use super::warnings;
use console::files;
use console::{FAINT, GOOD, paint, printable};

/// Check a device's credentials as the device will
///
/// Reads device.crt, device.key, server_chain.pem and settings.json, if there is one, and runs the
/// device's own checks: chain in order, key and certificate a pair, dates, a common name.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// Folders with the three files, or with a folder for each device; files beside them, as
    /// labels.csv, are passed over
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb pki check devices/SN-000001
  esptb pki check devices              every device";

/// What makes a folder that of a device.
const FILES: [&str; 5] = [
    "device.crt",
    "device.key",
    "server_chain.pem",
    "root_ca.crt",
    "settings.json",
];

/// Whose the files in a folder are, and what they are for; or what the device would say of them.
pub(crate) fn whose(folder: &Path) -> Result<String> {
    let whose = check(folder)?;
    let settings = folder.join("settings.json");
    if !settings.exists() {
        return Ok(format!("{whose}; no settings.json, so defaults hold"));
    }
    let settings = Settings::parse(&files::read(&settings)?).map_err(anyhow::Error::msg)?;
    let broker = &settings.broker;
    let host = printable(&broker.host);
    Ok(format!("{whose}; broker {host}:{}", broker.port))
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let mut refused = 0;
    let devices = devices(&cmd.paths)?;
    for folder in &devices {
        warnings::mute_device();
        for warning in warnings::of_folder(folder) {
            console::warn(folder, &warning);
        }
        match whose(folder) {
            Ok(line) => {
                let good = paint(GOOD, "good");
                console::line(format_args!("{good} {}: {line}", folder.display()))?;
            }
            Err(error) => {
                refused += 1;
                console::error(&error.context(folder.display().to_string()));
            }
        }
    }
    match refused {
        0 => Ok(()),
        _ => bail!(
            "{refused} of {} would be refused by the device",
            devices.len()
        ),
    }
}

/// The folders of devices that are named, or that are in what is named.
fn devices(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut devices = Vec::new();
    let mut passed_over = Vec::new();
    for path in paths {
        if path.is_file() {
            passed_over.push(path.display().to_string());
            continue;
        }
        let is_device = FILES.iter().any(|name| path.join(name).exists());
        let below = match is_device {
            true => Vec::new(),
            false => {
                files::folders(path).with_context(|| format!("cannot read {}", path.display()))?
            }
        };
        match below.is_empty() {
            true => devices.push(path.clone()),
            false => devices.extend(below),
        }
    }
    let passed_over = passed_over.join(", ");
    if devices.is_empty() {
        bail!("{passed_over}: no folder: name the folder of a device, or the one with all of them");
    }
    if !passed_over.is_empty() {
        anstream::eprintln!("{}", paint(FAINT, format!("passed over {passed_over}")));
    }
    Ok(devices)
}

/// Proves the credentials in a folder and tells whose they are.
pub(crate) fn check(folder: &Path) -> Result<String> {
    let read = |name| files::read(&folder.join(name));
    let (certificate, key) = (read("device.crt")?, read("device.key")?);
    let there = File::ServerChain
        .names()
        .find(|name| folder.join(name).exists());
    let server_chain = read(there.unwrap_or(File::ServerChain.name()))?;
    let files = Files {
        certificate: &certificate,
        key: &key,
        server_chain: &server_chain,
    };
    prove(files)
}

/// Proves three files as the device does, at the present time, and tells whose they are.
pub(crate) fn prove(files: Files<'_>) -> Result<String> {
    let bundle = Bundle::prove(files, &mut UnwrapErr(SysRng)).map_err(refusal)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    bundle.at(now.as_secs()).map_err(refusal)?;
    // The last second at which it is good, as the certificate says it.
    let last = Date::from_unix_s(bundle.expires_unix_s().saturating_sub(1));
    Ok(format!(
        "CN {}, valid until {last}",
        printable(bundle.common_name())
    ))
}

fn refusal(error: device::credentials::CredentialsError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
