//! The three files, from PEM to what MbedTLS parsed; and where it refuses something, why.

use alloc::vec::Vec;

use certfile::der::{Reader, SEQUENCE};
use certfile::file::{self, Held};
use certfile::firmware::{self, LEAST_RSA_BITS, Objection};
use certfile::outline::{self, Key as KeyOutline};
use certfile::pem::Other;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::x509::{KeyKind, Refusal};
use super::{Anchor, Certificate, CredentialsError, Fault, File, Key, MOST_CERTIFICATES};

/// What can be trusted of `server_chain.pem`.
pub(super) struct Anchors {
    pub(super) usable: Vec<Anchor>,
    pub(super) unused: Vec<CredentialsError>,
    /// Those that are usable, in one list.
    pub(super) list: Certificate,
}

impl Anchors {
    /// None yet.
    pub(super) fn none() -> Self {
        Self {
            usable: Vec::new(),
            unused: Vec::new(),
            list: Certificate::none(),
        }
    }
}

/// The certificates of `device.crt`, each alone.
pub(super) fn own_chain(file: &[u8]) -> Result<Vec<Certificate>, CredentialsError> {
    const FILE: File = File::Certificate;
    let mut chain = Vec::new();
    for held in file::certificates(file) {
        let number = number(&held).map_err(|fault| FILE.has(fault))?;
        let der = contents(&held, number).map_err(|fault| FILE.has(fault))?;
        chain.push(own_certificate(&der, number).map_err(|fault| FILE.has(fault))?);
    }
    if chain.is_empty() {
        return Err(FILE.has(none(certfile::pem::other(file))));
    }
    Ok(chain)
}

/// The certificates of a renewed chain (DER, one after the other), each alone.
pub(super) fn renewed_chain(bytes: &[u8]) -> Result<Vec<Certificate>, CredentialsError> {
    const FILE: File = File::Renewed;
    let mut chain = Vec::new();
    for (number, der) in in_sequence(bytes).map_err(|fault| FILE.has(fault))? {
        chain.push(own_certificate(der, number).map_err(|fault| FILE.has(fault))?);
    }
    Ok(chain)
}

/// Elements of DER that follow each other, and nothing else; numbered from 1.
fn in_sequence(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, Fault> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    for number in 1.. {
        let Some(element) = reader.read(SEQUENCE) else {
            let number = number as u8;
            return match reader.rest().is_empty() {
                true => Ok(all),
                false => Err(Fault::Damaged { number }),
            };
        };
        if all.len() == MOST_CERTIFICATES {
            break;
        }
        all.push((number as u8, element.whole));
    }
    Err(Fault::TooMany)
}

/// One certificate of the device's chain.
fn own_certificate(der: &[u8], number: u8) -> Result<Certificate, Fault> {
    let mut certificate = Certificate::none();
    certificate
        .add(der)
        .map_err(|refusal| refusal.of_certificate(der, number))?;
    if let Some(outline) = outline::Certificate::read(der)
        && firmware::is_weak(&outline.signature)
        && !certificate.names_as_issuer(&certificate)
    {
        let algorithm = outline.signature;
        return Err(Fault::Signature { number, algorithm });
    }
    Ok(certificate)
}

/// The private key.
pub(super) fn key(file: &[u8], random: &mut dyn CryptoRng) -> Result<Key, CredentialsError> {
    const FILE: File = File::Key;
    if seal::is_sealed(file) {
        return Err(FILE.has(Fault::Sealed));
    }
    let der = file::key(file).map_err(|fault| FILE.has(of_file(fault, 1)))?;
    Key::from_der(&der, random).map_err(|refusal| {
        FILE.has(match refusal {
            Refusal::OutOfMemory => Fault::OutOfMemory,
            Refusal::Contents => KeyOutline::of_private(&der)
                .and_then(firmware::objection_to_key)
                .map(|objection| of_firmware(objection, 1))
                .unwrap_or(Fault::Damaged { number: 1 }),
        })
    })
}

/// The anchors of `server_chain.pem`.
pub(super) fn anchors(file: &[u8]) -> Result<Anchors, CredentialsError> {
    const FILE: File = File::ServerChain;
    let mut anchors = Anchors::none();
    for held in file::certificates(file) {
        let number = number(&held).map_err(|fault| FILE.has(fault))?;
        match contents(&held, number).and_then(|der| anchor(&der, number, &mut anchors.list)) {
            Ok(anchor) => anchors.usable.push(anchor),
            Err(Fault::OutOfMemory) => return Err(FILE.has(Fault::OutOfMemory)),
            Err(fault) => anchors.unused.push(FILE.has(fault)),
        }
    }
    match (anchors.usable.is_empty(), anchors.unused.first()) {
        (false, _) => Ok(anchors),
        (true, Some(error)) => Err(*error),
        (true, None) => Err(FILE.has(none(certfile::pem::other(file)))),
    }
}

