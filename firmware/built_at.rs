//! When a firmware is built, for the build scripts of all: no right clock shows less.

use std::{env, process::Command, time::SystemTime};

/// Tells the code: `BUILT_AT_UNIX_S`, in seconds since 1970 UTC. `SOURCE_DATE_EPOCH` if it is given,
/// as reproducible builds have it; or else the time of the commit, so that the same sources give the
/// same bytes; outside a repository the time of the build.
pub fn tell() {
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
    let built_at_unix_s = given
        .or_else(committed)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_else(now);
    println!("cargo::rustc-env=BUILT_AT_UNIX_S={built_at_unix_s}");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
}
