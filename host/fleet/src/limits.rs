//! How many files a process may open: each connection is one, at both ends.

use anyhow::{Result, bail};

/// Files that a process has open beside its connections, and some to spare.
const OTHERS: u64 = 64;

/// Raises the limit of open files to what the system allows. Children inherit it.
///
/// # Errors
///
/// If that is less than `connections` in one process need.
pub(super) fn allow_connections(connections: u64) -> Result<()> {
    let needed = connections + OTHERS;
    match raise() {
        Some(limit) if limit < needed => bail!(
            "this system lets a process open {limit} files, and {needed} are needed: raise the \
             hard limit (`ulimit -Hn {needed}` as root, LimitNOFILE= in a service, nofile in \
             /etc/security/limits.conf; on macOS `sysctl kern.maxfilesperproc`), take more \
             --workers, or fewer devices"
        ),
        _ => Ok(()),
    }
}

/// Raises the soft limit to the hard one, and returns it; none if there is no limit.
#[cfg(unix)]
fn raise() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    raise_by(before, |to| setrlimit(Resource::Nofile, to).is_ok());
    // Read again: some versions of macOS take any limit, and set what they allow.
    getrlimit(Resource::Nofile).current
}

/// Where the hard limit is refused, what is tried in its place. macOS tells none, and allows what
/// `sysctl kern.maxfilesperproc` says: 61,440 or more on today's, fewer where there is little
/// memory, and `OPEN_MAX`, the last of these, always.
#[cfg(unix)]
const INSTEAD: [u64; 4] = [61_440, 49_152, 24_576, 10_240];

/// Raises it by `set`, which says whether the system took it.
#[cfg(unix)]
fn raise_by(before: rustix::process::Rlimit, mut set: impl FnMut(rustix::process::Rlimit) -> bool) {
    let rustix::process::Rlimit { current, maximum } = before;
    // No limit is above all.
    let raises = |to: &Option<u64>| {
        to.unwrap_or(u64::MAX) > current.unwrap_or(u64::MAX)
            && to.unwrap_or(u64::MAX) <= maximum.unwrap_or(u64::MAX)
    };
    let instead = INSTEAD.into_iter().map(Some);
    let mut tried = std::iter::once(maximum).chain(instead).filter(raises);
    // Where it takes none, it stays as it was.
    let _ = tried.find(|&current| set(rustix::process::Rlimit { current, maximum }));
}

#[cfg(not(unix))]
fn raise() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::process::Rlimit;

    #[test]
    fn what_is_too_much_is_refused_with_a_remedy() {
        assert!(allow_connections(10).is_ok());
        if let Some(limit) = raise() {
            let error = allow_connections(limit).unwrap_err().to_string();
            assert!(error.contains("ulimit -Hn"), "{error}");
        }
    }

    #[test]
    fn a_system_that_allows_less_than_it_tells_is_asked_for_less() {
        let limit = |current, maximum| Rlimit { current, maximum };
        let by_a_system_with = |most: u64, before| {
            let mut now = None;
            raise_by(before, |to| {
                let is_taken = to.current.is_some_and(|to| to <= most);
                now = is_taken.then_some(to.current).flatten().or(now);
                is_taken
            });
            now
        };
        // As macOS has it.
        let endless = limit(Some(256), None);
        assert_eq!(by_a_system_with(245_760, endless), Some(61_440));
        assert_eq!(by_a_system_with(10_240, endless), Some(10_240));
        assert_eq!(by_a_system_with(100, endless), None);
        // As Linux has it.
        let usual = limit(Some(1_024), Some(524_288));
        assert_eq!(by_a_system_with(u64::MAX, usual), Some(524_288));
        let done = limit(Some(4_096), Some(4_096));
        assert_eq!(by_a_system_with(u64::MAX, done), None);
        assert_eq!(by_a_system_with(u64::MAX, limit(None, None)), None);
    }
}
