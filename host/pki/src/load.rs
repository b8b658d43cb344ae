//! Authorities from files, in whatever form people have them; and why one cannot issue what devices
//! take, before it issues anything.

use std::path::Path;

use certfile::{
    file::{self, Fault},
    firmware::{self, LEAST_RSA_BITS, Objection},
    outline,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, public_key::PublicKey};
use zeroize::Zeroizing;

use crate::{
    Error, Pki,
    authority::{Authority, Root},
    folder::{INTERMEDIATE, ROOT, io, unusable},
    key::{self, Key},
};

/// Whose certificate it is, which decides what of it counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Trusted whoever signed it.
    Root,
    /// In the chain that devices send.
    Intermediate,
}

impl Pki {
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
        let intermediate = load_authority(&certificate, &key)?;
        let path = certificate;
        let root_path = folder.join(ROOT[0]);
        let root_ders = certificates(&root_path, root.certificate.as_bytes())?;
        let ders = certificates(&path, intermediate.certificate.as_bytes())?;
        let root_x509 = x509(&root_path, root_ders.first().map_or(&[], |der| der))?;
        let x509 = x509(&path, ders.first().map_or(&[], |der| der))?;
        if x509.verify_signature(Some(root_x509.public_key())).is_err() {
            let reason = "not signed by root.crt: use the root that it was issued by";
            return Err(unusable(&path, reason));
        }
        if x509.issuer().as_raw() != root_x509.subject().as_raw() {
            let reason = "its issuer is not called as root.crt's subject is: no chain can be built";
            return Err(unusable(&path, reason));
        }
        let subject = x509.subject().as_raw().to_vec();
        let pki = Self {
            root,
            intermediate,
            anchors: None,
        };
        if pki.issued_issuer().ok() != Some(subject) {
            let reason = "a part of its name cannot be repeated in what it issues (as the second DC of \
                          DC=com, DC=example): make an intermediate whose name has each part once, of \
                          the usual kinds";
            return Err(unusable(&path, reason));
        }
        Ok(pki)
    }

    /// Lets devices verify the server by the CAs of a file, one or several, in place of the root: for a server whose
    /// certificate comes from elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Unusable`] if there is no certificate in it, or one that devices do not take.
    pub fn trust(&mut self, path: &Path) -> Result<(), Error> {
        let ders = certificates(path, &hostfile::read(path).map_err(io(path))?)?;
        for (number, der) in (1..).zip(&ders) {
            if let Some(objection) = objection(der, Place::Root) {
                return Err(unusable(path, format!("certificate {number} {objection}")));
            }
        }
        self.anchors = Some(pems(&ders));
        Ok(())
    }
}

fn load_authority(certificate_path: &Path, key_path: &Path) -> Result<Authority, Error> {
    let certificate = load_certificate(certificate_path, Place::Intermediate)?;
    let key = load_key(certificate_path, &certificate, key_path)?;
    Ok(Authority { certificate, key })
}

/// Loads the root, whose key may be kept offline.
fn load_root(certificate_path: &Path, key_path: &Path) -> Result<Root, Error> {
    let certificate = load_certificate(certificate_path, Place::Root)?;
    let is_here = key_path.try_exists().map_err(io(key_path))?;
    let key = is_here.then(|| load_key(certificate_path, &certificate, key_path));
    let key = key.transpose()?;
    Ok(Root { certificate, key })
}

/// The certificates of a file, the authority's first, as PEM that everybody reads.
fn load_certificate(path: &Path, place: Place) -> Result<String, Error> {
    let all = certificates(path, &hostfile::read(path).map_err(io(path))?)?;
    // There is one, or it was refused.
    let der = all.first().map_or(&[][..], |der| der);
    if let Some(objection) = objection(der, place) {
        return Err(unusable(path, format!("certificate 1 {objection}")));
    }
    let x509 = x509(path, der)?;
    if let Ok(PublicKey::RSA(rsa)) = x509.public_key().parsed()
        && rsa.key_size() < LEAST_RSA_BITS
    {
        let bits = rsa.key_size();
        let reason =
            format!("RSA of {bits} bits, which no device takes: make a CA with 2048 or more");
        return Err(unusable(path, reason));
    }
    if !x509.is_ca() {
        return Err(unusable(path, "not the certificate of an authority"));
    }
    if let Ok(Some(usage)) = x509.key_usage()
        && !usage.value.key_cert_sign()
    {
        let reason = "may not sign certificates: its key usage is without keyCertSign";
        return Err(unusable(path, reason));
    }
    Ok(pems(&all))
}

/// As PEM that everybody reads.
fn pems(ders: &[Zeroizing<Vec<u8>>]) -> String {
    let pem = ders.iter().map(|der| key::pem("CERTIFICATE", der));
    pem.map(|pem| pem.to_string()).collect()
}

/// What the firmware would say to an authority's certificate at its place.
fn objection(der: &[u8], place: Place) -> Option<Objection> {
    let outline = outline::Certificate::read(der)?;
    let weak = firmware::is_weak(&outline.signature) && place == Place::Intermediate;
    match firmware::objection(&outline) {
        // Nobody asks a root who signed it.
        Some(Objection::Signature(_)) if place == Place::Root => None,
        None if weak => Some(Objection::Signature(outline.signature)),
        objection => objection,
    }
}

fn load_key(certificate_path: &Path, certificate: &str, path: &Path) -> Result<Key, Error> {
    let key = key(path)?;
    let all = certificates(certificate_path, certificate.as_bytes())?;
    let x509 = x509(certificate_path, all.first().map_or(&[], |der| der))?;
    if !is_pair(&x509, &key) {
        return Err(unusable(path, "does not match the certificate beside it"));
    }
    Ok(key)
}

/// The private key of a file, if devices verify what it signs.
pub(crate) fn key(path: &Path) -> Result<Key, Error> {
    let text = Zeroizing::new(hostfile::read(path).map_err(io(path))?);
    let der = file::key(&text).map_err(|fault| match fault {
        Fault::None(other) if file::remedy(other).is_none() => unusable(
            path,
            "no private key in PEM: PKCS#8, SEC1 or PKCS#1, without a password",
        ),
        fault => unusable(path, fault),
    })?;
    let outline = outline::Key::of_private(&der);
    if let Some(objection) = outline.and_then(firmware::objection_to_key) {
        return Err(unusable(path, format!("the key {objection}")));
    }
    Key::from_der(&der).map_err(|_| unusable(path, "the key is damaged: copy it anew, whole"))
}

pub(crate) fn is_pair(x509: &X509Certificate<'_>, key: &Key) -> bool {
    x509.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(key.pair())
}

/// The certificates of a file, DER.
pub(crate) fn certificates(path: &Path, file: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
    file::all_certificates(file).map_err(|fault| match fault {
        Fault::None(other) if file::remedy(other).is_none() => {
            unusable(path, "no certificate in PEM")
        }
        fault => unusable(path, fault),
    })
}

pub(crate) fn x509<'a>(path: &Path, der: &'a [u8]) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(der) {
        Ok((_, x509)) => Ok(x509),
        Err(_) => Err(unusable(
            path,
            "the certificate is damaged: copy it anew, whole",
        )),
    }
}
