//! The heap of a device in each phase of its life.

use anyhow::{Context, Result};

use super::program;
use super::record::Figure;
use crate::process;

/// Kinds of keys, from small to large.
const KEYS: [&str; 5] = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"];

/// Lives with each kind of key.
pub(super) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut growth = Figure::new(
        "heap.keys",
        "Peak heap of the TLS handshake, second life",
        "bytes",
    );
    let mut kept = Figure::new("heap.online", "Heap while online, second life", "bytes");
    let by_key = |name: &str, title: &str| {
        Figure::new(name, title, "bytes").over("bits of an RSA key", "heap-rsa")
    };
    let mut rsa_peak = by_key("heap.rsa.peak", "Peak heap of the TLS handshake by RSA key");
    let mut rsa_kept = by_key("heap.rsa.online", "Heap while online by RSA key");
    for key in KEYS {
        let rows = lives(&[key])?;
        // The smallest key tells the phases; the others are for comparison.
        if key == KEYS[0] {
            for (life, from) in [
                ("first", "start"),
                ("second", "start"),
                ("third", "offline"),
            ] {
                let title = match life {
                    "third" => "Peak heap after a connection was lost, third life",
                    _ => &format!("Peak heap in each phase of the {life} life"),
                };
                let name = format!("heap.{key}.{life}");
                let mut figure = Figure::new(&name, &format!("{title}, {key}"), "bytes");
                let phases = rows.iter().filter(|row| row.life == life);
                // What comes before is as in the second life.
                for row in phases.skip_while(|row| row.phase != from) {
                    figure = figure.of(&row.phase, row.peak);
                }
                figures.push(figure);
            }
            figures.push(by_security(key, &rows)?);
        }
        let find = |phase: &str| row(&rows, "second", phase);
        growth = growth.of(key, find("TLS handshake")?.peak);
        kept = kept.of(key, find("online")?.kept);
        if let Some(bits) = key.strip_prefix("RSA-") {
            let bits: u32 = bits.parse()?;
            rsa_peak = rsa_peak.at(bits, find("TLS handshake")?.peak);
            rsa_kept = rsa_kept.at(bits, find("online")?.kept);
        }
        if key == KEYS[0] {
            let future = rows.iter().find(|row| row.life == "future");
            let future = future.context("the size of the device is missing")?;
            let title = "The device's future: static memory on a chip";
            figures.push(Figure::new("heap.future", title, "bytes").of("", future.peak));
        }
    }
    figures.extend([growth, kept, rsa_peak, rsa_kept]);
    Ok(figures)
}

/// What being provisioned takes, beside the same with security 1.
fn by_security(key: &str, rows: &[Row]) -> Result<Figure> {
    let other = lives(&[key, "1"])?;
    let title = format!("Peak heap of provisioning by session security, {key}");
    let mut figure = Figure::new("heap.security", &title, "bytes");
    for (security, rows) in [(1, other.as_slice()), (2, rows)] {
        for phase in ["advertising", "provisioning", "joining"] {
            let peak = row(rows, "first", phase)?.peak;
            figure = figure.of(&format!("security {security}, {phase}"), peak);
        }
    }
    Ok(figure)
}

/// What `heap` prints.
fn lives(arguments: &[&str]) -> Result<Vec<Row>> {
    let mut heap = program("heap");
    Ok(rows(&process::capture(heap.args(arguments))?))
}

/// A phase of a life.
fn row<'a>(rows: &'a [Row], life: &str, phase: &str) -> Result<&'a Row> {
    let mut all = rows.iter();
    let found = all.find(|row| (row.life.as_str(), row.phase.as_str()) == (life, phase));
    found.with_context(|| format!("the {life} life has no phase {phase}"))
}

/// A line of `heap`.
struct Row {
    life: String,
    phase: String,
    peak: f64,
    kept: f64,
}

fn rows(printed: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut parts = line.split('\t');
        let (life, phase) = (parts.next()?, parts.next()?);
        Some(Row {
            life: life.to_owned(),
            phase: phase.to_owned(),
            peak: parts.next()?.parse().ok()?,
            kept: parts.next()?.parse().unwrap_or(0.0),
        })
    };
    // The phone talks, too.
    printed.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_print_is_passed_over() {
        let rows = rows("     phone Connected\nfirst\tonline\t10\t5\nfuture\t\t7\t\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].phase.as_str(), rows[1].phase.as_str()),
            ("online", "")
        );
    }
}
