//! `cargo xtask test`: everything that can be checked without a board, as named steps.

mod advisories;
mod arrows;
mod bootable;
mod circles;
mod faults;
mod licences;
mod mbedtls;
mod memory;
mod new;
mod rom;
mod rules;
mod run;
mod sanitizers;
mod scalars;
mod scenarios;
mod spare;
mod threats;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

pub(crate) use run::run;

use crate::{
    bogo, chips, firmware, fuzz, hil, interop, process, servers, setup, size, terminal, workspace,
};

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these steps, in their usual order
    #[arg(value_name = "STEP")]
    only: Vec<String>,
    /// Show the steps and what each is for
    #[arg(long)]
    list: bool,
    /// Run all steps, also after one has failed
    #[arg(long)]
    keep_going: bool,
    /// The long steps as well, as CI does; a step that is named runs in any case
    #[arg(long)]
    all: bool,
    /// Run the steps that go beside others, and write here how they ended
    #[arg(long, hide = true, value_name = "FILE")]
    lane: Option<PathBuf>,
}

/// How a step ended. Failure is an error.
enum Outcome {
    Passed,
    /// Passed, with a figure worth a line in the summary.
    Noted(String),
    /// Not run, for this reason: what it takes is nothing that setup can bring.
    Skipped(String),
}

struct Step {
    name: &'static str,
    about: &'static str,
    /// Left to CI, and to whoever asks for it.
    long: bool,
    run: fn(&Options) -> Result<Outcome>,
}

/// These have no part in what others wait for: in a whole run they go beside the steps from [`FORK`] on, which mostly wait,
/// in a process of their own.
const BESIDE: &[&str] = &[
    "firmware",
    "image",
    "doctests",
    "rustdoc",
    "new",
    "firmware-clippy",
];

/// Where they begin.
const FORK: &str = "scenarios";

