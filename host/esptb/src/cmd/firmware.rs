//! `esptb firmware`: packages for updates over the air, signed, checked and looked into.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use flashimage::{App, Chip, Program};
use pki::{Existing, FirmwareKey};
use update::checksum::Algorithm;
use update::image::{HEAD_LEN, Head};
use update::key::{PublicKey, Verifier};
use update::package::{Read, Reader, TRAILER_LEN};

use crate::arguments::{bytes, simulated_version};
use console::files;
use console::{BAD, FAINT, GOOD, paint, printable};

/// Sign firmware for updates over the air
///
/// A package is an app image with the maker's signature behind it: ECDSA on P-256 with SHA-256, over the
/// image and so over its chip, product and version. It goes into ThingsBoard (or any other server) as it is.
/// Who has no key cannot make one that a device takes, whatever rights on the server he has.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Examples:
  esptb firmware key
  esptb firmware sign build/firmware --key maker/firmware.key --out firmware-1.2.3.bin
  esptb firmware verify firmware-1.2.3.bin --key maker/firmware_key.pem
  esptb firmware show firmware-1.2.3.bin

OpenSSL finds the same, with the signature as DER:
  head -c -64 firmware-1.2.3.bin | openssl dgst -sha256 -verify maker/firmware_key.pem -signature s.der

Keep firmware.key where nobody else can read it, and a copy offline: without it no device takes an update.";

#[derive(Subcommand)]
enum Task {
    Key(Key),
    Sign(Sign),
    Verify(Verify),
    Show(Show),
}

/// Make a key that signs firmware
#[derive(Args)]
struct Key {
    /// Folder for firmware.key and its public part, firmware_key.pem
    #[arg(long, default_value = "maker", value_name = "DIR")]
    out: PathBuf,
    /// Replace the key that is there: devices that know it alone take nothing any more
    #[arg(long)]
    replace: bool,
}

/// Sign an app
#[derive(Args)]
struct Sign {
    /// The app: the ELF file that cargo or ESP-IDF linked, or an image for a slot
    #[arg(value_name = "APP", required_unless_present = "simulated")]
    app: Option<PathBuf>,
    /// In place of an app, one of the stock product that only simulated devices take: it has this version,
    /// and runs nothing
    #[arg(long, value_name = "VERSION", value_parser = simulated_version, conflicts_with_all = ["app", "chip"])]
    simulated: Option<String>,
    /// How many bytes such an app has
    #[arg(long, default_value = "100K", value_parser = bytes, value_name = "SIZE", requires = "simulated")]
    simulated_size: u32,
    /// The key
    #[arg(long, default_value = "maker/firmware.key", value_name = "FILE")]
    key: PathBuf,
    /// The package
    #[arg(long, default_value = "firmware.bin", value_name = "FILE")]
    out: PathBuf,
    /// The chip, as esp32c3 [default: the one that the app was built for]
    #[arg(long, value_name = "CHIP", value_parser = crate::arguments::chip)]
    chip: Option<Chip>,
    /// Size of the flash, for the header of what is made from an ELF file
    #[arg(long, default_value = "4M", value_parser = bytes, value_name = "SIZE")]
    flash_size: u32,
}

/// Check the signature of a package, and that its image is whole
#[derive(Args)]
struct Verify {
    /// The package
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// The public key, or several in one file
    #[arg(long, default_value = "maker/firmware_key.pem", value_name = "FILE")]
    key: PathBuf,
}

/// Show what a package says of itself, without checking its signature
#[derive(Args)]
struct Show {
    /// The package
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match cmd.task {
        Task::Key(key) => make_key(&key),
        Task::Sign(task) => sign(&task),
        Task::Verify(task) => verify(&task),
        Task::Show(task) => show(&task.package),
    }
}

