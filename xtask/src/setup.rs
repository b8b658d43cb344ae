//! `cargo xtask setup`: what the project needs beside Rust and a C compiler.
//!
//! The list is data, with the reason for each entry. On Debian and Ubuntu, as root, what is
//! missing is installed; anywhere else the exact command is printed. Where all is there, nothing
//! is run and nothing is printed but one line.

use std::process::Command;

pub(crate) use crate::purpose::Purpose;
use crate::{disk, interop, process, terminal};
use anyhow::{Context, Result, bail};

struct Package {
    /// The package of Debian 12 or Ubuntu.
    debian: &'static str,
    /// Homebrew's package, where macOS does not bring the thing itself.
    brew: Option<&'static str>,
    /// A program that is there when the package is: for systems without dpkg.
    program: Option<&'static str>,
    purposes: &'static [Purpose],
    reason: &'static str,
}

const ALL: &[Purpose] = &[
    Purpose::Demo,
    Purpose::Firmware,
    Purpose::Test,
    Purpose::Bench,
];

const PACKAGES: &[Package] = &[
    Package {
        debian: "clang",
        brew: None,
        program: Some("clang"),
        purposes: ALL,
        reason: "compiles MbedTLS, for the computer and for the chip",
    },
    Package {
        debian: "libclang-dev",
        brew: None, // Apple's tools have it beside clang, and clang-sys looks there
        program: None,
        purposes: ALL,
        reason: "reads the headers of MbedTLS (bindgen)",
    },
    Package {
        debian: "cmake",
        brew: Some("cmake"),
        program: Some("cmake"),
        purposes: ALL,
        reason: "builds MbedTLS",
    },
    Package {
        debian: "make",
        brew: None,
        program: Some("make"),
        purposes: ALL,
        reason: "builds MbedTLS",
    },
    Package {
        debian: "g++",
        brew: None,
        program: Some("c++"),
        purposes: &[Purpose::Test],
        reason: "compiles libFuzzer",
    },
    Package {
        debian: "mosquitto",
        brew: Some("mosquitto"),
        program: Some("mosquitto"),
        purposes: &[Purpose::Test, Purpose::Bench],
        reason: "the broker that the end-to-end tests start beside our own server",
    },
    Package {
        debian: "mosquitto-clients",
        brew: None, // comes with the broker
        program: Some("mosquitto_sub"),
        purposes: &[Purpose::Test],
        reason: "listens to that broker in the tests",
    },
    Package {
        debian: "qemu-system-misc",
        brew: Some("qemu"),
        program: Some("qemu-system-riscv32"),
        purposes: &[Purpose::Test],
        reason: "the board without an operating system on which the tests run the device",
    },
    Package {
        debian: "ca-certificates",
        brew: None, // the test is of Debian's
        program: None,
        purposes: &[Purpose::Test],
        reason: "the roots that Debian trusts, each of which the tests take for an anchor",
    },
    Package {
        debian: "openssl",
        brew: Some("openssl@3"),
        program: Some("openssl"),
        purposes: &[Purpose::Test],
        reason: "the TLS server with which the tests resume sessions",
    },
    Package {
        debian: "haproxy",
        brew: Some("haproxy"),
        program: Some("haproxy"),
        purposes: &[Purpose::Test],
        reason: "ends TLS before a broker, in the tests against the servers of others",
    },
    Package {
        debian: "nginx",
        brew: Some("nginx"),
        program: Some("nginx"),
        purposes: &[Purpose::Test],
        reason: "the same",
    },
    Package {
        debian: "libnginx-mod-stream",
        brew: None, // comes with it
        program: None,
        purposes: &[Purpose::Test],
        reason: "lets it pass on what is not HTTP",
    },
    Package {
        debian: "libgnutls28-dev",
        brew: Some("gnutls"),
        program: None,
        purposes: &[Purpose::Test],
        reason: "GnuTLS, as a server in the tests",
    },
    Package {
        debian: "golang-go",
        brew: Some("go"),
        program: Some("go"),
        purposes: &[Purpose::Test],
        reason: "Go's own TLS, as a server in the tests",
    },
    Package {
        debian: "default-jdk-headless",
        brew: Some("openjdk"),
        program: Some("javac"),
        purposes: &[Purpose::Test],
        reason: "Java's own TLS, which ThingsBoard has, as a server in the tests",
    },
    Package {
        debian: "valgrind",
        brew: None, // not on today's macOS
        program: Some("valgrind"),
        purposes: &[Purpose::Test, Purpose::Bench],
        reason: "watches the memory of what calls MbedTLS, and counts instructions",
    },
    Package {
        debian: "python3-venv",
        brew: Some("python"),
        program: Some("python3"),
        purposes: &[Purpose::Test],
        reason: "runs the foreign peers of tests/interop",
    },
    Package {
        debian: "dbus",
        brew: Some("dbus"),
        program: Some("dbus-daemon"),
        purposes: &[Purpose::Test],
        reason: "the bus on which the tests provision by a computer's own Bluetooth",
    },
    Package {
        debian: "chromium",
        brew: None,
        program: Some("chromium"),
        purposes: &[Purpose::Test],
        reason: "opens the live page in the tests",
    },
    Package {
        debian: "chromium-driver",
        brew: None,
        program: Some("chromedriver"),
        purposes: &[Purpose::Test],
        reason: "steers the browser in the tests",
    },
];

