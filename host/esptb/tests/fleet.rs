//! A small fleet through the program: every device gets its certificate, its session and its samples
//! through, and the summary says so.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn esptb(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_esptb"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

#[test]
fn a_fleet_goes_online_and_loses_no_sample() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["simulate", "--count", "12", "--ramp", "1000", "--for", "2s"];
    let output = esptb(folder.path(), &[&arguments[..], &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("no {key}"));
    assert_eq!((number("devices"), number("online")), (12, 12));
    assert_eq!((number("lost"), number("dropped")), (0, 0));
    // One at least of each device, and as many in the server's store as were acknowledged.
    assert!(number("sampled") >= 12, "{summary}");
    assert_eq!(number("sampled"), number("acknowledged"));
    assert!(number("stored") >= number("acknowledged"), "{summary}");
    assert!(
        summary["memory_per_device"]
            .as_u64()
            .is_some_and(|bytes| bytes > 0)
    );
    for times in ["connect", "acknowledge"] {
        let ms = |key: &str| {
            let value = summary[times][key].as_f64();
            value.unwrap_or_else(|| panic!("no {key} of {times}: {summary}"))
        };
        let rising = ["p50_ms", "p90_ms", "p99_ms", "max_ms"].map(ms);
        assert!(rising[0] > 0.0, "{times}: {rising:?}");
        assert!(rising.is_sorted(), "{times}: {rising:?}");
    }
    // For those who wait: how far it is, beside the JSON and not in it.
    let progress = errors.lines().find(|line| line.contains("/12 online, "));
    let progress = progress.unwrap_or_else(|| panic!("no progress: {errors}"));
    for word in [" samples, ", " acknowledged, ", " waiting"] {
        assert!(progress.contains(word), "{progress}");
    }
}

#[test]
fn a_fleet_with_faults_comes_back_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "simulate", "--count", "8", "--ramp", "1000", "--for", "20s", "--faults", "1s", "--json",
    ];
    // So many that all eight are never online at once.
    let output = esptb(folder.path(), &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("no {key}"));
    // Eight devices for twenty seconds, some ten away after each: of three faults two end a life.
    assert!(
        number("faults") >= 4 && number("restarts") >= 1,
        "{summary}"
    );
    assert!(number("connections") > 8, "they came back: {summary}");
    assert_eq!(number("lost"), 0, "{summary}");
    assert!(number("stored") >= number("acknowledged"), "{summary}");
}

#[test]
fn a_fleets_devices_are_claimed() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "simulate", "--count", "8", "--ramp", "1000", "--for", "6s", "--claims", "1s", "--json",
    ];
    let output = esptb(folder.path(), &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(summary["claimable"].as_u64() >= Some(4), "{summary}");
    assert_eq!(summary["claimed"], summary["claimable"], "{summary}");
}

#[test]
fn a_fleet_can_have_another_product_than_the_stock_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = ["simulate", "--count", "6", "--ramp", "1000", "--for", "2s"];
    let output = esptb(
        folder.path(),
        &[&fleet[..], &["--product", "greenhouse", "--json"]].concat(),
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&summary["online"], &summary["lost"]),
        (&6.into(), &0.into())
    );
    assert_eq!(summary["sampled"], summary["acknowledged"], "{summary}");
    assert!(summary["sampled"].as_u64() >= Some(6), "{summary}");
}

#[test]
fn a_fleet_for_a_broker_that_nobody_made_certificates_for_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = [
        "simulate",
        "--count",
        "1",
        "--broker",
        "mqtts://127.0.0.1:1",
    ];
    let output = esptb(folder.path(), &broker);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("esptb pki init"), "{errors}");
}
