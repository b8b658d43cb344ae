//! A board's flash, packages for it, and a bootloader.

use bodykit::flash::{Flash, FlashError};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use update::check::Board;
use update::checksum::{Algorithm, Checksum};
use update::download::{Begun, Download, Offer};
use update::key::{PublicKey, Verifier};
use update::otadata::{Entry, State};
use update::package::signed_part;
use update::trial::Limits;
use update::{Fault, Places, Slot};

pub(crate) const SLOT: u32 = 6 * 4096;
pub(crate) const PLACES: Places = Places {
    otadata: 0,
    slots: [
        Slot {
            offset: 0x2000,
            len: SLOT,
        },
        Slot {
            offset: 0x2000 + SLOT,
            len: SLOT,
        },
    ],
};
pub(crate) const BOARD: Board<'static> = Board {
    chip: 5,
    revision: 3,
    slot_len: SLOT,
    product: "esptb",
    floor: 1,
};

pub(crate) type Outcome<T> = Result<T, Fault<FlashError>>;

pub(crate) struct P256;

impl Verifier for P256 {
    fn is_signed(&self, key: &PublicKey, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let mut point = [4; 65];
        point[1..].copy_from_slice(key.point());
        let key = VerifyingKey::from_sec1_bytes(&point);
        let signature = Signature::from_slice(signature);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify_prehash(digest, &signature).is_ok(),
            _ => false,
        }
    }
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[1; 32]).expect("a key")
}

pub(crate) fn public() -> PublicKey {
    let point = key().verifying_key().to_sec1_point(false);
    PublicKey::new(point.as_bytes()[1..].try_into().expect("a point"))
}

/// A signed package of this length.
pub(crate) fn package(version: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; 288];
    bytes[..2].copy_from_slice(&[0xE9, 1]);
    bytes[12] = 5;
    bytes[32..36].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    bytes[36] = 1;
    bytes[48..48 + version.len()].copy_from_slice(version.as_bytes());
    bytes[80..85].copy_from_slice(b"esptb");
    bytes.extend((288..len - 96).map(|at| ((at * 31) >> 3) as u8));
    bytes.extend(signed_part(bytes.len() as u32, public().id()));
    let signature: Signature = key().sign(&bytes);
    bytes.extend(signature.to_bytes());
    assert_eq!(bytes.len(), len);
    bytes
}

pub(crate) fn offer<'a>(version: &'a str, package: &[u8]) -> Offer<'a> {
    let hex: String = Sha256::digest(package)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Offer {
        title: "esptb",
        version,
        len: package.len() as u32,
        checksum: Checksum::parse(Algorithm::Sha256, &hex).expect("a checksum"),
    }
}

/// A flash as it is after the first start: the bootloader has told the first slot.
pub(crate) fn flash() -> Flash {
    let mut bytes = vec![0xFF; 0x2000 + 2 * SLOT as usize];
    let entry = Entry::new(1, State::VALID).expect("an entry");
    bytes[..32].copy_from_slice(&entry.to_bytes());
    // What was there before.
    bytes[0x2000..].fill(0x5A);
    Flash::from_bytes(bytes)
}

/// The slot that the bootloader starts.
pub(crate) fn booted(flash: &Flash) -> usize {
    let selected = PLACES
        .selected(&mut flash.clone())
        .expect("the flash reads");
    selected.map_or(0, |(_, entry)| entry.slot(2))
}

/// The bytes of a slot.
pub(crate) fn slot(flash: &Flash, index: usize, len: usize) -> Vec<u8> {
    let from = PLACES.slots[index].offset as usize;
    flash.to_bytes()[from..from + len].to_vec()
}

/// What became of an update.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Update {
    Installed,
    Runs,
    GivenUp,
}

/// What a trial allows, unless a test says otherwise.
pub(crate) const LIMITS: Limits = Limits {
    starts: 3,
    minutes: 10,
};

/// Fetches what is missing, tells which chunks, and installs.
pub(crate) fn update(
    flash: &mut Flash,
    version: &str,
    package: &[u8],
    fetched: &mut Vec<u32>,
) -> Outcome<Update> {
    update_within(LIMITS, flash, version, package, fetched)
}

/// That, on trial within these limits.
pub(crate) fn update_within(
    limits: Limits,
    flash: &mut Flash,
    version: &str,
    package: &[u8],
    fetched: &mut Vec<u32>,
) -> Outcome<Update> {
    let selected = PLACES.selected(flash)?;
    let running = selected.map_or(0, |(_, entry)| entry.slot(2));
    let download = match Download::begin(flash, &PLACES, running, &offer(version, package))? {
        Begun::Fetch(download) => download,
        Begun::Runs => return Ok(Update::Runs),
        Begun::GivenUp => return Ok(Update::GivenUp),
    };
    while let Some(chunk) = download.missing(flash, 0)? {
        fetched.push(chunk);
        let at = chunk as usize * 4096;
        let bytes = &package[at..package.len().min(at + 4096)];
        assert!(download.store(flash, &BOARD, chunk, bytes)?);
    }
    let proven = download.prove(flash, &BOARD, &[public()], &P256)?;
    proven.install(flash, limits)?;
    Ok(Update::Installed)
}
