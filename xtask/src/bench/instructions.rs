//! Instructions of single pieces of work, counted by valgrind in one function of `tests/bench`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::record::Figure;
use super::{folder, program};
use crate::process;

const KIB: u32 = 1024;
const BYTES: &str = "bytes of the partition";
const FILES: &str = "files";

/// What `count` prints, and the instructions of what it was told to count.
fn count(arguments: &str) -> Result<(String, f64)> {
    let out = folder("callgrind")?.join("out");
    let count = program("count");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*measured_region*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(count.get_program())
        .args(arguments.split(' '));
    let printed = process::capture(&mut valgrind)?;
    let text = fs::read_to_string(&out).context("valgrind left no figures")?;
    let total = total(&text).with_context(|| format!("valgrind counted nothing of {arguments}"))?;
    Ok((printed, total))
}

/// The sum in callgrind's file, if anything was counted.
fn total(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    let total: f64 = line.trim().parse().ok()?;
    (total > 0.0).then_some(total)
}

fn instructions(arguments: &str) -> Result<f64> {
    Ok(count(arguments)?.1)
}

/// Instructions of one message, from sensor to encrypted record or, if `what` is `message`, to its
/// acknowledgement; and how many samples it had.
fn message(what: &str, interval_ms: u32) -> Result<(f64, f64)> {
    const MESSAGES: u32 = 20;
    let (samples, total) = count(&format!("{what} {MESSAGES} {interval_ms}"))?;
    // The phone of the first life talks, too.
    let mut lines = samples.lines().rev();
    let samples: Option<f64> = lines.find_map(|line| line.trim().parse().ok());
    let samples = samples.context("how many samples there were")?;
    let messages = f64::from(MESSAGES);
    Ok(((samples / messages).round(), total / messages))
}

/// Counts everything.
pub(super) fn measure() -> Result<Vec<Figure>> {
    let unit = "instructions";
    let mut figures = vec![
        Figure::new(
            "instructions.golden",
            "Mount the golden image of 256 KiB and read the three credentials",
            unit,
        )
        .of("", instructions("mount golden")?),
    ];
    let title = "Mount and read the three credentials";
    let mut sizes = Figure::new("instructions.mount.size", title, unit).over(BYTES, "spiffs-size");
    let title = "Build an image with the three credentials";
    let mut builds = Figure::new("instructions.build.size", title, unit).over(BYTES, "spiffs-size");
    for size in [64, 256, 1024, 4096].map(|kib| kib * KIB) {
        sizes = sizes.at(size, instructions(&format!("mount {size} 0"))?);
        builds = builds.at(size, instructions(&format!("build {size} 0"))?);
    }
    let title = "Mount 1 MiB and read the three credentials beside other files";
    let mut mounts =
        Figure::new("instructions.mount.files", title, unit).over(FILES, "spiffs-files");
    let title = "Build 1 MiB with the three credentials and other files";
    let mut built =
        Figure::new("instructions.build.files", title, unit).over(FILES, "spiffs-files");
    for files in [0_u32, 100, 300, 1000] {
        let size = KIB * KIB;
        mounts = mounts.at(files, instructions(&format!("mount {size} {files}"))?);
        built = built.at(files, instructions(&format!("build {size} {files}"))?);
    }
    figures.extend([sizes, builds, mounts, built]);

    for security in [1, 2] {
        for end in ["device", "client"] {
            let title = format!("A session of security {security}, the {end}'s end");
            let name = format!("instructions.session{security}.{end}");
            let plot = format!("session{security}");
            let mut figure =
                Figure::new(&name, &title, unit).over("requests after the handshake", &plot);
            for requests in [0_u32, 3, 30, 100] {
                let arguments = format!("session {end} {security} {requests}");
                figure = figure.at(requests, instructions(&arguments)?);
            }
            figures.push(figure);
        }
    }
    let title = "The verifier of security 2, once for each proof of possession";
    let verifier = Figure::new("instructions.verifier", title, unit);
    figures.push(verifier.of("", instructions("verifier")?));

    let what = [
        ("sample", "A message, from sensor to encrypted record"),
        ("message", "A message, from sensor to acknowledgement"),
    ];
    for (what, title) in what {
        let name = format!("instructions.{what}");
        let mut figure = Figure::new(&name, title, unit).over("samples in it", "message");
        // A message goes out each 900 ms at most, so a shorter interval puts more into it.
        for interval_ms in [1_000, 300, 100] {
            let (samples, value) = message(what, interval_ms)?;
            figure = figure.at(samples, value);
        }
        figures.push(figure);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counted_is_no_figure() {
        assert_eq!(total("events: Ir\ntotals: 1234\n"), Some(1234.0));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }
}
