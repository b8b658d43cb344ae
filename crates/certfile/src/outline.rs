//! What a certificate or key names: its algorithms, curve and critical extensions.
//!
//! As far as it takes to say why somebody cannot use it. Whoever can, reads it with a library.

use alloc::vec::Vec;

use crate::Oid;
use crate::der::{BOOLEAN, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};

const BIT_STRING: u8 = 0x03;
/// `[0]`, in TBSCertificate the version, in ECPrivateKey the curve.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;
/// The algorithm of keys for elliptic curves.
const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
/// ecdsa-with-SHA256, as an AlgorithmIdentifier.
const ECDSA_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// No bits.
const NO_SIGNATURE: &[u8] = &[BIT_STRING, 1, 0];

/// The outline of a certificate (RFC 5280, 4.1).
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// How it is signed.
    pub signature: Oid,
    /// The kind of its key.
    pub key: Key,
    /// The algorithm of the signature, in the part that is signed.
    algorithm: Element<'a>,
    signed: &'a [u8],
    extensions: Reader<'a>,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Of an algorithm, and on no curve that has to be named.
    Algorithm(Oid),
    /// On this curve.
    Curve(Oid),
    /// On a curve that is told by its parameters, not by its name.
    ExplicitCurve,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER, whatever follows it.
    #[must_use]
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Reader::new(Reader::new(der).read(SEQUENCE)?.content);
        let signed = certificate.read(SEQUENCE)?.content;
        let mut fields = Reader::new(signed);
        fields.read(CONTEXT_0); // version
        fields.read(INTEGER)?; // serial number
        let algorithm = fields.read(SEQUENCE)?;
        let signature = Oid::new(
            Reader::new(algorithm.content)
                .read(OBJECT_IDENTIFIER)?
                .content,
        );
        fields.read(SEQUENCE)?; // issuer
        fields.read(SEQUENCE)?; // validity
        fields.read(SEQUENCE)?; // subject
        let key = Reader::new(fields.read(SEQUENCE)?.content).read(SEQUENCE)?;
        let key = Key::of_algorithm(key.content)?;
        let extensions = fields.find(|field| field.tag == CONTEXT_3);
        let extensions = extensions.and_then(|field| Reader::new(field.content).read(SEQUENCE));
        Some(Self {
            signature,
            key,
            algorithm,
            signed,
            extensions: Reader::new(extensions.map_or(&[], |list| list.content)),
        })
    }

    /// Its extensions that whoever does not know them must not pass over.
    pub fn critical(&self) -> impl Iterator<Item = Oid> {
        self.extensions.filter_map(|extension| {
            let mut parts = Reader::new(extension.content);
            let oid = parts.read(OBJECT_IDENTIFIER)?;
            let critical = parts.read(BOOLEAN)?.content != [0];
            critical.then(|| Oid::new(oid.content))
        })
    }

    /// The same certificate without its signature, which is then said to be of ECDSA with SHA-256:
    /// for a trust anchor, whose own signature proves nothing, and a parser that insists to know
    /// its algorithm.
    #[must_use]
    pub fn unsigned(&self) -> Vec<u8> {
        let (before, after) = self.around_algorithm();
        let signed = sequence(&[before, ECDSA_SHA256, after]);
        sequence(&[&signed, ECDSA_SHA256, NO_SIGNATURE])
    }

    fn around_algorithm(&self) -> (&'a [u8], &'a [u8]) {
        let all = self.signed;
        let start = self.algorithm.whole.as_ptr() as usize - all.as_ptr() as usize;
        let end = start + self.algorithm.whole.len();
        (
            all.get(..start).unwrap_or(&[]),
            all.get(end..).unwrap_or(&[]),
        )
    }
}

impl Key {
    /// Reads a private key in DER: PKCS#8, or SEC1 with its curve, or PKCS#1 (which is RSA).
    #[must_use]
    pub fn of_private(der: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(Reader::new(der).read(SEQUENCE)?.content);
        fields.read(INTEGER)?; // version
        if let Some(algorithm) = fields.read(SEQUENCE) {
            return Self::of_algorithm(algorithm.content);
        }
        if fields.read(OCTET_STRING).is_some() {
            return Self::of_parameters(fields.read(CONTEXT_0)?.content);
        }
        fields.read(INTEGER)?;
        Some(Self::Algorithm(Oid::new(
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
        )))
    }

