//! `esptb factory run`: boards one after the other, at several ports at once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use clap::Args;
use factory::{Ended, Ledger, Line, Series};
use pki::Profile;

use super::bench::{Bench, Desk, Places};
use super::{LedgerFile, labels, seal};
use crate::arguments::duration;
use crate::cmd::image::{Layout, make, prover::Prover};
use crate::cmd::pki::{self as pki_cmd, CaDir, anchors, makers, settings};
use console::now_ms;
use console::{FAINT, GOOD, counted, paint};

/// Make boards, one after the other at each port
///
/// For each board: reads chip and address, gives it the next serial number, makes its certificate and
/// its settings, writes and verifies its flash, watches its first start until it advertises under its
/// own name, and makes its label. Put the next board on when it says so.
#[derive(Args)]
#[command(mut_arg("app", |app| app.required(true)))]
pub(super) struct Cmd {
    /// A board's port: /dev/ttyUSB0, tcp:HOST:PORT; may be given several times
    #[arg(long = "port", required = true, value_name = "PORT")]
    ports: Vec<String>,
    /// The first serial number of the series; what follows is counted
    #[arg(long, default_value = "SN-000001", value_name = "SERIAL")]
    first: String,
    /// End after so many boards
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End at a port where no board came for so long
    #[arg(long, value_parser = duration, value_name = "TIME")]
    wait: Option<Duration>,
    /// How long a board may take to start and advertise
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    start_within: Duration,
    /// Make boards that are done once more, with the number that they have
    #[arg(long)]
    again: bool,
    /// How fast to send, in bits per second
    #[arg(long, default_value_t = 460_800, value_name = "RATE")]
    baud: u32,
    #[command(flatten)]
    seal: seal::SealOptions,
    #[command(flatten)]
    ledger: LedgerFile,
    #[command(flatten)]
    ca: CaDir,
    /// Folder in which each device gets a folder of its own
    #[arg(long, default_value = "devices", value_name = "DIR")]
    devices: PathBuf,
    #[command(flatten)]
    anchors: anchors::Anchors,
    #[command(flatten)]
    makers: makers::Makers,
    #[command(flatten)]
    settings: settings::Options,
    #[command(flatten)]
    labels: labels::LabelOptions,
    #[command(flatten)]
    layout: Layout,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    // All that can be refused before the first board is.
    let series = Series::from_first(&cmd.first).context("--first")?;
    let template = cmd
        .settings
        .template(&cmd.devices, settings::There::Keep)?
        .context(
            "--broker or --settings: a board needs to know its broker, and its label a proof",
        )?;
    let app = cmd
        .layout
        .app
        .as_deref()
        .context("--app: what is to be written?")?;
    let path = app;
    let app = make::app(path, cmd.layout.chip, cmd.layout.flash_size())?;
    cmd.seal.consent(&app, path)?;
    let version = app.program().and_then(|program| program.app);
    let makers = cmd.makers.read()?;
    makers::tell(makers.as_ref());
    let table = cmd.layout.table()?;
    for warning in make::warnings_of(&table) {
        console::warn(&cmd.devices, warning);
    }
    fs::create_dir_all(&cmd.devices)
        .with_context(|| format!("cannot make {}", cmd.devices.display()))?;
    let mut pki = pki_cmd::load(&cmd.ca)?;
    cmd.anchors.apply(&mut pki)?;
    let desk = Mutex::new(Desk {
        pki,
        profile: Profile::default(),
        template,
        makers,
        warned: false,
        prover: Prover::start()?,
    });
    let places = Places {
        desk: &desk,
        image: cmd.layout.builder(table)?,
        version: version.map_or_else(|| "unknown".into(), |told| told.version),
        devices: &cmd.devices,
        labels: &cmd.labels,
        seal: &cmd.seal,
        baud: cmd.baud,
        start_within: cmd.start_within,
        wait: cmd.wait,
        count: cmd.count,
        begun: AtomicUsize::new(0),
    };
    let ledger = Mutex::new(Ledger::open(&cmd.ledger.ledger, now_ms)?);
    let line = Line {
        ledger: &ledger,
        series: &series,
        again: cmd.again,
    };
    let failed = AtomicUsize::new(0);
    let ended: Vec<Result<()>> = thread::scope(|scope| {
        let benches = cmd.ports.iter().map(|port| {
            let (line, places, failed) = (&line, &places, &failed);
            scope.spawn(move || at_port(line, &mut Bench::new(port, places), failed))
        });
        let benches: Vec<_> = benches.collect();
        let ended = benches.into_iter().map(|bench| bench.join());
        ended
            .map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    ended.into_iter().collect::<Result<()>>()?;
    let account = ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .account()?;
    let line = format!(
        "{} in the ledger: {} done, {} scrapped, {} unfinished",
        counted(account.boards, "board"),
        account.done,
        account.scrapped,
        account.unfinished.len()
    );
    anstream::eprintln!("{}", paint(FAINT, line));
    match failed.into_inner() {
        0 => Ok(()),
        failed => bail!(
            "{} not done: `esptb factory list --unfinished`",
            counted(failed, "board")
        ),
    }
}

/// Works at one port until no board comes any more.
fn at_port(line: &Line<'_>, bench: &mut Bench<'_>, failed: &AtomicUsize) -> Result<()> {
    let port = bench.port().to_owned();
    loop {
        let ended = line.next(bench)?;
        bench.let_go(matches!(ended, Ended::Done(_)));
        match ended {
            Ended::Done(board) => {
                let told = format_args!("{} {}  {port}", board.serial, board.mac);
                console::line(format_args!("{} {told}", paint(GOOD, "done")))?;
            }
            Ended::DoneBefore(board) => {
                let told = format!("{port}: {} was done before; take it off", board.serial);
                anstream::eprintln!("{}", paint(FAINT, told));
            }
            Ended::Failed { serial, fault } => {
                failed.fetch_add(1, Ordering::Relaxed);
                let whose = serial.unwrap_or_else(|| "a board without a number".into());
                console::error(&fault.0.context(format!("{port}: {whose}")));
            }
            Ended::NoMore => return Ok(()),
        }
    }
}
