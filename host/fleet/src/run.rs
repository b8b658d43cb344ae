//! One run of a fleet, from its parent: switch on, watch, let the samples arrive, add up.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use device::settings::Settings;
use serde_json::json;
use simulator::ntp::TimeServer;
use tokio::time::{interval, sleep_until};

use super::crew::Crew;
use super::limits::allow_connections;
use super::protocol::{Order, Progress, Share, Told, name};
use super::server::LocalServer;
use super::summary::{Mark, Summary};
use super::tally::{Counts, Times, Usage};
use crate::product::Product;
use console::printable;
use console::{interrupted, on_one_thread};

/// How long samples under way may take to arrive at the end: longer than the minute that a device pauses which crashed
/// again and again, its own patience with a silent broker, and the pause before its next try.
const PATIENCE: Duration = Duration::from_secs(150);
/// The proof of possession of all devices that may be claimed, in the place of one of each.
const PROOF: &str = "fleet";
/// Between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// What a fleet is made of, and how long it lives.
pub struct Plan {
    /// What the devices are for.
    pub product: Product,
    /// How many there are.
    pub count: u32,
    /// The folder of the authority that makes their certificates.
    pub ca: PathBuf,
    /// What their serial numbers begin with; six digits follow.
    pub prefix: String,
    /// Devices switched on each second.
    pub ramp: f64,
    /// Between two samples of a device.
    pub interval: Duration,
    /// With a limit: once no other device came online for this time, the rest is not waited for.
    pub online_within: Duration,
    /// The version that they run from a slot, so that they take updates.
    pub firmware: Option<String>,
    /// The public key of whoever may sign what comes after it.
    pub firmware_key: Option<PathBuf>,
    /// The mean time between two faults of a device.
    pub faults: Option<Duration>,
    /// The mean time between two presses of a device's button.
    pub claims: Option<Duration>,
    /// How many days their certificates are valid, if not for as long as others.
    pub certificate_days: Option<u32>,
    /// Processes that share the devices; one for each core if none is said.
    pub workers: Option<u32>,
    /// Whose broker they connect to.
    pub broker: Broker,
    /// How long they live once all are online; until somebody interrupts if none.
    pub limit: Option<Duration>,
}

/// Whose broker the fleet connects to.
pub struct Broker {
    /// `mqtts://…`; the local server for the run if none.
    pub url: Option<String>,
    /// The name that its certificate must carry.
    pub server_name: Option<String>,
    /// The CAs that its certificate may come from.
    pub server_ca: Option<PathBuf>,
}

/// Lets the fleet live, for its time or until interrupted. How it goes is told on standard error.
///
/// # Errors
///
/// If it cannot; what became of the samples is for [`Summary::verdict`].
pub fn run(plan: &Plan) -> Result<Summary> {
    on_one_thread(live(plan))
}

async fn live(plan: &Plan) -> Result<Summary> {
    let count = plan.count;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = plan.workers.map_or(cores, |n| n as usize);
    let workers = workers.clamp(1, count as usize);
    let most_here = if plan.broker.url.is_none() {
        count.into()
    } else {
        0
    };
    allow_connections(u64::from(count).div_ceil(workers as u64).max(most_here))?;

    let server = match &plan.broker.url {
        None => Some(LocalServer::start(&plan.ca).await?),
        Some(_) => None,
    };
    // So many devices do not ask the public's.
    let time = TimeServer::start().await;
    let time = time.context("no port for the time server")?;
    let share = share(plan, server.as_ref(), &time)?;
    let mut fleet = Fleet::new(Crew::start(workers)?, count, plan.faults.is_some());
    fleet.make(&share).await?;
    fleet.go(plan.ramp).await?;
    fleet.watch(plan.limit, plan.online_within).await?;
    fleet.drain().await?;
    let (stored, claimed) = match server {
        Some(server) => {
            let stored = server.samples().await?;
            let devices = (1..=count).map(|number| name(&plan.prefix, number));
            let claimed = server.claim(devices, PROOF).await?;
            server.stop().await;
            (Some(stored), plan.claims.map(|_| claimed))
        }
        None => (None, None),
    };
    Ok(fleet.summary(plan.ramp, stored).with_claimed(claimed))
}

