//! `esptb doctor`: why a device will not get online, told before it is shipped.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use device::settings::Settings;
use doctor::{Examination, Finding, Folder, Verdict};
use serde_json::json;

use super::tb::ServerArgs;
use crate::arguments;
use crate::clock::now_unix_s;
use console::on_one_thread;
use console::{BAD, FAINT, GOOD, WARN, counted, paint, printable};

/// Find out why a device will not get online
///
/// Goes the device's way from this computer, with its own files and its own code: name, socket, TLS, the
/// server's chain, MQTT, limits; and with --server also ThingsBoard's profiles and the device of that name.
/// Says of each mistake who mends it and how.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  esptb doctor --device devices/SN-000001\n  \
                        esptb doctor mqtts://tb.example.com --device devices/SN-000001 --server plant\n\n\
                        On the server it does what a first connection does: the device is made, or its certificate\n\
                        replaced. A board that is online as the same device is cut off, and comes back.\n\n\
                        Exit codes: 0 the device gets online, 1 something keeps it from that."
)]
pub(crate) struct Cmd {
    /// The broker [default: that of settings.json]
    #[arg(value_parser = arguments::broker, value_name = "mqtts://HOST[:PORT]")]
    broker: Option<String>,
    /// Folder with the files that go into the device, as `esptb pki device` makes it
    #[arg(long, value_name = "DIR")]
    device: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    /// Do not ask the device's time server
    #[arg(long)]
    no_sntp: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Examines.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    if !cmd.device.is_dir() {
        bail!(
            "{} is no folder: `esptb pki device SERIAL` makes one",
            cmd.device.display()
        );
    }
    let folder = Folder::read(&cmd.device);
    let settings = cmd.settings(&folder)?;
    // A login only where one is meant: that of another ThingsBoard would tell nonsense.
    let client = match &cmd.server.server {
        Some(_) => Some(cmd.server.client()?),
        None => None,
    };
    let examination = Examination {
        library: simulator::tls::library(),
        client: client.as_ref(),
        now_unix_s: now_unix_s(),
        asks_time: !cmd.no_sntp,
    };
    let told = |finding: &Finding| {
        if !cmd.json {
            // Nobody may be reading; the exit code tells all the same.
            let _ = tell(finding);
        }
    };
    let found = on_one_thread(async { Ok(examination.of(&folder, &settings, told).await) })?;
    if cmd.json {
        console::line(json!(found))?;
    }
    match found.iter().filter(|one| one.is_bad()).count() {
        0 => Ok(()),
        count => bail!(
            "{} would keep the device from getting online",
            counted(count, "mistake")
        ),
    }
}

impl Cmd {
    /// The device's settings, with the broker that was named in place of its own.
    fn settings(&self, folder: &Folder) -> Result<Settings> {
        let json = folder.settings.as_deref().unwrap_or(b"{}");
        let refused = |error: device::settings::SettingsError| anyhow!("{error}");
        let Some(broker) = &self.broker else {
            if folder.settings.is_none() {
                bail!(
                    "which broker? name it, or put a settings.json into {}",
                    self.device.display()
                );
            }
            return Settings::parse(json).map_err(refused);
        };
        let mut own: serde_json::Map<_, _> =
            serde_json::from_slice(json).context("settings.json is no object")?;
        own.insert("broker".to_owned(), broker.as_str().into());
        Settings::parse(json!(own).to_string().as_bytes()).map_err(refused)
    }
}

fn tell(finding: &Finding) -> Result<()> {
    let (word, style) = match finding.verdict {
        Verdict::Good => ("good", GOOD),
        Verdict::Note => ("note", WARN),
        Verdict::Bad => ("bad ", BAD),
    };
    let check = paint(FAINT, format!("{:8}", finding.check.name()));
    console::line(format_args!(
        "{} {check}{}",
        paint(style, word),
        printable(&finding.says)
    ))?;
    if let Some(remedy) = &finding.remedy {
        let who = paint(FAINT, remedy.who.name());
        console::line(format_args!(
            "             {who}: {}",
            printable(&remedy.what)
        ))?;
    }
    Ok(())
}
