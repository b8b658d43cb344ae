//! Lays `memory.x` where the linker looks for it, and finds out when this is built: no right clock
//! shows less.

use std::{env, fs, path::PathBuf, process::Command, time::SystemTime};

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy("memory.x", out.join("memory.x")).expect("memory.x can be copied");
    println!("cargo::rustc-link-search={}", out.display());
    println!(
        "cargo::rustc-link-arg-bins=-Map={}/emulated.map",
        out.display()
    );
    println!("cargo::rustc-env=BUILT_AT_UNIX_S={}", built_at_unix_s());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory.x");
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
