//! `esptb pki check`: what the device would say of its credentials, before it gets them.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;
use device::clock::Date;
use device::credentials::{Bundle, File, Files};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

use super::warnings;
use crate::cmd::image::make;
use crate::console::{self, GOOD, paint, printable};
use crate::files;

/// Check a device's credentials as the device will
///
/// Reads device.crt, device.key, server_chain.pem and settings.json, if there is one, and runs the device's own checks: chain in
/// order, key and certificate a pair, dates, a common name.
#[derive(Args)]
#[command(after_help = "Example:\n  esptb pki check devices/SN-000001")]
pub(crate) struct Cmd {
    /// Folders with the three files
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let mut refused = 0;
    for folder in &cmd.folders {
        warnings::mute_device();
        for warning in warnings::of_folder(folder) {
            make::warn(folder, &warning);
        }
        match make::whose(folder) {
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
            cmd.folders.len()
        ),
    }
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
    let expires = Date::from_unix_s(bundle.expires_unix_s());
    Ok(format!(
        "CN {}, valid until {expires}",
        printable(bundle.common_name())
    ))
}

fn refusal(error: device::credentials::CredentialsError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
