//! The proof of devices' files, one process for each thread of a batch.
//!
//! MbedTLS, which proves as the device does, is built without locks: devices of a process live on
//! one thread, and so do proofs. So this program starts itself again, tells that process folders,
//! and hears what the device would say of each. Both are lines of JSON over pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::make;

/// The subcommand that makes a prover of this program.
const WORKER: &str = "proof-worker";
const ENDED: &str = "the process that proves credentials has ended: what it said is above";

/// A process that proves. It ends when this is dropped.
pub(crate) struct Prover {
    /// None once there is nothing more to prove.
    folders: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
    process: Child,
}

impl Prover {
    /// # Errors
    ///
    /// If the system does not let this program start itself.
    pub(crate) fn start() -> Result<Self> {
        let program = std::env::current_exe().context("where this program is, is not known")?;
        let mut process = Command::new(program)
            .arg(WORKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a process that proves credentials cannot be started")?;
        let (Some(folders), Some(told)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("a process that proves has no pipes: this is a bug");
        };
        Ok(Self {
            folders: Some(folders),
            told: BufReader::new(told),
            process,
        })
    }

    /// Proves the files in a folder.
    ///
    /// # Errors
    ///
    /// As [`make::check_files`], or if the process has ended.
    pub(crate) fn prove(&mut self, folder: &Path) -> Result<()> {
        let mut line = serde_json::to_string(folder).context("its name is no text")?;
        line.push('\n');
        let folders = self.folders.as_mut().context(ENDED)?;
        folders.write_all(line.as_bytes()).context(ENDED)?;
        line.clear();
        if self.told.read_line(&mut line).context(ENDED)? == 0 {
            bail!(ENDED);
        }
        match serde_json::from_str::<Option<String>>(&line).context(ENDED)? {
            None => Ok(()),
            Some(refusal) => bail!(refusal),
        }
    }
}

impl Drop for Prover {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        self.folders = None;
        let _ = self.process.wait();
    }
}

/// The other end: proves the folders that the parent names, as long as it names some.
pub(crate) fn run_worker() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let folder: PathBuf = serde_json::from_str(&line?)?;
        let refusal = make::check_files(&folder).err();
        let refusal = refusal.map(|error| format!("{error:#}"));
        writeln!(out, "{}", serde_json::to_string(&refusal)?)?;
        out.flush()?;
    }
    Ok(())
}
