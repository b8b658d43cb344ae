//! Boards in series, with the power failing anywhere: no serial number twice, none left out, every
//! board accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use factory::{Account, Board, Ended, Identity, Ledger, LedgerError, Line, Series, Stage, Station};

/// Time stands still: nothing here depends on it.
fn now() -> i64 {
    1_800_000_000_000
}

fn series() -> Series {
    Series::from_first("SN-0001").expect("a series")
}

fn identity(tail: u8) -> Identity {
    Identity {
        mac: [0x24, 0x0A, 0xC4, 0, 0, tail],
        chip: "esp32c3".into(),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Fault(String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self(error.to_string())
    }
}

/// What survives: certificates, and what the boards hold.
#[derive(Default)]
struct World {
    made: BTreeSet<String>,
    flashes: BTreeMap<String, String>,
    labels: Vec<String>,
}

/// A station whose power fails before the step with this number, counted from 1; never if 0.
struct Bench<'a> {
    world: &'a mut World,
    boards: Vec<u8>,
    fails_at: u32,
    steps: u32,
}

impl Bench<'_> {
    fn step(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        match self.steps == self.fails_at {
            // As a kill does: nothing after this is written down.
            true => panic!("the power fails"),
            false => Ok(()),
        }
    }
}

impl Station for Bench<'_> {
    type Fault = Fault;

    fn port(&self) -> &str {
        "port"
    }

    fn arrive(&mut self) -> Result<Option<Identity>, Fault> {
        self.step()?;
        Ok((!self.boards.is_empty()).then(|| identity(self.boards.remove(0))))
    }

    fn is_made(&self, serial: &str) -> bool {
        self.world.made.contains(serial)
    }

    fn certify(&mut self, board: &Board) -> Result<String, Fault> {
        self.step()?;
        self.world.made.insert(board.serial.clone());
        self.step()?;
        Ok(format!("certificate of {}", board.serial))
    }

    fn write(&mut self, board: &Board) -> Result<String, Fault> {
        self.step()?;
        let flash = (board.mac.clone(), board.serial.clone());
        self.world.flashes.insert(flash.0, flash.1);
        self.step()?;
        Ok("1.0.0".into())
    }

    fn start(&mut self, _board: &Board) -> Result<(), Fault> {
        self.step()
    }

    fn label(&mut self, board: &Board) -> Result<(), Fault> {
        self.step()?;
        self.world.labels.push(board.serial.clone());
        self.step()
    }
}

/// Works through boards until none is left or the power fails; tells which.
fn work(file: &Path, world: &mut World, boards: &[u8], fails_at: u32) -> bool {
    let ledger = Mutex::new(Ledger::open(file, now).expect("a ledger"));
    let mut bench = Bench {
        world,
        boards: boards.to_vec(),
        fails_at,
        steps: 0,
    };
    let line = Line {
        ledger: &ledger,
        series: &series(),
        again: false,
    };
    let run = std::panic::AssertUnwindSafe(|| {
        while line.next(&mut bench).expect("the ledger works") != Ended::NoMore {}
    });
    std::panic::catch_unwind(run).is_ok()
}

/// The power fails at each step once, and the boards are put on again in another order.
#[test]
fn wherever_the_power_fails_each_board_has_one_number_and_none_is_left_out() {
    let mut failed = 0;
    for fails_at in 1.. {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ledger.sqlite");
        let mut world = World::default();
        let whole = work(&file, &mut world, &[1, 2, 3], fails_at);
        assert!(work(&file, &mut world, &[3, 1, 4, 2], 0));
        let ledger = Ledger::open(&file, now).expect("a ledger");
        let boards = ledger.boards().expect("boards");
        let serials: Vec<_> = boards.iter().map(|board| &*board.serial).collect();
        assert_eq!(serials, ["SN-0001", "SN-0002", "SN-0003", "SN-0004"]);
        assert!(boards.iter().all(|board| board.stage == Stage::Done));
        for board in &boards {
            assert_eq!(world.flashes.get(&board.mac), Some(&board.serial));
            assert!(world.labels.contains(&board.serial));
        }
        let account = ledger.account().expect("an account");
        let all_done = Account {
            boards: 4,
            done: 4,
            ..Account::default()
        };
        assert_eq!(account, all_done);
        let interrupted = ledger.visits(100).expect("visits");
        let interrupted = interrupted
            .iter()
            .filter(|visit| visit.outcome.as_deref() == Some("interrupted"));
        failed += interrupted.count();
        if whole {
            assert!(failed > 15, "the power did fail: {failed}");
            return;
        }
    }
}

#[test]
fn two_stations_share_a_ledger() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger.sqlite");
    std::thread::scope(|scope| {
        for station in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                let mut ledger = Ledger::open(file, now).expect("a ledger");
                for board in 0..25 {
                    let port = format!("port {station}");
                    let trial = ledger.arrived(&port).expect("a trial");
                    let identity = identity(station * 25 + board);
                    ledger
                        .identified(trial, &identity, &series(), &|_| false)
                        .expect("a number");
                }
            });
        }
    });
    let ledger = Ledger::open(&file, now).expect("a ledger");
    let serials: Vec<_> = ledger.boards().expect("boards");
    let serials: Vec<_> = serials.iter().map(|board| board.serial.clone()).collect();
    let expected: Vec<_> = (1..=100).map(|number| format!("SN-{number:04}")).collect();
    assert_eq!(serials, expected);
}

#[test]
fn numbers_are_neither_left_out_nor_given_to_a_second_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = Ledger::open(&folder.path().join("l.sqlite"), now).expect("a ledger");
    let trial = ledger.arrived("port").expect("a trial");
    let mut give = |first: &str, tail: u8, taken: bool| {
        let series = Series::from_first(first).expect("a series");
        ledger.identified(trial, &identity(tail), &series, &|_| taken)
    };
    assert_eq!(give("SN-0007", 1, false).expect("given").serial, "SN-0007");
    let refused = give("SN-0009", 2, false).expect_err("refused").to_string();
    assert!(refused.contains("goes on with SN-0008"), "{refused}");
    assert_eq!(give("SN-0007", 2, false).expect("given").serial, "SN-0008");
    let refused = give("SN-0007", 3, true).expect_err("refused");
    assert!(matches!(refused, LedgerError::Taken(serial) if serial == "SN-0009"));
    // What it has is its own, whoever made the certificate, and whatever series runs.
    assert_eq!(give("X-1", 2, true).expect("given").serial, "SN-0008");
    assert_eq!(give("X-9", 4, false).expect("given").serial, "X-9");
    assert!(matches!(give("X-9", 5, false), Err(LedgerError::Full(_))));

    ledger
        .scrap("24:0a:c4:00:00:02", "no radio")
        .expect("scrapped");
    let scrapped = ledger
        .identified(trial, &identity(2), &series(), &|_| false)
        .expect_err("scrapped")
        .to_string();
    assert!(scrapped.contains("no radio"), "{scrapped}");
    let account = ledger.account().expect("an account");
    assert_eq!((account.boards, account.scrapped), (3, 1));
    assert_eq!(account.unfinished, ["SN-0007", "X-9"]);
    assert!(account.missing.is_empty());
    let unknown = ledger.scrap("SN-4711", "").expect_err("unknown");
    assert!(matches!(unknown, LedgerError::Unknown(_)));
}
