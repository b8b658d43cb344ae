//! `esptb tb devices` and `status`: how the devices are.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use device::calendar::Date;
use serde_json::{Value, json};
use tb::{Client, Crash, Device, Filter, Summary};

use super::crash::{Builds, Known};
use super::{ServerArgs, table};
use crate::progress::Progress;
use console::now_ms;
use console::{BAD, FAINT, GOOD, STRONG, WARN, paint, printable};

/// List devices, and how they are
///
/// Who is online and since when, the firmware's version, when the certificate ends, samples that were
/// lost, and the last crash.
#[derive(Args)]
#[command(after_help = "Examples:\n  esptb tb devices --offline\n  \
                        esptb tb devices --expires-within 30 --format csv > renew.csv\n  \
                        esptb tb devices --online --ask\n  \
                        esptb tb devices --crashed --elf shipped/ --format csv\n  \
                        esptb tb devices --profile greenhouse --firmware 1.2.0 --json")]
pub(super) struct Cmd {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    pub(super) which: Which,
    /// Ask each device that is online how many samples wait in it: a call to each
    #[arg(long)]
    ask: bool,
    #[command(flatten)]
    builds: Builds,
    /// How
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Which devices.
#[derive(Args)]
#[command(next_help_heading = "Which devices")]
pub(super) struct Which {
    /// Those of this device profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Those whose name begins so; % stands for any text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Those that are online
    #[arg(long, conflicts_with = "offline")]
    online: bool,
    /// Those that are not
    #[arg(long)]
    offline: bool,
    /// Those with this version of the firmware
    #[arg(long, value_name = "VERSION")]
    firmware: Option<String>,
    /// Those whose certificate ends within so many days, or has ended
    #[arg(long, value_name = "DAYS")]
    expires_within: Option<u32>,
    /// Those that lost samples
    #[arg(long)]
    dropped: bool,
    /// Those that told of a crash
    #[arg(long)]
    crashed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

/// Tell how the fleet is, or one device
///
/// A device that is online is asked itself (getStatus), too: how many samples wait in it, and more.
#[derive(Args)]
pub(super) struct Status {
    /// One device, by its name
    #[arg(value_name = "NAME")]
    device: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Of this device profile
    #[arg(long, value_name = "NAME", conflicts_with = "device")]
    profile: Option<String>,
    #[command(flatten)]
    builds: Builds,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Which {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            profile: self.profile.clone(),
            name: self.name.clone(),
            online: (self.online || self.offline).then_some(self.online),
            firmware: self.firmware.clone(),
            expires_within_days: self.expires_within,
            dropped: self.dropped,
            crashed: self.crashed,
        }
    }
}

/// Asks, with a line that counts.
fn find(client: &Client, filter: &Filter) -> Result<Vec<Device>> {
    let mut progress: Option<Progress> = None;
    let found = filter.find(client, now_ms(), |done, all| {
        let [done, all] = [done, all].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        progress
            .get_or_insert_with(|| Progress::new(all, 1))
            .show(done);
    });
    if let Some(progress) = progress {
        progress.end();
    }
    Ok(found?)
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let known = cmd.builds.read()?;
    let client = cmd.server.client()?;
    let mut devices = find(&client, &cmd.which.filter())?;
    if cmd.ask {
        let progress = Progress::new(devices.len(), 1);
        tb::ask_backlogs(&client, &mut devices, |done, _| progress.show(done));
        progress.end();
    }
    let shown = Shown {
        backlog: cmd.ask,
        known: known.as_ref(),
    };
    match (cmd.format, cmd.json) {
        (Format::Json, _) | (_, true) => {
            let mut told = json!(devices);
            for (device, told) in devices
                .iter()
                .zip(told.as_array_mut().into_iter().flatten())
            {
                if let (Some(known), Some(crash)) = (shown.known, &device.crash) {
                    told["crash"]["places"] = resolved(known, crash).into();
                }
            }
            console::line(told)
        }
        (Format::Csv, _) => {
            console::line(table::csv(&shown.of(HEAD.map(str::to_owned).to_vec())))?;
            for device in &devices {
                console::line(table::csv(&row(device, false, &shown)))?;
            }
            Ok(())
        }
        (Format::Table, _) => {
            for line in listed(&devices, &shown) {
                console::line(line)?;
            }
            Ok(())
        }
    }
}

/// What is shown where it was asked for.
#[derive(Default)]
pub(super) struct Shown<'a> {
    backlog: bool,
    known: Option<&'a Known>,
}

