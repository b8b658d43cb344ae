//! What the documents tell people to type is what the program takes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{err, esptb};

/// The documents that tell commands of `esptb`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("docs")).expect("documents");
    let docs = docs.map(|entry| entry.expect("an entry").path());
    let docs = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
    docs.chain([root.join("README.md")]).collect()
}

/// The commands in blocks of a document, each as its arguments.
fn commands(text: &str) -> Vec<Vec<String>> {
    let blocks = text.split("```").skip(1).step_by(2);
    let shells = blocks.filter(|block| {
        block.trim_start().starts_with("sh\n") || block.trim_start().starts_with("console\n")
    });
    let lines = shells.flat_map(|block| {
        let whole = block.replace("\\\n", " ");
        whole.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let lines = lines.filter_map(|line| {
        let line = line.trim().trim_start_matches("$ ").to_owned();
        Some(words(line.strip_prefix("esptb ")?))
    });
    lines.collect()
}

/// As a shell splits it, up to where another command or a comment begins.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
            }
            letter => word.push(letter),
        }
    }
    words.push(word);
    let end = words
        .iter()
        .position(|word| word.starts_with(['#', '&', '|', '<', '>', '…']));
    words.truncate(end.unwrap_or(words.len()));
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn each_command_of_the_documents_is_one_that_the_program_takes() {
    let mut count = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).expect("a document");
        for arguments in commands(&text) {
            count += 1;
            // What comes before it is looked at, and nothing is done.
            let asked = arguments.iter().map(String::as_str).chain(["--help"]);
            let output = esptb(Path::new("."), &asked.collect::<Vec<_>>());
            let name = path.display();
            assert!(
                output.status.success(),
                "{name}: esptb {arguments:?}: {}",
                err(&output)
            );
        }
    }
    assert!(count > 40, "{count}: are they looked for where they are?");
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let line = "tb login plant  'a b' --dry-run     # what it would do";
    assert_eq!(words(line), ["tb", "login", "plant", "a b", "--dry-run"]);
    assert_eq!(words("serve &"), ["serve"]);
}
