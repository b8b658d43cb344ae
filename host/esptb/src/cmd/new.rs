//! `esptb new`: a product of one's own, as a project outside this repository.
//!
//! Its files are in `template/`. What of this repository's own files it needs, for the libraries and the
//! programs to be built as they are here, is taken from where those lie.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use console::Exit;
use console::files;

/// Make a product of your own: a project with all that it needs
///
/// The folder gets the product, which is one file, its test at a desk, a program that plays its whole
/// life on this computer, its firmware, and a README with the commands. It depends on this project's
/// crates, by path, git or registry.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// The product's name, and the folder's: small letters, digits, hyphens
    #[arg(value_parser = name, value_name = "NAME")]
    name: String,
    /// Take the crates from this checkout of the project [default: the one that esptb was built from]
    #[arg(long, value_name = "DIR", group = "source")]
    path: Option<PathBuf>,
    /// Take the crates from this git repository
    #[arg(long, value_name = "URL", group = "source")]
    git: Option<String>,
    /// Take the crates of this version from this registry, which cargo knows by that name
    #[arg(long, value_name = "NAME", group = "source")]
    registry: Option<String>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb new beehive
  esptb new beehive --path ~/src/esptb
  esptb new beehive --git https://git.example.com/esptb

Then, in the folder:
  cargo test                               the product at a desk
  cargo run -p desk                        its whole life on this computer
  cd firmware && cargo build --release     its firmware, for the chip that its README names";

/// The files, and where they go.
const TEMPLATE: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("../../template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    ("src/model.rs", include_str!("../../template/src/model.rs")),
    (
        "tests/product.rs",
        include_str!("../../template/tests/product.rs"),
    ),
    (
        "desk/Cargo.toml",
        include_str!("../../template/desk/Cargo.toml"),
    ),
    (
        "desk/src/main.rs",
        include_str!("../../template/desk/src/main.rs"),
    ),
    (
        "firmware/Cargo.toml",
        include_str!("../../template/firmware/Cargo.toml"),
    ),
    (
        "firmware/src/main.rs",
        include_str!("../../template/firmware/src/main.rs"),
    ),
    (
        "settings.json",
        include_str!("../../template/settings.json"),
    ),
    ("README.md", include_str!("../../template/README.md")),
];

/// Files that are as they are. The locks hold the versions with which all was tested; cargo takes out what a
/// project does not need.
const AS_THEY_ARE: [(&str, &str); 4] = [
    (".gitignore", include_str!("../../template/gitignore")),
    ("Cargo.lock", include_str!("../../../../Cargo.lock")),
    (
        "firmware/Cargo.lock",
        include_str!("../../../../firmware/Cargo.lock"),
    ),
    (
        "firmware/.cargo/config.toml",
        include_str!("../../../../firmware/.cargo/config.toml"),
    ),
];

/// This project's settings of Cargo. A product needs those of the environment, in which MbedTLS is
/// compiled for macOS and Windows.
const CARGO: &str = include_str!("../../../../.cargo/config.toml");

/// This project's firmware, whose chips and profile a product's have.
const FIRMWARE: &str = include_str!("../../../../firmware/Cargo.toml");

/// Names that Rust or a package of the project has.
const TAKEN: [&str; 12] = [
    "core",
    "desk",
    "device",
    "embedded-hal",
    "embedded-hal-async",
    "esptb",
    "firmware",
    "product",
    "self",
    "simulator",
    "std",
    "test",
];

/// Rust's keywords of small letters: no crate can be called so.
const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn else enum extern \
    false final fn for gen if impl in let loop macro match mod move mut override priv pub ref return static \
    struct super trait true try type typeof unsafe unsized use virtual where while yield ";

/// Where the crates come from.
enum Source {
    Path(PathBuf),
    Git(String),
    Registry(String),
}

/// Makes the project.
pub(crate) fn run(cmd: &Cmd) -> Result<()> {
    let source = source(cmd)?;
    let folder = Path::new(&cmd.name);
    // What is there is somebody's.
    fs::create_dir(folder).with_context(|| {
        format!(
            "the folder {} cannot be made: choose another name",
            folder.display()
        )
    })?;
    for (file, text) in TEMPLATE {
        write(folder, file, &filled(text, &cmd.name, &source)?)?;
    }
    for (file, text) in AS_THEY_ARE {
        write(folder, file, text)?;
    }
    write(folder, ".cargo/config.toml", environment()?)?;
    let name = &cmd.name;
    console::line(format_args!(
        "{name} is made. `cd {name}`, then:\n  \
         cargo test                               the product at a desk: src/lib.rs\n  \
         cargo run -p desk                        its whole life on this computer\n  \
         cd firmware && cargo build --release     its firmware, for the chip that its README names"
    ))
}

fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("the folder {} cannot be made", parent.display()))?;
    }
    files::write(&path, text)
}

