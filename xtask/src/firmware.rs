//! `cargo xtask firmware`: builds the firmware and accounts for its bytes.

pub(crate) mod account;
pub(crate) mod branches;
mod image;
mod map;
mod paths;

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use self::account::Account;
use crate::{
    chips::{self, Chip},
    process, terminal, workspace,
};

/// The options of `cargo xtask firmware`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The chip; those known are in firmware/Cargo.toml
    #[arg(long, value_name = "CHIP")]
    chip: Option<String>,
    /// With keys that are sealed for the chip (`esptb factory run --seal`)
    #[arg(long)]
    seal: bool,
}

/// Builds, prints the account, and fails if the image does not fit its slot.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chip = chips::find(options.chip.as_deref())?.sealing(options.seal)?;
    crate::setup::run(crate::setup::Purpose::Firmware)?;
    if let Some(missing) = missing(&chip)? {
        anstream::println!("{}: {missing}", terminal::yellow("skipped"));
        return Ok(());
    }
    let account = build(&chip)?;
    anstream::println!("{}", account.shown());
    account.check_slot()
}

/// Builds the image of a chip and reads where its bytes come from.
pub(crate) fn build(chip: &Chip) -> Result<Account> {
    let artifacts = compile(chip, false)?;
    let elf = fs::read(&artifacts.elf)
        .with_context(|| format!("{} cannot be read", artifacts.elf.display()))?;
    let map = fs::read_to_string(&artifacts.map)
        .with_context(|| format!("{} cannot be read", artifacts.map.display()))?;
    let image = image::length(&artifacts.elf)?;
    terminal::remark(format!("ELF file: {}", artifacts.elf.display()));
    terminal::remark(branches::check(&elf)?);
    let no_bytes = image::sections_without_bytes(&elf)?;
    Ok(Account::new(chip, image, &map::parse(&map), &no_bytes))
}

/// Builds the firmware of a chip; returns the ELF file.
pub(crate) fn elf(chip: &Chip) -> Result<PathBuf> {
    Ok(compile(chip, false)?.elf)
}

/// The same with a Bluetooth controller on a serial line without flow control, in place of the chip's own.
pub(crate) fn elf_with_controller(chip: &Chip) -> Result<PathBuf> {
    Ok(compile(chip, true)?.elf)
}

/// Builds the firmware of a product outside this repository, whose package in `folder` has this name, with
/// what has been compiled for this one's; returns the ELF file.
pub(crate) fn product(folder: &Path, package: &str, chip: &Chip) -> Result<PathBuf> {
    let target = workspace::firmware().join("target");
    let mut command = process::cargo();
    command.current_dir(folder).env("CARGO_TARGET_DIR", &target);
    command.args(["build", "--release", "--offline"]);
    command.args(["--config", &paths::shortened(chip)?]);
    process::run(&mut command)?;
    Ok(target.join(&chip.target).join("release").join(package))
}

/// Runs clippy over the firmware, warnings denied: for every chip that Rust's own toolchain
/// compiles for, with each option, and for the boards that are not a chip's first.
pub(crate) fn lint() -> Result<()> {
    let lint = |chip: &Chip, option: Option<&str>, board: Option<&str>| {
        let mut command = cargo("clippy", chip)?;
        if let Some(option) = option {
            command.args(["--features", option]);
        }
        if let Some(board) = board {
            terminal::remark(format!("BOARD={board}"));
            command.env("BOARD", board);
        }
        process::run(command.args(["--", "--deny", "warnings"]))
    };
    for chip in chips::all()? {
        lint(&chip, None, None)?;
        lint(&chip, Some("hci-uart"), None)?;
        lint(&chip, Some("greenhouse"), None)?;
        if chip.seals {
            lint(&chip, Some("seal"), None)?;
        }
    }
    chips::boards()?
        .iter()
        .try_for_each(|(board, chip)| lint(chip, None, Some(board)))
}

/// What is missing on this computer to compile for the chip, and how to get it.
fn missing(chip: &Chip) -> Result<Option<String>> {
    let Some(toolchain) = chip.toolchain() else {
        return Ok(None);
    };
    let mut rustup = Command::new("rustup");
    let list = process::capture(rustup.args(["toolchain", "list"]))?;
    let mut names = list.lines().filter_map(|l| l.split_whitespace().next());
    if names.any(|name| name == toolchain) {
        return Ok(None);
    }
    Ok(Some(format!(
        "{} needs Espressif's toolchain {toolchain:?}, which is not installed: `cargo install \
         espup`, then `espup install`, then this again",
        chip.name
    )))
}

struct Artifacts {
    elf: PathBuf,
    /// Written by the linker, as firmware/build.rs asks it to.
    map: PathBuf,
}

fn compile(chip: &Chip, controller_beside: bool) -> Result<Artifacts> {
    if let Some(missing) = missing(chip)? {
        bail!("{missing}");
    }
    let mut command = cargo("build", chip)?;
    if controller_beside {
        command.args(["--features", "hci-uart"]);
        command.env("HCI_UART_FLOW", "none");
    }
    command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    terminal::remark(process::shown(&command));
    let mut child = command.spawn().context("cargo could not be started")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let (mut elf, mut map) = (None, None);
    for message in Message::parse_stream(BufReader::new(output)) {
        match message? {
            Message::CompilerArtifact(artifact) if artifact.target.name == "firmware" => {
                elf = artifact.executable.map(PathBuf::from).or(elf);
            }
            Message::BuildScriptExecuted(script) if is_firmware(&script.package_id.repr) => {
                map = Some(PathBuf::from(script.out_dir).join("firmware.map"));
            }
            _ => {}
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the firmware does not build for {} ({status})", chip.name);
    }
    match (elf, map) {
        (Some(elf), Some(map)) => Ok(Artifacts { elf, map }),
        _ => bail!("cargo built the firmware, but did not say where"),
    }
}

fn is_firmware(package: &str) -> bool {
    package.contains("/firmware#")
}

fn cargo(subcommand: &str, chip: &Chip) -> Result<Command> {
    let mut command = match chip.toolchain() {
        None => process::cargo(),
        Some(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, "cargo"]);
            command
        }
    };
    command.current_dir(workspace::firmware());
    command.args([subcommand, "--release", "--locked", "--no-default-features"]);
    command.args(["--features", &chip.name, "--features", "backlog,renewal"]);
    if chip.seal {
        command.args(["--features", "seal"]);
    }
    command.args(["--target", &chip.target]);
    command.args(["--config", &paths::shortened(chip)?]);
    // The app's description holds the time of the build. With the time of the commit in its place
    // the same sources give the same bytes.
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none()
        && let Some(committed) = committed_at()
    {
        command.env("SOURCE_DATE_EPOCH", committed);
    }
    if chip.toolchain().is_some() {
        // Rust has no libraries for these targets.
        command.arg("-Zbuild-std=core,alloc");
    }
    Ok(command)
}

/// When the last commit was made, in seconds since 1970 UTC; none outside a repository.
fn committed_at() -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    let output = git.args(["log", "-1", "--format=%ct"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
