//! Where the project lies, and what its cargo workspaces say of themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use cargo_metadata::{Artifact, CargoOpt, Message, Metadata, MetadataCommand};

use crate::process;

/// The folder of the project: the parent of this package.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("the package xtask lies in a folder of the project")
}

/// Builds a program of the host workspace as the tests are built, so that nothing is compiled twice; returns
/// where it is.
///
/// Cargo gives dependencies the features that the chosen packages and kinds of targets ask for. So all packages
/// are chosen, and with the program the smallest test that there is.
///
/// # Errors
///
/// It does not build.
pub(crate) fn build(program: &str) -> Result<PathBuf> {
    let mut build = process::cargo();
    build.args(["build", "--quiet", "--locked", "--workspace"]);
    process::run(build.args(["--bin", program, "--test", "otatool"]))?;
    // Cargo runs in the root, and takes a folder without a root of its own from there.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = root().join(target).join("debug");
    Ok(folder.join(process::file_of(program)))
}

/// The firmware's folder, a cargo workspace of its own.
pub(crate) fn firmware() -> PathBuf {
    root().join("firmware")
}

/// The folders of all cargo workspaces of the project: the host's, those for other targets, and the fuzz targets.
pub(crate) fn all() -> Vec<PathBuf> {
    let others = ["firmware", "emulated", "fuzz"].map(|name| root().join(name));
    std::iter::once(root().to_owned()).chain(others).collect()
}

/// The files of the firmware's boards. The build script takes one in, so cargo does not know them.
pub(crate) fn boards() -> Result<Vec<PathBuf>> {
    let mut boards = sources()?;
    boards.retain(|path| path.starts_with("firmware/src/board"));
    Ok(boards.iter().map(|path| root().join(path)).collect())
}

/// What cargo knows of the workspace in `folder`, its dependencies resolved by its lockfile.
pub(crate) fn metadata(folder: &Path) -> Result<Metadata> {
    resolve(folder, &mut MetadataCommand::new())
}

/// The same with the dependencies of all features, also where no build has all of them.
pub(crate) fn metadata_of_all_features(folder: &Path) -> Result<Metadata> {
    resolve(
        folder,
        MetadataCommand::new().features(CargoOpt::AllFeatures),
    )
}

fn resolve(folder: &Path, command: &mut MetadataCommand) -> Result<Metadata> {
    command
        .current_dir(folder)
        .other_options(["--locked".to_owned()])
        .exec()
        .with_context(|| {
            format!(
                "cargo does not understand {}/Cargo.toml, or its Cargo.lock is not up to date",
                folder.display()
            )
        })
}

/// What a cargo command builds, which it is told to say in JSON.
///
/// # Errors
///
/// It does not build.
pub(crate) fn artifacts(build: &mut Command) -> Result<Vec<Artifact>> {
    build.arg("--message-format=json-render-diagnostics");
    let messages = process::capture(build)?;
    let mut artifacts = Vec::new();
    for message in Message::parse_stream(messages.as_bytes()) {
        if let Message::CompilerArtifact(artifact) = message? {
            artifacts.push(artifact);
        }
    }
    Ok(artifacts)
}

/// Every Rust source file of the project, by its path from the root, in order.
pub(crate) fn sources() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "target" || name == "demo" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path
                    .strip_prefix(root())
                    .expect("it was found under the root");
                found.push(inside.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The target that rustc compiles for by itself.
///
/// # Errors
///
/// rustc does not say.
pub(crate) fn host() -> Result<String> {
    let about = process::capture(Command::new("rustc").arg("-vV"))?;
    about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` does not say for which host it is")
}