/// What all devices have in common.
fn share(plan: &Plan, server: Option<&LocalServer>, time: &TimeServer) -> Result<Share> {
    let broker = &plan.broker;
    let mut settings = json!({
        "broker": broker.url,
        "sntp_server": time.address().to_string(),
        "telemetry_interval_ms": u64::try_from(plan.interval.as_millis())?,
    });
    if plan.claims.is_some() {
        settings["provisioning"] = json!({ "pop": PROOF });
    }
    if let Some(name) = &broker.server_name {
        settings["server_name"] = name.as_str().into();
    }
    let mut ca = plan.ca.clone();
    if let Some(server) = server {
        settings["broker"] = server.url().into();
        settings["server_name"] = "localhost".into();
        ca.clone_from(&server.ca);
    } else if !ca.join("intermediate.key").exists() {
        bail!(
            "no authority in {}: name its folder by --ca (`esptb pki init` makes one), which the \
             broker must know",
            ca.display()
        );
    }
    let settings = settings.to_string();
    Settings::parse(settings.as_bytes())
        .map_err(|error| anyhow::anyhow!("the devices would refuse this: {error}"))?;
    let read = |path: &PathBuf| console::files::read_text(path);
    Ok(Share {
        product: plan.product,
        ca,
        first: 1,
        step: 1,
        count: plan.count,
        prefix: plan.prefix.clone(),
        settings,
        server_chain: broker.server_ca.as_ref().map(read).transpose()?,
        firmware: plan.firmware.clone(),
        firmware_key: plan.firmware_key.as_ref().map(read).transpose()?,
        faults_ms: plan.faults.map(|mean| mean.as_millis() as u64),
        claims_ms: plan.claims.map(|mean| mean.as_millis() as u64),
        certificate_days: plan.certificate_days,
    })
}

/// A fleet under way.
struct Fleet {
    crew: Crew,
    count: u32,
    /// What each worker used before it made its devices.
    before: Vec<Usage>,
    /// What each worker told last, without its times.
    latest: Vec<Progress>,
    connecting: Times,
    acknowledging: Times,
    trouble: Option<String>,
    started: Instant,
    /// Whether faults take devices away on purpose.
    faults: bool,
    /// The most that were here at once, and since when.
    most_here: u64,
    risen: Instant,
    /// When the rest was given up, and how many it was.
    given_up: Option<(Instant, u64)>,
    /// When all were online, and what it took until then.
    complete: Option<Mark>,
    /// When the run was over.
    over: Option<Mark>,
}

impl Fleet {
    fn new(crew: Crew, count: u32, faults: bool) -> Self {
        let workers = crew.len();
        Self {
            crew,
            count,
            before: vec![Usage::default(); workers],
            latest: vec![Progress::default(); workers],
            connecting: Times::default(),
            acknowledging: Times::default(),
            trouble: None,
            started: Instant::now(),
            faults,
            most_here: 0,
            risen: Instant::now(),
            given_up: None,
            complete: None,
            over: None,
        }
    }

    /// Lets the workers make the devices, dealt out like cards.
    async fn make(&mut self, share: &Share) -> Result<()> {
        let workers = self.crew.len() as u32;
        for index in 0..workers {
            let order = Order::Make(Share {
                first: share.first + index,
                step: workers,
                count: (self.count - index).div_ceil(workers),
                ..share.clone()
            });
            self.crew.order(index as usize, &order).await?;
        }
        let mut made = 0;
        while made < workers {
            if let (index, Told::Made { before }) = self.crew.next().await? {
                self.before[index] = before;
                made += 1;
            }
        }
        Ok(())
    }

    /// Has them switched on, so many a second over all workers.
    async fn go(&mut self, ramp: f64) -> Result<()> {
        self.started = Instant::now();
        // No device can be online before it is switched on.
        self.risen = self.started + Duration::from_secs_f64(f64::from(self.count) / ramp);
        let workers = self.crew.len();
        for index in 0..workers {
            let order = Order::Go {
                delay_ms: index as f64 * 1_000.0 / ramp,
                pause_ms: workers as f64 * 1_000.0 / ramp,
            };
            self.crew.order(index, &order).await?;
        }
        Ok(())
    }

