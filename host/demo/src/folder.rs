//! The demo's folder: certificates, images, the server's data. It is kept, so that a second life
//! can follow, and nothing in it is touched that a demo did not make.
//!
//! ```text
//! demo/
//!   demo.json       who the device is, and on which ports the world is that its flash names
//!   ca/             root and intermediate CA, the server's certificate
//!   spiffs_root/    the device's files: certificate, key, server chain, settings.json
//!   spiffs.bin      the SPIFFS partition alone
//!   flash.bin       the whole flash; the device writes into it
//!   maker/          the key that signs firmware, with --update
//!   firmware.bin    the signed package, with --update
//!   server.sqlite   the server's data
//!   esptb.log       what the libraries said while the view had the terminal
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flashimage::{FlashImage, PartitionTable};
use pki::{Existing, Options, Pki};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::server::Certificates;
use console::files;

/// The station addresses of the demo's devices begin with one of Espressif's prefixes.
const MAC_PREFIX: [u8; 3] = [0x24, 0x0A, 0xC4];
/// Characters of a proof of possession: none that look like others.
const PROOF_ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// So long a proof that guessing is hopeless, and so short that its QR code fits 24 lines.
const PROOF_LENGTH: usize = 12;

const RECORD: &str = "demo.json";
const LOCK: &str = "demo.lock";
/// Everything that a demo makes beside these two.
const FILES: [&str; 20] = [
    "flash.bin",
    "spiffs.bin",
    "server.sqlite",
    "server.sqlite-wal",
    "server.sqlite-shm",
    "esptb.log",
    "ca/root.crt",
    "ca/root.key",
    "ca/intermediate.crt",
    "ca/intermediate.key",
    "ca/server.crt",
    "ca/server.key",
    "spiffs_root/device.crt",
    "spiffs_root/device.key",
    "spiffs_root/server_chain.pem",
    "spiffs_root/settings.json",
    "spiffs_root/firmware_key.pem",
    "maker/firmware.key",
    "maker/firmware_key.pem",
    "firmware.bin",
];

/// A demo's folder, locked against a second demo.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Who the device is, and which world its flash names. Lasts over the device's lives.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// Tells a demo's folder from others.
    made_by: String,
    /// Its serial number.
    pub serial: String,
    /// The station's address.
    pub mac: [u8; 6],
    /// The proof of possession, as on the device's label.
    pub proof: String,
    /// Where the broker listens.
    pub mqtt_port: u16,
    /// Where the time server does.
    pub sntp_port: u16,
    /// How many lives the flash has seen.
    pub lives: u32,
}

const MADE_BY: &str = "esptb demo";

/// A proof of possession for one device alone.
pub fn random_proof() -> String {
    let mut rng = rand::rng();
    (0..PROOF_LENGTH)
        .map(|_| char::from(PROOF_ALPHABET[rng.random_range(0..PROOF_ALPHABET.len())]))
        .collect()
}

impl Record {
    /// A new device, in a world with these ports.
    pub fn new(mqtt_port: u16, sntp_port: u16) -> Self {
        let mut rng = rand::rng();
        let tail: [u8; 3] = rng.random();
        let [a, b, c] = tail;
        let [x, y, z] = MAC_PREFIX;
        Self {
            made_by: MADE_BY.into(),
            serial: format!("SN-{a:02X}{b:02X}{c:02X}"),
            mac: [x, y, z, a, b, c],
            proof: random_proof(),
            mqtt_port,
            sntp_port,
            lives: 0,
        }
    }

    /// The device's settings: the world of the demo, and its own proof of possession.
    fn settings(&self) -> String {
        let settings = serde_json::json!({
            "broker": format!("mqtts://127.0.0.1:{}", self.mqtt_port),
            "server_name": "localhost",
            "sntp_server": format!("127.0.0.1:{}", self.sntp_port),
            "provisioning": { "security": 2, "pop": self.proof },
        });
        format!("{settings:#}\n")
    }
}

