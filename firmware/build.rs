//! Tells the code what the chip has, and when this is built; and asks the linker for its map, from
//! which `cargo xtask firmware` tells who takes how many bytes.

use std::env;

use esp_metadata_generated::Chip;

mod built_at;

fn main() {
    let chip = Chip::from_cargo_feature();
    chip.expect("choose one chip by a feature of its name; `cargo xtask firmware --chip` does")
        .define_cfgs();
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    // Espressif's linker for its older chips is called by way of a compiler.
    let xtensa = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "xtensa");
    let pass_on = if xtensa { "-Wl," } else { "" };
    println!("cargo::rustc-link-arg-bins={pass_on}-Map={out}/firmware.map");
    built_at::tell();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=built_at.rs");
    println!("cargo::rerun-if-changed=src");
}
