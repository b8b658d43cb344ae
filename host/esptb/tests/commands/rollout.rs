//! `esptb tb rollout` for a fleet of simulated devices, which download, restart and come back by the device's
//! own code.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::desk::Desk;
use crate::program::{Begun, begun, done, err, failed, failed_at_the_end, out};

const COUNT: &str = "6";

/// A tenant that is set up, a maker, and a fleet that runs 1.0.0.
struct Fleet {
    desk: Desk,
    _devices: Begun,
}

impl Fleet {
    fn online() -> Self {
        let desk = Desk::new();
        desk.log_in();
        desk.json(&["tb", "setup", "--json"]);
        done(&desk.esptb(&["firmware", "key"]));
        let broker = desk.server().mqtt_url();
        let devices = begun(
            desk.path(),
            &[
                "simulate",
                "--count",
                COUNT,
                "--prefix",
                "SN-",
                "--ramp",
                "100",
                "--interval",
                "300ms",
                "--firmware",
                "1.0.0",
                "--firmware-key",
                "maker/firmware_key.pem",
                "--broker",
                &broker,
                "--ca",
                "ca",
                "--for",
                "300s",
            ],
        );
        let fleet = Self {
            desk,
            _devices: devices,
        };
        fleet.wait(|devices| {
            devices.len() == 6
                && devices
                    .iter()
                    .all(|one| one["online"] == true && one["firmware"] == "1.0.0")
        });
        fleet
    }

    /// Waits until the devices are like this.
    fn wait(&self, are: impl Fn(&[Value]) -> bool) {
        for _ in 0..300 {
            let devices = self.desk.json(&["tb", "devices", "--json"]);
            if devices.as_array().is_some_and(|all| are(all)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("{}", self.desk.json(&["tb", "devices", "--json"]));
    }

    fn sign(&self, version: &str, key: &str) -> String {
        let file = format!("climate-{version}.bin");
        done(&self.desk.esptb(&[
            "firmware",
            "sign",
            "--simulated",
            version,
            "--simulated-size",
            "6K",
            "--key",
            key,
            "--out",
            &file,
        ]));
        file
    }

    fn rollout(&self, more: &[&str]) -> Output {
        let common = [
            "tb",
            "rollout",
            "--waves",
            "1,50%,100%",
            "--soak",
            "500ms",
            "--every",
            "200ms",
        ];
        self.desk.esptb(&[&common[..], more].concat())
    }

    fn report(&self, version: &str) -> Value {
        let state = format!("rollout-climate-{version}.sqlite");
        self.desk
            .json(&["tb", "rollout", "--state", &state, "--report", "--json"])
    }
}

fn counts(report: &Value) -> Vec<u64> {
    let waves = report["waves"].as_array().expect("waves");
    let tried = waves.iter().map(|wave| wave["tried"].as_u64());
    tried.map(|tried| tried.expect("a number")).collect()
}

#[test]
fn a_version_reaches_a_fleet_in_waves_also_after_an_interruption() {
    let fleet = Fleet::online();
    let package = fleet.sign("1.1.0", "maker/firmware.key");
    let dry = done(&fleet.rollout(&[&package, "--dry-run", "--first", "SN-000004"]));
    assert!(
        dry.contains("would be uploaded") && dry.contains("wave 1: 1 device (SN-000004)"),
        "{dry}"
    );
    assert!(
        !fleet
            .desk
            .path()
            .join("rollout-climate-1.1.0.sqlite")
            .exists(),
        "nothing is changed"
    );

    // Killed anywhere: here once something was assigned.
    let arguments = [
        "tb",
        "rollout",
        &package,
        "--waves",
        "1,50%,100%",
        "--soak",
        "500ms",
        "--every",
        "200ms",
        "--first",
        "SN-000004",
    ];
    let interrupted = begun(fleet.desk.path(), &arguments);
    fleet.wait(|devices| devices.iter().any(|one| one["firmware"] == "1.1.0"));
    drop(interrupted);
    assert_eq!(fleet.report("1.1.0")["ended_ms"], Value::Null);

    let output = fleet.rollout(&[&package]);
    let told = done(&output);
    assert!(told.contains("6 run it well"), "{told}{}", err(&output));
    let report = fleet.report("1.1.0");
    assert_eq!(
        (&report["passed"], &report["halted"]),
        (&6.into(), &Value::Null)
    );
    assert_eq!(counts(&report), [1, 2, 3], "{report}");
    assert!(
        report["update_s"]["p50"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    fleet.wait(|devices| {
        devices
            .iter()
            .all(|one| one["firmware"] == "1.1.0" && one["online"] == true)
    });
    // Once more changes nothing.
    let ended = &report["waves"];
    done(&fleet.rollout(&[&package]));
    assert_eq!(&fleet.report("1.1.0")["waves"], ended);
    // Those that have it are not tried: another campaign for the same finds nothing to do.
    let again = done(&fleet.rollout(&[&package, "--state", "again.sqlite", "--json"]));
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!((&again["already"], counts(&again)), (&6.into(), vec![]));
}

#[test]
fn a_version_that_devices_refuse_goes_no_further_than_its_first_wave() {
    let fleet = Fleet::online();
    done(&fleet.desk.esptb(&["firmware", "key", "--out", "other"]));
    let package = fleet.sign("1.2.0", "other/firmware.key");
    // Told before anything is done, where the devices' key is at hand.
    failed(
        &fleet.rollout(&[&package]),
        "which this device does not have",
    );
    let key = ["--firmware-key", "other/firmware_key.pem"];
    let output = fleet.rollout(&[&[package.as_str()], &key[..]].concat());
    failed_at_the_end(&output, "halted: 1 of 1 failed, and 0 may");
    assert!(
        out(&output).contains("it refused the update: signed with the key"),
        "{}",
        out(&output)
    );
    let report = fleet.report("1.2.0");
    assert_eq!((&report["waiting"], counts(&report)), (&5.into(), vec![1]));
    // It stays halted, until somebody lets it go on.
    let output = fleet.rollout(&[&[package.as_str()], &key[..]].concat());
    failed_at_the_end(&output, "halted: 1 of 1 failed");
    let output = fleet.rollout(
        &[
            &[package.as_str(), "--go-on", "--most-failures", "1"],
            &key[..],
        ]
        .concat(),
    );
    failed_at_the_end(&output, "halted: 2 of 3 failed, and 1 may");
    // The package was taken back, and the devices are as they were.
    fleet.wait(|devices| {
        devices
            .iter()
            .all(|one| one["firmware"] == "1.0.0" && one["online"] == true)
    });
    // Another with the same version is another package.
    let mine = fleet.sign("1.2.0", "maker/firmware.key");
    failed(
        &fleet.rollout(&[&mine]),
        "has a package climate 1.2.0 with other bytes",
    );
    failed(
        &fleet.rollout(&[&mine, "--profile", "nobody"]),
        "no device profile",
    );
}