fn source(cmd: &Cmd) -> Result<Source> {
    if let Some(url) = &cmd.git {
        return Ok(Source::Git(url.clone()));
    }
    if let Some(name) = &cmd.registry {
        return Ok(Source::Registry(name.clone()));
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = cmd.path.as_deref().unwrap_or(&own);
    if !root.join("crates/product/Cargo.toml").is_file() {
        let what = match cmd.path {
            Some(_) => format!("{} is no checkout of this project", root.display()),
            None => "the sources that esptb was built from are gone".to_owned(),
        };
        return Err(Exit::WrongArguments(format!(
            "{what}: name a checkout with --path, or a repository with --git"
        ))
        .into());
    }
    let root = root
        .canonicalize()
        .with_context(|| format!("cannot find {}", root.display()))?;
    Ok(Source::Path(root))
}

/// A line of `[dependencies]`.
fn dependency(source: &Source, package: &str, folder: &str, more: &str) -> Result<String> {
    // JSON writes a string as TOML reads it.
    let text = |text: &str| serde_json::json!(text).to_string();
    let from = match source {
        Source::Path(root) => {
            let path = root.join(folder);
            let path = path.to_str();
            let path = path.context("the path of the checkout is not UTF-8: move it")?;
            format!("path = {}", text(path))
        }
        Source::Git(url) => format!("git = {}", text(url)),
        Source::Registry(name) => {
            let version = env!("CARGO_PKG_VERSION");
            format!("version = \"{version}\", registry = {}", text(name))
        }
    };
    Ok(format!("{package} = {{ {from}{more} }}"))
}

/// A file of the template with all its places filled.
fn filled(text: &str, name: &str, source: &Source) -> Result<String> {
    let lent = ", default-features = false, features = [\"backlog\", \"lent\", \"renewal\"]";
    let places = [
        ("@name@", name.to_owned()),
        ("@ident@", name.replace('-', "_")),
        ("@Type@", type_name(name)),
        (
            "@product@",
            dependency(source, "product", "crates/product", "")?,
        ),
        ("@esptb@", dependency(source, "esptb", "host/esptb", "")?),
        (
            "@simulator@",
            dependency(source, "simulator", "host/simulator", "")?,
        ),
        (
            "@firmware@",
            dependency(source, "firmware", "firmware", lent)?,
        ),
        ("@chips@", chips()),
        ("@profile@", profile()?),
    ];
    let filled = places.iter().fold(text.to_owned(), |text, (place, with)| {
        text.replace(place, with)
    });
    Ok(filled)
}

/// A feature for each chip.
fn chips() -> String {
    let named = FIRMWARE.lines().filter_map(|line| {
        let chip = line.strip_prefix("[package.metadata.chips.")?;
        chip.strip_suffix(']')
    });
    let features: Vec<_> = named
        .map(|chip| format!("{chip} = [\"firmware/{chip}\"]"))
        .collect();
    features.join("\n")
}

/// How this project's firmware is compiled.
fn profile() -> Result<String> {
    let head = "[profile.release]";
    let (_, after) = FIRMWARE
        .split_once(head)
        .context("the firmware has no profile: this is a bug")?;
    let lines = after.lines().skip(1).take_while(|line| !line.is_empty());
    let lines: Vec<_> = std::iter::once(head).chain(lines).collect();
    Ok(lines.join("\n"))
}

/// How this project's C code is compiled.
fn environment() -> Result<&'static str> {
    let from = CARGO.find("[env]");
    from.and_then(|from| CARGO.get(from..))
        .context("the project has no environment: this is a bug")
}

/// `my-hive` is a `MyHive`.
fn type_name(name: &str) -> String {
    let part = |part: &str| {
        let mut characters = part.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    name.split('-').map(part).collect()
}

/// A name that Cargo, Rust and ThingsBoard take.
fn name(text: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    ensure!(
        begins && text.chars().all(plain) && !text.ends_with('-') && text.len() <= 32,
        "a name has up to 32 small letters, digits and hyphens, the first of them a letter"
    );
    if TAKEN.contains(&text) || KEYWORDS.contains(&format!(" {text} ")) {
        bail!("{text} is taken by Rust or by a package that the project uses: choose another name");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages() {
        for good in ["beehive", "my-hive-2"] {
            assert_eq!(name(good).unwrap(), good);
        }
        for bad in [
            "", "2x", "Hive", "a b", "../x", "a-", "self", "type", "product",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(type_name("my-hive-2"), "MyHive2");
    }

    #[test]
    fn the_crates_come_from_where_they_are_to() {
        let line = |source| dependency(&source, "product", "crates/product", "").unwrap();
        assert_eq!(
            line(Source::Git("https://git.example.com/esptb".to_owned())),
            r#"product = { git = "https://git.example.com/esptb" }"#
        );
        assert_eq!(
            line(Source::Registry("ours".to_owned())),
            format!(
                r#"product = {{ version = "{}", registry = "ours" }}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn no_place_of_a_file_stays_empty() {
        for (file, text) in TEMPLATE {
            let filled = filled(text, "my-hive", &Source::Git("x".to_owned())).unwrap();
            assert!(!filled.contains('@'), "{file}: {filled}");
        }
        let chips = chips();
        let (chip, feature) = chips.lines().next().unwrap().split_once(" = ").unwrap();
        assert_eq!(feature, format!("[\"firmware/{chip}\"]"));
        assert!(profile().unwrap().contains("lto = \"fat\""));
        let environment = environment().unwrap();
        assert!(environment.contains("apple_darwin") && !environment.contains("alias"));
    }
}
