//! `esptb tb rollout`: a new version of the firmware for many devices, in waves.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use sha2::{Digest, Sha256};
use tb::campaign::{
    self, Campaign, Goal, Ledger, Next, Order, Planned, Report, Rules, Share, Told, Waves,
};
use tb::rest::NewPackage;
use tb::{Client, Error, Filter};
use tokio::time::{Instant, sleep};

use super::{ServerArgs, devices::date};
use crate::arguments::duration;
use crate::cmd::firmware;
use crate::console::{self, BAD, FAINT, GOOD, STRONG, WARN, counted, paint, printable};
use crate::demo::{interrupted, now_ms, on_one_thread};
use crate::files;

/// How long the server may be away before it is given up.
const LONGEST_OUTAGE: Duration = Duration::from_secs(600);
/// Of the devices of a wave that are shown before it begins.
const SHOWN: usize = 5;

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
    #[arg(value_name = "PACKAGE", required_unless_present = "report")]
    package: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    /// The devices of this device profile
    #[arg(long, default_value = "esptb", value_name = "NAME")]
    profile: String,
    /// Of them, those whose name begins so; % stands for any text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A device that goes before the others; may be given several times
    #[arg(long, value_name = "NAME")]
    first: Vec<String>,
    /// How many devices are reached after each wave: numbers, or parts of all
    #[arg(long, default_value = "1,10,10%,50%,100%", value_name = "WAVES")]
    waves: Waves,
    /// How long each has to run the new version well
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME")]
    soak: Duration,
    /// How long a device may take for its update, and again for its samples
    #[arg(long, default_value = "30m", value_parser = duration, value_name = "TIME")]
    patience: Duration,
    /// How many may fail of those that were tried: a number, or a part
    #[arg(long, default_value = "1%", value_name = "N|PART")]
    most_failures: Share,
    /// How many devices are at it at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    at_once: u32,
    /// How often to look
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    every: Duration,
    /// The public key that the package has to be signed for [default: maker/firmware_key.pem, if it is there]
    #[arg(long, value_name = "FILE")]
    firmware_key: Option<PathBuf>,
    /// Where it is written down what was done [default: rollout-PRODUCT-VERSION.sqlite]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Let it go on after it was halted: what failed so far does not count any more
    #[arg(long, conflicts_with = "dry_run")]
    go_on: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only tell what the campaign in --state has come to
    #[arg(long, requires = "state", conflicts_with_all = ["package", "dry_run", "go_on"])]
    report: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
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
        let digest = Sha256::digest(&self.data);
        Goal {
            title: self.title.clone(),
            version: self.version.clone(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
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
        return report(cmd);
    };
    let default = Path::new("maker/firmware_key.pem");
    let key = cmd
        .firmware_key
        .as_deref()
        .or(default.exists().then_some(default));
    let package = Package::read(path, key)?;
    let client = cmd.server.client()?;
    let profiles = client.device_profiles()?;
    let profile = profiles.iter().find(|one| one.name == cmd.profile);
    let profile = profile.and_then(|one| one.id.clone()).with_context(|| {
        format!("there is no device profile \"{}\": --profile names another, `esptb tb setup` makes one", cmd.profile)
    })?;
    let new = NewPackage {
        device_profile_id: &profile,
        title: &package.title,
        version: &package.version,
    };
    let state = cmd.state.clone().unwrap_or_else(|| package.state());
    // What would be is tried out on a copy.
    let scratch = cmd.dry_run.then(tempfile::tempdir).transpose()?;
    let state = match &scratch {
        Some(folder) => {
            let copy = folder.path().join("copy.sqlite");
            if state.exists() {
                std::fs::copy(&state, &copy).with_context(|| state.display().to_string())?;
            }
            copy
        }
        None => state,
    };
    let mut ledger = Ledger::open(&state)?;
    let id = match cmd.dry_run {
        true => campaign::find(&client, &new, &package.data)?.map(|there| there.id.id),
        false => Some(campaign::upload(&client, &new, &package.data)?.id.id),
    };
    let order = Order {
        rules: cmd.rules(),
        filter: Filter {
            profile: Some(cmd.profile.clone()),
            name: cmd.name.clone(),
            ..Filter::default()
        },
        goal: package.goal(&client),
        package: id.as_deref().unwrap_or_default(),
        first: &cmd.first,
    };
    let mut campaign = Campaign::begin(&client, &mut ledger, order, now_ms())?;
    if cmd.dry_run {
        let planned = campaign.plan(now_ms())?;
        return tell_plan(cmd, &package, id.is_some(), &planned);
    }
    if cmd.go_on {
        campaign.go_on()?;
    }
    let ended = on_one_thread(go(cmd, &mut campaign));
    tell_report(cmd, &campaign.report())?;
    match ended? {
        End::Done => Ok(()),
        End::Halted(why) => bail!(
            "halted: {why}. The package was taken back from those that did not run it yet. Look into the failures; \
             --go-on lets it go on"
        ),
        End::Interrupted => bail!("interrupted: run it again as it was, and it goes on"),
    }
}

enum End {
    Done,
    Halted(String),
    Interrupted,
}

