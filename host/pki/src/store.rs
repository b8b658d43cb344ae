//! Folders: writing an authority or an identity, and loading an authority again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use x509_parser::{certificate::X509Certificate, prelude::FromDer};
use zeroize::Zeroizing;

use crate::{
    Error, Identity, Pki, Role,
    authority::{Authority, Root, check_serial_number},
    file::{self, Draft},
    key::Key,
};

/// What to do about files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Write nothing at all and say which file is in the way.
    Refuse,
    /// Replace them.
    Replace,
}

const ROOT: [&str; 2] = ["root.crt", "root.key"];
/// In the order in which they are written.
const DEVICE: [&str; 3] = ["device.key", "server_chain.pem", "device.crt"];
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
        let (root_key, intermediate_key) = self.key_pems()?;
        let root_key = root_key.as_deref();
        let root_key = root_key.map(|key| Output::secret(ROOT[1], key));
        let mut outputs: Vec<_> = root_key.into_iter().collect();
        outputs.extend([
            Output::public(ROOT[0], self.root_pem()),
            Output::secret(INTERMEDIATE[1], &intermediate_key),
            Output::public(INTERMEDIATE[0], self.intermediate_pem()),
        ]);
        write(folder, existing, &outputs)
    }

    /// Loads what [`write_to`](Self::write_to) wrote, or authorities from elsewhere under the same
    /// names, to issue more certificates. `root.key` may be elsewhere: it is not needed for that.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Unusable`] for a file that is not what it should be, a key that
    /// does not match its certificate, an intermediate that the root did not sign, or one that
    /// cannot issue what would be verified.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let root = load_root(&folder.join(ROOT[0]), &folder.join(ROOT[1]))?;
        let [certificate, key] = INTERMEDIATE.map(|name| folder.join(name));
        let intermediate = load(&certificate, &key)?;
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
        if intermediate_x509.issuer().as_raw() != root_x509.subject().as_raw() {
            let reason = "its issuer is not called as root.crt's subject is: no chain can be built";
            return Err(Error::Unusable { path, reason });
        }
        let subject = intermediate_x509.subject().as_raw().to_vec();
        let pki = Self { root, intermediate };
        if pki.issued_issuer()? != subject {
            let reason = "a part of its name cannot be repeated in what it issues (as the second DC of \
                          DC=com, DC=example): make an intermediate whose name has each part once, of \
                          the usual kinds";
            return Err(Error::Unusable { path, reason });
        }
        Ok(pki)
    }

    /// Whether a folder holds the identity of this device, complete and issued by this authority.
    /// `false` if there is no certificate in it, whatever a run that was killed has left beside;
    /// what is left of writing goes away.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] if the certificate there is another's, or the other files do not go with
    /// it; [`Error::Invalid`] for a serial number that cannot be a name; [`Error::Io`].
    pub fn has_device(&self, folder: &Path, serial_number: &str) -> Result<bool, Error> {
        check_serial_number(serial_number)?;
        let [key_path, trust_path, certificate_path] = DEVICE.map(|name| folder.join(name));
        for path in [&key_path, &trust_path, &certificate_path] {
            file::clean(path).map_err(io(path))?;
        }
        let chain = match fs::read_to_string(&certificate_path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            chain => chain.map_err(io(&certificate_path))?,
        };
        let unusable = |path: &Path, reason| {
            let path = path.to_owned();
            Err(Error::Unusable { path, reason })
        };
        let Some(leaf) = chain.strip_suffix(self.intermediate_pem()) else {
            let reason = "not of this CA: its chain does not end with intermediate.crt";
            return unusable(&certificate_path, reason);
        };
        let leaf_der = der(&certificate_path, leaf)?;
        let leaf = x509(&certificate_path, &leaf_der)?;
        let names: Vec<_> = leaf.subject().iter_common_name().collect();
        if !matches!(names[..], [name] if name.as_str().ok() == Some(serial_number)) {
            let reason = "of another device: its CN is not the serial number";
            return unusable(&certificate_path, reason);
        }
        let key = Zeroizing::new(fs::read_to_string(&key_path).map_err(io(&key_path))?);
        let pair = Key::from_pem(&key);
        if !pair.is_ok_and(|key| is_pair(&leaf, &key)) {
            return unusable(&key_path, "does not match the certificate beside it");
        }
        if fs::read_to_string(&trust_path).map_err(io(&trust_path))? != self.root_pem() {
            return unusable(&trust_path, "not the root of this CA");
        }
        Ok(true)
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
                Output::secret(DEVICE[0], self.key_pem()),
                Output::public(DEVICE[1], self.trust_pem()),
                Output::public(DEVICE[2], &chain),
            ],
        };
        write(folder, existing, outputs)
    }
}