    /// Until the time is over, counted from when all are online or no hope for the rest is left, or
    /// somebody interrupts.
    async fn watch(&mut self, limit: Option<Duration>, online_within: Duration) -> Result<()> {
        let mut interrupted = pin!(interrupted());
        let mut lines = Lines::new();
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            let hopeless = self.risen + online_within;
            let waits = limit.is_some() && self.complete.is_none() && self.given_up.is_none();
            let begun = self.given_up.map(|(at, _)| at);
            let begun = begun.or(self.complete.as_ref().map(|complete| complete.at));
            let end = limit.zip(begun).map(|(limit, begun)| begun + limit);
            tokio::select! {
                () = &mut interrupted => break,
                told = self.crew.next() => self.note(told?),
                () = sleep_until(hopeless.into()), if waits => {
                    let absent = u64::from(self.count).saturating_sub(self.here());
                    self.given_up = Some((Instant::now(), absent));
                }
                _ = ticks.tick() => lines.show(&self.progress()),
                () = sleep_until(end.unwrap_or_else(Instant::now).into()), if end.is_some() => break,
            }
        }
        lines.end();
        self.over = Some(self.mark());
        Ok(())
    }

    /// Lets the samples that wait arrive, as long as there is hope.
    async fn drain(&mut self) -> Result<()> {
        self.crew.order_all(&Order::Drain).await?;
        let workers = self.crew.len();
        let end = Instant::now() + PATIENCE;
        let mut interrupted = pin!(interrupted());
        if self.counts().connected == 0 {
            // What waits, waits for a broker that was never there.
            return Ok(());
        }
        // What was under way when the order came is told once more by each.
        let mut heard = vec![0; workers];
        loop {
            tokio::select! {
                // For the second time: somebody has no patience.
                () = &mut interrupted => return Ok(()),
                () = sleep_until(end.into()) => return Ok(()),
                told = self.crew.next() => {
                    let (index, told) = told?;
                    heard[index] += 1;
                    self.note((index, told));
                    if heard.iter().all(|&times| times >= 2) && self.counts().waiting() == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn note(&mut self, (index, told): (usize, Told)) {
        if let Told::Progress(progress) = told {
            self.connecting.add(&progress.connecting);
            self.acknowledging.add(&progress.acknowledging);
            if progress.trouble.is_some() {
                self.trouble.clone_from(&progress.trouble);
            }
            self.latest[index] = progress;
        }
        let here = self.here();
        if here > self.most_here {
            self.most_here = here;
            self.risen = self.risen.max(Instant::now());
        }
        if self.complete.is_none() && here == u64::from(self.count) {
            self.complete = Some(self.mark());
            // Before, the broker was busy with handshakes.
            self.acknowledging = Times::default();
        }
    }

    /// Devices that the run need not wait for: those online, and where faults take some away, so that
    /// all are never online at once, those that once were.
    fn here(&self) -> u64 {
        let counts = self.counts();
        if self.faults {
            counts.arrived
        } else {
            counts.online
        }
    }

    fn counts(&self) -> Counts {
        self.latest.iter().map(|progress| progress.counts).sum()
    }

    fn mark(&self) -> Mark {
        Mark {
            at: Instant::now(),
            workers: self
                .latest
                .iter()
                .map(|progress| (progress.counts, progress.usage))
                .collect(),
            parent: Usage::now(),
        }
    }

    fn progress(&self) -> String {
        let counts = self.counts();
        let mut line = format!(
            "{}/{} online, {} samples, {} acknowledged, {} waiting",
            counts.online,
            self.count,
            counts.sampled,
            counts.acknowledged,
            counts.waiting(),
        );
        if counts.dropped > 0 {
            line += &format!(", {} dropped", counts.dropped);
        }
        if let Some(times) = self.acknowledging.percentiles() {
            line += &format!(", p99 {:.0} ms", times.p99_ms);
        }
        if let (true, Some(trouble)) = (counts.failed > 0, &self.trouble) {
            line += &format!("; {} failures, last {}", counts.failed, printable(trouble));
        }
        line
    }

    fn summary(self, ramp: f64, stored: Option<u64>) -> Summary {
        let over = self.over.clone().unwrap_or_else(|| self.mark());
        let absent = self.given_up.map_or(0, |(_, absent)| absent);
        Summary::new(
            self.count,
            ramp,
            self.started,
            &self.before,
            self.complete.as_ref(),
            &over,
        )
        .with_outcome(
            self.counts(),
            stored,
            self.connecting.percentiles(),
            self.acknowledging.percentiles(),
            self.trouble,
        )
        .with_absent(absent)
    }
}

/// Progress for people: one line that is written over on a terminal, lines now and then elsewhere.
struct Lines {
    terminal: bool,
    last: Option<Instant>,
}

impl Lines {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            last: None,
        }
    }

    fn show(&mut self, line: &str) {
        let mut out = std::io::stderr().lock();
        // Nobody may be looking.
        let _ = if self.terminal {
            write!(out, "\r\x1b[K{line}").and_then(|()| out.flush())
        } else if self.last.is_none_or(|last| last.elapsed() >= QUIET) {
            self.last = Some(Instant::now());
            writeln!(out, "{line}")
        } else {
            Ok(())
        };
    }

    fn end(&mut self) {
        if self.terminal {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_public_time_server_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("intermediate.key"), "").unwrap();
        let plan = Plan {
            product: Product::Climate,
            count: 10_000,
            ca: folder.path().to_owned(),
            prefix: "SN-".into(),
            ramp: 1.0,
            interval: Duration::from_secs(1),
            online_within: Duration::from_secs(1),
            firmware: None,
            firmware_key: None,
            faults: None,
            claims: None,
            certificate_days: None,
            workers: None,
            broker: Broker {
                url: Some("mqtts://tb.example.com".into()),
                server_name: None,
                server_ca: None,
            },
            limit: None,
        };
        let asked = on_one_thread(async {
            let time = TimeServer::start().await?;
            let share = share(&plan, None, &time)?;
            let settings = Settings::parse(share.settings.as_bytes()).unwrap();
            assert_eq!(settings.sntp_servers.len(), 1);
            Ok(settings.sntp_servers[0].address() == Some(time.address().ip()))
        });
        assert!(asked.unwrap());
    }
}
