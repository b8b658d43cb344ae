//! Lays `memory.x` where the linker looks for it, and finds out when this is built: no right clock
//! shows less.

use std::{env, fs, path::PathBuf};

#[path = "../firmware/built_at.rs"]
mod built_at;

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy("memory.x", out.join("memory.x")).expect("memory.x can be copied");
    println!("cargo::rustc-link-search={}", out.display());
    println!(
        "cargo::rustc-link-arg-bins=-Map={}/emulated.map",
        out.display()
    );
    built_at::tell();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory.x");
}
