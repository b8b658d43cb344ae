//! `esptb tb setup`: what devices need on a server, made and tried.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use climate::Climate;
use product::Schema;
use serde_json::json;
use simulator::sensor::Dht11;
use tb::Client;
use tb::setup::{Action, Plan, Series, Told, Wanted, plan};

use super::{ServerArgs, trial};
use crate::arguments;
use console::files;
use console::{FAINT, GOOD, STRONG, WARN, paint, printable};

/// Set up a tenant for devices
///
/// Makes, or changes, a device profile that takes devices by their certificate and raises alarms, a rule chain
/// that tells them the time, and a dashboard of them. What others added stays. Doing it twice changes nothing. With --broker a throw-away
/// device then shows that it works: it is made by its first connection, sends, and is removed again.
#[derive(Args)]
#[command(after_help = "Examples:\n  esptb tb setup --dry-run\n  \
                        esptb tb setup --profile greenhouse --cn-pattern '^(SN-.*)$' --broker mqtts://tb.example.com")]
pub(super) struct Cmd {
    #[command(flatten)]
    server: ServerArgs,
    /// Folder of the CAs, as `esptb pki init` makes it: intermediate.crt goes into the profile
    #[arg(long, default_value = "ca", value_name = "DIR")]
    ca: PathBuf,
    /// The device profile
    #[arg(long, default_value = "esptb", value_name = "NAME")]
    profile: String,
    /// The expression whose first group cuts the device's name from its CN
    #[arg(long, default_value = "(.*)", value_name = "REGEX")]
    cn_pattern: String,
    /// Let in only devices that exist already
    #[arg(long)]
    no_create: bool,
    /// The dashboard [default: that of the profile, as "esptb devices"]
    #[arg(long, value_name = "TITLE")]
    dashboard: Option<String>,
    /// Alarm when a device is silent for so many minutes more than the server itself waits
    #[arg(long, default_value_t = 5, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    silent: u32,
    /// Alarm so many days before a certificate ends
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    certificate_days: u32,
    /// Make no rule chain by which the server tells devices its own time, against which they check what time
    /// servers say
    #[arg(long)]
    no_time: bool,
    /// Where devices connect: try it with a throw-away device. Needs the key of the intermediate CA
    #[arg(long, value_parser = arguments::broker, value_name = "mqtts://HOST[:PORT]")]
    broker: Option<String>,
    /// The name that the broker's certificate carries [default: the host]
    #[arg(long, requires = "broker", value_name = "NAME")]
    server_name: Option<String>,
    /// PEM of the CAs that the broker's certificate may come from [default: root.crt of --ca]
    #[arg(long, requires = "broker", value_name = "FILE")]
    broker_ca: Option<PathBuf>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let wanted = cmd.wanted()?;
    let client = cmd.server.client()?;
    let plan = plan(&client, &wanted)?;
    let notes = plan.notes.clone();
    let told = match cmd.dry_run {
        true => plan.steps().into_iter().cloned().collect(),
        false => apply(plan, &client)?,
    };
    if !cmd.json {
        for step in &told {
            tell(step, cmd.dry_run)?;
        }
        for note in &notes {
            anstream::eprintln!("{}", paint(WARN, note));
        }
    }
    let trial = match &cmd.broker {
        Some(broker) if cmd.dry_run => {
            cmd.tell_trial(
                "would try",
                STRONG,
                &format!("it at {broker} with a throw-away device"),
            )?;
            None
        }
        Some(broker) => Some(cmd.try_out(broker, &client, &wanted)?),
        None => None,
    };
    if cmd.json {
        console::line(
            json!({ "dry_run": cmd.dry_run, "steps": told, "notes": notes, "trial": trial }),
        )?;
    }
    Ok(())
}

fn apply(plan: Plan, client: &Client) -> Result<Vec<Told>> {
    Ok(plan.apply(client)?)
}

fn tell(step: &Told, dry_run: bool) -> Result<()> {
    let (word, style) = match (step.action, dry_run) {
        (Action::Create, false) => ("made", GOOD),
        (Action::Create, true) => ("would make", STRONG),
        (Action::Update, false) => ("changed", GOOD),
        (Action::Update, true) => ("would change", STRONG),
        (Action::Keep, _) => ("is as it should be:", FAINT),
    };
    console::line(format_args!(
        "{} {} \"{}\"",
        paint(style, word),
        step.what,
        printable(&step.name)
    ))?;
    for change in &step.changes {
        console::line(format_args!("  {}", printable(change)))?;
    }
    match &step.link {
        Some(link) => console::line(format_args!("  {}", paint(FAINT, link))),
        None => Ok(()),
    }
}

impl Cmd {
    fn wanted(&self) -> Result<Wanted> {
        let path = self.ca.join("intermediate.crt");
        let name = path.display();
        let all = certfile::file::all_certificates(&files::read(&path)?);
        let all = all.map_err(|fault| anyhow!("{name}: {fault}"))?;
        let first = all
            .first()
            .with_context(|| format!("{name} has no certificate"))?;
        let ca_pem = pem::encode(&pem::Pem::new("CERTIFICATE", first.to_vec()));
        Ok(Wanted {
            profile: self.profile.clone(),
            ca_pem,
            cn_pattern: self.cn_pattern.clone(),
            allow_create: !self.no_create,
            silent_minutes: self.silent,
            certificate_days: self.certificate_days,
            dashboard: self
                .dashboard
                .clone()
                .unwrap_or_else(|| format!("{} devices", self.profile)),
            series: Schema::of::<Climate<Dht11>>()
                .iter()
                .map(Series::from)
                .collect(),
            tell_time: !self.no_time,
        })
    }

    /// Lets a device that is made on the spot connect and send, and removes it.
    fn try_out(&self, broker: &str, client: &Client, wanted: &Wanted) -> Result<serde_json::Value> {
        let trial = trial::Trial {
            broker,
            server_name: self.server_name.as_deref(),
            ca: &self.ca,
            anchors: self.broker_ca.as_deref(),
            cn_pattern: &wanted.cn_pattern,
        };
        let told = trial.run(client)?;
        self.tell_trial("tried", GOOD, &told)?;
        Ok(json!(told))
    }

    fn tell_trial(&self, word: &str, style: anstyle::Style, what: &str) -> Result<()> {
        match self.json {
            true => Ok(()),
            false => console::line(format_args!("{} {what}", paint(style, word))),
        }
    }
}
