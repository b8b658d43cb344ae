//! The long chaos run: `cargo xtask chaos`.

use std::process::ExitCode;
use std::time::Instant;

use e2e::chaos::{self, Run};

const USAGE: &str = "chaos [--seed N] [--seeds N] [--faults N] [--rate N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["serve", folder, device] => chaos::serve(folder.as_ref(), device),
        _ => runs(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runs(words: &[&str]) -> Result<(), String> {
    let (mut seed, mut seeds, mut faults, mut rate) = (1, 1, 200, 60);
    for pair in words.chunks(2) {
        let &[name, value] = pair else {
            return Err(format!("usage: {USAGE}"));
        };
        let number: u64 = value.parse().map_err(|_| format!("usage: {USAGE}"))?;
        match name {
            "--seed" => seed = number,
            "--seeds" => seeds = number,
            "--faults" => faults = number as usize,
            "--rate" => rate = number as u32,
            _ => return Err(format!("usage: {USAGE}")),
        }
    }
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut again = Vec::new();
    for seed in seed..seed + seeds {
        let start = Instant::now();
        let report = chaos::run(&Run {
            seed,
            faults,
            rate,
            program: program.clone(),
            progress: Box::new(|line| println!("{line}")),
        })?;
        println!("\n{report}  took {:.0} s", start.elapsed().as_secs_f64());
        if !report.passed() {
            again.push(format!(
                "\n  cargo xtask chaos --faults {faults} --rate {rate} --seed {seed}"
            ));
        }
    }
    if again.is_empty() {
        return Ok(());
    }
    Err(format!("to see it again:{}", again.concat()))
}
