//! The report as text for people.

use std::fmt;

use super::{CertificateInfo, FileContents, FileInfo, Report, Volume};
use crate::{NvsItem, Program};

impl fmt::Display for Report {
    /// Several lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Partitions")?;
        for line in self.table.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        for placed in self.bootloader.iter().chain(&self.apps) {
            let started = self.boot.as_ref().map(|boot| &boot.partition);
            match &self.boot {
                Some(boot) if started == Some(&placed.partition) => {
                    writeln!(f, "{}, started: {}", placed.partition, boot.reason)?;
                }
                _ => writeln!(f, "{}", placed.partition)?,
            }
            write!(f, "{}", placed.program)?;
        }
        if !self.nvs.is_empty() {
            writeln!(f, "NVS")?;
        }
        for NvsItem {
            namespace,
            key,
            kind,
        } in &self.nvs
        {
            writeln!(f, "  {namespace:<15} {key:<15} {kind}")?;
        }
        if !self.files.is_empty() {
            writeln!(f, "Files")?;
        }
        list(f, &self.files)?;
        for fault in &self.faults {
            writeln!(f, "Damage: {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Volume {
    /// Several lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "SPIFFS of {} KiB: pages of {}, blocks of {}, names of {}, metadata of {} bytes",
            self.size >> 10,
            self.page_size,
            self.block_size,
            self.name_len,
            self.meta_len,
        )?;
        list(f, &self.files)?;
        for fault in &self.faults {
            writeln!(f, "Damage: {fault}")?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, files: &[FileInfo]) -> fmt::Result {
    for FileInfo {
        name,
        size,
        contents,
    } in files
    {
        write!(f, "  {name:<31} {size:>7} bytes")?;
        match contents {
            FileContents::Certificates(certificates) => {
                writeln!(f)?;
                for certificate in certificates {
                    writeln!(f, "    {certificate}")?;
                }
            }
            FileContents::PrivateKey => writeln!(f, "  private key")?,
            FileContents::Other => writeln!(f)?,
        }
    }
    Ok(())
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.not_before.date(), self.not_after.date());
        write!(f, "{} by {}, {from} to {to}", self.subject, self.issuer)
    }
}

impl fmt::Display for Program {
    /// Several lines, each indented by two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(app) = &self.app {
            writeln!(f, "  {} {}", app.project, app.version)?;
            writeln!(f, "  built {} with ESP-IDF {}", app.built, app.idf_version)?;
            writeln!(f, "  made of the ELF file {}", app.elf_sha256)?;
        }
        if let Some(bootloader) = &self.bootloader {
            let (built, idf) = (&bootloader.built, &bootloader.idf_version);
            writeln!(f, "  version {}", bootloader.version)?;
            writeln!(f, "  built {built} with ESP-IDF {idf}")?;
        }
        write!(f, "  for {}", self.chip_name())?;
        if self.min_revision > 0 {
            let (major, minor) = (self.min_revision / 100, self.min_revision % 100);
            write!(f, " from revision {major}.{minor}")?;
        }
        match self.flash_size {
            Some(size) => write!(f, ", flash of {} MiB, {}", size >> 20, self.flash_mode)?,
            None => write!(f, ", flash {}", self.flash_mode)?,
        }
        let (length, segments) = (self.length, self.segments);
        writeln!(f, "; {length} bytes in {segments} segments")
    }
}
