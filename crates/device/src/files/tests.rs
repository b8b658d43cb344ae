use alloc::string::ToString;
use alloc::vec;

use esp_nvs::mem_flash::MemFlash;

use super::*;
use crate::settings::Proof;
use crate::testing::Zeros;

const SIZE: u32 = 0x40000;
const OFFSET: u32 = 0x10000;

/// A flash whose SPIFFS, of any label, holds these files.
fn storage(files: &[(&str, &[u8])]) -> Storage<MemFlash> {
    let mut bytes = vec![0xff; (OFFSET + SIZE) as usize];
    let entry = &mut bytes[0x8000..0x8020];
    entry.fill(0);
    entry[..4].copy_from_slice(&[0xAA, 0x50, 1, 0x82]);
    entry[4..8].copy_from_slice(&OFFSET.to_le_bytes());
    entry[8..12].copy_from_slice(&SIZE.to_le_bytes());
    entry[12..19].copy_from_slice(b"storage");
    let empty = spiffs::Builder::new(SIZE, spiffs::Geometry::ESP_IDF).unwrap();
    let volume = files.iter().fold(empty, |volume, (name, contents)| {
        volume.file(name, contents).unwrap()
    });
    bytes[OFFSET as usize..].copy_from_slice(&volume.build().unwrap());
    Storage::open(MemFlash::from_bytes(bytes)).0
}

fn given(proof: &[u8]) -> Proof {
    Proof::Given(ProofOfPossession::new(proof).unwrap())
}

#[test]
fn the_proof_may_have_a_file_of_its_own_and_settings_come_first() {
    let of = |files: &[(&str, &[u8])]| {
        let storage = storage(files);
        let (settings, refused) = settings(&storage);
        assert_eq!(refused, None);
        let set = settings.provisioning.pop;
        match proof(&storage) {
            _ if set != Proof::MadeByDevice => (set, vec![]),
            Ok(file) => (file.map_or(set, Proof::Given), vec![]),
            Err(error) => (set, vec![error.to_string()]),
        }
    };
    assert_eq!(of(&[]), (Proof::MadeByDevice, vec![]));
    let file = ("provisioning.pop", &b"from a file\n"[..]);
    assert_eq!(of(&[file]), (given(b"from a file"), vec![]));
    let set = ("settings.json", &br#"{"provisioning":{"pop":"set"}}"#[..]);
    assert_eq!(of(&[file, set]), (given(b"set"), vec![]));
    let other = ("settings.json", &br#"{"keep_alive_s":60}"#[..]);
    assert_eq!(of(&[file, other]), (given(b"from a file"), vec![]));
    for bad in [&b""[..], b"\n", &[b'x'; 65], &[b'x'; 1000], b"\xff"] {
        let (proof, refused) = of(&[("provisioning.pop", bad)]);
        assert_eq!(proof, Proof::MadeByDevice);
        assert!(
            refused[0].starts_with("provisioning.pop holds no"),
            "{refused:?}"
        );
    }
}

#[test]
fn the_brokers_cas_are_found_under_either_name() {
    let read = |files: &[(&str, &[u8])]| read(&storage(files), File::ServerChain);
    let old = ("server_chain.pem", &b"old"[..]);
    let new = ("root_ca.crt", &b"new"[..]);
    assert_eq!(read(&[old]).unwrap().as_slice(), b"old");
    assert_eq!(read(&[new]).unwrap().as_slice(), b"new");
    assert_eq!(read(&[new, old]).unwrap().as_slice(), b"old");
    assert_eq!(
        read(&[]).unwrap_err(),
        File::ServerChain.has(Fault::Missing)
    );
    let large = vec![b'x'; CREDENTIALS_LIMIT as usize + 1];
    assert!(matches!(
        read(&[("root_ca.crt", &large)]).unwrap_err().fault,
        Fault::TooLarge { .. }
    ));
}

/// The key of a chip, and a file that is sealed with it.
fn sealed() -> (seal::Key, Vec<u8>) {
    let key = seal::Key::new(seal::Block::ALL[2], [7; 32]);
    let file = seal::seal(b"a key", key.block(), &key, &mut Zeros);
    (key, file.unwrap())
}

#[cfg(feature = "seal")]
#[test]
fn a_sealed_key_is_opened_by_its_chip_and_a_plain_one_is_read_as_it_is() {
    let (chip, file) = sealed();
    let open = |file: &[u8], chip: &dyn seal::Chip| {
        let storage = storage(&[("device.key", file)]);
        sealed::opened(read(&storage, File::Key).unwrap(), File::Key, chip)
    };
    assert_eq!(open(&file, &chip).unwrap().as_slice(), b"a key");
    assert_eq!(open(b"a key", &chip).unwrap().as_slice(), b"a key");
    let other = seal::Key::new(chip.block(), [8; 32]);
    let refused = |file: &[u8], fault| {
        assert_eq!(
            open(file, &other).unwrap_err(),
            File::Key.has(Fault::Seal(fault))
        );
    };
    refused(&file, seal::Fault::Another);
    refused(&file[..file.len() - 1], seal::Fault::Damaged);
}

/// What reads a key without opening it says what it is, and who must act.
#[test]
fn a_sealed_key_that_is_not_opened_is_called_one() {
    let (_, file) = sealed();
    let files = Files {
        certificate: include_bytes!("../../tests/vectors/credentials/p256.crt"),
        key: &file,
        server_chain: include_bytes!("../../tests/vectors/credentials/root.crt"),
    };
    let refused = Bundle::prove(files, &mut Zeros).err().unwrap();
    assert_eq!(refused, File::Key.has(Fault::Sealed));
    let told = refused.to_string();
    assert!(
        told.contains("write a firmware that was built with the feature `seal`"),
        "{told}"
    );
}
