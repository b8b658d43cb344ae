//! `esptb image --inspect`: what is in a file.

use std::fmt::Display;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use flashimage::{App, FLASH_SIZE, FileContents, FileInfo, Program, Volume};
use serde::Serialize;

use console::files;
use console::{BAD, STRONG, WARN, paint, printable};

/// The days before the end of a certificate on which it stands out.
const SOON_DAYS: i64 = 30;
const DAY_S: i64 = 24 * 60 * 60;

pub(super) fn run(file: &Path, json: bool) -> Result<()> {
    let name = file.display();
    let bytes = files::read(file)?;
    match flashimage::inspect(&bytes) {
        Ok(report) => show(&name, &report, &report.files, report.faults.len(), json),
        Err(flashimage::Error::Table(flashimage::TableError::Missing)) => {
            // An ELF file is what would be made of it.
            let app = App::new(&bytes, None, FLASH_SIZE as u32).ok();
            let program = app.and_then(|app| app.program());
            if let Some(program) = program.or_else(|| Program::read(&bytes)) {
                let text = format!("{program}{}", faults(&program));
                return show(
                    &name,
                    &Shown(&text, &program),
                    &[],
                    program.faults.len(),
                    json,
                );
            }
            let volume = Volume::inspect(&bytes).map_err(|error| {
                anyhow::anyhow!(
                    "{name}: no whole flash (no partition table at 0x8000), no app or bootloader, \
                     nor SPIFFS: {error}"
                )
            })?;
            show(&name, &volume, &volume.files, volume.faults.len(), json)
        }
        Err(error) => Err(error).with_context(|| name.to_string()),
    }
}

/// A value whose text was made elsewhere.
struct Shown<'a, T>(&'a str, &'a T);

impl<T> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl<T: Serialize> Serialize for Shown<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.1.serialize(serializer)
    }
}

fn faults(program: &Program) -> String {
    let faults = program.faults.iter();
    faults.map(|fault| format!("Damage: {fault}\n")).collect()
}

fn show(
    name: &impl Display,
    report: &(impl Display + Serialize),
    files: &[FileInfo],
    faults: usize,
    json: bool,
) -> Result<()> {
    if json {
        console::line(serde_json::to_string_pretty(report)?)?;
    } else {
        console::line(paint(STRONG, name))?;
        for line in report.to_string().lines() {
            if line.starts_with("Damage:") {
                console::line(paint(BAD, line))?;
            } else if line.starts_with(' ') {
                console::line(line)?;
            } else {
                console::line(paint(STRONG, line))?;
            }
        }
        dates(files)?;
    }
    match faults {
        0 => Ok(()),
        n => bail!("{name} is damaged in {n} places"),
    }
}

/// Certificates that are no longer good, or not for long.
fn dates(files: &[FileInfo]) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for file in files {
        let FileContents::Certificates(certificates) = &file.contents else {
            continue;
        };
        for certificate in certificates {
            let left = certificate.not_after.unix_timestamp() - now;
            let (style, verdict) = if left < 0 {
                (BAD, "has expired".to_owned())
            } else if certificate.not_before.unix_timestamp() > now {
                (BAD, "is not valid yet".to_owned())
            } else if left < SOON_DAYS * DAY_S {
                (WARN, format!("has {} days left", left / DAY_S))
            } else {
                continue;
            };
            let (subject, verdict) = (printable(&certificate.subject), paint(style, verdict));
            let (look, file) = (paint(style, "Look:"), printable(&file.name));
            console::line(format_args!("{look} {subject} in {file} {verdict}"))?;
        }
    }
    Ok(())
}
