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
             /etc/security/limits.conf), take more --workers, or fewer devices"
        ),
        _ => Ok(()),
    }
}

/// Raises the soft limit to the hard one, and returns it; none if there is no limit.
#[cfg(unix)]
fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        // Some systems have a lower limit than the one they tell.
        Err(_) => current,
    }
}

#[cfg(not(unix))]
fn raise() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_with_a_remedy() {
        assert!(allow_connections(10).is_ok());
        if let Some(limit) = raise() {
            let error = allow_connections(limit).unwrap_err().to_string();
            assert!(error.contains("ulimit -Hn"), "{error}");
        }
    }
}
