//! A board that can be updated: flash with two slots, the maker's key among its files, and a package that this
//! maker signed.
//!
//! ```text
//! 0x8000  table      0x9000  nvs, 16 KiB       0xD000   otadata, 8 KiB
//! 0x10000 ota_0, 16 KiB   0x14000 ota_1, 16 KiB   0x18000  spiffs, 16 KiB
//! ```

use std::sync::OnceLock;

use device::platform::Running;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use sha2::{Digest, Sha256};
use update::image::HEAD_LEN;
use update::key::PublicKey;
use update::otadata::{ENTRY_LEN, Entry, State, selected};
use update::package::signed_part;

use crate::board::{self, NVS, Partition, TABLE};

const FLASH: usize = 0x1C000;
const OTADATA: usize = 0xD000;
const SECTOR: usize = 0x1000;
const SLOTS: [usize; 2] = [0x10000, 0x14000];
const SLOT: usize = 0x4000;
const SPIFFS: (usize, usize) = (0x18000, 0x4000);
const PARTITIONS: [Partition; 5] = [
    (1, 0x02, NVS, "nvs"),
    (1, 0x00, (OTADATA, 2 * SECTOR), "otadata"),
    (0, 0x10, (SLOTS[0], SLOT), "ota_0"),
    (0, 0x11, (SLOTS[1], SLOT), "ota_1"),
    (1, 0x82, SPIFFS, "spiffs"),
];
const DEVICE: &[u8] = include_bytes!("../../crates/device/tests/vectors/credentials/p256.crt");
const ROOT: &[u8] = include_bytes!("../../crates/device/tests/vectors/credentials/root.crt");
/// Bytes of a program: three chunks with its signature, the last of them short.
const PROGRAM: usize = 2 * SECTOR + 500;

/// What there is.
pub struct Shelf {
    /// A board as it leaves the factory, which runs version 1 from the first slot.
    pub flash: Vec<u8>,
    /// Version 2, signed.
    pub package: Vec<u8>,
    /// The same with one instruction changed, and a checksum that is right.
    pub forged: Vec<u8>,
}

impl Shelf {
    /// It; made once, since signing takes its time.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn get() -> &'static Self {
        static SHELF: OnceLock<Shelf> = OnceLock::new();
        SHELF.get_or_init(Self::make)
    }

    fn make() -> Self {
        let maker = SigningKey::from_slice(&[7; 32]).expect("a scalar");
        let public = maker.verifying_key();
        let point = public.to_sec1_point(false);
        let id = PublicKey::new(point.as_bytes()[1..].try_into().expect("64 bytes")).id();
        let mut package = program(b"2");
        package.extend(signed_part(package.len() as u32, id));
        let signature: Signature = maker.sign(&package);
        package.extend(signature.to_bytes());
        let mut forged = package.clone();
        forged[HEAD_LEN + 100] ^= 1;

        let mut flash = vec![0xFF; FLASH];
        board::write_table(&mut flash[TABLE..], &PARTITIONS);
        let first = program(b"1");
        flash[SLOTS[0]..][..first.len()].copy_from_slice(&first);
        let chooses = Entry::new(1, State::VALID).expect("a sequence").to_bytes();
        flash[OTADATA..][..ENTRY_LEN].copy_from_slice(&chooses);
        let key = public.to_public_key_pem(LineEnding::LF).expect("a key");
        let files = spiffs::Builder::new(SPIFFS.1 as u32, spiffs::Geometry::ESP_IDF)
            .and_then(|files| files.file("firmware_key.pem", key.as_bytes()))
            .and_then(|files| files.file("device.crt", DEVICE))
            .and_then(|files| files.file("server_chain.pem", ROOT))
            .and_then(|files| files.build())
            .expect("there is room");
        flash[SPIFFS.0..][..files.len()].copy_from_slice(&files);
        Self {
            flash,
            package,
            forged,
        }
    }

    /// The image that the bootloader starts from this flash, whose slots are sound.
    pub fn running(flash: &[u8]) -> Running {
        let entry = |sector: usize| {
            let bytes = flash[OTADATA + sector * SECTOR..].first_chunk();
            bytes.and_then(Entry::read)
        };
        let slot = selected([entry(0), entry(1)]).map_or(0, |(_, entry)| entry.slot(2));
        Running {
            address: SLOTS[slot] as u32,
            revision: 3,
        }
    }

    /// # Panics
    ///
    /// If this flash would start what the maker did not sign, or what nobody may write was written.
    pub fn check(&self, flash: &[u8]) {
        let runs = Self::running(flash).address as usize;
        let content = &flash[runs..][..SLOT];
        match runs == SLOTS[0] {
            true => assert_eq!(content, &self.flash[runs..][..SLOT], "another first image"),
            false => assert!(content.starts_with(&self.package), "nobody signed this"),
        }
        let fixed = [0..TABLE + SECTOR, SPIFFS.0..FLASH];
        for place in fixed {
            assert!(flash[place.clone()] == self.flash[place], "overwritten");
        }
    }
}

/// Shared attributes by which a server assigns this package.
pub fn offer(package: &[u8]) -> String {
    let digest = Sha256::digest(package);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#""fw_title":"climate","fw_version":"2","fw_size":{},"fw_checksum":"{digest}","fw_checksum_algorithm":"SHA256""#,
        package.len()
    )
}

/// An app of ESP-IDF's form, by its head, with something behind it.
fn program(version: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..PROGRAM).map(|at| (at * 7) as u8 ^ version[0]).collect();
    let head = &mut bytes[..HEAD_LEN];
    head.fill(0);
    head[..2].copy_from_slice(&[0xE9, 1]);
    head[12] = 5;
    head[17..19].copy_from_slice(&[0xC7, 0]);
    head[32..36].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    head[48..48 + version.len()].copy_from_slice(version);
    head[80..87].copy_from_slice(b"climate");
    bytes
}
