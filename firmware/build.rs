//! Tells the code what the chip has, which board it is on, and when this is built; and asks the
//! linker for its map, from which `cargo xtask firmware` tells who takes how many bytes.

use std::{env, fs, path::Path};

use esp_metadata_generated::Chip;

mod built_at;

fn main() {
    let chip = Chip::from_cargo_feature()
        .expect("choose one chip by a feature of its name; `cargo xtask firmware --chip` does");
    chip.define_cfgs();
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    choose_board(chip.name(), &out);
    // Espressif's linker for its older chips is called by way of a compiler.
    let xtensa = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "xtensa");
    let pass_on = if xtensa { "-Wl," } else { "" };
    println!("cargo::rustc-link-arg-bins={pass_on}-Map={out}/firmware.map");
    // radio-logs.x and radio-logs-sections.x, which .cargo/config.toml asks for.
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rustc-link-search={here}");
    let rom = Path::new(&here).join(format!("rom-{}.x", chip.name()));
    if rom.is_file() {
        println!("cargo::rustc-link-arg-bins={}", rom.display());
        println!("cargo::rerun-if-changed={}", rom.display());
    }
    built_at::tell();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=built_at.rs");
    println!("cargo::rerun-if-changed=radio-logs.x");
    println!("cargo::rerun-if-changed=radio-logs-sections.x");
    println!("cargo::rerun-if-changed=src");
}

/// Writes the lines by which src/board/mod.rs takes a board in, the one that BOARD names or else the
/// one with the chip's name, and the chip.
fn choose_board(chip: &str, out: &str) {
    println!("cargo::rerun-if-env-changed=BOARD");
    let board = env::var("BOARD").unwrap_or_else(|_| chip.to_owned());
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let boards = Path::new(&folder).join("src/board");
    let file = boards.join(format!("{board}.rs"));
    assert!(
        file.is_file(),
        "there is no board {board:?}: write {}, or name another in BOARD",
        file.display()
    );
    let chip = boards.join(format!("chips/{chip}.rs"));
    let lines = format!("#[path = {file:?}]\nmod chosen;\n#[path = {chip:?}]\nmod this_chip;\n");
    fs::write(Path::new(out).join("board.rs"), lines).expect("OUT_DIR can be written");
}
