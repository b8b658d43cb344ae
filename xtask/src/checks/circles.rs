//! No circle of imports in any crate: which module uses which, and whether that goes round.
//!
//! The modules of a crate are a tree, and at each place of it the rule is the same: the children of a module, each with
//! all that is below it, are rooms, and rooms use each other one way. So a circle is seen between two files, and also
//! between two folders whose files take turns. What the root of a crate has in its own file is a room beside its
//! modules; further down a module's file and its children are one room: a child is a part of its parent in a file of
//! its own, may see what is private there, as Rust has it, and nobody takes one without the other.
//!
//! What counts is a path in code or in a macro's tokens, as far as it leads to an item of this crate: it is followed
//! through imports and re-exports to the file where the item is declared. A module that declares its children and
//! hands on what they have does not use them by that. Tests are not counted, nor is documentation, nor a method that
//! is called on what came from elsewhere.

mod graph;
mod source;

use anyhow::{Result, bail};

use crate::workspace;

/// Checks every crate of the project; returns what was checked.
pub(super) fn check() -> Result<String> {
    let (mut crates, mut arrows, mut faults) = (0, 0, Vec::new());
    for folder in workspace::all() {
        for package in workspace::metadata(&folder)?.workspace_packages() {
            for target in &package.targets {
                if !(target.is_lib() || target.is_bin()) {
                    continue;
                }
                let found = graph::arrows(&source::read(target.src_path.as_std_path())?);
                crates += 1;
                arrows += found.len();
                for (within, circle) in graph::circles(&found) {
                    faults.push(format!("{} {within}:\n{circle}", package.name));
                }
            }
        }
    }
    if !faults.is_empty() {
        bail!(
            "modules use each other in a circle, in\n  {}",
            faults.join("\n  ")
        );
    }
    Ok(format!("{crates} crates, {arrows} arrows"))
}

#[cfg(test)]
mod tests;
