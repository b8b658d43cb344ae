//! `cargo xtask demo`: everything that `esptb demo` needs, then `esptb demo`.

use anyhow::Result;

use crate::{
    process,
    setup::{self, Purpose},
    terminal,
};

/// What is built and run.
const PROGRAM: [&str; 5] = ["--locked", "--profile", "quick", "--package", "esptb"];

/// Runs the demo with the arguments of the operator; see `esptb demo --help`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments
        .iter()
        .any(|argument| ["--help", "-h"].contains(&argument.as_str()))
    {
        // What the program prints, by its own tests; so nothing is installed or built for it.
        let help = crate::workspace::root().join("host/esptb/tests/help/demo.txt");
        print!("{}", std::fs::read_to_string(help)?);
        return Ok(());
    }
    setup::run(Purpose::Demo)?;
    terminal::remark("building the demo (some minutes the first time)");
    let mut build = process::cargo();
    process::run(build.arg("build").args(PROGRAM))?;
    let mut demo = process::cargo();
    demo.current_dir(std::env::current_dir()?);
    let manifest = crate::workspace::root().join("Cargo.toml");
    demo.args(["run", "--quiet"]).args(PROGRAM);
    demo.arg("--manifest-path").arg(manifest);
    demo.args(["--", "demo"]).args(arguments);
    let status = demo.status()?;
    // Its exit code is its answer to scripts, so it is passed on as it is.
    std::process::exit(status.code().unwrap_or(1));
}
