//! What the firmware takes of certificates and keys: what MbedTLS, as it is built for the device,
//! has code for. Whoever makes certificates for devices asks here first.

use core::fmt;

use crate::Oid;
use crate::outline::{Certificate, Key};

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
/// The algorithm of RSA keys, `rsaEncryption`.
pub const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// The curve P-256.
pub const P256: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// The curve P-384.
pub const P384: &[u8] = b"\x2b\x81\x04\x00\x22";
const KNOWN_CURVES: [&[u8]; 2] = [P256, P384];

/// RSA keys of fewer bits are too weak.
pub const LEAST_RSA_BITS: usize = 2048;

/// Why the firmware does not take a certificate or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// A kind of key that it cannot do.
    KeyKind(Oid),
    /// A curve that it cannot do.
    Curve(Oid),
    /// A curve that is told by its parameters.
    ExplicitCurve,
    /// A signature that it cannot verify, or that nobody should trust any more.
    Signature(Oid),
    /// An extension that must be understood, and is not.
    Critical(Oid),
}

/// Continues a sentence whose subject is the certificate or key, and says what to do.
impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TAKES: &str = "which the firmware does not take: have it made anew with P-256, P-384 \
                             or RSA of 2048 to 4096 bits";
        match self {
            Self::KeyKind(kind) => write!(f, "has a key of the kind {kind}, {TAKES}"),
            Self::Curve(curve) => write!(f, "is on the curve {curve}, {TAKES}"),
            Self::ExplicitCurve => f.write_str(
                "tells its curve by parameters: have it made anew with the curve's name (OpenSSL's \
                 ec_param_enc:named_curve)",
            ),
            Self::Signature(algorithm) => write!(
                f,
                "is signed with {algorithm}, which the firmware does not take: have it made anew, \
                 signed with SHA-256, SHA-384 or SHA-512"
            ),
            Self::Critical(extension) => write!(
                f,
                "has the critical extension {extension}, which the firmware does not know: have it \
                 made anew without, or not as critical"
            ),
        }
    }
}

/// What the firmware has no code for in a certificate.
#[must_use]
pub fn objection(outline: &Certificate<'_>) -> Option<Objection> {
    // The key first: whoever makes one anew signs it anew.
    if let Some(objection) = objection_to_key(outline.key) {
        return Some(objection);
    }
    if !is_known(&outline.signature) {
        return Some(Objection::Signature(outline.signature));
    }
    let unknown = |oid: &Oid| !KNOWN_EXTENSIONS.contains(&oid.as_bytes());
    outline.critical().find(unknown).map(Objection::Critical)
}

/// What the firmware has no code for in a key.
#[must_use]
pub fn objection_to_key(key: Key) -> Option<Objection> {
    match key {
        Key::Algorithm(kind) if kind.as_bytes() == RSA => None,
        Key::Algorithm(kind) => Some(Objection::KeyKind(kind)),
        Key::Curve(curve) if KNOWN_CURVES.contains(&curve.as_bytes()) => None,
        Key::Curve(curve) => Some(Objection::Curve(curve)),
        Key::ExplicitCurve => Some(Objection::ExplicitCurve),
    }
}

/// Whether there is code for a signature, trustworthy or not.
#[must_use]
pub fn is_known(signature: &Oid) -> bool {
    STRONG_SIGNATURES.contains(&signature.as_bytes()) || is_weak(signature)
}

/// Whether nobody should trust a signature any more, but on what nobody's trust depends on, as a
/// root's own.
#[must_use]
pub fn is_weak(signature: &Oid) -> bool {
    WEAK_SIGNATURES.contains(&signature.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;
    use alloc::string::ToString;

    macro_rules! field {
        ($name:literal) => {
            include_bytes!(concat!("../../device/tests/vectors/field/", $name))
        };
    }

    fn objections(file: &[u8]) -> alloc::vec::Vec<Option<alloc::string::String>> {
        file::all_certificates(file)
            .unwrap()
            .iter()
            .map(|der| objection(&Certificate::read(der).unwrap()).map(|it| it.to_string()))
            .collect()
    }

    #[test]
    fn what_has_no_code_is_named() {
        for (file, at, named) in [
            (&field!("e07-critunknown/device.crt")[..], 0, "1.2.3.4"),
            (field!("e08-policies/device.crt"), 0, "certificatePolicies"),
            (field!("e32-inhibitany/device.crt"), 0, "policyConstraints"),
            (field!("i02-namec/device.crt"), 1, "nameConstraints"),
            (field!("server_chain/good-and-ed25519.pem"), 1, "Ed25519"),
        ] {
            let told = objections(file);
            let objection = told[at].as_deref().unwrap_or_default();
            assert!(objection.contains(named), "{told:?}");
            assert_eq!(told.iter().flatten().count(), 1, "{told:?}");
        }
        assert_eq!(objections(field!("c18-joined/device.crt")), [None, None]);
        let explicit = objection_to_key(Key::ExplicitCurve).unwrap().to_string();
        assert!(explicit.contains("named_curve"), "{explicit}");
    }
}