impl Shown<'_> {
    /// A row without what is not shown.
    fn of(&self, mut row: Vec<String>) -> Vec<String> {
        let mut columns = HEAD.iter();
        row.retain(|_| match columns.next() {
            Some(&"backlog") => self.backlog,
            Some(&"backtrace") => self.known.is_some(),
            _ => true,
        });
        row
    }
}

/// Where it crashed, or a line that says why that is not known.
fn resolved(known: &Known, crash: &Crash) -> Vec<String> {
    known
        .places(crash)
        .unwrap_or_else(|error| vec![format!("unknown: {error:#}")])
}

const HEAD: [&str; 11] = [
    "device",
    "profile",
    "state",
    "since",
    "firmware",
    "certificate_ends",
    "backlog",
    "dropped",
    "crash",
    "crash_at",
    "backtrace",
];

/// The table of `devices` and `watch`.
pub(super) fn listed(devices: &[Device], shown: &Shown<'_>) -> Vec<String> {
    if devices.is_empty() {
        return vec!["no device".to_owned()];
    }
    let head = HEAD.map(|head| head.replace('_', " ").to_uppercase());
    let mut rows = vec![shown.of(head.to_vec())];
    rows.extend(devices.iter().map(|device| row(device, true, shown)));
    let mut lines = table::lines(&rows);
    if let Some(head) = lines.first_mut() {
        *head = paint(STRONG, head.clone()).to_string();
    }
    lines
}

fn row(device: &Device, short: bool, shown: &Shown<'_>) -> Vec<String> {
    let number = |value: Option<i64>| value.map(|n| n.to_string()).unwrap_or_default();
    let crash = device.crash.as_ref();
    let message = crash.map(|crash| crash.message.clone()).unwrap_or_default();
    let message = match short && message.chars().count() > 40 {
        true => message.chars().take(39).chain(['…']).collect(),
        false => message,
    };
    let places = crash.zip(shown.known);
    let places = places.map(|(crash, known)| resolved(known, crash));
    let innermost = if short { 1 } else { usize::MAX };
    let places: Vec<_> = places.into_iter().flatten().take(innermost).collect();
    shown.of(vec![
        device.name.clone(),
        device.profile.clone(),
        if device.online { "online" } else { "offline" }.to_owned(),
        device.since_ms.map(date).unwrap_or_default(),
        device.firmware.clone().unwrap_or_default(),
        device.certificate_expires_ms.map(date).unwrap_or_default(),
        number(device.backlog),
        number(device.dropped),
        message,
        crash.and_then(|crash| crash.at.clone()).unwrap_or_default(),
        places.join(" < "),
    ])
}

pub(super) fn date(ms: i64) -> String {
    Date::from_unix_s(u64::try_from(ms / 1000).unwrap_or(0)).to_string()
}