    /// Reads a public key in DER: `SubjectPublicKeyInfo` (RFC 5280, 4.1).
    #[must_use]
    pub fn of_public(der: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(Reader::new(der).read(SEQUENCE)?.content);
        Self::of_algorithm(fields.read(SEQUENCE)?.content)
    }

    /// From an AlgorithmIdentifier.
    fn of_algorithm(algorithm: &[u8]) -> Option<Self> {
        let mut parts = Reader::new(algorithm);
        let algorithm = parts.read(OBJECT_IDENTIFIER)?.content;
        if algorithm != EC_PUBLIC_KEY {
            return Some(Self::Algorithm(Oid::new(algorithm)));
        }
        Self::of_parameters(parts.rest())
    }

    /// From ECParameters (RFC 3279, 2.3.5).
    fn of_parameters(parameters: &[u8]) -> Option<Self> {
        match Reader::new(parameters).next()? {
            Element {
                tag: OBJECT_IDENTIFIER,
                content,
                ..
            } => Some(Self::Curve(Oid::new(content))),
            Element { tag: SEQUENCE, .. } => Some(Self::ExplicitCurve),
            _ => None,
        }
    }
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut sequence = Vec::with_capacity(length + 4);
    sequence.push(SEQUENCE);
    let bytes = length.to_be_bytes();
    let bytes = bytes
        .get(length.leading_zeros() as usize / 8..)
        .unwrap_or(&[]);
    if length >= 0x80 {
        // A usize has 8 bytes at most.
        sequence.push(0x80 | bytes.len() as u8);
    }
    sequence.extend_from_slice(bytes);
    for part in parts {
        sequence.extend_from_slice(part);
    }
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem;
    use alloc::string::ToString;

    macro_rules! field {
        ($name:literal) => {
            include_bytes!(concat!("../../device/tests/vectors/", $name))
        };
    }

    fn der(file: &[u8], number: usize) -> Vec<u8> {
        pem::blocks(file)
            .nth(number)
            .unwrap()
            .decode()
            .unwrap()
            .to_vec()
    }

    #[test]
    fn a_certificate_is_outlined() {
        let der = der(field!("field/i02-namec/device.crt"), 1);
        let outline = Certificate::read(&der).unwrap();
        assert_eq!(
            outline.signature.as_bytes(),
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02"
        );
        assert_eq!(
            outline.key,
            Key::Curve(Oid::new(b"\x2a\x86\x48\xce\x3d\x03\x01\x07"))
        );
        let critical: Vec<_> = outline.critical().map(|oid| oid.to_string()).collect();
        assert!(
            critical.contains(&"nameConstraints".to_string()),
            "{critical:?}"
        );
    }

    #[test]
    fn a_signature_is_taken_off_and_nothing_else() {
        let file = field!("field/server_chain/good-and-sha1.pem");
        let der = der(file, 1);
        let outline = Certificate::read(&der).unwrap();
        let without = outline.unsigned();
        let again = Certificate::read(&without).unwrap();
        assert!(outline.signature.to_string().starts_with("SHA-1"));
        assert_eq!(
            again.signature.as_bytes(),
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02"
        );
        assert_eq!(outline.around_algorithm(), again.around_algorithm());
        assert!(without.len() < der.len() && without.len() + 4 > outline.signed.len());
    }

    #[test]
    fn keys_are_told_apart_in_all_their_forms() {
        let key = |file| Key::of_private(&der(file, 0)).unwrap();
        let p256 = Key::Curve(Oid::new(b"\x2a\x86\x48\xce\x3d\x03\x01\x07"));
        let rsa = Key::Algorithm(Oid::new(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"));
        assert_eq!(key(field!("credentials/p256.key")), p256);
        assert_eq!(key(field!("credentials/p256.sec1.key")), p256);
        assert_eq!(key(field!("credentials/rsa2048.key")), rsa);
        assert_eq!(key(field!("credentials/rsa2048.pkcs1.key")), rsa);
        let ed25519 = Key::Algorithm(Oid::new(b"\x2b\x65\x70"));
        assert_eq!(key(field!("credentials/ed25519.key")), ed25519);
    }

    #[test]
    fn no_bytes_panic() {
        let whole = der(field!("field/i02-namec/device.crt"), 1);
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 0x81;
            for der in [&spoilt[..], &whole[..at]] {
                if let Some(outline) = Certificate::read(der) {
                    let _ = (outline.critical().count(), outline.unsigned());
                }
                let _ = Key::of_private(der);
            }
        }
    }
}
