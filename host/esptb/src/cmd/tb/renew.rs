//! `esptb tb renew`: new certificates for devices whose own end soon, in waves.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;
use pki::{Pki, Request, Validity};
use tb::Client;
use tb::campaign::{Campaign, Certificates, Goal, Issued, Order, Task};

use super::ServerArgs;
use super::campaign::{Devices, Pace, Words, tell_plan};
use crate::cmd::pki::{CaDir, load};
use console::now_ms;
use console::{FAINT, WARN, counted, paint, printable};

const DAY_S: u64 = 24 * 60 * 60;

const WORDS: Words = Words {
    well: "use their new certificate",
    one: "a renewal",
    it: "What was asked or answered",
};

/// Renew the certificates of devices over the air, in waves
///
/// Asks one device, then ten, then more, to make a new key, which never leaves it, and to tell the request for
/// its certificate; proves each request, signs it with the intermediate CA, and brings the device the chain. A
/// wave is over when each of its devices is online again with its new certificate, sends samples, and has not
/// crashed for a while. Until the broker has taken the new certificate, a device keeps the old one. When too
/// many fail it halts, and what the others have not begun is taken back. Run it again after an interruption,
/// as it was: it goes on. Run it again after its end, as once a day: those whose turn has come since are
/// renewed, and if there are none, nothing is changed.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Cmd {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    ca: CaDir,
    #[command(flatten)]
    devices: Devices,
    /// Of them, those whose certificate ends within so many days, or that ask by themselves
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    expires_within: u32,
    /// And those whose certificate another CA issued: its name is not that of the intermediate
    #[arg(long)]
    of_another_ca: bool,
    /// How many days the new ones are valid [default: 20 years]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// Try those once more that failed in a campaign that has ended
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    pace: Pace,
    /// Where it is written down what was done [default: renew-PROFILE.sqlite]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb tb renew --dry-run
  esptb tb renew --first desk-1 --waves 1,10,10%,100% --soak 1h
  esptb tb renew --of-another-ca --ca next-ca             to change the CA: its intermediate in the profile, too
  esptb tb renew --go-on                                  after it was halted, and looked into
  esptb tb renew --state renew-esptb.sqlite --report --json

It fails if it was halted. The CA's folder needs intermediate.key, and no root.key. One request by
hand: esptb pki sign-request.";

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    if cmd.pace.report {
        return cmd.pace.report(cmd.state.as_deref(), &WORDS);
    }
    let pki = load(&cmd.ca)?;
    check_dates(cmd, &pki)?;
    let issuer = pki.intermediate_name();
    let issuer = issuer.context(
        "the intermediate CA has no common name (CN), by which devices tell who issued theirs",
    )?;
    let client = cmd.server.client()?;
    let plain = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    let state = cmd.state.clone();
    let state = state.unwrap_or_else(|| {
        format!("renew-{}.sqlite", cmd.devices.profile.replace(plain, "-")).into()
    });
    let mut opened = cmd.pace.open(&state)?;
    let sign = |name: &str, request: &str| {
        sign(&pki, cmd.days, name, request).map_err(|error| format!("it got none: {error:#}"))
    };
    let order = Order {
        rules: cmd.pace.rules(),
        filter: cmd.devices.filter(),
        goal: goal(&pki, &issuer, &client),
        task: Task::Certificates(Certificates {
            sign: &sign,
            within_days: cmd.expires_within,
            unless_of: cmd.of_another_ca.then(|| issuer.clone()),
        }),
        first: &cmd.pace.first,
        again: cmd.again,
    };
    let mut campaign = Campaign::begin(&client, &mut opened.ledger, order, now_ms())?;
    if campaign.unable() > 0 {
        let line = format!(
            "{} need it, and have firmware that renews nothing (they tell no certificate_serial): bring them newer \
             firmware first (esptb tb rollout), or new files by cable",
            counted(campaign.unable(), "device")
        );
        anstream::eprintln!("{}", paint(WARN, line));
    }
    if !cmd.pace.dry_run {
        return cmd.pace.go(&mut campaign, &WORDS);
    }
    let planned = campaign.plan(now_ms())?;
    if cmd.pace.json {
        return console::line(serde_json::json!({ "plan": planned }));
    }
    let line = format!("by {}", printable(&issuer));
    console::line(paint(FAINT, line))?;
    tell_plan(&planned)
}

/// What is issued has to end later than what is renewed: otherwise each run would renew all of it again.
fn check_dates(cmd: &Cmd, pki: &Pki) -> Result<()> {
    let left = pki.ends()?.duration_since(SystemTime::now());
    let left = left.map_or(0, |left| left.as_secs() / DAY_S);
    let issued = cmd.days.map_or(left, |days| left.min(days.into()));
    if issued <= u64::from(cmd.expires_within) {
        bail!(
            "what this CA issues now ends in {} at most, and whatever ends within {} is renewed, so it would be renewed \
             at each run: give fewer by --expires-within, or take a CA that lasts longer",
            counted(usize::try_from(issued).unwrap_or(usize::MAX), "day"),
            counted(cmd.expires_within as usize, "day")
        );
    }
    Ok(())
}

fn goal(pki: &Pki, issuer: &str, client: &Client) -> Goal {
    Goal {
        title: "certificates of".to_owned(),
        version: issuer.to_owned(),
        sha256: tb::sha256(pki.intermediate_pem().as_bytes()),
        server: client.address().to_string(),
    }
}

fn sign(pki: &Pki, days: Option<u32>, name: &str, request: &str) -> Result<Issued> {
    let request = Request::read(request.as_bytes()).map_err(pki::Error::from)?;
    request.expect(name).map_err(pki::Error::from)?;
    let validity = days.map(Validity::days).transpose()?;
    let issued = pki.sign(&request, validity)?;
    Ok(Issued {
        serial: issued.serial_hex().to_owned(),
        chain: issued.chain_der(),
    })
}
