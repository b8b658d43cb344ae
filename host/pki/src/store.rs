//! Folders: writing an authority or an identity, and loading an authority again.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use x509_parser::{certificate::X509Certificate, prelude::FromDer};
use zeroize::Zeroizing;

use crate::{Error, Identity, Pki, Role, authority::Authority, key::Key};

/// What to do about files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Write nothing at all and say which file is in the way.
    Refuse,
    /// Replace them.
    Replace,
}

const ROOT: [&str; 2] = ["root.crt", "root.key"];
const INTERMEDIATE: [&str; 2] = ["intermediate.crt", "intermediate.key"];

/// A file to write. Secret ones are for their owner only.
struct Output<'a> {
    name: &'a str,
    contents: &'a str,
    is_secret: bool,
}

impl<'a> Output<'a> {
    fn public(name: &'a str, contents: &'a str) -> Self {
        Self {
            name,
            contents,
            is_secret: false,
        }
    }

    fn secret(name: &'a str, contents: &'a str) -> Self {
        Self {
            name,
            contents,
            is_secret: true,
        }
    }
}

impl Pki {
    /// Writes `root.crt`, `root.key`, `intermediate.crt` and `intermediate.key`, and makes the
    /// folder if there is none. Keys can be read by their owner only.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<(), Error> {
        let [root_key, intermediate_key] = self.key_pems()?;
        let outputs = [
            Output::secret(ROOT[1], &root_key),
            Output::public(ROOT[0], self.root_pem()),
            Output::secret(INTERMEDIATE[1], &intermediate_key),
            Output::public(INTERMEDIATE[0], self.intermediate_pem()),
        ];
        write(folder, existing, &outputs)
    }

    /// Loads what [`write_to`](Self::write_to) wrote, or authorities from elsewhere under the same
    /// names, to issue more certificates.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Unusable`] for a file that is not what it should be, a key that
    /// does not match its certificate, or an intermediate that the root did not sign.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let [root, intermediate] = [ROOT, INTERMEDIATE]
            .map(|[certificate, key]| load(&folder.join(certificate), &folder.join(key)));
        let (root, intermediate) = (root?, intermediate?);
        let path = folder.join(INTERMEDIATE[0]);
        let root_der = der(&folder.join(ROOT[0]), &root.certificate)?;
        let intermediate_der = der(&path, &intermediate.certificate)?;
        let root_x509 = x509(&folder.join(ROOT[0]), &root_der)?;
        let intermediate_x509 = x509(&path, &intermediate_der)?;
        if intermediate_x509
            .verify_signature(Some(root_x509.public_key()))
            .is_err()
        {
            let reason = "not signed by root.crt: use the root that it was issued by";
            return Err(Error::Unusable { path, reason });
        }
        Ok(Self { root, intermediate })
    }
}

impl Identity {
    /// Writes the identity's files, and makes the folder if there is none: for a server
    /// `server.crt` and `server.key`; for a device `device.crt`, `device.key` and
    /// `server_chain.pem`, as a SPIFFS image takes them. The key can be read by its owner only.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<(), Error> {
        let chain = self.chain_pem();
        let outputs: &[_] = match self.role() {
            Role::Server => &[
                Output::secret("server.key", self.key_pem()),
                Output::public("server.crt", &chain),
            ],
            Role::Device => &[
                Output::secret("device.key", self.key_pem()),
                Output::public("device.crt", &chain),
                Output::public("server_chain.pem", self.trust_pem()),
            ],
        };
        write(folder, existing, outputs)
    }
}

fn write(folder: &Path, existing: Existing, outputs: &[Output<'_>]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    if existing == Existing::Refuse {
        // All of them first, so that a refusal leaves the folder as it was.
        for output in outputs {
            let path = folder.join(output.name);
            if path.symlink_metadata().is_ok() {
                return Err(Error::Exists(path));
            }
        }
    }
    for output in outputs {
        let path = folder.join(output.name);
        let new = folder.join(format!(".{}.new", output.name));
        let written = create(&new, output).and_then(|()| fs::rename(&new, &path));
        written.map_err(|source| {
            // Half a file is of no use to anybody; that it cannot be removed either says no more.
            let _ = fs::remove_file(&new);
            Error::Io { path, source }
        })?;
    }
    Ok(())
}

fn create(path: &Path, output: &Output<'_>) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if output.is_secret { 0o600 } else { 0o644 });
    }
    // One left by a run that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.open(path)?;
    file.write_all(output.contents.as_bytes())?;
    file.sync_all()
}

fn load(certificate_path: &Path, key_path: &Path) -> Result<Authority, Error> {
    let unusable = |path: &Path, reason| Error::Unusable {
        path: path.to_owned(),
        reason,
    };
    let certificate = fs::read_to_string(certificate_path).map_err(io(certificate_path))?;
    let key = Zeroizing::new(fs::read_to_string(key_path).map_err(io(key_path))?);
    let key = Key::from_pem(&key).map_err(|_| {
        unusable(
            key_path,
            "no private key in PEM: PKCS#8, SEC1 or PKCS#1, without a password",
        )
    })?;
    let der = der(certificate_path, &certificate)?;
    let x509 = x509(certificate_path, &der)?;
    if !x509.is_ca() {
        return Err(unusable(
            certificate_path,
            "not the certificate of an authority",
        ));
    }
    if x509.public_key().raw != rcgen::PublicKeyData::subject_public_key_info(key.pair()) {
        return Err(unusable(
            key_path,
            "does not match the certificate beside it",
        ));
    }
    Ok(Authority { certificate, key })
}

fn der(path: &Path, certificate: &str) -> Result<Vec<u8>, Error> {
    match pem::parse(certificate) {
        Ok(block) if block.tag() == "CERTIFICATE" => Ok(block.into_contents()),
        _ => Err(Error::Unusable {
            path: path.to_owned(),
            reason: "no certificate in PEM",
        }),
    }
}

fn x509<'a>(path: &Path, der: &'a [u8]) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(der) {
        Ok((_, x509)) => Ok(x509),
        Err(_) => Err(Error::Unusable {
            path: path.to_owned(),
            reason: "the certificate is damaged",
        }),
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}
