//! Whether a device can be updated: its slots, the image that runs, and the makers' keys.

use core::fmt;

use embedded_storage::nor_flash::NorFlash;
use heapless::{String, Vec};
use product::Card;
use update::Places;
use update::check::Board;
use update::image::{HEAD_LEN, Head};
use update::key::{PublicKey, Verifier};

use crate::machine::Running;
use crate::mbedtls;
use crate::storage::{FileError, Storage};

/// The file with the makers' public keys.
const KEYS: &str = "firmware_key.pem";
/// The most that it may have, in bytes.
const KEYS_LIMIT: u32 = 4096;
/// How many keys count: the one in use, the next, and some of the past.
const MOST_KEYS: usize = 4;

/// What the running image is called.
pub(super) struct Names {
    pub(super) product: String<32>,
    pub(super) version: String<32>,
}

/// What is needed for an update.
pub(super) struct Ready {
    pub(super) places: Places,
    /// The slot that runs.
    pub(super) running: usize,
    pub(super) keys: Vec<PublicKey, MOST_KEYS>,
    head: Head,
    revision: u16,
}

/// Why there is no update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unable {
    NoSlots,
    NoImage,
    NoKey,
    KeyUnreadable(FileError),
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlots => {
                "this board's partition table has no otadata with ota_0 and ota_1: write the image of `esptb \
                 image` by cable"
            }
            Self::NoImage => {
                "this device does not know which slot it runs from: write the firmware by cable"
            }
            Self::NoKey => {
                "this device has no maker's key: put the firmware_key.pem of `esptb firmware key` into its \
                 files, by cable"
            }
            Self::KeyUnreadable(error) => return write!(f, "firmware_key.pem: {error}"),
        })
    }
}

/// The slot that begins where the running image lies.
pub(super) fn slot(places: &Places, running: Running) -> Option<usize> {
    let mut slots = places.slots.iter();
    slots.position(|slot| slot.offset == running.address)
}

impl Ready {
    /// Looks for all that. The names are the image's own, or else the product's.
    pub(super) fn find<F: NorFlash>(
        storage: &Storage<F>,
        running: Option<Running>,
        product: Card,
    ) -> (Result<Self, Unable>, Names) {
        let head = running.and_then(|running| {
            let mut bytes = [0; HEAD_LEN];
            let read = storage.with_flash(|flash| flash.read(running.address, &mut bytes));
            read.ok().and_then(|()| Head::read(&bytes))
        });
        let (name, version) = match &head {
            Some(head) => (head.product.as_str(), head.version.as_str()),
            None => (product.name, product.version),
        };
        let names = Names {
            product: String::try_from(name).unwrap_or_default(),
            version: String::try_from(version).unwrap_or_default(),
        };
        (Self::gather(storage, running, head), names)
    }

    fn gather<F: NorFlash>(
        storage: &Storage<F>,
        running: Option<Running>,
        head: Option<Head>,
    ) -> Result<Self, Unable> {
        let places = storage.partitions().slots.ok_or(Unable::NoSlots)?;
        let (running, head) = running.zip(head).ok_or(Unable::NoImage)?;
        let at = slot(&places, running).ok_or(Unable::NoImage)?;
        let file = match storage.read_file(KEYS, KEYS_LIMIT) {
            Ok(file) => file,
            Err(FileError::Missing | FileError::NoVolume | FileError::NoPartition(_)) => {
                return Err(Unable::NoKey);
            }
            Err(error) => return Err(Unable::KeyUnreadable(error)),
        };
        let blocks = certfile::pem::blocks(&file).filter(|block| block.label == "PUBLIC KEY");
        let keys = blocks.filter_map(|block| PublicKey::from_der(&block.decode().ok()?));
        let keys: Vec<_, MOST_KEYS> = keys.take(MOST_KEYS).collect();
        if keys.is_empty() {
            return Err(Unable::NoKey);
        }
        Ok(Self {
            places,
            running: at,
            keys,
            head,
            revision: running.revision,
        })
    }

    /// What a package must fit. The chip is the one that the running image was built for, and what may
    /// not come back is whatever counts less than it.
    pub(super) fn board<'n>(&self, names: &'n Names) -> Board<'n> {
        let other = self.places.slots.get(1 - self.running.min(1));
        Board {
            chip: self.head.chip,
            revision: self.revision,
            slot_len: other.map_or(0, |slot| slot.len),
            product: &names.product,
            floor: self.head.secure_version,
        }
    }
}

/// Signatures by MbedTLS, which is in the device for TLS.
pub(super) struct MbedTls;

impl Verifier for MbedTls {
    fn is_signed(&self, key: &PublicKey, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let (r, s) = signature.split_at(32);
        let mut der = Vec::<u8, 72>::new();
        let written = integer(r).zip(integer(s)).and_then(|(r, s)| {
            der.extend_from_slice(&[0x30, (r.len() + s.len()) as u8])
                .ok()?;
            der.extend_from_slice(&r).ok()?;
            der.extend_from_slice(&s).ok()
        });
        written.is_some() && mbedtls::is_signed(&key.to_der(), digest, &der)
    }
}

/// An INTEGER of DER, of an unsigned number; none for zero, which no signature has.
fn integer(bytes: &[u8]) -> Option<Vec<u8, 35>> {
    let first = bytes.iter().position(|&byte| byte != 0)?;
    let digits = bytes.get(first..)?;
    let sign: &[u8] = match digits.first() {
        Some(0x80..) => &[0],
        _ => &[],
    };
    let mut der = Vec::new();
    der.extend_from_slice(&[2, (sign.len() + digits.len()) as u8])
        .ok()?;
    der.extend_from_slice(sign).ok()?;
    der.extend_from_slice(digits).ok()?;
    Some(der)
}
