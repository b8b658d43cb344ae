//! The last crash of a device as places in the source: which ELF file it ran is told by the build
//! identifier, with which the SHA-256 of that file begins.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use tb::Crash;

use console::files;
use serial::places::Places;

/// What ELF files begin with.
const ELF: &[u8] = b"\x7fELF";
/// A build identifier has at least so many digits, or it is none.
const LEAST_DIGITS: usize = 8;

/// Where the ELF files are.
#[derive(Args)]
pub(super) struct Builds {
    /// The ELF file of the firmware, or a folder with those of all versions: the last crash becomes
    /// functions and lines
    #[arg(long, value_name = "FILE|DIR")]
    elf: Option<PathBuf>,
}

/// ELF files by their digests.
pub(super) struct Known(Vec<(String, PathBuf)>);

impl Builds {
    /// Reads them; none if none were named.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or none is there.
    pub(super) fn read(&self) -> Result<Option<Known>> {
        let Some(path) = &self.elf else {
            return Ok(None);
        };
        let paths = match path.is_dir() {
            true => files::entries(path).with_context(|| format!("--elf {}", path.display()))?,
            false => vec![path.clone()],
        };
        let mut known = Vec::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            let bytes = files::read(path)?;
            if bytes.starts_with(ELF) {
                known.push((tb::sha256(&bytes), path.clone()));
            }
        }
        if known.is_empty() {
            bail!(
                "--elf {}: there is no ELF file; keep the one of each version that you ship (`cargo xtask \
                 firmware` tells where it is)",
                path.display()
            );
        }
        Ok(Some(Known(known)))
    }
}

impl Known {
    /// Where a device crashed, innermost first; or why that is not known.
    pub(super) fn places(&self, crash: &Crash) -> Result<Vec<String>> {
        let build = crash.build.as_deref().unwrap_or_default();
        if build.len() < LEAST_DIGITS {
            bail!("the device did not tell which build it runs: its firmware is too old");
        }
        let found = self.0.iter().find(|(digest, _)| digest.starts_with(build));
        let Some((_, path)) = found else {
            bail!("no ELF file has a SHA-256 that begins with {build}: that of another version?");
        };
        Ok(Places::new(path)?.of(crash.backtrace.as_deref().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sha2::{Digest, Sha256};

    use super::*;

    fn crash(build: Option<&str>, backtrace: &str) -> Crash {
        Crash {
            told_ms: 0,
            message: "index out of bounds".into(),
            at: None,
            backtrace: Some(backtrace.into()),
            build: build.map(str::to_owned),
        }
    }

    /// This program stands for the firmware: it too is an ELF file with debug information.
    #[test]
    fn a_backtrace_is_resolved_by_the_file_of_its_build_and_no_other() {
        let own = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no program").unwrap();
        std::fs::write(folder.path().join("other.elf"), [ELF, b"rest"].concat()).unwrap();
        let builds = |path: &Path| Builds {
            elf: Some(path.to_owned()),
        };
        let digest = Sha256::digest(std::fs::read(&own).unwrap());
        let build: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        std::fs::hard_link(&own, folder.path().join("1.0.0.elf"))
            .or_else(|_| std::fs::copy(&own, folder.path().join("1.0.0.elf")).map(drop))
            .unwrap();
        let known = builds(folder.path()).read().unwrap().unwrap();
        assert_eq!(known.0.len(), 2, "what is no ELF file is passed over");
        // Some address of code has a name.
        let addresses = (0x0010_0000..0x0200_0000_u32).step_by(0x1_0000);
        let line: Vec<_> = addresses
            .map(|address| format!("{address:#010x}"))
            .collect();
        let told = known.places(&crash(Some(&build), &line.join(" ")));
        let named = told.unwrap().iter().any(|place| place.contains("::"));
        assert!(named);
        let other = known.places(&crash(Some("0123456789abcdef"), "0x00100000"));
        assert!(
            other
                .unwrap_err()
                .to_string()
                .contains("begins with 0123456789abcdef")
        );
        let untold = known.places(&crash(None, "0x00100000")).unwrap_err();
        assert!(untold.to_string().contains("too old"));
        std::fs::remove_file(folder.path().join("1.0.0.elf")).unwrap();
        std::fs::remove_file(folder.path().join("other.elf")).unwrap();
        let none = builds(folder.path()).read().err().unwrap();
        assert!(none.to_string().contains("there is no ELF file"));
    }
}
