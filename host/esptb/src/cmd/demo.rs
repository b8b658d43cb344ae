//! `esptb demo`: the whole life of a device on this computer.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use simulator::Wiring;
use simulator::internet::Internet;
use simulator::ntp::TimeServer;
use simulator::sensor::Dht11;

use crate::arguments::duration;
use console::on_one_thread;
use console::{BAD, FAINT, GOOD, STRONG, paint};
use demo::folder::{Folder, Record};
use demo::play::{self, Desk, Limits, Played};
use demo::renew::Operator;
use demo::server::{self, MQTTS_PORT, Seat};
use demo::show::Show;
use demo::update;

/// Show the whole life of a device on this computer, from blank flash to live telemetry
///
/// Makes certificates and a blank device, starts a local server that speaks ThingsBoard's device
/// API, and provisions the device over Bluetooth: two real Bluetooth stacks on two virtual
/// controllers. The device then proves itself by its certificate and sends telemetry every second.
/// All but the radio is the code that runs on the chip.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// The device's next life: the flash of the last demo goes straight online
    #[arg(long)]
    reboot: bool,
    /// Mistype the Wi-Fi passphrase first, and try again in the same session
    #[arg(long, conflicts_with = "reboot")]
    mistakes: bool,
    /// Assign a signed firmware to the device: it is fetched, started on trial, and stays
    #[arg(long, conflicts_with_all = ["reboot", "mistakes"])]
    update: bool,
    /// Renew the device's certificate: it makes a key, has it signed, tries it and keeps it
    #[arg(long, conflicts_with_all = ["reboot", "mistakes", "update"])]
    renew: bool,
    /// Plain lines instead of the view; with --for, checks that telemetry arrived every second
    #[arg(long)]
    headless: bool,
    /// End after so much telemetry: 30s, 2m; counted from when the device is online
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// The folder for certificates, flash and data; kept for --reboot, else made afresh
    #[arg(long, default_value = "demo", value_name = "DIR")]
    dir: PathBuf,
    /// The port for the server's page; 0 takes a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    page_port: u16,
}

const AFTER_HELP: &str = "\
Examples:
  esptb demo                         watch it in the terminal, and on the page that it names
  esptb demo --mistakes              with a wrong Wi-Fi passphrase first
  esptb demo --update                with an update of the firmware over the air
  esptb demo --renew                 with another certificate over the air
  esptb demo --reboot                the second life: online with no provisioning
  esptb demo --headless --for 30s    for scripts and CI

Keys: q quit, r reboot, n no network for 10 s, f factory reset, c QR code.

Exit codes: 0 done, and with --headless --for: telemetry of every second arrived at the server;
1 something failed, or telemetry has gaps; 2 wrong arguments.";

/// Plays the demo.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    run_with::<Dht11>(cmd, "esptb demo")
}

/// Plays it with the product that `W` wires up; the operator calls it as `program`.
pub(crate) fn run_with<W: Wiring + Default + 'static>(cmd: Cmd, program: &str) -> Result<()> {
    on_one_thread(play::<W>(cmd, program))
}

async fn play<W: Wiring + Default + 'static>(cmd: Cmd, program: &str) -> Result<()> {
    let desk = if cmd.reboot {
        same_desk(&cmd).await?
    } else {
        new_desk(&cmd).await?
    };
    let mut show = Show::start(cmd.headless, false, &desk.folder.path("esptb.log"))?;
    let limits = Limits {
        is_watched: show.is_watched(),
        duration: cmd.duration,
        update: cmd.update,
        renew: cmd.renew,
    };
    let played = play::play::<W>(desk, cmd.mistakes, &limits, &mut show).await;
    // The terminal is given back before anything is printed about how it ended.
    let ended = show.end();
    let played = played?;
    ended?;
    conclude(played, &cmd, program, limits.is_watched).await
}