pub(super) fn status(cmd: &Status) -> Result<()> {
    let known = cmd.builds.read()?;
    let client = cmd.server.client()?;
    let Some(name) = &cmd.device else {
        let filter = Filter {
            profile: cmd.profile.clone(),
            ..Filter::default()
        };
        let summary = Summary::of(&find(&client, &filter)?, now_ms());
        return match cmd.json {
            true => console::line(json!(summary)),
            false => summarized(&summary).into_iter().try_for_each(console::line),
        };
    };
    let filter = Filter {
        name: Some(name.clone()),
        ..Filter::default()
    };
    // A filter takes the beginning of a name, in any case.
    let found = find(&client, &filter)?
        .into_iter()
        .find(|device| device.name == *name);
    let Some(device) = found else {
        bail!(
            "there is no device \"{}\": `esptb tb devices` lists them",
            printable(name)
        );
    };
    // What it knows only itself; an old firmware may not answer.
    let answer = match device.online {
        true => client.call(&device.id, "getStatus", &json!({})).ok(),
        false => None,
    };
    let crash = device.crash.as_ref();
    let places = crash.zip(known.as_ref());
    let places = places.map(|(crash, known)| resolved(known, crash));
    match cmd.json {
        true => console::line(json!({ "device": device, "answer": answer, "places": places })),
        false => {
            told(&device)?;
            for place in places.iter().flatten() {
                field("", place)?;
            }
            match answer.as_ref().and_then(Value::as_object) {
                Some(answer) => answer
                    .iter()
                    .try_for_each(|(what, value)| field(what, &value.to_string())),
                None => Ok(()),
            }
        }
    }
}

fn field(what: &str, value: &str) -> Result<()> {
    let what = paint(FAINT, format!("{:22}", printable(what)));
    console::line(format_args!("{what}{}", printable(value)))
}

/// How a fleet is, in some lines.
pub(super) fn summarized(summary: &Summary) -> Vec<String> {
    let count = |count: usize, what: &str| match count {
        0 => format!("{} {what}", paint(FAINT, "  0")),
        count => format!("{} {what}", paint(WARN, format_args!("{count:3}"))),
    };
    let mut lines = vec![
        format!(
            "{} of {} online",
            paint(GOOD, summary.online),
            console::counted(summary.devices, "device")
        ),
        count(
            summary.certificate_ends_soon,
            "with a certificate that ends within 30 days",
        ),
        count(summary.dropped, "lost samples"),
        count(summary.crashed, "told of a crash"),
    ];
    let versions = summary.firmware.iter();
    lines.extend(versions.map(|(version, count)| format!("{count:3} run {}", printable(version))));
    lines
}

fn told(device: &Device) -> Result<()> {
    let state = match device.online {
        true => paint(GOOD, "online").to_string(),
        false => paint(BAD, "offline").to_string(),
    };
    let since = device
        .since_ms
        .map(|ms| format!(" since {}", date(ms)))
        .unwrap_or_default();
    console::line(format_args!(
        "{} is {state}{since}",
        printable(&device.name)
    ))?;
    let days = device.certificate_days(now_ms());
    let crash = device.crash.as_ref();
    let number = |value: Option<i64>| value.map(|n| n.to_string());
    for (what, value) in [
        ("profile", Some(device.profile.clone())),
        ("last heard", device.last_activity_ms.map(date)),
        ("firmware", device.firmware.clone()),
        ("chip", device.chip.clone()),
        ("started by", device.reset_reason.clone()),
        (
            "certificate ends",
            device.certificate_expires_ms.map(|ms| match days {
                Some(days) => format!("{}, in {days} days", date(ms)),
                None => date(ms),
            }),
        ),
        ("certificate number", device.certificate_serial.clone()),
        ("issued by", device.certificate_issuer.clone()),
        ("its renewal", device.certificate_renewal.clone()),
        ("dropped", number(device.dropped)),
        ("limit kept", device.limit.clone()),
        ("refused", device.refused.clone()),
        ("crash told", crash.map(|crash| date(crash.told_ms))),
        ("crash", crash.map(|crash| crash.message.clone())),
        ("at", crash.and_then(|crash| crash.at.clone())),
        ("build", crash.and_then(|crash| crash.build.clone())),
        ("backtrace", crash.and_then(|crash| crash.backtrace.clone())),
    ] {
        if let Some(value) = value {
            field(what, &value)?;
        }
    }
    Ok(())
}
