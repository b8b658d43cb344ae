//! Which package may depend on which, read from `cargo metadata`.
//!
//! The table is the architecture's: firmware, simulator and the emulated board are
//! bodies of `device`; the crates
//! under crates/ know nothing of host/ and firmware/. Tests may reach further, so they have a
//! table of their own, but those under crates/ no further than the time driver, which every
//! embassy program on a computer needs.

use std::path::Path;

use anyhow::{Result, bail};
use cargo_metadata::{Dependency, DependencyKind, Metadata};

use crate::workspace;

/// What a package, by its folder or the one it lies in, may use of the project's own packages.
const ARROWS: &[(&str, &[&str])] = &[
    ("crates/certfile", &[]),
    ("crates/spiffs", &[]),
    ("crates/protocomm", &[]),
    ("crates/thingsboard", &[]),
    ("crates/secp256r1", &[]),
    ("crates/product", &["crates/thingsboard"]),
    ("crates/update", &[]),
    ("crates/backlog", &[]),
    ("crates/renewal", &[]),
    ("crates/seal", &[]),
    ("products/", &["crates/product"]),
    (
        "crates/device",
        &[
            "crates/certfile",
            "crates/spiffs",
            "crates/product",
            "crates/protocomm",
            "crates/thingsboard",
            "crates/secp256r1",
            "crates/update",
            "crates/backlog",
            "crates/renewal",
            "crates/seal",
        ],
    ),
    ("crates/sockets", &["crates/device"]),
    ("host/hosttime", &[]),
    ("host/hostfile", &[]),
    ("host/vhci", &[]),
    (
        "host/pki",
        &[
            "crates/certfile",
            "crates/seal",
            "crates/update",
            "host/hostfile",
        ],
    ),
    (
        "host/flashimage",
        &[
            "crates/certfile",
            "crates/spiffs",
            "crates/update",
            "host/hostfile",
        ],
    ),
    ("host/provisioner", &["crates/protocomm", "host/vhci"]),
    (
        "host/conformance",
        &["crates/protocomm", "host/provisioner", "host/vhci"],
    ),
    ("host/devserver", &["crates/certfile", "crates/thingsboard"]),
    ("host/factory", &["crates/protocomm"]),
    ("host/tb", &["crates/product", "host/hostfile"]),
    (
        "host/doctor",
        &[
            "crates/certfile",
            "crates/device",
            "crates/thingsboard",
            "host/hostfile",
            "host/hosttime",
            "host/simulator",
            "host/tb",
        ],
    ),
    (
        "host/bodykit",
        &[
            "crates/device",
            "crates/product",
            "crates/protocomm",
            "crates/seal",
            "host/hostfile",
            "host/vhci",
            "products/",
        ],
    ),
    (
        "host/simulator",
        &[
            "crates/device",
            "host/bodykit",
            "host/hosttime",
            "host/vhci",
        ],
    ),
    ("host/serial", &["host/hostfile"]),
    (
        "host/console",
        &["crates/certfile", "host/flashimage", "host/hostfile"],
    ),
    (
        "host/fleet",
        &[
            "crates/device",
            "crates/product",
            "crates/protocomm",
            "crates/spiffs",
            "host/bodykit",
            "host/console",
            "host/devserver",
            "host/flashimage",
            "host/pki",
            "host/simulator",
            "products/",
        ],
    ),
    (
        "host/demo",
        &[
            "crates/device",
            "crates/product",
            "crates/protocomm",
            "host/console",
            "host/devserver",
            "host/flashimage",
            "host/hostfile",
            "host/pki",
            "host/provisioner",
            "host/simulator",
            "host/tb",
            "host/vhci",
        ],
    ),
    ("host/esptb", &["crates/", "host/", "products/"]),
    ("tests/e2e", &["crates/", "host/", "products/"]),
    ("tests/bench", &["crates/", "host/", "tests/e2e"]),
    ("tests/bogo", &["crates/device", "host/hosttime"]),
    ("tests/servers", &["crates/device", "host/", "tests/e2e"]),
    ("xtask", &[]),
    (
        "firmware",
        &[
            "crates/device",
            "crates/product",
            "crates/seal",
            "crates/sockets",
            "products/",
        ],
    ),
    (
        "emulated",
        &[
            "crates/device",
            "crates/product",
            "crates/seal",
            "crates/sockets",
            "products/",
        ],
    ),
    (
        "emulated/scalars",
        &["crates/protocomm", "crates/secp256r1"],
    ),
    ("fuzz", &["crates/", "host/", "products/"]),
];

