//! The report as text for people.

use std::fmt;

use super::{CertificateInfo, FileContents, FileInfo, Report, Volume};
use crate::{NvsItem, Program, printable};

impl fmt::Display for Report {
    /// Several lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Partitions")?;
        for line in self.table.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        for placed in self.bootloader.iter().chain(&self.apps) {
            let name = printable(&placed.partition);
            let started = self.boot.as_ref().map(|boot| &boot.partition);
            match &self.boot {
                Some(boot) if started == Some(&placed.partition) => {
                    writeln!(f, "{name}, started: {}", printable(&boot.reason))?;
                }
                _ => writeln!(f, "{name}")?,
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
            let (namespace, key) = (printable(namespace), printable(key));
            writeln!(f, "  {namespace:<15} {key:<15} {kind}")?;
        }
        if !self.files.is_empty() {
            writeln!(f, "Files")?;
        }
        list(f, &self.files)?;
        for fault in &self.faults {
            writeln!(f, "Damage: {}", printable(fault))?;
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
            writeln!(f, "Damage: {}", printable(fault))?;
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
        let name = printable(name);
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
        let (subject, issuer) = (printable(&self.subject), printable(&self.issuer));
        write!(f, "{subject} by {issuer}, {from} to {to}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_an_image_do_not_command_the_terminal() {
        let evil = "\u{1b}[2J\u{9b}\nDamage: x";
        let certificate = CertificateInfo {
            subject: format!("CN={evil}"),
            issuer: evil.to_owned(),
            not_before: time::OffsetDateTime::UNIX_EPOCH,
            not_after: time::OffsetDateTime::UNIX_EPOCH,
        };
        let volume = Volume {
            size: 0,
            page_size: 0,
            block_size: 0,
            name_len: 0,
            meta_len: 0,
            files: vec![FileInfo {
                name: evil.to_owned(),
                size: 1,
                contents: FileContents::Certificates(vec![certificate]),
            }],
            faults: vec![evil.to_owned()],
        };
        let text = volume.to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
}
