//! `esptb tb watch`: what changes in a fleet, as it changes.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use tb::{Client, Device, Summary};

use super::ServerArgs;
use super::devices::{Shown, Which, listed, summarized};
use crate::arguments::duration;

use console::{interrupted, now_ms, on_one_thread};

/// Watch the devices
///
/// On a terminal a table that is kept up to date; in a pipe, or with --json, a line for each change.
#[derive(Args)]
pub(super) struct Cmd {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    which: Which,
    /// How often to look
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    every: Duration,
    /// End after this time
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    time: Option<Duration>,
    /// Changes as JSON, one to a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let client = cmd.server.client()?;
    on_one_thread(watch(cmd, &client))
}

async fn watch(cmd: &Cmd, client: &Client) -> Result<()> {
    let end = cmd.time.map(|time| tokio::time::Instant::now() + time);
    let as_table = !cmd.json && std::io::stdout().is_terminal();
    let filter = cmd.which.filter();
    let mut before = None;
    let mut interrupted = std::pin::pin!(interrupted());
    loop {
        // Blocks for a moment: nothing else runs here.
        let devices = filter.find(client, now_ms(), |_, _| ())?;
        match as_table {
            true => show(&devices)?,
            false => {
                for change in changes(before.as_ref(), &devices) {
                    console::line(change.line(cmd.json))?;
                }
            }
        }
        before = Some(by_name(devices));
        let next = tokio::time::Instant::now() + cmd.every;
        if end.is_some_and(|end| end <= next) {
            return Ok(());
        }
        tokio::select! {
            () = &mut interrupted => return Ok(()),
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// A screen of it: how all are, then as many devices as there is room for below.
fn show(devices: &[Device]) -> Result<()> {
    let (_, rows) = ratatui::crossterm::terminal::size().unwrap_or((80, 24));
    let mut lines = summarized(&Summary::of(devices, now_ms()));
    lines.push(String::new());
    lines.extend(listed(devices, &Shown::default()));
    let room = usize::from(rows).saturating_sub(2).max(1);
    let hidden = lines.len().saturating_sub(room);
    lines.truncate(room);
    if hidden > 0 {
        lines.push(format!(
            "and {hidden} more: name fewer, or list them with `esptb tb devices`"
        ));
    }
    // From the upper left corner on, over what was there.
    console::line(format_args!("\x1b[H\x1b[J{}", lines.join("\n")))
}

fn by_name(devices: Vec<Device>) -> BTreeMap<String, Device> {
    devices
        .into_iter()
        .map(|device| (device.name.clone(), device))
        .collect()
}

/// What is not as it was.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    device: String,
    what: &'static str,
    now: Option<String>,
}

impl Change {
    fn line(&self, as_json: bool) -> String {
        let Self { device, what, now } = self;
        match as_json {
            true => json!({ "time_ms": now_ms(), "device": device, "what": what, "now": now })
                .to_string(),
            false => {
                let now = now.as_deref().unwrap_or_default();
                console::printable(format!("{device} {what} {now}").trim_end()).into_owned()
            }
        }
    }
}

/// All that differs from what was seen before; at first, how each is.
fn changes(before: Option<&BTreeMap<String, Device>>, now: &[Device]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut tell = |device: &Device, what, now| {
        let device = device.name.clone();
        changes.push(Change { device, what, now });
    };
    for device in now {
        let was = before.and_then(|before| before.get(&device.name));
        if was.is_none() && before.is_some() {
            tell(device, "new", None);
        }
        if was.is_none_or(|was| was.online != device.online) {
            tell(
                device,
                if device.online { "online" } else { "offline" },
                None,
            );
        }
        let crash = |device: &Device| device.crash.as_ref().map(|crash| crash.message.clone());
        let number = |value: Option<i64>| value.filter(|&n| n > 0).map(|n| n.to_string());
        type Read<'a> = &'a dyn Fn(&Device) -> Option<String>;
        let read: [(&'static str, Read<'_>); 5] = [
            ("firmware", &|device| device.firmware.clone()),
            ("dropped", &|device| number(device.dropped)),
            ("crash", &crash),
            ("limit", &|device| device.limit.clone()),
            ("refused", &|device| device.refused.clone()),
        ];
        for (what, read) in read {
            let (then, now) = (was.and_then(read), read(device));
            if now != then {
                tell(device, what, now);
            }
        }
    }
    if let Some(before) = before {
        let gone = before
            .values()
            .filter(|was| now.iter().all(|device| device.name != was.name));
        for was in gone {
            tell(was, "gone", None);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, online: bool) -> Device {
        Device {
            id: String::new(),
            name: name.into(),
            profile: "esptb".into(),
            online,
            since_ms: None,
            last_activity_ms: None,
            firmware: Some("1.0.0".into()),
            chip: None,
            certificate_expires_ms: None,
            certificate_serial: None,
            certificate_issuer: None,
            certificate_renewal: None,
            backlog: None,
            dropped: Some(0),
            reset_reason: None,
            crash: None,
            limit: None,
            refused: None,
        }
    }

    #[test]
    fn only_what_changes_is_told() {
        let first = [device("a", true), device("b", false)];
        let told: Vec<_> = changes(None, &first)
            .iter()
            .map(|one| one.line(false))
            .collect();
        assert_eq!(
            told,
            [
                "a online",
                "a firmware 1.0.0",
                "b offline",
                "b firmware 1.0.0"
            ]
        );
        let before = by_name(first.to_vec());
        assert!(changes(Some(&before), &first).is_empty());
        let mut next = [device("a", false), device("c", true)];
        next[0].dropped = Some(7);
        let told: Vec<_> = changes(Some(&before), &next)
            .iter()
            .map(|one| one.line(false))
            .collect();
        assert_eq!(
            told,
            [
                "a offline",
                "a dropped 7",
                "c new",
                "c online",
                "c firmware 1.0.0",
                "b gone"
            ]
        );
    }
}
