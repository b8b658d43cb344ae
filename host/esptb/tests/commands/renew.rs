//! `esptb tb renew` and `esptb tb anchors`, with devices that the test plays.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::desk::Desk;
use crate::played::{Manner, Played, playing, shared};
use crate::program::{begun, done, err, failed, failed_at_the_end, out};

fn desk() -> Desk {
    let desk = Desk::in_the_clear();
    desk.log_in();
    done(&desk.esptb(&["pki", "init"]));
    desk
}

fn devices(desk: &Desk, manners: &[(&str, i64, Manner)]) -> Vec<Played> {
    let made = manners.iter();
    made.map(|(name, days, manner)| Played::new(desk, name, *days, *manner))
        .collect()
}

const COMMON: &[&str] = &[
    "--profile",
    "default",
    "--soak",
    "300ms",
    "--every",
    "100ms",
];

fn renew(desk: &Desk, more: &[&str]) -> Output {
    desk.esptb(&[&["tb", "renew"], COMMON, more].concat())
}

fn report(desk: &Desk) -> Value {
    desk.json(&[
        "tb",
        "renew",
        "--state",
        "renew-default.sqlite",
        "--report",
        "--json",
    ])
}

fn tried(report: &Value) -> Vec<u64> {
    let waves = report["waves"].as_array().expect("waves").iter();
    waves
        .map(|wave| wave["tried"].as_u64().expect("a number"))
        .collect()
}

fn told<'a>(report: &'a Value, device: &str) -> &'a str {
    let failed = report["failed"].as_array().expect("those that failed");
    let found = failed.iter().find(|one| one["device"] == device);
    found.unwrap_or_else(|| panic!("{device}: {report}"))["fault"]
        .as_str()
        .expect("text")
}

