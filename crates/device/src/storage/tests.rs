use super::*;
use alloc::vec;
use esp_nvs::mem_flash::MemFlash;

const SECTORS: usize = 16;
const NVS: Partition = Partition {
    offset: 0x9000,
    size: 0x4000,
};
const SPIFFS: Partition = Partition {
    offset: 0xd000,
    size: 0x3000,
};

/// A flash of 64 KiB with a partition table of these entries, each of the subtype that its label
/// says.
fn flash(entries: &[(&str, Partition)]) -> MemFlash {
    let subtype = |label: &str| if label == "nvs" { 0x02 } else { 0x82 };
    let typed: Vec<_> = entries
        .iter()
        .map(|&(label, partition)| (label, subtype(label), partition))
        .collect();
    flash_of(&typed)
}

/// A flash of 64 KiB with a partition table of these labels and subtypes, all of type data.
fn flash_of(entries: &[(&str, u8, Partition)]) -> MemFlash {
    let mut bytes = vec![0xff; SECTORS * 4096];
    for (index, (label, subtype, partition)) in entries.iter().enumerate() {
        let entry = &mut bytes[TABLE_OFFSET as usize + index * 32..][..32];
        entry.fill(0);
        entry[..4].copy_from_slice(&[0xAA, 0x50, 1, *subtype]);
        entry[4..8].copy_from_slice(&partition.offset.to_le_bytes());
        entry[8..12].copy_from_slice(&partition.size.to_le_bytes());
        entry[12..12 + label.len()].copy_from_slice(label.as_bytes());
    }
    MemFlash::from_bytes(bytes)
}

fn storage() -> Storage<MemFlash> {
    Storage::open(flash(&[("nvs", NVS), ("spiffs", SPIFFS)])).0
}

/// What is kept, in a form that can be compared.
fn kept(storage: &Storage<MemFlash>) -> Option<(Vec<u8>, Vec<u8>)> {
    let network = storage.wifi().unwrap()?;
    Some((
        network.ssid.as_bytes().to_vec(),
        network.passphrase.as_bytes().to_vec(),
    ))
}

fn pair(ssid: &[u8], passphrase: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    Some((ssid.to_vec(), passphrase.to_vec()))
}

fn home(passphrase: &[u8]) -> WifiCredentials {
    credentials(b"home", passphrase).unwrap()
}

#[test]
fn a_network_is_kept_replaced_and_forgotten() {
    let storage = storage();
    assert_eq!(kept(&storage), None);
    storage.keep_wifi(&home(b"first")).unwrap();
    storage.keep_wifi(&home(b"")).unwrap();
    assert_eq!(kept(&storage), pair(b"home", b""));
    storage.keep_wifi(&home(b"third secret")).unwrap();
    storage.erase_wifi().unwrap();
    assert_eq!(kept(&storage), None);
    let bytes = storage.release().into_inner();
    let secret = b"third secret";
    assert!(
        !bytes.windows(secret.len()).any(|window| window == secret),
        "wiped from flash"
    );
}

/// Another network, or the same with another passphrase: what was before is not left in flash.
#[test]
fn a_network_that_is_replaced_is_wiped() {
    let storage = storage();
    storage
        .with_nvs(|nvs| {
            nvs.set_blob(&idf::NAMESPACE, &idf::SSID, b"\x05\0\0\0plant")?;
            nvs.set_blob(&idf::NAMESPACE, &idf::PASSWORD, b"the driver's secret")
        })
        .unwrap();
    for secret in [&b"first secret"[..], b"second secret", b"third secret"] {
        storage.keep_wifi(&home(secret)).unwrap();
    }
    assert_eq!(kept(&storage), pair(b"home", b"third secret"));
    let bytes = storage.release().into_inner();
    for secret in [&b"first secret"[..], b"second secret", b"driver's secret"] {
        let left = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!left, "{}", secret.escape_ascii());
    }
}

#[test]
fn the_network_of_an_esp_idf_firmware_is_found_and_forgotten_too() {
    let storage = storage();
    let mut ssid = vec![0; 36];
    ssid[..4].copy_from_slice(&5u32.to_le_bytes());
    ssid[4..9].copy_from_slice(b"plant");
    let mut password = vec![0; 65];
    password[..8].copy_from_slice(b"hunter22");
    storage
        .with_nvs(|nvs| {
            nvs.set_blob(&idf::NAMESPACE, &idf::SSID, &ssid)?;
            nvs.set_blob(&idf::NAMESPACE, &idf::PASSWORD, &password)
        })
        .unwrap();
    assert_eq!(kept(&storage), pair(b"plant", b"hunter22"));
    // The driver takes a key in the passphrase's place, too.
    password[..64].fill(b'0');
    storage
        .with_nvs(|nvs| nvs.set_blob(&idf::NAMESPACE, &idf::PASSWORD, &password))
        .unwrap();
    assert_eq!(kept(&storage), pair(b"plant", &[b'0'; 64]));
    // Ours comes first.
    storage.keep_wifi(&home(b"x")).unwrap();
    assert_eq!(kept(&storage), pair(b"home", b"x"));
    storage.erase_wifi().unwrap();
    assert_eq!(kept(&storage), None);
}

