//! Looking into a flash image: what is there, without its secrets.
//!
//! Any bytes give a report or an error; what cannot be read is reported in its place.

use std::fmt;

use spiffs::{Image, Spiffs};
use time::OffsetDateTime;
use x509_parser::prelude::{Pem, X509Certificate};

use crate::{Error, NvsItem, PartitionTable, TableError, app::AppInfo, nvs};

/// What a flash image holds.
#[derive(Clone, Debug)]
pub struct Report {
    /// The partition table.
    pub table: PartitionTable,
    /// The applications.
    pub apps: Vec<AppInfo>,
    /// What NVS holds, without the values.
    pub nvs: Vec<NvsItem>,
    /// The files in SPIFFS.
    pub files: Vec<FileInfo>,
    /// What could not be read or is damaged, each in a sentence.
    pub faults: Vec<String>,
}

/// A file in SPIFFS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u32,
    /// What is inside, as far as it is known.
    pub contents: FileContents,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContents {
    /// Certificates in PEM, in their order.
    Certificates(Vec<CertificateInfo>),
    /// A private key in PEM.
    PrivateKey,
    /// Anything else.
    Other,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject, such as `CN=SN-000001`.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The first moment of its validity.
    pub not_before: OffsetDateTime,
    /// The last moment of its validity.
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
                report.apps.extend(AppInfo::read(partition.name, bytes));
            }
            "data/nvs" if !is_blank => match nvs::list(bytes) {
                Ok(mut items) => report.nvs.append(&mut items),
                Err(error) => report.faults.push(format!("{}: {error}", partition.name)),
            },
            "data/spiffs" => report.spiffs(&partition.name, bytes),
            _ => {}
        }
    }
    Ok(report)
}

impl Report {
    fn spiffs(&mut self, partition: &str, bytes: &[u8]) {
        let whole = spiffs::Partition::whole(bytes.len() as u32);
        let mut volume = match Spiffs::mount(Image(bytes), whole, None) {
            Ok(volume) => volume,
            Err(error) => return self.faults.push(format!("{partition}: {error}")),
        };
        let faults = &mut self.faults;
        if let Err(error) = volume.check(|fault| faults.push(format!("{partition}: {fault}"))) {
            faults.push(format!("{partition}: {error}"));
        }
        // What a listing finds damaged, the check has told already.
        let listed: Vec<_> = volume.files().flatten().collect();
        for file in listed {
            let (name, size) = (file.name().to_string(), file.size());
            let mut contents = vec![0; size as usize];
            let read = volume.read(&mut file.into_file(), 0, &mut contents);
            let contents = if read.is_ok() {
                contents_of(&contents)
            } else {
                FileContents::Other
            };
            self.files.push(FileInfo {
                name,
                size,
                contents,
            });
        }
        self.files.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

fn contents_of(bytes: &[u8]) -> FileContents {
    if !bytes.starts_with(b"-----BEGIN ") {
        return FileContents::Other;
    }
    let blocks: Vec<Pem> = Pem::iter_from_buffer(bytes).map_while(Result::ok).collect();
    if blocks
        .iter()
        .any(|block| block.label.ends_with("PRIVATE KEY"))
    {
        return FileContents::PrivateKey;
    }
    let certificates: Option<Vec<_>> = blocks.iter().map(certificate).collect();
    match certificates {
        Some(certificates) if !certificates.is_empty() => FileContents::Certificates(certificates),
        _ => FileContents::Other,
    }
}

fn certificate(block: &Pem) -> Option<CertificateInfo> {
    let x509: X509Certificate<'_> = block.parse_x509().ok()?;
    Some(CertificateInfo {
        subject: x509.subject().to_string(),
        issuer: x509.issuer().to_string(),
        not_before: x509.validity().not_before.to_datetime(),
        not_after: x509.validity().not_after.to_datetime(),
    })
}

impl fmt::Display for Report {
    /// Several lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Partitions")?;
        for line in self.table.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        for AppInfo {
            partition,
            project,
            version,
        } in &self.apps
        {
            writeln!(f, "Firmware in {partition}: {project} {version}")?;
        }
        if !self.nvs.is_empty() {
            writeln!(f, "NVS")?;
        }
        for NvsItem {
            namespace,
            key,
            kind,
        } in &self.nvs
        {
            writeln!(f, "  {namespace:<15} {key:<15} {kind}")?;
        }
        if !self.files.is_empty() {
            writeln!(f, "Files")?;
        }
        for FileInfo {
            name,
            size,
            contents,
        } in &self.files
        {
            write!(f, "  {name:<31} {size:>7} bytes")?;
            match contents {
                FileContents::Certificates(certificates) => {
                    writeln!(f)?;
                    for certificate in certificates {
                        writeln!(f, "    {certificate}")?;
                    }
                }
                FileContents::PrivateKey => writeln!(f, "  private key")?,
                FileContents::Other => writeln!(f)?,
            }
        }
        for fault in &self.faults {
            writeln!(f, "Damage: {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.not_before.date(), self.not_after.date());
        write!(f, "{} by {}, {from} to {to}", self.subject, self.issuer)
    }
}