impl Folder {
    /// A folder for a new demo: made, or cleared of what an earlier demo made in it.
    ///
    /// # Errors
    ///
    /// If there is something in it that no demo made, or another demo runs in it.
    pub fn fresh(path: &Path) -> Result<Self> {
        let name = path.display();
        if path.join(RECORD).exists() {
            // Not to be cleared under a running demo.
            let folder = Self::lock(path)?;
            folder.record()?;
            folder.keep(&Record::new(0, 0))?;
            for file in FILES {
                match fs::remove_file(path.join(file)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).with_context(|| format!("cannot clear {name}/{file}"));
                    }
                    _ => {}
                }
            }
            return Ok(folder);
        }
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => {
                entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
        };
        if !is_empty {
            bail!("{name} holds something else than a demo: choose another folder by --dir");
        }
        fs::create_dir_all(path).with_context(|| format!("cannot make {name}"))?;
        let folder = Self::lock(path)?;
        // From now on all that this module names is known to be a demo's, also if it fails.
        folder.keep(&Record::new(0, 0))?;
        Ok(folder)
    }

    /// The folder of an earlier demo, for the device's next life.
    ///
    /// # Errors
    ///
    /// If there was none, or another demo runs in it.
    pub fn existing(path: &Path) -> Result<(Self, Record)> {
        if !path.join(RECORD).exists() {
            bail!(
                "there is no demo in {}: run `esptb demo` first, without --reboot",
                path.display()
            );
        }
        let folder = Self::lock(path)?;
        let record = folder.record()?;
        if record.mqtt_port == 0 {
            bail!(
                "the demo in {} did not get as far as a device: run it again, without --reboot",
                path.display()
            );
        }
        Ok((folder, record))
    }

    fn lock(path: &Path) -> Result<Self> {
        let lock = path.join(LOCK);
        let file =
            File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: file,
            }),
            Err(TryLockError::WouldBlock) => bail!(
                "another demo runs in {}: end it, or choose another folder by --dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| lock.display().to_string())
            }
        }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn record(&self) -> Result<Record> {
        let path = self.path(RECORD);
        let name = path.display();
        let bytes = files::read(&path)?;
        serde_json::from_slice(&bytes)
            .ok()
            .filter(|record: &Record| record.made_by == MADE_BY)
            .with_context(|| {
                format!("{name} is no record of a demo: choose another folder by --dir")
            })
    }

    /// Keeps the record for the next life.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn keep(&self, record: &Record) -> Result<()> {
        let json = serde_json::to_vec_pretty(record).context("the record")?;
        self.write(RECORD, &json)
    }

    /// Makes the CAs and the server's certificate.
    ///
    /// # Errors
    ///
    /// If they cannot be made or written.
    pub fn make_certificates(&self) -> Result<Pki> {
        let ca = self.path("ca");
        let pki = Pki::new(&Options::default())?;
        pki.write_to(&ca, Existing::Replace)?;
        pki.server(&["localhost", "127.0.0.1"])?
            .write_to(&ca, Existing::Replace)?;
        Ok(pki)
    }

    /// What the server is started with.
    ///
    /// # Errors
    ///
    /// If a file is gone.
    pub fn certificates(&self) -> Result<Certificates> {
        let read = |name| {
            let path = self.path(name);
            hostfile::read(&path).with_context(|| {
                format!(
                    "{} is gone: run `esptb demo` without --reboot",
                    path.display()
                )
            })
        };
        Ok(Certificates {
            chain: read("ca/server.crt")?,
            key: read("ca/server.key")?,
            profile_ca: read("ca/intermediate.crt")?,
        })
    }

    /// Makes the device: its certificate and settings, the SPIFFS image, the whole flash.
    ///
    /// # Errors
    ///
    /// If one of them cannot be made or written.
    pub fn make_device(&self, pki: &Pki, record: &Record) -> Result<()> {
        let files = self.path("spiffs_root");
        pki.device(&record.serial)?
            .write_to(&files, Existing::Replace)?;
        self.write("spiffs_root/settings.json", record.settings().as_bytes())?;
        let flash = FlashImage::builder().folder(&files)?.build()?;
        let spiffs = flash
            .get(spiffs_range()?)
            .context("the flash ends before its partition `spiffs`")?;
        self.write("spiffs.bin", spiffs)?;
        self.write("flash.bin", &flash)?;
        self.keep(record)
    }

    /// Tells the device of other ports, as one would by writing its partition `spiffs` anew: all else
    /// that it has in flash stays.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn tell_ports(&self, record: &Record) -> Result<()> {
        self.write("spiffs_root/settings.json", record.settings().as_bytes())?;
        let path = self.path("flash.bin");
        let mut flash = files::read(&path)?;
        let files = self.path("spiffs_root");
        let made = FlashImage::builder().folder(&files)?.build()?;
        let range = spiffs_range()?;
        let (new, old) = made
            .get(range.clone())
            .zip(flash.get_mut(range))
            .with_context(|| {
                format!(
                    "{} has no partition `spiffs`: run `esptb demo` without --reboot",
                    path.display()
                )
            })?;
        old.copy_from_slice(new);
        self.write("spiffs.bin", new)?;
        self.write("flash.bin", &flash)?;
        self.keep(record)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write_private(&self.path(name), bytes)
    }
}