/// Writes all of them or none. The last one tells that the others are complete: where it would
/// replace an old one, that goes first, so that a run that is killed in between leaves no
/// certificate beside another's key.
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
    let mut drafts = Vec::new();
    for output in outputs {
        let path = folder.join(output.name);
        let draft = Draft::write(&path, output.contents.as_bytes(), output.is_secret);
        let draft = draft.and_then(|draft| draft.sync().map(|()| draft));
        drafts.push(draft.map_err(io(&path))?);
    }
    if let Some(last) = drafts.last() {
        file::remove(last.path()).map_err(io(last.path()))?;
    }
    for draft in drafts {
        let path = draft.path().to_owned();
        draft.keep().map_err(io(&path))?;
    }
    Ok(())
}

fn load(certificate_path: &Path, key_path: &Path) -> Result<Authority, Error> {
    let certificate = load_certificate(certificate_path)?;
    let key = load_key(certificate_path, &certificate, key_path)?;
    Ok(Authority { certificate, key })
}

/// Loads the root, whose key may be kept offline.
fn load_root(certificate_path: &Path, key_path: &Path) -> Result<Root, Error> {
    let certificate = load_certificate(certificate_path)?;
    let is_here = key_path.try_exists().map_err(io(key_path))?;
    let key = is_here.then(|| load_key(certificate_path, &certificate, key_path));
    let key = key.transpose()?;
    Ok(Root { certificate, key })
}

fn unusable(path: &Path, reason: &'static str) -> Error {
    Error::Unusable {
        path: path.to_owned(),
        reason,
    }
}

fn load_certificate(path: &Path) -> Result<String, Error> {
    let certificate = fs::read_to_string(path).map_err(io(path))?;
    let der = der(path, &certificate)?;
    let x509 = x509(path, &der)?;
    if !x509.is_ca() {
        return Err(unusable(path, "not the certificate of an authority"));
    }
    if let Ok(Some(usage)) = x509.key_usage()
        && !usage.value.key_cert_sign()
    {
        let reason = "may not sign certificates: its key usage is without keyCertSign";
        return Err(unusable(path, reason));
    }
    Ok(certificate)
}

fn load_key(certificate_path: &Path, certificate: &str, path: &Path) -> Result<Key, Error> {
    let text = Zeroizing::new(fs::read(path).map_err(io(path))?);
    let key = Key::from_file(&text).ok_or_else(|| {
        let reason = "no private key in PEM: PKCS#8, SEC1 or PKCS#1, without a password";
        unusable(path, reason)
    })?;
    if !key.is_for_devices() {
        let reason = "of a kind whose signatures no device verifies (as Ed25519 and P-521): make a \
                      CA with P-256, P-384 or RSA";
        return Err(unusable(path, reason));
    }
    let der = der(certificate_path, certificate)?;
    let x509 = x509(certificate_path, &der)?;
    if !is_pair(&x509, &key) {
        return Err(unusable(path, "does not match the certificate beside it"));
    }
    Ok(key)
}

fn is_pair(x509: &X509Certificate<'_>, key: &Key) -> bool {
    x509.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(key.pair())
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
