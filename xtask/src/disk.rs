//! Room on the disk: a build that runs out of it ends in a compiler's panic, which names neither
//! the disk nor what to do.

use crate::{purpose::Purpose, terminal};

/// What the target folders of all workspaces come to from a fresh clone, in GB, rounded up.
const fn needed(purpose: Purpose) -> u64 {
    match purpose {
        Purpose::Demo => 3,
        Purpose::Firmware => 4,
        Purpose::Test | Purpose::Bench => 16,
    }
}

/// Says so where the disk may be too full for a first build. A warm folder needs less, so that it
/// is no error.
pub(crate) fn remark(purpose: Purpose) {
    let Some(free) = free() else { return };
    if let Some(remark) = remark_on(free, purpose) {
        terminal::remark(remark);
    }
}

fn remark_on(free: u64, purpose: Purpose) -> Option<String> {
    let (free, needed) = (free / 1_000_000_000, needed(purpose));
    (free < needed).then(|| {
        format!(
            "{free} GB of disk are free here, and a first build takes up to {needed}: if it ends \
             for want of room, `cargo clean` in old clones"
        )
    })
}

/// Free bytes where the project lies; nothing where the system does not say.
#[cfg(unix)]
fn free() -> Option<u64> {
    let disk = rustix::fs::statvfs(crate::workspace::root()).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_before_it_stops_a_build() {
        let told = remark_on(1_900_000_000, Purpose::Demo).unwrap();
        assert!(
            told.starts_with("1 GB") && told.contains("up to 3"),
            "{told}"
        );
        assert_eq!(remark_on(30_000_000_000, Purpose::Test), None);
        #[cfg(unix)]
        assert!(free().is_some());
    }
}