/// Certificates' serial numbers by the devices' names.
fn serials(desk: &Desk) -> Vec<(String, String)> {
    let all = desk.json(&["tb", "devices", "--json"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = all.as_array().expect("devices").iter();
    all.map(|one| (text(&one["name"]), text(&one["certificate_serial"])))
        .collect()
}

#[test]
fn certificates_that_end_soon_are_renewed_in_waves_also_after_an_interruption() {
    let desk = desk();
    let mut all = devices(
        &desk,
        &[
            ("SN-1", 10, Manner::Good),
            ("SN-2", 20, Manner::Good),
            ("SN-3", -1, Manner::Good),
            ("SN-4", 4_000, Manner::Good),
            ("SN-5", 30, Manner::Old),
            ("SN-6", 4_000, Manner::AsksByItself),
            ("SN-7", 5, Manner::Good),
        ],
    );
    playing(&desk, &mut all, || {
        heard(&desk, 7, 1);
        let dry = renew(
            &desk,
            &["--dry-run", "--first", "SN-2", "--waves", "1,100%"],
        );
        assert!(
            err(&dry).contains("1 device need it, and have firmware that renews nothing"),
            "{}",
            err(&dry)
        );
        let dry = done(&dry);
        assert!(
            dry.contains("5 devices: 0 have it already") && dry.contains("wave 1: 1 device (SN-2)"),
            "{dry}"
        );
        assert!(
            !desk.path().join("renew-default.sqlite").exists(),
            "nothing is changed"
        );
        assert!(shared(&desk, "SN-2").is_empty());

        // Killed anywhere: here once a certificate is another.
        let arguments = [
            &["tb", "renew"],
            COMMON,
            &["--first", "SN-2", "--waves", "1,3,100%"],
        ]
        .concat();
        let interrupted = begun(desk.path(), &arguments);
        wait(|| serials(&desk).iter().any(|(_, serial)| serial.len() > 2));
        drop(interrupted);
        assert_eq!(report(&desk)["ended_ms"], Value::Null);
        let output = renew(&desk, &["--waves", "1,3,100%"]);
        let text = done(&output);
        assert!(
            text.contains("5 use their new certificate"),
            "{text}{}",
            err(&output)
        );
        let first = report(&desk);
        assert_eq!(
            (&first["passed"], tried(&first)),
            (&5.into(), vec![1, 2, 2]),
            "{first}"
        );

        // What was asked and answered is gone from the server.
        for number in 1..=7 {
            let shared = shared(&desk, &format!("SN-{number}"));
            assert!(shared.is_empty(), "SN-{number}: {shared:?}");
        }
        let renewed = serials(&desk);
        let is_new: Vec<_> = renewed.iter().map(|(_, serial)| serial.len() > 2).collect();
        assert_eq!(is_new, [true, true, true, false, false, true, true]);
        // Once more changes nothing, with this ledger or another.
        done(&renew(&desk, &[]));
        assert_eq!(report(&desk), first);
        let again = done(&renew(&desk, &["--state", "again.sqlite", "--json"]));
        let again: Value = serde_json::from_str(&again).expect("JSON");
        assert_eq!((&again["devices"], tried(&again)), (&0.into(), vec![]));
        assert_eq!(serials(&desk), renewed);
        // The one that is left is of another CA; a new round has it alone.
        done(&renew(&desk, &["--of-another-ca"]));
        let second = report(&desk);
        assert_eq!(
            (&second["devices"], tried(&second)),
            (&1.into(), vec![1]),
            "{second}"
        );
    });
}

/// Returns once the server knows what so many devices told of themselves, and the requests of so many.
fn heard(desk: &Desk, devices: usize, asking: usize) {
    wait(|| {
        let all = desk.json(&["tb", "devices", "--json"]);
        let told = |key: &str| {
            let all = all.as_array().into_iter().flatten();
            all.filter(|one| !one[key].is_null()).count()
        };
        told("certificate_expires_ms") == devices && told("certificate_renewal") == asking
    });
}

fn wait(is_so: impl Fn() -> bool) {
    for _ in 0..300 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it does not come");
}

/// Devices by the code that runs on the chip: each makes its key, asks, proves what comes and tries it.
#[test]
fn simulated_devices_get_certificates_and_anchors_by_their_own_code() {
    let desk = Desk::new();
    desk.log_in();
    desk.json(&["tb", "setup", "--json"]);
    let broker = desk.server().mqtt_url();
    let fleet = [
        "simulate",
        "--count",
        "6",
        "--prefix",
        "SN-",
        "--ramp",
        "100",
        "--interval",
        "300ms",
        "--certificate-days",
        "20",
        "--broker",
        &broker,
        "--ca",
        "ca",
        "--for",
        "300s",
    ];
    let _devices = begun(desk.path(), &fleet);
    wait(|| {
        let all = desk.json(&["tb", "devices", "--online", "--json"]);
        all.as_array().is_some_and(|all| all.len() == 6)
    });
    let before = serials(&desk);
    let common = [
        "--waves",
        "1,50%,100%",
        "--soak",
        "500ms",
        "--every",
        "200ms",
    ];
    let campaign = |more: &[&str]| desk.esptb(&[more, &common].concat());
    let output = campaign(&["tb", "renew"]);
    let text = done(&output);
    assert!(
        text.contains("6 use their new certificate"),
        "{text}{}",
        err(&output)
    );
    let after = serials(&desk);
    assert_eq!(after.len(), 6);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.0 == after.0 && before.1 != after.1)
    );
    let all = desk.json(&["tb", "devices", "--online", "--json"]);
    let all = all.as_array().expect("devices");
    assert!(
        all.len() == 6
            && all
                .iter()
                .all(|one| one["certificate_issuer"] == "esptb Device CA"),
        "{all:?}"
    );
    done(&campaign(&["tb", "renew"]));
    assert_eq!(serials(&desk), after, "once more changes nothing");

    done(&desk.esptb(&["pki", "init", "--ca", "next"]));
    let text = done(&campaign(&["tb", "anchors", "next/root.crt"]));
    assert!(text.contains("6 have them"), "{text}");
}

