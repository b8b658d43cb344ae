//! The chaos run: one device, hundreds of faults drawn from a seed, and a ledger of every sample.
//!
//! [`plan()`] says what happens; the world makes it happen to a simulated device, a relay for a
//! network, and a server in a process of its own that is killed for real; the [`Ledger`] says what
//! became of every sample that the sensor gave, without asking the device. The plan is pure: a seed
//! that failed can be run again. What runs beside each other in real sockets and processes does so
//! a little differently every time.

mod air;
mod ledger;
mod lives;
mod plan;
mod server;
mod world;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use device::context::QUEUE_SAMPLES;
use embassy_time::{Instant, Timer};
use simulator::flash::Flash;

pub use ledger::{End, Ledger, Life, Received};
pub use lives::Counts;
pub use plan::{Fault, Impostor, KINDS, PEACE_AFTER, Place, Planned, plan};
pub use server::serve;

use crate::desk::{BACKLOG_SECTORS, Desk, PASSPHRASE, PROOF, with_backlog};
use crate::line::Line;
use crate::maker::Maker;
use crate::secrets::{given_away, hide};
use lives::Lives;
use server::ServerFolder;
use world::{AHEAD_MS, World, flash_image};

/// The serial number of the device that suffers.
const DEVICE: &str = "SN-CHAOS";

/// What a run is made of.
pub struct Run {
    /// What the faults are drawn from.
    pub seed: u64,
    /// How many.
    pub faults: usize,
    /// Device seconds per real second.
    pub rate: u32,
    /// The program that calls [`serve`] when it is given `serve FOLDER DEVICE`.
    pub program: PathBuf,
    /// Told every fault as it happens, in one line.
    pub progress: Box<dyn Fn(&str)>,
}

/// What came of a run.
pub struct Report {
    /// What the faults were drawn from.
    pub seed: u64,
    /// How many faults there were to be.
    pub faults: usize,
    /// Every fault, in the order in which they began, with the time since the beginning.
    pub log: Vec<String>,
    /// What became of every sample.
    pub ledger: Ledger,
    /// What else was counted.
    pub counts: Counts,
    /// How long the run was for the device, in seconds.
    pub device_s: u64,
    /// The longest that the device took to be online with an empty queue after all faults of a
    /// round were over, in seconds.
    pub longest_s: u64,
    /// Why the run is a failure, besides the ledger.
    pub failures: Vec<String>,
    /// The last events of the device.
    pub last_words: Vec<String>,
}

impl Report {
    /// Whether every sample is accounted for, and nothing else went wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.ledger.balances() && self.failures.is_empty()
    }
}

/// Hours, minutes and seconds.
struct Clock(u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(s) = self;
        write!(f, "{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "seed {}: {} faults in {} of the device's time",
            self.seed,
            self.faults,
            Clock(self.device_s),
        )?;
        writeln!(
            f,
            "  {} boots, provisioned {} times, {} connections ({} TLS handshakes resumed), {} \
             failed or broke",
            counts.boots, counts.provisioned, counts.connections, counts.resumed, counts.failures,
        )?;
        writeln!(
            f,
            "  {} versions ran, {} given up; {} times another certificate, {} tries for one failed; {} times another CA",
            counts.versions,
            counts.given_up,
            counts.renewed,
            counts.renewals_failed,
            counts.anchors,
        )?;
        writeln!(f, "  well again after {} s at most", self.longest_s)?;
        self.ledger.fmt(f)?;
        for failure in &self.failures {
            writeln!(f, "  FAILED: {failure}")?;
        }
        if self.passed() {
            return Ok(());
        }
        writeln!(f, "the device's last words:")?;
        self.last_words
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Runs it, on one thread.
///
/// # Errors
///
/// In words, if the world cannot be set up. What the device does wrong is in the report.
pub fn run(run: &Run) -> Result<Report, String> {
    hosttime::set_rate(run.rate);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(play(run)))
}

