//! Asks the linker for its map, from which `cargo xtask firmware` tells who takes how many bytes,
//! and finds out when this is built: no right clock shows less.

use std::{env, process::Command, time::SystemTime};

fn main() {
    let chip = esp_metadata_generated::Chip::from_cargo_feature();
    chip.expect("one chip is chosen").define_cfgs();
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rustc-link-arg-bins=-Map={out}/firmware.map");
    println!("cargo::rustc-env=BUILT_AT_UNIX_S={}", built_at_unix_s());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
}

/// The time of the commit, so that the same sources give the same bytes; outside a repository the
/// time of the build.
fn built_at_unix_s() -> u64 {
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let committed = || {
        let output = Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .output()
            .ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let now = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    };
    given
        .or_else(committed)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_else(now)
}
