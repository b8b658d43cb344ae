//! Looking into a flash image: what is there, without its secrets.
//!
//! Any bytes give a report or an error; what cannot be read is reported in its place.

mod text;

use serde::{Serialize, Serializer};
use spiffs::{Image, Spiffs};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroize;

use crate::{Boot, Error, NvsItem, PartitionTable, Program, TableError, nvs, otadata};

/// Where a bootloader can lie, by chip.
const BOOTLOADERS: [usize; 3] = [0, 0x1000, 0x2000];

/// What a flash image holds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The partition table.
    pub table: PartitionTable,
    /// The bootloader.
    pub bootloader: Option<PlacedProgram>,
    /// Which app the bootloader starts; none if there is no slot for one.
    pub boot: Option<Boot>,
    /// The apps.
    pub apps: Vec<PlacedProgram>,
    /// What NVS holds, without the values.
    pub nvs: Vec<NvsItem>,
    /// The files in SPIFFS.
    pub files: Vec<FileInfo>,
    /// What could not be read or is damaged, each in a sentence.
    pub faults: Vec<String>,
}

/// A program and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedProgram {
    /// The partition; `bootloader` for the bootloader.
    pub partition: String,
    /// Its offset in flash.
    pub offset: u32,
    /// The program.
    #[serde(flatten)]
    pub program: Program,
}

/// A file in SPIFFS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u32,
    /// What is inside, as far as it is known.
    #[serde(flatten)]
    pub contents: FileContents,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "certificates", rename_all = "snake_case")]
pub enum FileContents {
    /// Certificates in PEM, in their order.
    Certificates(Vec<CertificateInfo>),
    /// A private key in PEM.
    PrivateKey,
    /// Anything else.
    Other,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateInfo {
    /// The subject, such as `CN=SN-000001`.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The first moment of its validity.
    #[serde(serialize_with = "rfc3339")]
    pub not_before: OffsetDateTime,
    /// The last moment of its validity.
    #[serde(serialize_with = "rfc3339")]
    pub not_after: OffsetDateTime,
}

/// Looks into a flash image.
///
/// # Errors
///
/// [`Error::Table`] if there is no sound partition table to go by. Damage in a partition is not an
/// error: it is in [`Report::faults`].
pub fn inspect(image: &[u8]) -> Result<Report, Error> {
    let table = PartitionTable::from_image(image)?;
    let mut report = Report {
        boot: otadata::choice(&table, image),
        bootloader: bootloader(image),
        table,
        apps: Vec::new(),
        nvs: Vec::new(),
        files: Vec::new(),
        faults: Vec::new(),
    };
    for partition in report.table.clone().partitions() {
        let Some(bytes) = image.get(partition.range()) else {
            return Err(TableError::Outside {
                name: partition.name,
                flash_size: image.len(),
            }
            .into());
        };
        let is_blank = bytes.iter().all(|&byte| byte == 0xFF);
        match partition.kind.as_str() {
            kind if kind.starts_with("app/") => {
                report
                    .apps
                    .extend(Program::read(bytes).map(|program| PlacedProgram {
                        partition: partition.name,
                        offset: partition.offset,
                        program,
                    }));
            }
            "data/nvs" if !is_blank => match nvs::list(bytes) {
                Ok(mut items) => report.nvs.append(&mut items),
                Err(error) => report.faults.push(format!("{}: {error}", partition.name)),
            },
            "data/spiffs" => report.spiffs(&partition.name, bytes),
            _ => {}
        }
    }
    report.programs();
    Ok(report)
}

/// The first bootloader where one can lie.
fn bootloader(image: &[u8]) -> Option<PlacedProgram> {
    BOOTLOADERS.into_iter().find_map(|offset| {
        Some(PlacedProgram {
            partition: "bootloader".to_owned(),
            offset: offset as u32,
            program: Program::read(image.get(offset..)?)?,
        })
    })
}

impl Report {
    /// Faults of the programs, and between them.
    fn programs(&mut self) {
        for placed in self.bootloader.iter().chain(&self.apps) {
            let faults = placed.program.faults.iter();
            let faults = faults.map(|fault| format!("{}: {fault}", placed.partition));
            self.faults.extend(faults);
        }
        if let Some(bootloader) = &self.bootloader {
            for app in &self.apps {
                if app.program.chip_id != bootloader.program.chip_id {
                    let (name, chip) = (&app.partition, app.program.chip_name());
                    let other = bootloader.program.chip_name();
                    let fault = format!("{name}: it is for {chip}, the bootloader for {other}");
                    self.faults.push(fault);
                }
            }
        }
    }

