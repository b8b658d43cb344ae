//! A short chaos run; `cargo xtask chaos` runs long ones.

use e2e::chaos::{KINDS, Run, run};

/// One fault of each kind. A quiet seed: the device's time is what the test takes.
#[test]
fn every_sample_is_accounted_for() {
    let report = run(&Run {
        seed: 4,
        faults: KINDS,
        rate: 60,
        program: env!("CARGO_BIN_EXE_chaos").into(),
        progress: Box::new(|line| println!("{line}")),
    })
    .expect("a world");
    println!("{report}");
    assert!(
        report.passed(),
        "cargo xtask chaos --seed 4 --faults {KINDS}"
    );
    let ledger = &report.ledger;
    assert!(
        ledger.taken > 500 && ledger.delivered > ledger.taken / 4,
        "the run must have tested something"
    );
}
