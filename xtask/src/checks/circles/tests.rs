use std::fs;
use std::path::PathBuf;

use super::{graph, source};

/// The circles of a crate with these files, of which the first is its root.
fn circles(name: &str, files: &[(&str, &str)]) -> Vec<(String, String)> {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("circles-{name}-{}", std::process::id()));
    for (file, text) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let modules = source::read(&folder.join(files[0].0)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    graph::circles(&graph::arrows(&modules))
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let found = circles(
        "two",
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            (
                "b.rs",
                "pub struct B; fn f() { format!(\"{}\", crate::a::A::new()); }",
            ),
        ],
    );
    let told = "    a uses b (B)\n    b uses a (crate::a::A::new)";
    assert_eq!(found, [(String::new(), told.to_owned())]);
}

#[test]
fn two_folders_whose_files_take_turns_are_a_circle() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod x; mod y; pub use x::X;"),
        ("a/x.rs", "pub struct X(crate::b::Z);"),
        ("a/y.rs", "pub struct Y;"),
        ("b.rs", "mod w; mod z; pub use z::Z;"),
        ("b/w.rs", "use super::super::a; pub(crate) fn w(_: a::X) {}"),
        ("b/z.rs", "pub struct Z;"),
    ];
    assert_eq!(circles("folders", &files).len(), 1);
}

#[test]
fn a_name_is_followed_to_who_declares_it() {
    // `a` hands on what `c` has: whoever takes it there uses `c`.
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use c::C;"),
        (
            "a.rs",
            "pub use crate::c::C; use crate::b::B; pub struct A(B);",
        ),
        (
            "b.rs",
            "use crate::a::C; use crate::C as Other; pub struct B(C, Other);",
        ),
        ("c.rs", "pub struct C;"),
    ];
    assert_eq!(circles("handed-on", &files), []);
    let glob = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::*; pub struct A(B);"),
        ("b.rs", "pub struct B; pub fn f(_: &crate::a::A) {}"),
    ];
    assert_eq!(circles("glob", &glob).len(), 1);
}

#[test]
fn a_parent_and_its_children_are_one_room_and_the_root_is_not() {
    let files = [
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "#[path = \"a/other.rs\"] mod x; pub struct A; fn f() { x::g(A) }",
        ),
        ("a/other.rs", "pub(super) fn g(_: super::A) {}"),
    ];
    assert_eq!(circles("parent", &files), []);
    let root = [
        ("lib.rs", "mod a; pub struct R; fn f() { a::g(R) }"),
        ("a.rs", "pub(crate) fn g(_: crate::R) {}"),
    ];
    assert_eq!(circles("root", &root).len(), 1);
}

#[test]
fn tests_and_documentation_do_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }",
        ),
        (
            "b.rs",
            "/// See [`A`](crate::a::A).\npub struct B(crate::a::A);",
        ),
    ];
    assert_eq!(circles("tests", &files), []);
}