async fn play(run: &Run) -> Result<Report, String> {
    let folder = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let world = set_up(run, folder.path().to_owned()).await?;
    hide(PROOF);
    hide(PASSPHRASE);
    let told = RefCell::new(Vec::new());
    let begun = Cell::new(Instant::now());
    let story = async {
        world.provision().await?;
        begun.set(Instant::now());
        world.wait_for("online", |seen| seen.online).await?;
        world.set_interval(500).await;
        faults(run, &world, &told, begun.get()).await
    };
    let ended = tokio::select! {
        never = world.lives.live_on(&world.board) => match never {},
        ended = async {
            let ended = story.await;
            world.lives.end().await;
            ended
        } => ended,
    };
    let stopped = world.stop_server().await;
    let mut failures: Vec<String> = ended.err().into_iter().chain(stopped.err()).collect();
    let given_away = given_away().into_iter();
    failures.extend(given_away.map(|line| format!("a secret was told: {line}")));
    let stored = world.folder.stored().await.unwrap_or_else(|error| {
        failures.push(error);
        Default::default()
    });
    let received = Received {
        arrivals: world.folder.arrivals.take(),
        stored,
    };
    let lives = world.lives.lives.take();
    let versions = world.lives.versions.take();
    let forged = versions.iter().filter(|version| version.contains("forged"));
    failures.extend(forged.map(|version| format!("{version} ran, which the maker did not sign")));
    let counts = Counts {
        versions: versions.len() as u32,
        ..*world.lives.counts.borrow()
    };
    Ok(Report {
        seed: run.seed,
        faults: run.faults,
        log: told.take(),
        ledger: Ledger::of(&lives, &received, QUEUE_SAMPLES as u64),
        counts,
        longest_s: world.longest_s.get(),
        device_s: begun.get().elapsed().as_secs(),
        failures,
        last_words: world.lives.last_words.take().into(),
    })
}

async fn set_up(run: &Run, folder: PathBuf) -> Result<Rc<World>, String> {
    let desk = Desk::set().await;
    let line = Line::lay(&desk.world.internet)
        .await
        .map_err(|e| e.to_string())?;
    let maker = Maker::new();
    let identity = desk.pki.device(DEVICE).map_err(|e| e.to_string())?;
    let flash = flash_image(&desk, &maker, &identity, &identity, line.port);
    let flash = Flash::from_bytes(with_backlog(&flash, BACKLOG_SECTORS));
    let board = desk.board(flash, 99);
    board.wiring.number_readings();
    let folder = ServerFolder {
        program: run.program.clone(),
        folder,
        device: DEVICE.into(),
        arrivals: Rc::default(),
        told: Default::default(),
    };
    folder.prepare(&desk.pki).map_err(|e| e.to_string())?;
    let world = World {
        server_identity: RefCell::new(desk.server_identity()),
        authority: RefCell::default(),
        maker,
        desk,
        line,
        board,
        lives: Lives::new(),
        folder,
        server: tokio::sync::Mutex::new(None),
        device_identity: RefCell::new(identity),
        passphrase: RefCell::new(PASSPHRASE.into()),
        places: Default::default(),
        numbers: Cell::new(0),
        longest_s: Cell::new(0),
    };
    world.desk.time.lie(AHEAD_MS);
    world.start_server().await?;
    Ok(Rc::new(world))
}

/// Lets every fault happen, and ends when all are over and the device is well.
async fn faults(
    run: &Run,
    world: &Rc<World>,
    told: &RefCell<Vec<String>>,
    begun: Instant,
) -> Result<(), String> {
    let tell = |line: String| {
        (run.progress)(&line);
        told.borrow_mut().push(line);
    };
    let now = || Clock(begun.elapsed().as_secs());
    let plan = plan(run.seed, run.faults);
    for (round, faults) in plan.chunks(PEACE_AFTER).enumerate() {
        let mut under_way = tokio::task::JoinSet::new();
        for (index, planned) in faults.iter().enumerate() {
            let number = round * PEACE_AFTER + index + 1;
            let Planned {
                pause_ms,
                fault,
                lasting_ms,
            } = *planned;
            Timer::after_millis(pause_ms).await;
            // Someone with a phone comes when the network works otherwise.
            let device = match fault {
                Fault::PassphraseReplaced => Some(world.take(Place::Device).await),
                _ => None,
            };
            let place = world.take(fault.place()).await;
            let more = match fault {
                Fault::Button => Some(world.take(Place::Wifi).await),
                Fault::AnchorsChanged => Some(world.take(Place::Server).await),
                _ => None,
            };
            let lasting = match lasting_ms {
                0 => String::new(),
                ms => format!(", for {:.1} s", ms as f64 / 1e3),
            };
            tell(format!("{} #{number:<4} {fault}{lasting}", now()));
            let world = world.clone();
            under_way.spawn_local(async move {
                let done = world.suffer(fault, lasting_ms).await;
                drop((device, place, more));
                done.map_err(|error| format!("#{number}, {fault}: {error}"))
            });
        }
        while let Some(done) = under_way.join_next().await {
            done.map_err(|e| e.to_string())??;
        }
        let over = Instant::now();
        // What the last fault did shows after a moment, and what was acknowledged before is past.
        Timer::after_secs(1).await;
        world.lives.seen.send_modify(|seen| seen.backlog = None);
        world
            .wait_for("online with an empty queue", |seen| {
                seen.online && seen.backlog.is_some_and(|backlog| backlog < 10)
            })
            .await?;
        world.wait_for_flash().await?;
        let took_s = over.elapsed().as_secs();
        world.longest_s.set(world.longest_s.get().max(took_s));
        tell(format!("{}       well after {took_s} s", now()));
    }
    Ok(())
}
