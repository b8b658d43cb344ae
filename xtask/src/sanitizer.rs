//! The address sanitizer in our Rust and in MbedTLS's C, and the undefined-behaviour sanitizer in
//! the latter.
//!
//! No nightly is needed: stable Rust's installation brings the runtime library, and
//! `RUSTC_BOOTSTRAP` lets the compiler take the flag. MbedTLS is compiled by the clang that its
//! bindings are made with, whose calls are those of the same runtime (version 8 of its interface
//! since LLVM 3.9). Undefined behaviour in C traps, which needs no runtime. What else is linked,
//! the standard library and crates that the caller leaves out, has no checks of its own; but the
//! runtime has the heap of all, and checks what `memcpy` and its like are given.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process;

/// What rustc is told, for our own crates and for linking.
pub(crate) const FLAG: &str = "-Zsanitizer=address";

/// What clang is told.
const IN_C: &str =
    "-fsanitize=address,undefined -fsanitize-trap=undefined -fno-omit-frame-pointer -g1";

/// Whether this installation of Rust has the runtime library.
///
/// # Errors
///
/// rustc does not say where it is installed.
pub(crate) fn is_there() -> Result<bool> {
    let folder = process::capture(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let folder = Path::new(folder.trim());
    let files =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    Ok(cfg!(unix)
        && files.filter_map(Result::ok).any(|file| {
            let name = file.file_name();
            name.to_string_lossy().contains("_rt.asan.")
        }))
}

/// Has cargo build MbedTLS's C with the sanitizers and with these flags, and rustc take [`FLAG`].
/// `target` is where cargo builds; nothing else may be built there, for cargo does not see that
/// the C differs.
///
/// # Errors
///
/// The stand-in for clang cannot be written.
pub(crate) fn prepare(cargo: &mut Command, target: &Path, more: &str) -> Result<()> {
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CLANG_PATH", stand_in(target, more)?);
    Ok(())
}

/// What a program that is built so must run with. What is never freed is Valgrind's to find, and
/// fuzz targets keep things for good.
pub(crate) const OPTIONS: (&str, &str) = ("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=64");

/// The one way to reach MbedTLS's compiler alone, and not that of other C in the same build: its
/// build script asks for `CLANG_PATH` (mbedtls-rs-sys 0.3.1, gen/builder.rs,
/// `derive_forced_c_compiler`).
fn stand_in(target: &Path, more: &str) -> Result<PathBuf> {
    use std::io::Write as _;
    fs::create_dir_all(target)?;
    let path = target.join("clang");
    let text = format!("#!/bin/sh\nexec clang \"$@\" {IN_C} {more}\n");
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(path);
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    options
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}
