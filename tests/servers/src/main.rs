//! The device against the TLS servers of others, each set as its operator may set it.
//!
//! For each server and each of its settings a whole simulated device starts, goes to the server, and
//! is online, or says why it is not. What is to come of each is known ([`setting`]), and the table in
//! docs/tls-servers.md tells it: this program fails where it is otherwise, or not what the table
//! tells.

mod chains;
mod page;
mod servers;
mod setting;
mod stage;
mod visit;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use device::cloud::CloudError;
use device::tls::TlsError;

use page::Table;
use servers::{Maker, Port};
use setting::Setting;
use stage::{Stage, free_ports, listens};
use visit::{Outcome, visit};

/// Device seconds per real second: few, as all devices and one of the servers share a core, which on
/// a busy computer they have a quarter of.
const RATE: u32 = 2;
/// How many devices live at a time. A handshake lasts as long as all of them take together; and for
/// more than 24 MbedTLS has too few places for keys.
const AT_A_TIME: usize = 12;

/// Lets a device go to each server, in each of its settings.
#[derive(Parser)]
struct Options {
    /// Only this server
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Write the table in docs/tls-servers.md anew
    #[arg(long, conflicts_with = "only")]
    update: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    hosttime::set_rate(RATE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime.context("a runtime").and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        runtime.block_on(local.run_until(run(&options)))
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool> {
    let stage = Stage::set().await?;
    let settings = Setting::all();
    let mut table = Table::default();
    let mut faults = Vec::new();
    let mut skipped = Vec::new();
    for maker in Maker::ALL {
        let name = maker.name();
        if options.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        if let Some(package) = maker.missing() {
            skipped.push(format!("{name} (package {package})"));
            continue;
        }
        let outcomes = meet(&stage, maker, &settings, &mut table).await;
        let outcomes = outcomes.with_context(|| name)?;
        for (row, outcome) in outcomes {
            let setting = &settings[row];
            println!("{name:<10} {:<60} {outcome:?}", setting.name);
            if let Err(why) = judge(setting, &outcome) {
                faults.push(format!("{name}, {}: {why}", setting.name));
            }
            table.cells.insert((maker, row), outcome);
        }
    }
    let given_away = e2e::given_away();
    faults.extend(given_away.iter().map(|line| format!("a secret in {line}")));
    if faults.is_empty()
        && let Err(error) = page::check(&table, &settings, options.update)
    {
        faults.push(format!("{error:#}"));
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    // For `cargo xtask test`: the last line.
    let mut note = format!(
        "{} servers in {} settings",
        table.versions.len(),
        table.cells.len()
    );
    if !skipped.is_empty() {
        note += &format!("; not there: {}", skipped.join(", "));
    }
    println!("{note}");
    Ok(faults.is_empty())
}

/// Lets devices go to the server in all of its settings.
async fn meet(
    stage: &Stage,
    maker: Maker,
    settings: &[Setting],
    table: &mut Table,
) -> Result<BTreeMap<usize, Outcome>> {
    let rows: Vec<_> = (0..settings.len())
        .filter(|row| maker.can(&settings[*row]))
        .collect();
    let ports: Vec<_> = rows
        .iter()
        .zip(free_ports(rows.len())?)
        .map(|(row, number)| Port {
            number,
            setting: &settings[*row],
        })
        .collect();
    let running = maker.start(stage, &ports).await?;
    for port in &ports {
        listens(port.number)
            .await
            .with_context(|| port.setting.name.clone())?;
    }
    table.versions.insert(maker, running.version.clone());
    let mut outcomes = BTreeMap::new();
    let todo = std::cell::RefCell::new(rows.iter().zip(&ports));
    let workers = (0..AT_A_TIME).map(|_| async {
        let mut done = Vec::new();
        loop {
            let next = todo.borrow_mut().next();
            let Some((row, port)) = next else {
                return Ok::<_, anyhow::Error>(done);
            };
            let serial = format!("SN-{}-{row}", maker.name());
            let outcome = visit(stage, &serial, port.setting, port.number).await;
            let outcome = outcome.with_context(|| port.setting.name.clone())?;
            done.push((*row, outcome));
        }
    });
    for worker in join_all(workers).await {
        outcomes.extend(worker?);
    }
    drop(running);
    Ok(outcomes)
}

/// All futures at once, on this task.
async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    use std::pin::Pin;
    use std::task::Poll;

    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        match outputs.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// Whether that is what is to come of the setting.
fn judge(setting: &Setting, outcome: &Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Online(version) | Outcome::Twice(version, _) => {
            if !setting.refused.is_empty() && !setting.may_work {
                return Err("works, though it must not".to_owned());
            }
            if *version != setting.spoken() {
                return Err(format!("{version:?} in place of {:?}", setting.spoken()));
            }
            if let Outcome::Twice(_, false) = outcome
                && setting.tickets
            {
                return Err("the session is not resumed".to_owned());
            }
        }
        Outcome::Refused(error) => {
            let text = error.to_string();
            let CloudError::Tls(tls) = error else {
                return Err(text);
            };
            let name = format!("{tls:?}");
            if !setting
                .refused
                .iter()
                .any(|wanted| name.starts_with(wanted))
            {
                return Err(format!("{name}: {text}"));
            }
            if matches!(tls, TlsError::Other(_)) || text.contains("-0x") {
                return Err(format!("a number in place of a name: {text}"));
            }
        }
    }
    Ok(())
}