/// Looks again and again.
async fn go(cmd: &Cmd, campaign: &mut Campaign<'_>) -> Result<End> {
    let mut show = Show::new();
    let mut interrupted = std::pin::pin!(interrupted());
    let mut lost: Option<Instant> = None;
    loop {
        // Blocks for a moment: nothing else runs here.
        match campaign.step(now_ms(), &mut |told| show.tell(&told)) {
            Ok(Next::Look) => lost = None,
            Ok(Next::Done) => {
                show.end();
                return Ok(End::Done);
            }
            Ok(Next::Halted(why)) => {
                show.end();
                return Ok(End::Halted(why));
            }
            Err(error) if passes(&error) => {
                let since = *lost.get_or_insert_with(Instant::now);
                if since.elapsed() > LONGEST_OUTAGE {
                    show.end();
                    return Err(error.into());
                }
                show.say(&paint(WARN, format!("{error}; it is tried again")).to_string());
            }
            Err(error) => {
                show.end();
                return Err(error.into());
            }
        }
        tokio::select! {
            () = &mut interrupted => {
                show.end();
                return Ok(End::Interrupted);
            }
            () = sleep(cmd.every) => {}
        }
    }
}

/// What may be better after a while.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TooMany { .. } => true,
        // 409: somebody else changed the device at the same moment.
        Error::Refused { status, .. } => *status == 409 || *status >= 500,
        _ => false,
    }
}

/// What happens, as it happens.
struct Show {
    terminal: bool,
}

impl Show {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal }
    }

    fn tell(&mut self, told: &Told) {
        match told {
            Told::Wave { wave, target, all } => {
                let line = format!("wave {}: {target} of {}", wave + 1, counted(*all, "device"));
                self.say(&paint(STRONG, line).to_string());
            }
            Told::Failed(name, why) => {
                let line = format!(
                    "{} {}: {}",
                    paint(BAD, "failed"),
                    printable(name),
                    printable(why)
                );
                self.say(&line);
            }
            Told::Passed(_) => {}
            Told::Counts(counts) if self.terminal => {
                let some = counts.iter().filter(|(_, count)| *count > 0);
                let some: Vec<_> = some
                    .map(|(stage, count)| format!("{count} {}", stage.name()))
                    .collect();
                eprint!("\r\x1b[K{}", some.join(", "));
                // Only how far it is gets lost.
                let _ = std::io::stderr().flush();
            }
            Told::Counts(_) => {}
        }
    }

    /// A line that stays.
    fn say(&mut self, line: &str) {
        self.end();
        anstream::eprintln!("{line}");
    }

    fn end(&mut self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn report(cmd: &Cmd) -> Result<()> {
    let path = cmd.state.as_deref().unwrap_or(Path::new(""));
    let told = match path.exists() {
        true => Report::read(&Ledger::open(path)?)?,
        false => None,
    };
    match told {
        Some(told) => tell_report(cmd, &told),
        None => bail!("{}: no campaign was begun with this file", path.display()),
    }
}

fn tell_plan(cmd: &Cmd, package: &Package, there: bool, planned: &Planned) -> Result<()> {
    if cmd.json {
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
    console::line(format_args!(
        "{}: {} have it already, {} are offline",
        counted(planned.devices, "device"),
        planned.already,
        planned.offline
    ))?;
    for (number, wave) in (1..).zip(&planned.waves) {
        let some = wave
            .iter()
            .take(SHOWN)
            .map(|name| printable(name).into_owned());
        let more = if wave.len() > SHOWN { ", …" } else { "" };
        let some = some.collect::<Vec<_>>().join(", ");
        console::line(format_args!(
            "wave {number}: {} ({some}{more})",
            counted(wave.len(), "device")
        ))?;
    }
    Ok(())
}

fn tell_report(cmd: &Cmd, report: &Report) -> Result<()> {
    if cmd.json {
        return console::line(serde_json::json!(report));
    }
    let Goal { title, version, .. } = &report.goal;
    console::line(format_args!(
        "{} {} for {}, since {}",
        printable(title),
        printable(version),
        counted(report.devices, "device"),
        date(report.begun_ms)
    ))?;
    for (count, what, style) in [
        (report.passed, "run it well", GOOD),
        (report.failed.len(), "failed", BAD),
        (report.under_way, "are at it", WARN),
        (report.already, "had it before", FAINT),
        (
            report.waiting,
            "wait for their turn, or to be online",
            FAINT,
        ),
    ] {
        if count > 0 {
            console::line(format_args!(
                "{} {what}",
                paint(style, format_args!("{count:6}"))
            ))?;
        }
    }
    for wave in &report.waves {
        let took = wave.ended_ms.map(|end| (end - wave.begun_ms) / 1_000);
        let took = took.map_or_else(|| "under way".to_owned(), |seconds| format!("{seconds} s"));
        console::line(format_args!(
            "wave {}: {} tried, {} well, {} failed, {took}",
            wave.wave, wave.tried, wave.passed, wave.failed
        ))?;
    }
    if let Some(times) = &report.update_s {
        console::line(format_args!(
            "an update took {:.0} s (half of them), {:.0} s (99 of 100), {:.0} s at most",
            times.p50, times.p99, times.max
        ))?;
    }
    for failure in &report.failed {
        console::line(format_args!(
            "{} {}: {}",
            paint(BAD, "failed"),
            printable(&failure.device),
            printable(&failure.fault)
        ))?;
    }
    Ok(())
}

impl Cmd {
    fn rules(&self) -> Rules {
        Rules {
            waves: self.waves.clone(),
            at_once: self.at_once as usize,
            patience: self.patience,
            soak: self.soak,
            most_failures: self.most_failures,
        }
    }
}