#[test]
fn stored_networks_that_make_no_sense_are_none() {
    assert!(parse_wifi(&[]).is_none());
    assert!(parse_wifi(&[5, b'a']).is_none());
    assert!(parse_wifi(&[0]).is_none());
    assert!(parse_wifi(&[255; 256]).is_none());
    assert!(parse_idf_wifi(&[255; 36], &[]).is_none());
    assert!(parse_idf_wifi(&[1], &[]).is_none());
    assert!(parse_idf_wifi(&[0; 36], &[0; 65]).is_none());
    assert!(parse_idf_wifi(&[1, 0, 0, 0, b'a'], &[b'x'; 65]).is_none());
}

#[test]
fn numbers_and_the_proof_are_kept() {
    let storage = storage();
    storage.keep_last_good_time(u64::MAX).unwrap();
    storage.keep_interval_ms(250).unwrap();
    storage.keep_proof_of_possession("k3Jx").unwrap();
    assert_eq!(storage.last_good_time(), Ok(Some(u64::MAX)));
    assert_eq!(storage.interval_ms(), Ok(Some(250)));
    assert_eq!(
        storage.proof_of_possession().unwrap().unwrap().as_str(),
        "k3Jx"
    );
}

#[test]
fn a_foreign_nvs_does_not_keep_the_device_from_being_provisioned() {
    let mut bytes = flash(&[("nvs", NVS), ("spiffs", SPIFFS)]).into_inner();
    let mut noise = 1u32;
    for byte in &mut bytes[0x9000..0xd000] {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (noise >> 24) as u8;
    }
    let (storage, faults) = Storage::open(MemFlash::from_bytes(bytes));
    assert_eq!(faults, [StorageError::NvsDamaged]);
    assert_eq!(kept(&storage), None);
    storage.keep_wifi(&home(b"secret")).unwrap();
    assert_eq!(kept(&storage), pair(b"home", b"secret"));
    let (storage, faults) = Storage::open(storage.release());
    assert_eq!(faults, []);
    assert_eq!(kept(&storage), pair(b"home", b"secret"));
}

/// A flash that does not answer so many times, or whose writes and erasures fail.
struct Faulty {
    flash: MemFlash,
    silent: u32,
    sealed: bool,
}

impl embedded_storage::nor_flash::ErrorType for Faulty {
    type Error = embedded_storage::nor_flash::NorFlashErrorKind;
}

impl embedded_storage::nor_flash::ReadNorFlash for Faulty {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        if let Some(left) = self.silent.checked_sub(1) {
            self.silent = left;
            return Err(Self::Error::Other);
        }
        self.flash
            .read(offset, bytes)
            .map_err(|_| Self::Error::Other)
    }
    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl NorFlash for Faulty {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        if self.sealed {
            return Err(Self::Error::Other);
        }
        self.flash.erase(from, to).map_err(|_| Self::Error::Other)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        if self.sealed {
            return Err(Self::Error::Other);
        }
        self.flash
            .write(offset, bytes)
            .map_err(|_| Self::Error::Other)
    }
}

fn faulty(silent: u32) -> Storage<Faulty> {
    let storage = storage();
    storage.keep_wifi(&home(b"secret")).unwrap();
    let flash = Faulty {
        flash: storage.release(),
        silent,
        sealed: false,
    };
    Storage::open(flash).0
}

#[test]
fn a_flash_that_does_not_answer_at_first_costs_no_network() {
    for silent in 0..40 {
        let storage = faulty(silent);
        let network = (0..40).find_map(|_| storage.wifi().ok()).flatten();
        assert!(network.is_some(), "{silent}");
    }
}

#[test]
fn a_network_that_cannot_be_erased_is_forgotten_all_the_same() {
    let storage = faulty(0);
    storage.flash.borrow_mut().sealed = true;
    assert_eq!(storage.erase_wifi(), Err(StorageError::FlashFailed));
    assert!(storage.wifi().unwrap().is_none());
    let kept = storage.keep_wifi(&home(b"another"));
    assert_eq!(kept, Err(StorageError::FlashFailed));
    let known = storage.wifi().unwrap().unwrap();
    assert_eq!(known.passphrase.as_bytes(), b"another");
}