const COMPONENTS: &[(&str, &str)] = &[("clippy", "cargo-clippy"), ("rustfmt", "rustfmt")];

/// Installs what is missing for `purpose`, or says exactly how to.
///
/// # Errors
///
/// Something is missing and cannot be installed from here; the message is the command to run.
pub(crate) fn run(purpose: Purpose) -> Result<()> {
    disk::remark(purpose);
    let rust = missing_rust(purpose)?;
    let packages = missing_packages(purpose);
    if rust.is_empty() && packages.is_empty() {
        terminal::remark("setup: everything is there");
    }
    install_rust(&rust)?;
    if !packages.is_empty() {
        provide(&packages)?;
    }
    if purpose == Purpose::Test {
        interop::setup()?;
    }
    Ok(())
}

/// Installs packages of the system, or says exactly how to.
fn provide(packages: &[&Package]) -> Result<()> {
    for package in packages {
        terminal::remark(format!("missing: {} ({})", package.debian, package.reason));
    }
    if cfg!(target_os = "macos") {
        return macos(packages);
    }
    let names: Vec<_> = packages.iter().map(|package| package.debian).collect();
    if process::installed("apt-get") && is_root() {
        install_debian(&names)
    } else {
        bail!("{}", debian_advice(&names))
    }
}

/// An item of the Rust toolchain: `("target", "riscv32imc-unknown-none-elf")`.
type RustItem = (&'static str, String);

fn missing_rust(purpose: Purpose) -> Result<Vec<RustItem>> {
    let mut missing = Vec::new();
    if purpose != Purpose::Demo {
        let sysroot = process::capture(Command::new("rustc").args(["--print", "sysroot"]))?;
        let libraries = std::path::Path::new(sysroot.trim()).join("lib/rustlib");
        let mut targets: Vec<_> = crate::chips::all()?
            .into_iter()
            .map(|chip| chip.target)
            .collect();
        targets.sort();
        targets.dedup();
        for target in targets {
            if !libraries.join(&target).join("lib").is_dir() {
                missing.push(("target", target));
            }
        }
    }
    if purpose == Purpose::Test {
        for (component, program) in COMPONENTS {
            let works = Command::new(program)
                .arg("--version")
                .output()
                .is_ok_and(|output| output.status.success());
            if !works {
                missing.push(("component", (*component).to_owned()));
            }
        }
    }
    Ok(missing)
}

fn install_rust(items: &[RustItem]) -> Result<()> {
    for (kind, name) in items {
        let advice = format!("rustup {kind} add {name}");
        if !process::installed("rustup") {
            bail!("Rust's {kind} {name} is missing; with rustup: {advice}");
        }
        process::run(Command::new("rustup").args([kind, "add", name.as_str()]))
            .with_context(|| format!("try by hand: {advice}"))?;
    }
    Ok(())
}

fn missing_packages(purpose: Purpose) -> Vec<&'static Package> {
    let wanted = PACKAGES
        .iter()
        .filter(|package| package.purposes.contains(&purpose));
    wanted.filter(|package| !is_installed(package)).collect()
}

fn is_installed(package: &Package) -> bool {
    if cfg!(target_os = "macos") {
        // What brew does not bring is part of Apple's tools, or not needed.
        return package.brew.is_none_or(|name| {
            package.program.is_some_and(process::installed)
                || ["/opt/homebrew/opt", "/usr/local/opt"]
                    .iter()
                    .any(|prefix| std::path::Path::new(prefix).join(name).exists())
        });
    }
    if cfg!(windows) {
        // What is no program comes along with one: libclang with clang.
        return package.program.is_none_or(process::installed);
    }
    let dpkg = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package.debian])
        .output();
    match dpkg {
        Ok(output) if output.status.success() && output.stdout == b"installed" => true,
        // Not Debian, or the same program from elsewhere.
        _ => package.program.is_some_and(process::installed),
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn install_debian(names: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("--quiet");
        command
    };
    let installed = process::run(apt().arg("update")).and_then(|()| {
        let options = ["install", "--yes", "--no-install-recommends"];
        process::run(apt().args(options).args(names))
    });
    installed.context("the packages could not be installed; is the package registry reachable?")
}

fn debian_advice(names: &[&str]) -> String {
    let names = names.join(" ");
    if process::installed("apt-get") {
        format!(
            "packages are missing, and installing them takes root. Run this, then try again:\n\
             \n    sudo apt-get update && sudo apt-get install --yes {names}\n"
        )
    } else {
        format!(
            "packages are missing, and only Debian and Ubuntu are known here. Install what your \
             system calls these, then try again:\n\n    {names}\n"
        )
    }
}

fn macos(packages: &[&Package]) -> Result<()> {
    let names: Vec<_> = packages.iter().filter_map(|package| package.brew).collect();
    bail!(
        "packages are missing. Run this, then try again:\n\n    brew install {}\n\n\
         On macOS nobody takes the computer's adapter for himself (`--hci hci0`), and the browser \
         tests are not supported; the demo, the virtual radio, `--hci tcp:HOST:PORT` and \
         provisioning by the computer's own Bluetooth are.",
        names.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_needs_no_more_than_the_tests() {
        for package in PACKAGES {
            assert!(
                package.purposes.contains(&Purpose::Test),
                "{}",
                package.debian
            );
        }
    }

    #[test]
    fn the_advice_can_be_pasted() {
        assert!(debian_advice(&["clang", "cmake"]).contains("clang cmake\n"));
    }
}
