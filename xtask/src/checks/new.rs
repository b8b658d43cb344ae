//! `esptb new` in an empty folder, and then what its README says: the test, the desk, the firmware, the image.
//!
//! Nothing is fetched, and what is compiled already of others' crates is used again.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{chips, esptb, firmware, process, workspace};

/// The project that is made.
const NAME: &str = "bee-hive";

/// Makes the project, and does with it what its maker would.
pub(super) fn check() -> Result<String> {
    let esptb = esptb::build()?;
    let folder = workspace::root().join("target/new");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let mut new = Command::new(&esptb);
    new.current_dir(&folder).args(["new", NAME, "--path"]);
    process::run(new.arg(workspace::root()))?;
    let project = folder.join(NAME);

    process::run(cargo(&project).args(["test", "--offline"]))?;
    let mut desk = cargo(&project);
    desk.args(["run", "--offline", "--package", "desk", "--"]);
    process::run(desk.args(["--headless", "--for", "3s"]))?;

    let chip = chips::find(None)?;
    let elf = firmware::product(
        &project.join("firmware"),
        &format!("{NAME}-firmware"),
        &chip,
    )?;
    let mut image = Command::new(&esptb);
    image
        .current_dir(&project)
        .args(["image", "--chip", &chip.name]);
    image.arg("--app").arg(&elf);
    // Files of a device that the desk has made.
    process::run(image.args(["--spiffs", "demo/spiffs_root", "--out", "flash.bin"]))?;
    let mut inspect = Command::new(&esptb);
    inspect.current_dir(&project);
    let shown = process::capture(inspect.args(["image", "--inspect", "flash.bin"]))?;
    let app = format!("{NAME}-firmware");
    ensure!(
        shown.contains(&app),
        "the image has no app {app:?}:\n{shown}"
    );
    Ok(format!(
        "{NAME}: tested, at a desk, and an image for {}",
        chip.name
    ))
}

/// Cargo in the project, with this project's target folder.
fn cargo(project: &Path) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(project);
    cargo.env("CARGO_TARGET_DIR", workspace::root().join("target"));
    cargo
}