/// What the tests of a package may use beyond that.
const TEST_ARROWS: &[(&str, &[&str])] = &[
    ("crates/", &["crates/", "host/hosttime"]),
    ("host/", &["crates/", "host/", "products/"]),
    ("host/esptb", &["tests/jig"]),
    ("tests/", &["crates/", "host/"]),
];

/// Checks all workspaces; returns what was checked.
pub(super) fn check() -> Result<String> {
    let mut found = Found::default();
    for folder in workspace::all() {
        found.add(&workspace::metadata(&folder)?, workspace::root());
    }
    if !found.faults.is_empty() {
        bail!("against the architecture:\n  {}", found.faults.join("\n  "));
    }
    Ok(format!("{} arrows", found.arrows))
}

#[derive(Default)]
struct Found {
    arrows: usize,
    faults: Vec<String>,
}

impl Found {
    fn add(&mut self, metadata: &Metadata, root: &Path) {
        for package in metadata.workspace_packages() {
            let from = package
                .manifest_path
                .parent()
                .expect("a manifest lies in a folder");
            let from = inside(from.as_std_path(), root);
            for dependency in &package.dependencies {
                let Some(path) = &dependency.path else {
                    continue;
                };
                let to = inside(path.as_std_path(), root);
                self.arrows += 1;
                if !allowed(&from, &to, dependency) {
                    let kind = match dependency.kind {
                        DependencyKind::Development => " in its tests",
                        _ => "",
                    };
                    self.faults.push(format!("{from} must not use {to}{kind}"));
                }
            }
        }
    }
}

fn inside(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn allowed(from: &str, to: &str, dependency: &Dependency) -> bool {
    let permitted = |targets: &[&str]| targets.iter().any(|target| covers(target, to));
    let arrow = ARROWS
        .iter()
        .any(|(package, targets)| covers(package, from) && permitted(targets));
    let test = dependency.kind == DependencyKind::Development;
    arrow
        || test
            && TEST_ARROWS
                .iter()
                .any(|(group, to)| covers(group, from) && permitted(to))
}

/// Whether a package is the one named, or lies in the folder named (`crates/`).
fn covers(pattern: &str, package: &str) -> bool {
    pattern == package || pattern.ends_with('/') && package.starts_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(kind: &str) -> Dependency {
        serde_json::from_value(serde_json::json!({
            "name": "x", "req": "*", "kind": kind, "optional": false,
            "uses_default_features": true, "features": [],
        }))
        .unwrap()
    }

    #[test]
    fn arrows_point_one_way() {
        let (normal, dev) = (dependency("normal"), dependency("dev"));
        assert!(allowed("crates/device", "crates/spiffs", &normal));
        assert!(!allowed("crates/spiffs", "crates/device", &normal));
        assert!(!allowed("crates/device", "host/pki", &normal));
        assert!(!allowed("crates/device", "host/simulator", &dev));
        assert!(allowed("crates/device", "host/hosttime", &dev));
        assert!(!allowed("crates/device", "host/hosttime", &normal));
        assert!(allowed("host/esptb", "host/simulator", &normal));
        assert!(!allowed("host/simulator", "firmware", &dev));
        assert!(!allowed("host/newcomer", "crates/spiffs", &normal));
    }
}