/// A new device in a new world.
async fn new_desk(cmd: &Cmd) -> Result<Desk> {
    let folder = Folder::fresh(&cmd.dir)?;
    let pki = folder.make_certificates()?;
    let time = TimeServer::start()
        .await
        .context("no port for the time server")?;
    let seat = seat(&folder, MQTTS_PORT, cmd.page_port);
    let server = server::start_somewhere(&seat, &folder.certificates()?).await?;
    let record = Record::new(server.mqtt_addr().port(), time.address().port());
    folder.make_device(&pki, &record)?;
    let firmware = match cmd.update {
        true => Some(update::prepare(&folder, &record)?),
        false => None,
    };
    let operator = cmd.renew.then(|| Operator::new(pki));
    let desk = Desk::new(folder, record, server, time);
    Ok(desk.with_firmware(firmware).with_operator(operator))
}

/// The device and the world of the last demo. Where another program has a port that its flash names,
/// a free one is taken, and the flash is told.
async fn same_desk(cmd: &Cmd) -> Result<Desk> {
    let (folder, mut record) = Folder::existing(&cmd.dir)?;
    let time = match TimeServer::start_in(&Internet::of_host(), local(record.sntp_port)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => TimeServer::start().await,
        other => other,
    };
    let time = time.context("no port for the time server")?;
    let seat = seat(&folder, record.mqtt_port, cmd.page_port);
    let server = server::start_somewhere(&seat, &folder.certificates()?).await?;
    let ports = (server.mqtt_addr().port(), time.address().port());
    if ports != (record.mqtt_port, record.sntp_port) {
        (record.mqtt_port, record.sntp_port) = ports;
        folder.tell_ports(&record)?;
    }
    Ok(Desk::new(folder, record, server, time))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn seat(folder: &Folder, mqtt_port: u16, page_port: u16) -> Seat {
    Seat {
        mqtt: local(mqtt_port),
        http: local(page_port),
        database: folder.path("server.sqlite"),
    }
}

/// Tells how it went. Where somebody watched, telemetry need not be complete: keys can cut it off.
async fn conclude(played: Played, cmd: &Cmd, program: &str, is_watched: bool) -> Result<()> {
    let folder = cmd.dir.display();
    let record = &played.desk.record;
    let row = |what: &str, text: String| {
        // If nobody reads, the exit code still tells.
        let what = paint(FAINT, format!("{what:<8}"));
        let _ = console::line(format_args!("  {what} {text}"));
    };
    let _ = console::line(paint(STRONG, program));
    let life = match played.provisioned {
        true => "provisioned over Bluetooth in this life",
        false if record.lives > 1 => "not provisioned again: its flash knew the network",
        false => "not provisioned",
    };
    row(
        "device",
        format!("{}, life {}, {life}", record.serial, record.lives),
    );
    if let Some(time) = played.time_to_online() {
        row("online", format!("after {:.1} s", time.as_secs_f32()));
    }
    let verdict = match played.window() {
        Some(window) => {
            played.compare_with_database().await?;
            let verdict = played.coverage.verdict(window);
            let style = if verdict.is_complete() { GOOD } else { BAD };
            row("server", paint(style, format!("{verdict}")).to_string());
            Some(verdict)
        }
        None => None,
    };
    if cmd.update {
        row("firmware", played.firmware().await?);
    }
    if cmd.renew {
        row("identity", played.certificate().await?);
    }
    row(
        "kept in",
        format!("{folder}; the next life: {}", next_command(cmd, program)),
    );
    played.end().await;
    match verdict {
        _ if is_watched => Ok(()),
        Some(verdict) if verdict.is_complete() => Ok(()),
        Some(verdict) => bail!("telemetry did not arrive every second: {verdict}"),
        None => bail!("the device did not come online"),
    }
}

fn next_command(cmd: &Cmd, program: &str) -> String {
    match cmd.dir.to_str() {
        Some("demo") => format!("{program} --reboot"),
        _ => format!("{program} --reboot --dir {}", cmd.dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_device_has_files_that_belong_together() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::fresh(root.path()).unwrap();
        let pki = folder.make_certificates().unwrap();
        let record = Record::new(8883, 123);
        folder.make_device(&pki, &record).unwrap();
        let whose = crate::cmd::pki::check::check(&folder.path("spiffs_root")).unwrap();
        assert!(whose.contains(&record.serial));
    }
}
