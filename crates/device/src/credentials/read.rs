//! The three files, from PEM to what MbedTLS parsed; and where it refuses something, why.

use alloc::vec::Vec;

use certfile::Oid;
use certfile::outline::{self, Key as KeyOutline};
use certfile::pem::{self, Block, Other};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::x509::{KeyKind, Refusal};
use super::{
    Anchor, Certificate, CredentialsError, Fault, File, Form, Key, LEAST_RSA_BITS,
    MOST_CERTIFICATES,
};

/// The extensions that MbedTLS knows when they are critical (the table of library/oid.c in v3.6.5):
/// basicConstraints, keyUsage, extKeyUsage, subjectAltName, nsCertType, the two key identifiers.
const KNOWN_EXTENSIONS: [&[u8]; 7] = [
    b"\x55\x1d\x13",
    b"\x55\x1d\x0f",
    b"\x55\x1d\x25",
    b"\x55\x1d\x11",
    b"\x60\x86\x48\x01\x86\xf8\x42\x01\x01",
    b"\x55\x1d\x0e",
    b"\x55\x1d\x23",
];
/// Signatures that nobody should trust any more: RSA and ECDSA with SHA-1.
const WEAK_SIGNATURES: [&[u8]; 2] = [
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05",
    b"\x2a\x86\x48\xce\x3d\x04\x01",
];
/// The others that MbedTLS is built for: RSA with SHA-256, SHA-384, SHA-512, RSA-PSS, and ECDSA
/// with the same three.
const STRONG_SIGNATURES: [&[u8]; 7] = [
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a",
    b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
    b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
    b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
];
/// RSA, and the curves P-256 and P-384.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const KNOWN_CURVES: [&[u8]; 2] = [b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2b\x81\x04\x00\x22"];

/// What can be trusted of `server_chain.pem`.
pub(super) struct Anchors {
    pub(super) usable: Vec<Anchor>,
    pub(super) unused: Vec<CredentialsError>,
    /// Those that are usable, in one list.
    pub(super) list: Certificate,
}

/// The certificates of `device.crt`, each alone.
pub(super) fn own_chain(file: &[u8]) -> Result<Vec<Certificate>, CredentialsError> {
    const FILE: File = File::Certificate;
    let mut chain = Vec::new();
    for (number, block) in certificates(file) {
        if usize::from(number) > MOST_CERTIFICATES {
            return Err(FILE.has(Fault::TooMany));
        }
        let der = contents(&block, number).map_err(|fault| FILE.has(fault))?;
        let mut certificate = Certificate::none();
        certificate
            .add(&der)
            .map_err(|refusal| FILE.has(refusal.of_certificate(&der, number)))?;
        if let Some(outline) = outline::Certificate::read(&der)
            && WEAK_SIGNATURES.contains(&outline.signature.as_bytes())
            && !certificate.names_as_issuer(&certificate)
        {
            let algorithm = outline.signature;
            return Err(FILE.has(Fault::Signature { number, algorithm }));
        }
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(FILE.has(none(file)));
    }
    Ok(chain)
}

/// The private key.
pub(super) fn key(file: &[u8], random: &mut dyn CryptoRng) -> Result<Key, CredentialsError> {
    const FILE: File = File::Key;
    let Some(block) = pem::blocks(file).find(Block::is_key) else {
        let other = pem::blocks(file).find_map(|block| key_form(&block));
        return Err(FILE.has(other.unwrap_or_else(|| none(file))));
    };
    if let Some(fault) = key_form(&block) {
        return Err(FILE.has(fault));
    }
    if block.is_encrypted() {
        return Err(FILE.has(Fault::Encrypted));
    }
    let damaged = FILE.has(Fault::Damaged { number: 1 });
    let der = block.decode().map_err(|_| damaged)?;
    Key::from_der(&der, random).map_err(|refusal| {
        FILE.has(match refusal {
            Refusal::OutOfMemory => Fault::OutOfMemory,
            Refusal::Contents => KeyOutline::of_private(&der)
                .and_then(|key| key_fault(key, 1))
                .unwrap_or(Fault::Damaged { number: 1 }),
        })
    })
}

