//! `esptb tb anchors`: the authorities of the broker's next certificate for devices, in waves.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use certfile::{file, firmware, outline};
use clap::Args;
use tb::campaign::{Anchors, Campaign, Goal, Order, Task};

use super::ServerArgs;
use super::campaign::{Devices, Pace, Words, tell_plan};
use console::counted;
use console::files;
use console::now_ms;

const WORDS: Words = Words {
    well: "have them",
    one: "it",
    it: "What was brought",
};

/// Bring devices the authorities of the broker's next certificate, in waves
///
/// Devices verify the broker by server_chain.pem among their files. Before the broker gets a certificate of
/// another CA, they need that CA, too: this brings it to them, and they use it beside what they have. Once a
/// connection has proved the new ones they keep them for good. A wave is over when each of its devices has told
/// that it uses them, is online, sends samples, and has not crashed for a while. When too many fail it halts.
/// Run it again after an interruption, as it was: it goes on.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Cmd {
    /// The CA's certificate, or several, in PEM: the next server_chain.pem
    #[arg(
        value_name = "FILE",
        required_unless_present = "report",
        conflicts_with = "report"
    )]
    anchors: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    devices: Devices,
    #[command(flatten)]
    pace: Pace,
    /// Where it is written down what was done [default: anchors-DIGEST.sqlite]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb tb anchors next-ca/root.crt --dry-run
  esptb tb anchors next-ca/root.crt --first desk-1 --waves 1,10,100%

Give the broker its new certificate when all devices have the anchors.";

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let Some(path) = &cmd.anchors else {
        return cmd.pace.report(cmd.state.as_deref(), &WORDS);
    };
    let name = path.display().to_string();
    let ders =
        file::all_certificates(&files::read(path)?).map_err(|fault| anyhow::anyhow!("{fault}"));
    let ders = ders.with_context(|| name.clone())?;
    for (number, der) in (1..).zip(&ders) {
        let objection =
            outline::Certificate::read(der).and_then(|outline| firmware::objection(&outline));
        match objection {
            // Nobody asks an anchor who signed it.
            None | Some(firmware::Objection::Signature(_)) => {}
            Some(objection) => bail!("{name}: certificate {number} {objection}"),
        }
    }
    let anchors: Vec<u8> = ders.iter().flat_map(|der| der.iter().copied()).collect();
    let anchors = Anchors::new(&anchors);
    let client = cmd.server.client()?;
    let state = cmd.state.clone();
    let state = state.unwrap_or_else(|| format!("anchors-{:.8}.sqlite", anchors.sha256()).into());
    let mut opened = cmd.pace.open(&state)?;
    let order = Order {
        rules: cmd.pace.rules(),
        filter: cmd.devices.filter(),
        goal: Goal {
            title: "anchors".to_owned(),
            version: format!("{:.8}", anchors.sha256()),
            sha256: anchors.sha256().to_owned(),
            server: client.address().to_string(),
        },
        task: Task::Anchors(anchors),
        first: &cmd.pace.first,
        again: false,
    };
    let mut campaign = Campaign::begin(&client, &mut opened.ledger, order, now_ms())?;
    if !cmd.pace.dry_run {
        return cmd.pace.go(&mut campaign, &WORDS);
    }
    let planned = campaign.plan(now_ms())?;
    if cmd.pace.json {
        return console::line(serde_json::json!({ "plan": planned }));
    }
    console::line(counted(ders.len(), "certificate"))?;
    tell_plan(&planned)
}
