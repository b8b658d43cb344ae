//! `esptb conformance`: does a device provision as ESP-IDF's do?

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use conformance::{COMMIT, Finding, Options, Report, Target, Verdict, Weight};
use provisioner::{Error, Secrets};
use vhci::{HciSpec, SharedAir};
use zeroize::Zeroizing;

use super::reach::Reach;
use console::Exit;
use console::files;
use console::on_one_thread;
use console::{BAD, FAINT, GOOD, STRONG, paint, printable};

/// Check that a device provisions as ESP-IDF's do, over Bluetooth or HTTP
///
/// A suite of named cases for any device that speaks ESP-IDF's unified provisioning: how it looks
/// over Bluetooth, its sessions and who gets none, nonsense and lost links, networks and
/// credentials. What fails is told with what was seen, what is wanted, and where ESP-IDF says so.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(flatten)]
    reach: Reach,
    /// What the device's name must begin with
    #[arg(long, default_value = "PROV_", value_name = "TEXT")]
    prefix: String,
    /// The proof of possession, from the device's label or QR code
    #[arg(long, env = "ESPTB_POP", hide_env_values = true, value_name = "SECRET")]
    pop: Option<String>,
    /// The user name of security 2
    #[arg(long, default_value = "wifiprov", value_name = "NAME")]
    username: String,
    /// A network that the device may join in the last case, which ends its provisioning
    #[arg(long, value_name = "NAME")]
    ssid: Option<String>,
    /// Its passphrase
    #[arg(
        long,
        env = "ESPTB_PASSPHRASE",
        hide_env_values = true,
        requires = "ssid",
        value_name = "SECRET"
    )]
    passphrase: Option<String>,
    /// Show the cases and what each is for
    #[arg(long)]
    list: bool,
    /// Write the findings into this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the findings into this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Only these cases, or groups of cases [default: all]
    #[arg(value_name = "CASE")]
    only: Vec<String>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb conformance --list
  esptb conformance --name PROV_1A2B3C --pop abcd1234
  esptb conformance --pop abcd1234 --ssid home --passphrase 'correct horse' --junit findings.xml
  esptb conformance --http 192.168.4.1 --pop abcd1234 session garbage

Exit codes: 0 the device conforms, 1 a case failed, 2 wrong arguments, 3 nothing could be checked.
What is only advised does not count.

A simulated device: `esptb simulate --flash flash.bin --air 127.0.0.1:6402` beside
`esptb conformance --hci tcp:127.0.0.1:6402 --pop …`. A controller on a serial line becomes tcp: by
`socat TCP-LISTEN:6402,reuseaddr,fork FILE:/dev/ttyUSB0,b115200,raw`.

It looks at packets, and so takes a controller of its own: the computer's adapter, hci0, unless
--hci names another. That must be down and takes root: systemctl stop bluetooth.";

/// Runs the suite.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    if cmd.list {
        return list();
    }
    on_one_thread(check(cmd))
}

fn list() -> Result<()> {
    for case in conformance::cases() {
        let advice = match case.weight {
            Weight::Must => "",
            Weight::Advice => " (advice)",
        };
        console::line(format_args!("{}{advice}", paint(STRONG, case.name)))?;
        console::line(format_args!("  why:    {}", case.purpose))?;
        console::line(format_args!("  wants:  {}", case.wants))?;
        console::line(format_args!("  source: {}", case.source))?;
    }
    let sources = format!("sources: ESP-IDF v5.4.1, {COMMIT}");
    console::line(paint(FAINT, sources))
}

async fn check(cmd: Cmd) -> Result<()> {
    for name in &cmd.only {
        if !conformance::cases().any(|case| case.name.starts_with(name.as_str())) {
            let text = format!("there is no case `{name}`; --list shows them");
            return Err(Exit::WrongArguments(text).into());
        }
    }
    let target = match &cmd.reach.http {
        Some(address) => Target::Http(address.clone()),
        None => Target::Bluetooth {
            hci: cmd
                .reach
                .controller()?
                .cloned()
                .unwrap_or(HciSpec::Adapter(0)),
            air: SharedAir::new(),
            name: cmd.reach.name.clone(),
        },
    };
    let mut secrets = Secrets::proof(cmd.pop.as_deref().unwrap_or_default());
    secrets.username.clone_from(&cmd.username);
    let passphrase = Zeroizing::new(cmd.passphrase.clone().unwrap_or_default());
    let options = Options {
        prefix: cmd.prefix.clone(),
        network: cmd.ssid.clone().map(|ssid| (ssid, passphrase)),
        only: cmd.only.clone(),
        ..Options::new(secrets)
    };
    let report = conformance::run(target, &options, tell)
        .await
        .map_err(unchecked)?;
    for (file, text) in [
        (&cmd.json, Report::to_json as fn(&Report) -> String),
        (&cmd.junit, Report::to_junit),
    ] {
        if let Some(file) = file {
            files::write(file, text(&report))?;
        }
    }
    close(&report)
}

/// Why nothing can be said of the device, and what the operator has to mend.
fn unchecked(error: Error) -> Exit {
    Exit::NothingChecked(match error {
        Error::ProofNeeded => {
            "the device wants a proof of possession: give it by --pop or ESPTB_POP".into()
        }
        Error::Session(_) => format!("your --pop is wrong, or --username: {error}"),
        Error::NotFound { .. } => format!("no device heard: {error}"),
        error => format!("nothing could be checked: {error}"),
    })
}

/// One line for a case; more where there is something to mend.
fn tell(finding: &Finding) {
    let style = match finding.verdict {
        Verdict::Passed => GOOD,
        Verdict::Failed | Verdict::NotRun => BAD,
        Verdict::Advised => STRONG,
        Verdict::NotApplicable => FAINT,
    };
    let verdict = format!("{:<8}", finding.verdict);
    let case = finding.case;
    let seen = printable(&finding.seen);
    let verdict = paint(style, verdict);
    let mut text = format!("{verdict} {:<25} {seen}", case.name);
    if matches!(finding.verdict, Verdict::Failed | Verdict::Advised) {
        text += &format!(
            "\n         wants:  {}\n         source: {}",
            case.wants, case.source
        );
    }
    // If nobody reads, the report in a file and the exit code still tell.
    let _ = console::line(text);
}

fn close(report: &Report) -> Result<()> {
    console::line(format_args!(
        "{}: {} passed, {} failed, {} advised, {} not applicable, {} not run, in {:.0} s",
        printable(&report.target),
        report.count(Verdict::Passed),
        report.count(Verdict::Failed),
        report.count(Verdict::Advised),
        report.count(Verdict::NotApplicable),
        report.count(Verdict::NotRun),
        report.took.as_secs_f64(),
    ))?;
    if report.conforms() {
        Ok(())
    } else if report.count(Verdict::Failed) == 0 {
        let text =
            "nothing could be checked: is the device in reach and waiting to be provisioned?";
        Err(Exit::NothingChecked(text.into()).into())
    } else {
        bail!("the device does not conform: see the cases that failed")
    }
}