/// The anchors of `server_chain.pem`.
pub(super) fn anchors(file: &[u8]) -> Result<Anchors, CredentialsError> {
    const FILE: File = File::ServerChain;
    let mut anchors = Anchors {
        usable: Vec::new(),
        unused: Vec::new(),
        list: Certificate::none(),
    };
    for (number, block) in certificates(file) {
        if usize::from(number) > MOST_CERTIFICATES {
            return Err(FILE.has(Fault::TooMany));
        }
        match contents(&block, number).and_then(|der| anchor(der, number, &mut anchors.list)) {
            Ok(anchor) => anchors.usable.push(anchor),
            Err(Fault::OutOfMemory) => return Err(FILE.has(Fault::OutOfMemory)),
            Err(fault) => anchors.unused.push(FILE.has(fault)),
        }
    }
    match (anchors.usable.is_empty(), anchors.unused.first()) {
        (false, _) => Ok(anchors),
        (true, Some(error)) => Err(*error),
        (true, None) => Err(FILE.has(none(file))),
    }
}

/// Parses one certificate, and adds it to the list if servers can be trusted by it.
fn anchor(der: Zeroizing<Vec<u8>>, number: u8, list: &mut Certificate) -> Result<Anchor, Fault> {
    // A signature that MbedTLS does not know, as MD5, would have it refused: though nobody asks an
    // anchor who signed it. With one that it knows, the certificate stays as the server may send it.
    let unsigned = outline::Certificate::read(&der)
        .filter(|outline| !is_known(&outline.signature))
        .map(|outline| outline.unsigned());
    let der = unsigned.as_ref().unwrap_or(&der);
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
    // The key first: whoever makes one anew signs it anew.
    if let Some(fault) = key_fault(outline.key, number) {
        return Some(fault);
    }
    if !is_known(&outline.signature) {
        let algorithm = outline.signature;
        return Some(Fault::Signature { number, algorithm });
    }
    let unknown = |oid: &Oid| !KNOWN_EXTENSIONS.contains(&oid.as_bytes());
    let extension = outline.critical().find(unknown)?;
    Some(Fault::Critical { number, extension })
}

fn is_known(signature: &Oid) -> bool {
    let signature = signature.as_bytes();
    STRONG_SIGNATURES.contains(&signature) || WEAK_SIGNATURES.contains(&signature)
}

fn key_fault(key: KeyOutline, number: u8) -> Option<Fault> {
    match key {
        KeyOutline::Algorithm(kind) if kind.as_bytes() == RSA => None,
        KeyOutline::Algorithm(kind) => Some(Fault::KeyKind { number, kind }),
        KeyOutline::Curve(curve) if KNOWN_CURVES.contains(&curve.as_bytes()) => None,
        KeyOutline::Curve(curve) => Some(Fault::Curve { number, curve }),
        KeyOutline::ExplicitCurve => Some(Fault::ExplicitCurve { number }),
    }
}

/// The blocks that are certificates or would be, numbered from 1.
fn certificates(file: &[u8]) -> impl Iterator<Item = (u8, Block<'_>)> {
    let blocks = pem::blocks(file).filter(|block| block.is_certificate() || form(block).is_some());
    (1..=u8::MAX).zip(blocks)
}

/// What is in a block that is of the right form.
fn contents(block: &Block<'_>, number: u8) -> Result<Zeroizing<Vec<u8>>, Fault> {
    match form(block) {
        Some(fault) => Err(fault),
        None => block.decode().map_err(|_| Fault::Damaged { number }),
    }
}

/// What would be a certificate, and has to be converted first.
fn form(block: &Block<'_>) -> Option<Fault> {
    let form = match block.label {
        "TRUSTED CERTIFICATE" => Form::Trusted,
        "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Form::Pkcs7,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Form::Request,
        _ => return None,
    };
    Some(form.at(block))
}

/// The same for a key.
fn key_form(block: &Block<'_>) -> Option<Fault> {
    let form = match block.label {
        "OPENSSH PRIVATE KEY" => Form::OpenSsh,
        "PUBLIC KEY" => Form::PublicKey,
        _ => return None,
    };
    Some(form.at(block))
}

impl Form {
    fn at(self, block: &Block<'_>) -> Fault {
        let line = u16::try_from(block.line).unwrap_or(u16::MAX);
        Fault::Form { form: self, line }
    }
}

/// What a file is that has nothing of its kind.
fn none(file: &[u8]) -> Fault {
    match pem::other(file) {
        Other::Empty => Fault::Empty,
        Other::Utf16 => Fault::Utf16,
        Other::Binary => Fault::Binary,
        Other::Unknown => Fault::NotPem,
    }
}