#[test]
fn who_fails_is_told_with_its_reason_and_too_many_halt_it() {
    let desk = desk();
    let mut all = devices(
        &desk,
        &[
            ("SN-1", 10, Manner::Good),
            ("SN-2", 10, Manner::Refused),
            ("SN-3", 10, Manner::Impostor),
            ("SN-4", 10, Manner::Crashes),
            ("SN-5", 10, Manner::Silent),
            ("SN-6", 10, Manner::Deaf),
            ("SN-7", 10, Manner::Good),
        ],
    );
    playing(&desk, &mut all, || {
        heard(&desk, 7, 0);
        let output = renew(&desk, &["--waves", "1,2,100%"]);
        failed_at_the_end(&output, "halted: 1 of 2 failed, and 0 may");
        assert!(
            out(&output).contains("it refused the new certificate: the broker refused"),
            "{}",
            out(&output)
        );
        assert_eq!(tried(&report(&desk)), [1, 1]);
        // It stays halted until somebody lets it go on, and halts again.
        failed_at_the_end(
            &renew(&desk, &["--waves", "1,2,100%"]),
            "halted: 1 of 2 failed",
        );
        let all_the_same = [
            "--waves",
            "1,2,100%",
            "--go-on",
            "--most-failures",
            "10",
            "--patience",
            "15s",
        ];
        let output = renew(&desk, &all_the_same);
        done(&output);
        let report = report(&desk);
        assert_eq!(report["passed"], 2, "{report}");
        assert!(told(&report, "SN-3").contains("one device asks in the name of another"));
        assert_eq!(told(&report, "SN-4"), "it crashed at src/a.rs:1: overflow");
        assert_eq!(
            told(&report, "SN-5"),
            "it uses the new certificate, and sends no samples"
        );
        assert!(told(&report, "SN-6").starts_with("no new certificate in time: it is online"));
        for number in 1..=7 {
            assert!(
                shared(&desk, &format!("SN-{number}")).is_empty(),
                "SN-{number}"
            );
        }
        // Ended, and those that failed are not tried again before somebody says so.
        done(&renew(&desk, &[]));
        assert_eq!(self::report(&desk), report);
        let output = renew(&desk, &["--again", "--waves", "1,100%", "--patience", "2s"]);
        failed_at_the_end(&output, "halted: 1 of 1 failed, and 0 may");
    });
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let desk = desk();
    failed(&renew(&desk, &["--days", "90"]), "renewed at each run");
    failed(
        &renew(&desk, &["--ca", "nowhere"]),
        "esptb pki init --ca nowhere",
    );
    failed(
        &renew(&desk, &["--first", "SN-9"]),
        "there is no device SN-9",
    );
    failed(
        &desk.esptb(&["tb", "renew", "--report", "--state", "none.sqlite"]),
        "no campaign was begun",
    );
    failed(
        &desk.esptb(&["tb", "anchors", "ca/root.key"]),
        "ca/root.key",
    );
}

#[test]
fn anchors_reach_devices_in_waves_and_stay_shared() {
    let desk = desk();
    let mut all = devices(
        &desk,
        &[
            ("SN-1", 900, Manner::Good),
            ("SN-2", 900, Manner::Good),
            ("SN-3", 900, Manner::Good),
        ],
    );
    done(&desk.esptb(&["pki", "init", "--ca", "next"]));
    let anchors =
        |more: &[&str]| desk.esptb(&[&["tb", "anchors", "next/root.crt"], COMMON, more].concat());
    playing(&desk, &mut all, || {
        heard(&desk, 3, 0);
        let text = done(&anchors(&["--dry-run"]));
        assert!(
            text.contains("1 certificate") && text.contains("3 devices: 0 have it already"),
            "{text}"
        );
        let text = done(&anchors(&["--waves", "1,100%", "--state", "a.sqlite"]));
        assert!(text.contains("3 have them"), "{text}");
        assert!(shared(&desk, "SN-1").contains_key("serverChain1"));
        let report = desk.json(&["tb", "anchors", "--state", "a.sqlite", "--report", "--json"]);
        assert_eq!(tried(&report), [1, 2]);
        // Another campaign finds that they have them.
        let text = done(&anchors(&["--json"]));
        let again: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&again["already"], tried(&again)), (&3.into(), vec![]));
    });
    let mut all = devices(&desk, &[("SN-0", 900, Manner::Refused)]);
    playing(&desk, &mut all, || {
        let output = anchors(&["--name", "SN-0", "--state", "b.sqlite"]);
        failed_at_the_end(&output, "halted: 1 of 1 failed");
        assert!(
            out(&output).contains("it refused the new anchors: no room"),
            "{}",
            out(&output)
        );
        assert!(shared(&desk, "SN-0").is_empty(), "taken back");
    });
}