    fn spiffs(&mut self, partition: &str, bytes: &[u8]) {
        match Volume::inspect(bytes) {
            Ok(mut volume) => {
                self.files.append(&mut volume.files);
                let faults = volume.faults.iter();
                let faults = faults.map(|fault| format!("{partition}: {fault}"));
                self.faults.extend(faults);
            }
            Err(error) => self.faults.push(format!("{partition}: {error}")),
        }
    }
}

/// What a SPIFFS partition holds.
#[derive(Clone, Debug, Serialize)]
pub struct Volume {
    /// Its length in bytes.
    pub size: usize,
    /// Bytes in a page.
    pub page_size: u32,
    /// Bytes in a block.
    pub block_size: u32,
    /// Bytes of a name, the zero at the end included.
    pub name_len: u32,
    /// Bytes of metadata.
    pub meta_len: u32,
    /// The files, by name.
    pub files: Vec<FileInfo>,
    /// What is damaged, each in a sentence.
    pub faults: Vec<String>,
}

impl Volume {
    /// Looks into the image of a SPIFFS partition.
    ///
    /// # Errors
    ///
    /// Why it cannot be mounted.
    pub fn inspect(bytes: &[u8]) -> Result<Self, String> {
        let size = u32::try_from(bytes.len()).map_err(|_| "it is larger than any flash")?;
        let mut mounted = Spiffs::mount(Image(bytes), spiffs::Partition::whole(size), None)
            .map_err(|error| error.to_string())?;
        let geometry = mounted.geometry();
        let mut volume = Self {
            size: bytes.len(),
            page_size: geometry.page_size,
            block_size: geometry.block_size,
            name_len: geometry.name_len,
            meta_len: geometry.meta_len,
            files: Vec::new(),
            faults: Vec::new(),
        };
        let faults = &mut volume.faults;
        if let Err(error) = mounted.check(|fault| faults.push(fault.to_string())) {
            faults.push(error.to_string());
        }
        // What a listing finds damaged, the check has told already.
        let listed: Vec<_> = mounted.files().flatten().collect();
        for file in listed {
            let (name, size) = (file.name().to_string(), file.size());
            let mut contents = vec![0; size as usize];
            let read = mounted.read(&mut file.into_file(), 0, &mut contents);
            let kind = match read {
                Ok(_) => contents_of(&contents),
                Err(_) => FileContents::Other,
            };
            contents.zeroize();
            let contents = kind;
            volume.files.push(FileInfo {
                name,
                size,
                contents,
            });
        }
        volume.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volume)
    }
}

fn contents_of(bytes: &[u8]) -> FileContents {
    if certfile::pem::blocks(bytes).any(|block| block.is_key()) {
        return FileContents::PrivateKey;
    }
    let held = certfile::file::certificates(bytes);
    let certificates: Option<Vec<_>> = held.map(|held| certificate(&held.decode().ok()?)).collect();
    match certificates {
        Some(certificates) if !certificates.is_empty() => FileContents::Certificates(certificates),
        _ => FileContents::Other,
    }
}

fn certificate(der: &[u8]) -> Option<CertificateInfo> {
    let (_, x509) = X509Certificate::from_der(der).ok()?;
    Some(CertificateInfo {
        subject: certfile::name::shown(x509.subject().as_raw()),
        issuer: certfile::name::shown(x509.issuer().as_raw()),
        not_before: x509.validity().not_before.to_datetime(),
        not_after: x509.validity().not_after.to_datetime(),
    })
}

fn rfc3339<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let (date, time) = (time.date(), time.time());
    let (hour, minute, second) = time.as_hms();
    serializer.collect_str(&format_args!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}