#[test]
fn a_flash_laid_out_wrongly_says_what_is_missing() {
    let faults = |entries: &[_]| Storage::open(flash(entries)).1;
    assert_eq!(faults(&[("nvs", NVS), ("spiffs", SPIFFS)]), []);
    assert_eq!(faults(&[]), [StorageError::NoPartitionTable]);
    let coredump = Storage::open(flash_of(&[("nvs", 0x03, NVS)])).1;
    let neither = [
        StorageError::NoPartition("nvs"),
        StorageError::NoPartition("spiffs"),
    ];
    assert_eq!(coredump, neither, "a label alone makes no partition");
    assert_eq!(
        faults(&[("nvs", NVS)]),
        [StorageError::NoPartition("spiffs")]
    );
    let beyond = Partition {
        offset: 0xF000,
        size: 0x2000,
    };
    assert_eq!(
        faults(&[("nvs", NVS), ("spiffs", beyond)]),
        [StorageError::PartitionOutside("spiffs")]
    );
    let askew = Partition {
        offset: 0x9001,
        size: 0x4000,
    };
    assert_eq!(
        faults(&[("nvs", askew), ("spiffs", SPIFFS)]),
        [StorageError::PartitionOutside("nvs")]
    );
}

#[test]
fn spiffs_is_found_by_its_type_as_esp_idf_finds_it() {
    let found = |entries: &[_]| Storage::open(flash_of(entries)).0.partitions().spiffs;
    let elsewhere = Partition {
        offset: 0xe000,
        size: 0x1000,
    };
    let nvs = ("nvs", 0x02, NVS);
    assert_eq!(found(&[nvs, ("storage", 0x82, SPIFFS)]), Ok(SPIFFS));
    let two = [nvs, ("storage", 0x82, SPIFFS), ("spiffs", 0x82, elsewhere)];
    assert_eq!(found(&two), Ok(SPIFFS), "the first");
    for other in [0x81, 0x83] {
        let table = [nvs, ("spiffs", other, SPIFFS)];
        assert_eq!(found(&table), Err(StorageError::OtherFiles));
        let both = [nvs, ("spiffs", other, elsewhere), ("x", 0x82, SPIFFS)];
        assert_eq!(found(&both), Ok(SPIFFS));
    }
}

#[test]
fn without_nvs_everything_is_kept_in_memory_and_said_so() {
    let (storage, _) = Storage::open(flash(&[("spiffs", SPIFFS)]));
    let missing = StorageError::NoPartition("nvs");
    assert_eq!(kept(&storage), None);
    assert_eq!(storage.keep_wifi(&home(b"secret")), Err(missing));
    assert_eq!(kept(&storage), pair(b"home", b"secret"));
    assert_eq!(storage.keep_proof_of_possession("k3Jx"), Err(missing));
    let proof = storage.proof_of_possession().unwrap();
    assert_eq!(proof.unwrap().as_str(), "k3Jx");
    assert_eq!(storage.keep_last_good_time(7), Err(missing));
    assert_eq!(storage.last_good_time(), Ok(Some(7)));
    assert_eq!(storage.interval_ms(), Ok(None));
    storage.erase_wifi().unwrap();
    assert_eq!(kept(&storage), None);
}

#[test]
fn what_a_full_nvs_does_not_take_is_kept_in_memory() {
    let storage = storage();
    storage.keep_wifi(&home(b"old")).unwrap();
    // As small as what is to be kept, so that nothing of its size fits any more.
    let full = (1..=255).find_map(|index| {
        let mut name = *b"filler--";
        name[7] = index;
        let key = Key::from_slice(&name);
        storage
            .with_nvs(|nvs| nvs.set_blob(&keys::NAMESPACE, &key, &[7; 60]))
            .err()
    });
    assert_eq!(full, Some(StorageError::NvsFull));
    let new = home(&[b'x'; 60]);
    assert_eq!(storage.keep_wifi(&new), Err(StorageError::NvsFull));
    assert_eq!(kept(&storage), pair(b"home", &[b'x'; 60]));
    let (reopened, faults) = Storage::open(storage.release());
    assert_eq!(faults, []);
    assert_eq!(kept(&reopened), pair(b"home", b"old"));
}

#[test]
fn files_that_cannot_be_read_say_why() {
    assert_eq!(
        storage().read_file("device.crt", 100).err(),
        Some(FileError::NoVolume)
    );
    let (storage, _) = Storage::open(flash(&[("nvs", NVS)]));
    assert_eq!(
        storage.read_file("device.crt", 100).err(),
        Some(FileError::NoPartition(StorageError::NoPartition("spiffs")))
    );
}

#[test]
fn a_partition_over_the_table_or_the_bootloader_is_not_written_to() {
    for offset in [0, 0x7000, 0x8000] {
        let over = Partition { offset, ..NVS };
        let (storage, faults) = Storage::open(flash(&[("nvs", over), ("spiffs", SPIFFS)]));
        assert_eq!(faults, [StorageError::PartitionOutside("nvs")]);
        // Kept, but in memory.
        let kept = storage.keep_wifi(&home(b"a secret"));
        assert_eq!(kept, Err(StorageError::PartitionOutside("nvs")));
        let bytes = storage.release().into_inner();
        assert_eq!(
            bytes,
            flash(&[("nvs", over), ("spiffs", SPIFFS)]).into_inner()
        );
    }
}
