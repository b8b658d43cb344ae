//! The firmware that was just built becomes a flash image, the same one twice, and Espressif's
//! esptool finds nothing wrong with bootloader and app in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{
    chips::{self, Chip},
    esptb, firmware, interop, process, terminal, workspace,
};

/// What `esptb image --inspect --json` tells, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    bootloader: Program,
    apps: Vec<Program>,
    boot: Boot,
}

#[derive(Deserialize)]
struct Program {
    partition: String,
    offset: usize,
    length: usize,
    chip: String,
}

#[derive(Deserialize)]
struct Boot {
    partition: String,
}

/// Makes and judges the image; returns what was found.
pub(super) fn check() -> Result<String> {
    let chip = chips::find(None)?;
    let elf = firmware::elf(&chip)?;
    let folder = workspace::root().join("target/bootable");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let program = esptb::build()?;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        process::capture(command.current_dir(&folder).args(arguments))
    };
    run(&["pki", "init"])?;
    run(&["pki", "device", "SN-1"])?;
    let elf = elf
        .to_str()
        .context("the path of the firmware is no text")?;
    let mut image = vec!["image", "--chip", &chip.name, "--app", elf];
    image.extend(["--spiffs", "devices/SN-1", "--wifi", "cafe:", "--out"]);
    for file in ["flash.bin", "again.bin"] {
        run(&[&image[..], &[file]].concat())?;
    }
    let flash = fs::read(folder.join("flash.bin"))?;
    if flash != fs::read(folder.join("again.bin"))? {
        bail!("the same firmware and files made two different images");
    }
    let report = run(&["image", "--inspect", "flash.bin", "--json"])?;
    let report: Report = serde_json::from_str(&report).context("--json is not as expected")?;
    judge(&folder, &flash, &report, &chip)?;
    let app = report.apps.first().map_or(0, |app| app.length);
    let app = terminal::thousands(app as u64);
    Ok(format!("an app of {app} bytes; esptool agrees"))
}

fn judge(folder: &Path, flash: &[u8], report: &Report, chip: &Chip) -> Result<()> {
    let [app] = report.apps.as_slice() else {
        bail!("there are {} apps in the image, not one", report.apps.len());
    };
    if report.boot.partition != app.partition {
        bail!(
            "{} would be started, the app is in {}",
            report.boot.partition,
            app.partition
        );
    }
    for part in [&report.bootloader, app] {
        let name = &part.partition;
        if part.chip != chip.name {
            bail!("{name} is for {}, not for {}", part.chip, chip.name);
        }
        let file = folder.join(format!("{name}.bin"));
        let bytes = flash.get(part.offset..part.offset + part.length);
        fs::write(&file, bytes.context("a part lies outside the image")?)?;
        let told = esptool(&file)?;
        // The checksum, and the SHA-256 behind it.
        if told.matches("(valid)").count() != 2 || told.contains("(invalid") {
            bail!("esptool finds fault with {name}:\n{told}");
        }
    }
    Ok(())
}

fn esptool(file: &PathBuf) -> Result<String> {
    let mut esptool = Command::new(interop::program("esptool"));
    process::capture(esptool.arg("image-info").arg(file))
}