/// Adds anchors that a renewal brought (DER, one after the other) to those of the file.
pub(super) fn further_anchors(bytes: &[u8], anchors: &mut Anchors) -> Result<(), CredentialsError> {
    const FILE: File = File::RenewedAnchors;
    for (number, der) in in_sequence(bytes).map_err(|fault| FILE.has(fault))? {
        match anchor(der, number, &mut anchors.list) {
            Ok(anchor) => anchors.usable.push(anchor),
            Err(Fault::OutOfMemory) => return Err(FILE.has(Fault::OutOfMemory)),
            Err(fault) => anchors.unused.push(FILE.has(fault)),
        }
    }
    Ok(())
}

/// Parses one certificate, and adds it to the list if servers can be trusted by it.
fn anchor(der: &[u8], number: u8, list: &mut Certificate) -> Result<Anchor, Fault> {
    // A signature that MbedTLS does not know, as MD5, would have it refused: though nobody asks an
    // anchor who signed it. With one that it knows, the certificate stays as the server may send it.
    let unsigned = outline::Certificate::read(der)
        .filter(|outline| !firmware::is_known(&outline.signature))
        .map(|outline| outline.unsigned());
    let der = unsigned.as_deref().unwrap_or(der);
    let mut alone = Certificate::none();
    alone
        .add(der)
        .map_err(|refusal| refusal.of_certificate(der, number))?;
    if let KeyKind::Rsa { bits } = alone.key_kind()
        && bits < LEAST_RSA_BITS
    {
        return Err(Fault::RsaSize { number, bits });
    }
    if !alone.is_anchor() {
        return Err(Fault::NotAnAnchor { number });
    }
    list.add(der).map_err(|_| Fault::OutOfMemory)?;
    let validity = alone.validity();
    Ok(Anchor { number, validity })
}

/// What a device cannot do with a server's certificate, if it is that: for MbedTLS says no more
/// than a number, or passes the certificate over.
pub(crate) fn server_fault(der: &[u8], number: u8) -> Option<Fault> {
    outline_fault(der, number)
}

impl Refusal {
    fn of_certificate(self, der: &[u8], number: u8) -> Fault {
        match self {
            Self::OutOfMemory => Fault::OutOfMemory,
            Self::Contents => outline_fault(der, number).unwrap_or(Fault::Damaged { number }),
        }
    }
}

/// What of a certificate this firmware cannot do.
fn outline_fault(der: &[u8], number: u8) -> Option<Fault> {
    let outline = outline::Certificate::read(der)?;
    firmware::objection(&outline).map(|objection| of_firmware(objection, number))
}

fn of_firmware(objection: Objection, number: u8) -> Fault {
    match objection {
        Objection::KeyKind(kind) => Fault::KeyKind { number, kind },
        Objection::Curve(curve) => Fault::Curve { number, curve },
        Objection::ExplicitCurve => Fault::ExplicitCurve { number },
        Objection::Signature(algorithm) => Fault::Signature { number, algorithm },
        Objection::Critical(extension) => Fault::Critical { number, extension },
    }
}

fn of_file(fault: file::Fault, number: u8) -> Fault {
    match fault {
        file::Fault::None(other) => none(other),
        file::Fault::Form { form, line } => Fault::Form {
            form,
            line: u16::try_from(line).unwrap_or(u16::MAX),
        },
        file::Fault::Damaged { .. } => Fault::Damaged { number },
        file::Fault::Encrypted => Fault::Encrypted,
    }
}

/// Which certificate of the file it is, if it is one of those that are read.
fn number(held: &Held<'_>) -> Result<u8, Fault> {
    let number = u8::try_from(held.number).map_err(|_| Fault::TooMany)?;
    if held.number > MOST_CERTIFICATES {
        return Err(Fault::TooMany);
    }
    Ok(number)
}

/// What is in a block that is of the right form.
fn contents(held: &Held<'_>, number: u8) -> Result<Zeroizing<Vec<u8>>, Fault> {
    held.decode().map_err(|fault| of_file(fault, number))
}

/// What a file is that has nothing of its kind.
fn none(other: Other) -> Fault {
    match other {
        Other::Empty => Fault::Empty,
        Other::Utf16 => Fault::Utf16,
        Other::Binary => Fault::Binary,
        Other::Unknown => Fault::NotPem,
    }
}
