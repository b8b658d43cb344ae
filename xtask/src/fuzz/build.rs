//! Building with coverage instrumentation, by stable Rust.
//!
//! The flags are those of `cargo fuzz`, with the address sanitizer where Rust's installation has its
//! runtime. They go to the code in question only: what this project wrote, the parsers of others
//! that fuzz/Cargo.toml names, and MbedTLS's C. The rest, such as the arithmetic of SRP-6a, would be
//! three times as slow and tell nothing. So this program stands in for rustc, and leaves the flags
//! out where they do not belong.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{process, sanitizer, terminal, workspace};

/// Set where this program stands in for rustc: the foreign crates to instrument, with commas.
pub(crate) const INSTRUMENTED: &str = "XTASK_FUZZ_INSTRUMENTED";

/// libFuzzer's coverage: counters, the table of places, and the operands of comparisons.
const FLAGS: [&str; 6] = [
    sanitizer::FLAG,
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// The same coverage in C, and for speed: MbedTLS's build script asks for small code.
const COVERAGE_IN_C: &str = "-O2 -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";

/// Our crate that is arithmetic alone. It is under the address sanitizer, but who counts its
/// branches, which do not depend on what comes in, spends two thirds of a handshake's time on it.
const ARITHMETIC: &str = "secp256r1";
/// MbedTLS's files of the same kind, as clang's lists have it.
const ARITHMETIC_IN_C: &str = "src:*bignum*
src:*ecp_curves*
src:*sha1*
src:*sha256*
src:*sha512*
src:*aes*
src:*gcm*
src:*chacha20*
src:*poly1305*
src:*constant_time*
";

/// Builds what cargo's arguments say; returns the folder of the binaries.
pub(super) fn build(folder: &Path, what: &[&str]) -> Result<PathBuf> {
    terminal::remark("building the fuzz targets (some minutes the first time)");
    let metadata = workspace::metadata(folder)?;
    let package = metadata
        .root_package()
        .context("fuzz/Cargo.toml has no package")?;
    let foreign: Vec<String> = serde_json::from_value(package.metadata["instrumented"].clone())
        .context("fuzz/Cargo.toml: [package.metadata] instrumented must be a list of crates")?;
    let host = workspace::host()?;
    let mut target = folder.join("target");
    let mut flags = &FLAGS[1..];
    let mut cargo = process::cargo();
    if sanitizer::is_there()? {
        target.push("sanitized");
        flags = &FLAGS;
        fs::create_dir_all(&target)?;
        let arithmetic = target.join("arithmetic.txt");
        fs::write(&arithmetic, ARITHMETIC_IN_C)?;
        let list = arithmetic.display();
        let more = format!("{COVERAGE_IN_C} -fsanitize-coverage-ignorelist={list}");
        sanitizer::prepare(&mut cargo, &target, &more)?;
    }
    cargo
        .current_dir(folder)
        .env("RUSTFLAGS", format!("{} --cfg fuzzing", flags.join(" ")))
        .env("RUSTC_WRAPPER", std::env::current_exe()?)
        .env(INSTRUMENTED, foreign.join(","))
        .env("CARGO_TARGET_DIR", &target)
        // A target of its own, so that build scripts are not instrumented.
        .args(["build", "--release", "--locked", "--target", &host])
        .args(what);
    process::run(&mut cargo)?;
    Ok(target.join(host).join("release"))
}

/// Stands in for rustc, whose path is the first argument.
pub(crate) fn rustc(foreign: &OsStr) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(rustc) = arguments.next() else {
        return ExitCode::FAILURE;
    };
    let arguments: Vec<_> = arguments.collect();
    let foreign = foreign.to_string_lossy();
    let status = Command::new(rustc)
        .args(without_flags(
            arguments,
            &foreign.split(',').collect::<Vec<_>>(),
        ))
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Leaves the flags out where they do not belong.
fn without_flags(arguments: Vec<OsString>, foreign: &[&str]) -> Vec<OsString> {
    let is_foreign = arguments
        .iter()
        .any(|argument| argument.to_string_lossy().contains("/registry/src/"));
    let mut after_name = arguments
        .iter()
        .skip_while(|argument| *argument != "--crate-name");
    let name = after_name
        .nth(1)
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.as_deref().unwrap_or_default();
    let left_out = if name == ARITHMETIC {
        &FLAGS[1..]
    } else if is_foreign && !foreign.contains(&name) {
        &FLAGS
    } else {
        return arguments;
    };
    let kept = |argument: &OsString| !left_out.iter().any(|flag| argument == flag);
    arguments.into_iter().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(name: &str, path: &str) -> usize {
        let arguments = ["--crate-name", name, path]
            .into_iter()
            .chain(FLAGS)
            .map(OsString::from);
        without_flags(arguments.collect(), &["minimq"]).len() - 3
    }

    #[test]
    fn only_what_is_looked_into_is_instrumented() {
        assert_eq!(
            left("spiffs", "/home/me/crates/spiffs/src/lib.rs"),
            FLAGS.len()
        );
        assert_eq!(
            left("minimq", "/c/registry/src/x/minimq-0.13.5/src/lib.rs"),
            FLAGS.len()
        );
        assert_eq!(left("aes", "/c/registry/src/x/aes-0.9.0/src/lib.rs"), 0);
        // The address sanitizer alone.
        assert_eq!(left(ARITHMETIC, "/home/me/crates/secp256r1/src/lib.rs"), 1);
    }
}