/// In this order: what is quick and fails often comes first.
const STEPS: &[Step] = &[
    Step {
        name: "setup",
        about: "what the steps below need is there, or is installed",
        long: false,
        run: |_| done(setup::run(setup::Purpose::Test)),
    },
    Step {
        name: "format",
        about: "rustfmt has nothing to change",
        long: false,
        run: |_| {
            for folder in workspace::all() {
                let mut rustfmt = process::cargo();
                rustfmt.current_dir(folder);
                process::run(rustfmt.args(["fmt", "--all", "--check"]))?;
            }
            // Taken in by the build script, so cargo does not find them.
            let mut rustfmt = Command::new("rustfmt");
            rustfmt.args(["--edition", "2024", "--check"]);
            done(process::run(rustfmt.args(workspace::boards()?)))
        },
    },
    Step {
        name: "rules",
        about: "short files, no_std and no unsafe in crates/, chips named in one place, no leftovers; the threat model names its tests",
        long: false,
        run: |_| rules::check().map(Outcome::Noted),
    },
    Step {
        name: "arrows",
        about: "packages depend on each other only as the architecture draws it",
        long: false,
        run: |_| arrows::check().map(Outcome::Noted),
    },
    Step {
        name: "circles",
        about: "in no crate do modules use each other in a circle",
        long: false,
        run: |_| circles::check().map(Outcome::Noted),
    },
    Step {
        name: "licences",
        about: "every dependency of all workspaces has a permissive licence",
        long: false,
        run: |_| licences::check().map(Outcome::Noted),
    },
    Step {
        name: "advisories",
        about: "RustSec knows no fault of a dependency, where cargo-deny and its database are",
        long: true,
        run: |_| advisories::check(),
    },
    Step {
        name: "mbedtls",
        about: "MbedTLS is the version whose advisories and insides were read, and as it was then",
        long: false,
        run: |_| mbedtls::check().map(Outcome::Noted),
    },
    Step {
        name: "rom",
        about: "what the radios' libraries want of ROM, Rust and each other is there, also for chips that are not linked here",
        long: false,
        run: |_| rom::check().map(Outcome::Noted),
    },
    Step {
        name: "clippy",
        about: "clippy has nothing to say about the host workspace",
        long: false,
        run: |_| {
            let mut clippy = process::cargo();
            clippy.args(["clippy", "--locked", "--workspace", "--all-targets"]);
            done(process::run(clippy.args(["--", "--deny", "warnings"])))
        },
    },
    Step {
        name: "unit",
        about: "the tests beside the code",
        long: false,
        run: |options| cargo_test(options, &["--lib", "--bins"]),
    },
    Step {
        name: "memory",
        about: "Valgrind finds no fault where MbedTLS is called, in a handshake of each shape, but those on purpose; and nothing that depends on a key of P-256",
        long: true,
        run: |_| memory::check().map(Outcome::Noted),
    },
    Step {
        name: "sanitizers",
        about: "with our Rust and MbedTLS's C under the address and undefined-behaviour sanitizers, the tests of TLS, credentials and cloud pass, and faults on purpose are found",
        long: true,
        run: |_| sanitizers::check(),
    },
    Step {
        name: "features",
        about: "TLS works without a P-256 of our own, too, and a device that opens no sealed keys says so",
        long: true,
        run: |_| {
            let test = |features: &[&str], tests: &str| {
                let mut test = process::cargo();
                test.args(["test", "--locked", "--package", "device"]);
                process::run(test.args(features).args(["--lib", tests]))
            };
            test(&["--no-default-features"], "tls::")?;
            // One that opens them is among the unit tests: the simulator asks for it.
            done(test(&[], "files::"))
        },
    },
    Step {
        name: "emulated",
        about: "the device builds for the emulated board, without a branch on keys, and clippy has nothing to say about it",
        long: false,
        run: |_| {
            let build = |args: &[&str]| {
                let mut cargo = process::cargo();
                cargo.current_dir(workspace::root().join("emulated"));
                process::run(cargo.args(args))
            };
            build(&["build", "--release", "--locked"])?;
            let elf = "emulated/target/riscv32imc-unknown-none-elf/release/emulated";
            terminal::remark(firmware::branches::check(&std::fs::read(
                workspace::root().join(elf),
            )?)?);
            let clippy = [
                "clippy",
                "--release",
                "--locked",
                "--",
                "--deny",
                "warnings",
            ];
            build(&clippy)?;
            scalars::check().map(Outcome::Noted)
        },
    },
    Step {
        name: "scenarios",
        about: "the tests of whole crates and of the whole: first life to last, real peers",
        long: false,
        run: |options| scenarios::check(options.keep_going).map(Outcome::Noted),
    },
    Step {
        name: "servers",
        about: "the device and the TLS servers of others, set in each way, come to what docs/tls-servers.md tells",
        long: true,
        run: |_| servers::check().map(Outcome::Noted),
    },
    Step {
        name: "interop",
        about: "Bumble provisions the simulated device, and ESP-IDF's NVS generator and our NVS agree",
        long: false,
        run: |_| done(interop::test()),
    },
    Step {
        name: "fuzz",
        about: "no target finds a fault in a few thousand inputs",
        long: true,
        run: |_| fuzz::brief().map(Outcome::Noted),
    },
    Step {
        name: "bogo",
        about: "BoringSSL's protocol tests find nothing that is not listed, where BoringSSL is",
        long: true,
        run: |_| {
            Ok(match bogo::check()? {
                bogo::Outcome::Passed(note) => Outcome::Noted(note),
                bogo::Outcome::Skipped(why) => Outcome::Skipped(why),
            })
        },
    },
    Step {
        name: "firmware",
        about: "the firmware links for the default chip, with --all or by name for every chip that Rust compiles for, without a branch on keys, and fits where it is promised to",
        long: false,
        run: |options| {
            let mut notes = Vec::new();
            let chips = match options.all || !options.only.is_empty() {
                true => chips::all()?,
                false => vec![chips::find(None)?],
            };
            for chip in chips {
                let account = firmware::build(&chip)?;
                anstream::println!("{}", account.shown());
                account.check_promise(&chip)?;
                notes.push(size::summary(&account)?);
            }
            Ok(Outcome::Noted(notes.join("; ")))
        },
    },
    Step {
        name: "image",
        about: "the firmware becomes an image that boots: twice the same, and esptool agrees",
        long: false,
        run: |_| bootable::check().map(Outcome::Noted),
    },
    Step {
        name: "emulator",
        about: "the firmware lives on an emulated chip, where one is: first life and second, restarts, a crash, a hang",
        long: true,
        run: |_| match std::env::var_os(hil::EMULATOR) {
            Some(emulator) => hil::emulate(emulator.as_ref()).map(Outcome::Noted),
            None => Ok(Outcome::Skipped(format!(
                "no emulator: name one in {}, as firmware/README.md tells",
                hil::EMULATOR
            ))),
        },
    },
    Step {
        name: "doctests",
        about: "the examples in the documentation run",
        long: false,
        run: |options| cargo_test(options, &["--doc"]),
    },
    Step {
        name: "rustdoc",
        about: "the documentation builds without a warning",
        long: true,
        run: |_| {
            let mut rustdoc = process::cargo();
            rustdoc.env("RUSTDOCFLAGS", "--deny warnings");
            done(process::run(rustdoc.args([
                "doc",
                "--locked",
                "--workspace",
                "--no-deps",
            ])))
        },
    },
    Step {
        name: "new",
        about: "`esptb new` in an empty folder makes a product that passes its test, lives at a desk and becomes an image",
        long: true,
        run: |_| new::check().map(Outcome::Noted),
    },
    Step {
        name: "firmware-clippy",
        about: "clippy has nothing to say about the firmware, for any chip that Rust compiles for, and other boards",
        long: true,
        run: |_| done(firmware::lint()),
    },
];

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

/// The packages are always chosen in the same way, so that all steps share one set of features
/// and nothing is compiled twice.
fn cargo_test(options: &Options, targets: &[&str]) -> Result<Outcome> {
    let mut test: Command = process::cargo();
    test.args(["test", "--locked", "--workspace"]).args(targets);
    if options.keep_going {
        test.arg("--no-fail-fast");
    }
    done(process::run(&mut test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }

    #[test]
    fn what_goes_beside_others_comes_after_where_it_begins() {
        let at = |name: &str| STEPS.iter().position(|step| step.name == name);
        assert!(at(FORK).is_some());
        assert!(BESIDE.iter().all(|name| at(name) > at(FORK)));
    }
}
