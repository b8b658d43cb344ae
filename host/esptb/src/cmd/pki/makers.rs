//! The makers' public keys among a device's files: who may sign its firmware.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use pki::load_firmware_keys;
use update::key::PublicKey;

use console::files;
use console::{FAINT, WARN, paint};

/// Among the device's files.
const NAME: &str = "firmware_key.pem";
/// Where `esptb firmware key` puts it.
const DEFAULT: &str = "maker/firmware_key.pem";
/// What the device reads of it (`crates/device/src/firmware/ready.rs`): bytes, and keys.
const MOST: (usize, usize) = (4096, 4);

/// Who may sign the devices' firmware.
#[derive(Args)]
pub(crate) struct Makers {
    /// The public key of whoever signs the devices' firmware, or several in one file. It becomes
    /// firmware_key.pem of each device, which takes no updates without [default: maker/firmware_key.pem,
    /// if it is there]
    #[arg(long, value_name = "FILE")]
    firmware_key: Option<PathBuf>,
}

/// The file, proven.
pub(crate) struct Keys {
    path: PathBuf,
    file: Vec<u8>,
}

impl Makers {
    /// Reads it; none if there is none.
    ///
    /// # Errors
    ///
    /// If the devices would not take it.
    pub(crate) fn read(&self) -> Result<Option<Keys>> {
        let path = match &self.firmware_key {
            Some(path) => path,
            None if Path::new(DEFAULT).exists() => Path::new(DEFAULT),
            None => return Ok(None),
        };
        let (name, file) = (path.display(), files::read(path)?);
        let keys = load_firmware_keys(path)?;
        let known = keys.iter().filter(|der| PublicKey::from_der(der).is_some());
        match known.count() {
            0 => bail!(
                "{name} holds no key on P-256, which is what devices know: give the one that signs"
            ),
            known if known > MOST.1 || file.len() > MOST.0 => bail!(
                "{name} has {} bytes and {known} keys, and a device reads {} and {}: leave out the oldest",
                file.len(),
                MOST.0,
                MOST.1
            ),
            _ => {}
        }
        Ok(Some(Keys {
            path: path.to_owned(),
            file,
        }))
    }
}

impl Keys {
    /// Writes it among the files of a device.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        files::write(&folder.join(NAME), &self.file)
    }
}

/// Says who may sign the devices' firmware, or that nobody may.
pub(crate) fn tell(keys: Option<&Keys>) {
    let (style, line) = match keys {
        Some(keys) => (FAINT, format!("{} says who may sign their firmware", keys.path.display())),
        None => (
            WARN,
            "no firmware key: these devices will take no updates over the air. `esptb firmware key` makes one, and \
             --firmware-key names it"
                .to_owned(),
        ),
    };
    anstream::eprintln!("{}", paint(style, line));
}
