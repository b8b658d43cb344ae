//! `esptb tb rollout`: a new version of the firmware for many devices, in waves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tb::Client;
use tb::campaign::{self, Campaign, Firmware, Goal, Order, Task};
use tb::rest::NewPackage;

use super::ServerArgs;
use super::campaign::{Devices, Pace, Words, tell_plan};
use crate::cmd::firmware;
use console::files;
use console::now_ms;
use console::{FAINT, paint, printable};

const WORDS: Words = Words {
    well: "run it well",
    one: "an update",
    it: "The package",
};

/// Bring a new version of the firmware to devices, in waves
///
/// Uploads the package, and assigns it to one device, then to ten, then to more. A wave is over when each of
/// its devices is online again with the new version, sends samples, and has not crashed for a while. When too
/// many fail it halts, and takes the package back from those that do not run it yet. Run it again after an
/// interruption, as it was: it goes on. Devices that are offline get their turn once they are online.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Cmd {
    /// The package, as `esptb firmware sign` makes it
    #[arg(
        value_name = "PACKAGE",
        required_unless_present = "report",
        conflicts_with = "report"
    )]
    package: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    devices: Devices,
    #[command(flatten)]
    pace: Pace,
    /// The public key that the package has to be signed for [default: maker/firmware_key.pem, if it is there]
    #[arg(long, value_name = "FILE")]
    firmware_key: Option<PathBuf>,
    /// Where it is written down what was done [default: rollout-PRODUCT-VERSION.sqlite]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb tb rollout climate-1.2.0.bin --dry-run
  esptb tb rollout climate-1.2.0.bin --first desk-1 --waves 1,10,10%,100% --soak 1h
  esptb tb rollout climate-1.2.0.bin --go-on             after it was halted, and looked into
  esptb tb rollout --state rollout-climate-1.2.0.sqlite --report --json

It fails if it was halted.";

/// A package that was looked into.
struct Package {
    data: Vec<u8>,
    title: String,
    version: String,
}

impl Package {
    fn read(path: &Path, key: Option<&Path>) -> Result<Self> {
        let data = files::read(path)?;
        let head = match key {
            Some(key) => firmware::proven(path, &data, key)?,
            None => {
                let line = "who signed it is not checked: --firmware-key names the devices' file";
                anstream::eprintln!("{}", paint(FAINT, line));
                firmware::head(&data).with_context(|| path.display().to_string())?
            }
        };
        Ok(Self {
            data,
            title: head.product.as_str().to_owned(),
            version: head.version.as_str().to_owned(),
        })
    }

    fn goal(&self, client: &Client) -> Goal {
        Goal {
            title: self.title.clone(),
            version: self.version.clone(),
            sha256: tb::sha256(&self.data),
            server: client.address().to_string(),
        }
    }

    /// Where its campaign is written down.
    fn state(&self) -> PathBuf {
        let plain =
            |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        format!(
            "rollout-{}-{}.sqlite",
            plain(&self.title),
            plain(&self.version)
        )
        .into()
    }
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let Some(path) = &cmd.package else {
        return cmd.pace.report(cmd.state.as_deref(), &WORDS);
    };
    let default = Path::new("maker/firmware_key.pem");
    let key = cmd
        .firmware_key
        .as_deref()
        .or(default.exists().then_some(default));
    let package = Package::read(path, key)?;
    let client = cmd.server.client()?;
    let profiles = client.device_profiles()?;
    let profile = profiles.iter().find(|one| one.name == cmd.devices.profile);
    let profile = profile.and_then(|one| one.id.clone()).with_context(|| {
        format!("there is no device profile \"{}\": --profile names another, `esptb tb setup` makes one", cmd.devices.profile)
    })?;
    let new = NewPackage {
        device_profile_id: &profile,
        title: &package.title,
        version: &package.version,
    };
    let state = cmd.state.clone().unwrap_or_else(|| package.state());
    let mut opened = cmd.pace.open(&state)?;
    let id = match cmd.pace.dry_run {
        true => campaign::find(&client, &new, &package.data)?.map(|there| there.id.id),
        false => Some(campaign::upload(&client, &new, &package.data)?.id.id),
    };
    let there = id.is_some();
    let order = Order {
        rules: cmd.pace.rules(),
        filter: cmd.devices.filter(),
        goal: package.goal(&client),
        task: Task::Firmware(Firmware {
            package: id.unwrap_or_default(),
            version: package.version.clone(),
        }),
        first: &cmd.pace.first,
        again: false,
    };
    let mut campaign = Campaign::begin(&client, &mut opened.ledger, order, now_ms())?;
    if !cmd.pace.dry_run {
        return cmd.pace.go(&mut campaign, &WORDS);
    }
    let planned = campaign.plan(now_ms())?;
    if cmd.pace.json {
        return console::line(serde_json::json!({ "upload": !there, "plan": planned }));
    }
    let upload = if there {
        "is on the server"
    } else {
        "would be uploaded"
    };
    console::line(format_args!(
        "{} {}, {} bytes, {upload}",
        printable(&package.title),
        printable(&package.version),
        package.data.len()
    ))?;
    tell_plan(&planned)
}
