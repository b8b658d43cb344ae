//! Faults on purpose, by which what looks for faults shows that it finds them. The device's tests do
//! them when they are asked to (crates/device/src/tls/tests/faults.rs).

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

/// What the tests of `device` can be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    BeyondABufferInC,
    BeyondABufferInRust,
    UndefinedInC,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::BeyondABufferInC => "c-reads-beyond-a-buffer",
            Self::BeyondABufferInRust => "rust-reads-beyond-a-buffer",
            Self::UndefinedInC => "c-does-what-is-undefined",
        }
    }
}

/// How the tests ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What went to stderr.
    pub(super) errors: String,
}

impl Ended {
    /// Whether the processor came upon an instruction that ends a program.
    pub(super) fn is_trapped(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            const SIGILL: i32 = 4;
            const SIGTRAP: i32 = 5;
            matches!(self.status.signal(), Some(SIGILL | SIGTRAP))
        }
        #[cfg(not(unix))]
        false
    }
}

/// Has the tests of `device` do a fault, and makes sure that they end as somebody ends them who
/// found it.
///
/// # Errors
///
/// They ended otherwise.
pub(super) fn must_end(
    tests: &mut Command,
    fault: Fault,
    as_found: impl Fn(&Ended) -> bool,
) -> Result<()> {
    let output = tests
        .env("ESPTB_FAULT", fault.name())
        .args([
            "--exact",
            "--nocapture",
            "tls::tests::faults::one_on_purpose",
        ])
        .output()
        .context("the tests of device cannot be run")?;
    let ended = Ended {
        status: output.status,
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    if !as_found(&ended) {
        bail!(
            "a fault on purpose was not found ({fault:?}; {}): nothing else would be\n{}",
            ended.status,
            ended.errors
        );
    }
    Ok(())
}