/// Where the device's files are in its flash.
fn spiffs_range() -> Result<Range<usize>> {
    let table = PartitionTable::default();
    let partition = table
        .spiffs()
        .context("the partition table has no partition `spiffs`")?;
    let start = partition.offset as usize;
    Ok(start..start + partition.size as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::settings::{Proof, ProofOfPossession, Settings};

    fn made(path: &Path) -> Record {
        let folder = Folder::fresh(path).unwrap();
        let pki = folder.make_certificates().unwrap();
        let record = Record::new(8883, 123);
        folder.make_device(&pki, &record).unwrap();
        record
    }

    #[test]
    fn the_flash_holds_what_the_device_accepts() {
        let root = tempfile::tempdir().unwrap();
        let record = made(root.path());
        let report =
            flashimage::inspect(&fs::read(root.path().join("flash.bin")).unwrap()).unwrap();
        let names: Vec<_> = report.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "/device.crt",
                "/device.key",
                "/server_chain.pem",
                "/settings.json"
            ]
        );
        let settings = fs::read(root.path().join("spiffs_root/settings.json")).unwrap();
        let settings = Settings::parse(&settings).unwrap();
        assert_eq!(
            (settings.broker.port, settings.sntp_servers[0].port),
            (8883, 123)
        );
        let proof = ProofOfPossession::new(record.proof.as_bytes()).unwrap();
        assert_eq!(settings.provisioning.pop, Proof::Given(proof));
    }

    #[test]
    fn a_second_life_finds_the_device_of_the_first() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/demo");
        assert!(Folder::existing(&path).is_err());
        let record = made(&path);
        let (folder, kept) = Folder::existing(&path).unwrap();
        assert_eq!((kept.serial, kept.mac), (record.serial, record.mac));
        assert!(Folder::existing(&path).is_err(), "locked");
        drop(folder);
        assert!(Folder::existing(&path).is_ok());
    }

    #[test]
    fn the_flash_is_told_of_other_ports_and_keeps_all_else() {
        let root = tempfile::tempdir().unwrap();
        made(root.path());
        let flash = root.path().join("flash.bin");
        let mut before = fs::read(&flash).unwrap();
        // What the device's first life left in its NVS.
        before[0x9000..0xa000].fill(0x5a);
        fs::write(&flash, &before).unwrap();
        let (folder, mut record) = Folder::existing(root.path()).unwrap();
        (record.mqtt_port, record.sntp_port) = (40_001, 40_002);
        folder.tell_ports(&record).unwrap();
        drop(folder);
        let after = fs::read(&flash).unwrap();
        let range = spiffs_range().unwrap();
        assert!(before[..range.start] == after[..range.start]);
        assert!(before[range.end..] == after[range.end..]);
        let spiffs = fs::read(root.path().join("spiffs.bin")).unwrap();
        assert!(after[range] == spiffs);
        let storage = device::storage::Storage::open(simulator::flash::Flash::from_bytes(after)).0;
        let settings = storage.read_file("settings.json", 8192).unwrap();
        let settings = Settings::parse(&settings).unwrap();
        let ports = (settings.broker.port, settings.sntp_servers[0].port);
        assert_eq!(ports, (40_001, 40_002));
        let (_, kept) = Folder::existing(root.path()).unwrap();
        assert_eq!((kept.mqtt_port, kept.sntp_port), (40_001, 40_002));
    }

    #[test]
    fn what_no_demo_made_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.txt"), "mine").unwrap();
        assert!(Folder::fresh(root.path()).is_err());
        fs::write(root.path().join(RECORD), "{}").unwrap();
        assert!(Folder::fresh(root.path()).is_err(), "no record of ours");

        let demo = root.path().join("demo");
        let first = made(&demo);
        fs::write(demo.join("thesis.txt"), "mine").unwrap();
        fs::write(demo.join("spiffs_root/more.txt"), "mine too").unwrap();
        let second = made(&demo);
        assert_ne!(first.mac, second.mac);
        assert_eq!(fs::read_to_string(demo.join("thesis.txt")).unwrap(), "mine");
        assert_eq!(
            fs::read_to_string(demo.join("spiffs_root/more.txt")).unwrap(),
            "mine too"
        );
    }
}
