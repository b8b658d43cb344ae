//! A fleet's options, and its summary.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use fleet::{Broker, Plan, Product};

use crate::arguments::{duration, interval, simulated_version};

/// What a fleet is made of.
#[derive(Args)]
#[command(next_help_heading = "A fleet, instead of one device")]
pub(super) struct Options {
    /// Simulate so many devices at once: provisioned, each with its own certificate and session
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    /// Folder of the authority that makes their certificates, as `esptb pki init` makes it. Without
    /// --broker one is made for the run if it is not there
    #[arg(long, default_value = "ca", requires = "count", value_name = "DIR")]
    ca: PathBuf,
    /// What their serial numbers begin with; six digits follow
    #[arg(
        long,
        default_value = "FLEET-",
        requires = "count",
        value_name = "TEXT"
    )]
    prefix: String,
    /// Devices switched on each second
    #[arg(long, default_value_t = 100.0, requires = "count", value_parser = rate, value_name = "N")]
    ramp: f64,
    /// Between two samples of a device, 100ms to 1h
    #[arg(long, default_value = "1s", requires = "count", value_parser = interval, value_name = "TIME")]
    interval: Duration,
    /// With --for: once no other device came online for this time, do not wait for the rest, which
    /// count as failed
    #[arg(long, default_value = "60s", requires = "count", value_parser = duration, value_name = "TIME")]
    online_within: Duration,
    /// Let them run this version of the stock product, from a slot: they take updates then, by packages of
    /// `esptb firmware sign --simulated`
    #[arg(long, requires_all = ["count", "firmware_key"], value_parser = simulated_version, value_name = "VERSION")]
    firmware: Option<String>,
    /// The public key of whoever may sign what comes after it
    #[arg(long, requires = "firmware", value_name = "FILE")]
    firmware_key: Option<PathBuf>,
    /// Let faults happen to them, to each on average one in this time once it has been online: the network
    /// away, the power cut, a crash
    #[arg(long, requires = "count", value_parser = duration, value_name = "TIME")]
    faults: Option<Duration>,
    /// Let somebody press the button of each, on average once in this time, so that a customer may claim it.
    /// Without --broker one does
    #[arg(long, requires = "count", value_parser = duration, value_name = "TIME")]
    claims: Option<Duration>,
    /// How many days their certificates are valid: few, to rehearse `esptb tb renew` [default: 20 years]
    #[arg(long, requires = "count", value_parser = clap::value_parser!(u32).range(1..), value_name = "DAYS")]
    certificate_days: Option<u32>,
    /// Processes that share the devices [default: one for each core]
    #[arg(long, requires = "count", value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    workers: Option<u32>,
    /// Print the summary as JSON
    #[arg(long, requires = "count")]
    json: bool,
}

/// More than none, and not more than anybody could mean.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err(format!("`{text}` is no rate: write 0.01 to 100000")),
    }
}

impl Options {
    /// Lets the fleet live, for a time or until interrupted.
    ///
    /// # Errors
    ///
    /// If it cannot, or if samples were lost.
    pub(super) fn run(
        self,
        product: Product,
        broker: Broker,
        limit: Option<Duration>,
    ) -> Result<()> {
        let as_json = self.json;
        let summary = fleet::run(&Plan {
            product,
            count: self.count.unwrap_or(1),
            ca: self.ca,
            prefix: self.prefix,
            ramp: self.ramp,
            interval: self.interval,
            online_within: self.online_within,
            firmware: self.firmware,
            firmware_key: self.firmware_key,
            faults: self.faults,
            claims: self.claims,
            certificate_days: self.certificate_days,
            workers: self.workers,
            broker,
            limit,
        })?;
        if as_json {
            console::line(serde_json::to_string_pretty(&summary)?)?;
        } else {
            console::line(summary.to_string().trim_end())?;
        }
        summary.verdict()
    }
}
