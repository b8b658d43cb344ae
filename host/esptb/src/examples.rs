//! Every command line that help or the documents show is one that `esptb` takes.
//!
//! Read as a shell would, parsed, and not run: a file that an example names need not be there.

use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};

use crate::Cli;

/// Where a line was found, and the line.
type Example = (String, String);

/// The examples of a command and all below it.
fn of_help(command: &Command, found: &mut Vec<Example>) {
    let texts = [
        command.get_after_help(),
        command.get_after_long_help(),
        command.get_long_about(),
    ];
    for text in texts.into_iter().flatten() {
        let text = text.to_string();
        lines(&text, &format!("--help of {}", command.get_name()), found);
    }
    for below in command.get_subcommands() {
        of_help(below, found);
    }
}

/// The examples in the code blocks of a document.
fn of_document(path: &Path, found: &mut Vec<Example>) {
    let text = std::fs::read_to_string(path).expect("a document");
    for (index, block) in text.split("```").enumerate() {
        if index % 2 == 1
            && ["sh\n", "console\n"]
                .iter()
                .any(|kind| block.starts_with(kind))
        {
            lines(block, &path.display().to_string(), found);
        }
    }
}

/// Lines that begin with `esptb`, those that go on below put together.
fn lines(text: &str, place: &str, found: &mut Vec<Example>) {
    let mut begun = String::new();
    for line in text.lines() {
        // In a table of commands, what follows a column's gap explains.
        let line = line.trim_start().split("   ").next().unwrap_or_default();
        begun.push_str(line.trim_end_matches('\\'));
        if line.ends_with('\\') {
            continue;
        }
        let line = std::mem::take(&mut begun);
        // What is left out is said to be.
        if line.starts_with("esptb ") && !line.contains(['<', '…']) {
            found.push((place.to_owned(), line));
        }
    }
}

/// The words of the first command of a line: up to a pipe, a redirection, another command or a comment.
fn words(line: &str) -> Vec<String> {
    let words = shlex::split(line).unwrap_or_else(|| panic!("no shell takes `{line}`"));
    let ends = |word: &String| ["|", "&", "&&", ">", "<", ";", "2>"].contains(&word.as_str());
    let until = words.iter().position(ends).unwrap_or(words.len());
    words[..until].to_vec()
}

#[test]
fn every_example_is_a_command_line_that_is_taken() {
    let mut found = Vec::new();
    of_help(&Cli::command(), &mut found);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let documents = std::fs::read_dir(root.join("docs")).expect("documents");
    let documents = documents.map(|entry| entry.expect("an entry").path());
    let others = ["README.md", "firmware/README.md", "tests/interop/README.md"];
    let others = others.map(|name| root.join(name));
    for path in documents.chain(others) {
        if path.extension().is_some_and(|of| of == "md") {
            of_document(&path, &mut found);
        }
    }
    assert!(
        found.len() > 60,
        "the search finds too few: {}",
        found.len()
    );
    let wrong: Vec<String> = found
        .iter()
        .filter_map(|(place, line)| {
            let words = words(line);
            let error = Cli::try_parse_from(&words).err()?;
            let fine = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                // The command's mere name, in a list.
                ErrorKind::MissingRequiredArgument => words.len() == 2,
                _ => false,
            };
            (!fine).then(|| format!("{place}: {line}\n{error}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
