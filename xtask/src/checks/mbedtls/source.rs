//! The C source of MbedTLS, and a mark for each thing in it: how many lines speak of it, and a hash
//! of them.

use std::{fs, path::Path};

use anyhow::{Context, Result};

pub(super) struct Source {
    /// As in MBEDTLS_VERSION_STRING.
    pub(super) version: String,
    /// The texts of all files, in the order of their names.
    files: Vec<String>,
}

impl Source {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        for part in ["library", "include/mbedtls", "include/psa"] {
            let folder = folder.join(part);
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("{} cannot be read", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|end| end == "c" || end == "h") {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        let files: Vec<String> = paths
            .iter()
            .map(|path| super::read(path))
            .collect::<Result<_>>()?;
        let version = files
            .iter()
            .flat_map(|file| file.lines())
            .find_map(|line| line.strip_prefix("#define MBEDTLS_VERSION_STRING "))
            .context("MbedTLS does not tell its version")?;
        Ok(Self {
            version: version.trim().trim_matches('"').to_owned(),
            files,
        })
    }

    /// The mark of a name: of a function's body if it is one, otherwise of all lines that use the
    /// field, or the macro. None if nothing is called so.
    pub(super) fn mark(&self, name: &str) -> Option<String> {
        let bodies: Vec<&str> = self
            .files
            .iter()
            .filter_map(|file| body(file, name))
            .collect();
        let lines: Vec<&str> = if bodies.is_empty() {
            let all = self.files.iter().flat_map(|file| file.lines());
            all.filter(|line| names(line, name)).collect()
        } else {
            bodies.iter().flat_map(|body| body.lines()).collect()
        };
        if lines.is_empty() {
            return None;
        }
        // FNV-1a: to tell changes, not forgeries.
        let hash = lines
            .iter()
            .flat_map(|line| line.trim().bytes().chain([b'\n']))
            .fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        Some(format!("{}-{hash:08x}", lines.len()))
    }
}

fn is_part_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a line has the name as a whole; that of a field, as one.
fn names(line: &str, name: &str) -> bool {
    let is_macro = name.starts_with("MBEDTLS_");
    line.match_indices(name).any(|(at, _)| {
        let before = &line[..at];
        let begins = if is_macro {
            !before.ends_with(is_part_of_a_name)
        } else {
            ["->", ".", "MBEDTLS_PRIVATE("]
                .iter()
                .any(|way| before.ends_with(way))
        };
        begins && !line[at + name.len()..].starts_with(is_part_of_a_name)
    })
}

/// A function with its body, up to a brace at the beginning of a line.
fn body<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    let call = format!("{name}(");
    for (at, _) in file.match_indices(&call) {
        let line = file[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = &file[line..at];
        if before.ends_with(is_part_of_a_name) || before.starts_with([' ', '#', '/']) {
            continue;
        }
        let rest = &file[line..];
        let (Some(begin), semicolon) = (rest.find("\n{"), rest.find(';')) else {
            continue;
        };
        // Otherwise it is declared only.
        if semicolon.is_none_or(|semicolon| begin < semicolon) {
            return rest.find("\n}").map(|end| &rest[..end]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            version: String::new(),
            files: vec![text.to_owned()],
        }
    }

    #[test]
    fn a_function_is_its_body_and_a_field_its_lines() {
        let text = "int f(int a);\n\nstatic int f(int a)\n{\n    x->left = a;\n}\nint g(void)\n{\n    f(1); x->left2 = 2;\n}\n";
        assert_eq!(
            body(text, "f"),
            Some("static int f(int a)\n{\n    x->left = a;")
        );
        let mark = source(text).mark("left").unwrap();
        assert!(mark.starts_with("1-"), "{mark}");
        assert_eq!(source(text).mark("right"), None);
        let other = text.replace("left = a", "left = b");
        assert_ne!(source(&other).mark("f"), source(text).mark("f"));
        assert_eq!(source(&other).mark("g"), source(text).mark("g"));
    }
}