fn make_key(cmd: &Key) -> Result<()> {
    let existing = if cmd.replace {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    let key = FirmwareKey::generate()?;
    let [secret, public] = key
        .write_to(&cmd.out, existing)
        .map_err(|error| match error {
            pki::Error::Exists(path) => anyhow::anyhow!(
                "{} is there already: choose another folder, or give --replace",
                path.display()
            ),
            other => other.into(),
        })?;
    let id = public_key(&key.public_der())?.id();
    console::made(&secret, "signs firmware: keep it, and a copy offline");
    console::made(&public, &format!("its public part, {id}: for the devices"));
    Ok(())
}

fn sign(cmd: &Sign) -> Result<()> {
    let key = FirmwareKey::load(&cmd.key)?;
    let image = match (&cmd.app, &cmd.simulated) {
        (Some(path), _) => image_of(cmd, path)?,
        (None, version) => simulator::image::Image {
            len: (cmd.simulated_size as usize).max(HEAD_LEN),
            ..simulator::image::Image::of(version.as_deref().unwrap_or_default())
        }
        .bytes(),
    };
    let package = key.package(image)?;
    let id = public_key(&key.public_der())?.id();
    files::write(&cmd.out, &package)?;
    let head = read(&package).context("what was signed cannot be read")?;
    let told = format!(
        "{} {}, signed with {id}",
        head.head().product,
        head.head().version
    );
    console::made(&cmd.out, &told);
    console::line(paint(
        FAINT,
        format_args!("  SHA256 {}, {} bytes", head.checksum(), package.len()),
    ))
}

/// The image in a file.
fn image_of(cmd: &Sign, path: &Path) -> Result<Vec<u8>> {
    let app = files::read(path)?;
    let app = App::new(&app, cmd.chip, cmd.flash_size)
        .with_context(|| format!("{} cannot be signed", path.display()))?;
    // What lies behind the image in the file is not the bootloader's to see: a package is signed anew.
    let len = app.program().map_or(0, |program| program.length);
    Ok(app.image().get(..len).unwrap_or_default().to_vec())
}

/// What a package says of itself, proven by a file of keys.
pub(crate) fn proven(name: &Path, package: &[u8], key: &Path) -> Result<Head> {
    let keys = pki::load_firmware_keys(key)?;
    let keys: Vec<_> = keys
        .iter()
        .map(|der| public_key(der))
        .collect::<Result<_>>()
        .with_context(|| key.display().to_string())?;
    let proven = read(package)?
        .prove(None, &keys, &Backend)
        .map_err(|refusal| anyhow::anyhow!("{}: {refusal}", name.display()))?;
    Ok(*proven.head())
}

/// What a package says of itself, proven by nobody.
pub(crate) fn head(package: &[u8]) -> Result<Head> {
    let read = read(package)?;
    read.trailer()
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    Ok(*read.head())
}

fn public_key(der: &[u8]) -> Result<PublicKey> {
    PublicKey::from_der(der).context(
        "the key is not on P-256 in the uncompressed form: make one with `esptb firmware key`",
    )
}

fn verify(cmd: &Verify) -> Result<()> {
    let package = files::read(&cmd.package)?;
    let name = cmd.package.display();
    let head = proven(&cmd.package, &package, &cmd.key)?;
    if let Some(fault) = fault(&package) {
        bail!("{name}: rightly signed, but it cannot boot: {fault}");
    }
    let told = format!(
        "{}: {} {}, for chip {}",
        paint(GOOD, "good"),
        printable(head.product.as_str()),
        printable(head.version.as_str()),
        chip_name(head.chip)
    );
    console::line(told)
}

fn show(path: &Path) -> Result<()> {
    let package = files::read(path)?;
    let read = read(&package).with_context(|| path.display().to_string())?;
    let head = read.head();
    let (signed, image_len) = match read.trailer() {
        Ok(trailer) => (
            format!("with the key {}, not checked here", trailer.key),
            package.len() - TRAILER_LEN,
        ),
        Err(refusal) => (paint(BAD, refusal).to_string(), package.len()),
    };
    let revisions = match (head.least_revision, head.greatest_revision) {
        (least, 0 | u16::MAX) => format!("{} and up", revision(least)),
        (least, greatest) => format!("{} to {}", revision(least), revision(greatest)),
    };
    for (what, value) in [
        ("product", printable(head.product.as_str()).to_string()),
        ("version", printable(head.version.as_str()).to_string()),
        ("secure version", head.secure_version.to_string()),
        ("chip", format!("{}, {revisions}", chip_name(head.chip))),
        ("image", format!("{image_len} bytes")),
        ("package", format!("{} bytes", package.len())),
        ("SHA256", read.checksum().to_string()),
        ("signed", signed),
    ] {
        console::line(format_args!("{what:<15} {value}"))?;
    }
    if let Some(fault) = fault(&package) {
        console::line(format_args!("{}: {fault}", paint(BAD, "cannot boot")))?;
    }
    Ok(())
}

/// Reads a package, as a device does.
fn read(package: &[u8]) -> Result<Read> {
    let len = u32::try_from(package.len()).context("it is longer than any flash")?;
    let mut reader = Reader::new(len, Algorithm::Sha256)?;
    reader.take(package);
    Ok(reader.finish()?)
}

/// What keeps the image from booting, beside all signatures.
fn fault(package: &[u8]) -> Option<String> {
    Program::read(package)?.faults.into_iter().next()
}

fn chip_name(chip: u16) -> String {
    Chip::try_from(chip).map_or_else(|_| format!("number {chip}"), |chip| chip.to_string())
}

fn revision(number: u16) -> String {
    format!("v{}.{}", number / 100, number % 100)
}

/// The computer's library.
struct Backend;

impl Verifier for Backend {
    fn is_signed(&self, key: &PublicKey, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        pki::is_firmware_signature(key.point(), digest, signature)
    }
}
