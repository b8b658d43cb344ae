//! A request for a certificate: PKCS#10 (RFC 2986) for a key on P-256, with one common name and nothing else.
//!
//! ```text
//! SEQUENCE {
//!   SEQUENCE {                                     what is signed
//!     INTEGER 0
//!     SEQUENCE { SET { SEQUENCE { 2.5.4.3, UTF8String } } }
//!     SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING 04 x y }
//!     [0] { }                                      no attributes
//!   }
//!   SEQUENCE { ecdsa-with-SHA256 }
//!   BIT STRING                                     the signature
//! }
//! ```
//!
//! Signing is the caller's: what is signed goes out, the signature comes in.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};

/// The longest common name (RFC 5280, appendix A.1: `ub-common-name`), in bytes.
pub const LONGEST_NAME: usize = 64;

/// The longest signature of ECDSA on P-256, in DER.
pub const LONGEST_SIGNATURE: usize = 72;

/// A point that is not compressed: 4, x, y, the most significant byte first.
pub type Point = [u8; 65];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const BIT_STRING: u8 = 0x03;
/// commonName (RFC 5280, appendix A.1).
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 0x04, 0x03];
/// Version 1, which is written as 0.
const VERSION: &[u8] = &[0x02, 1, 0];
/// id-ecPublicKey and prime256v1, as an AlgorithmIdentifier (RFC 5480).
const P256: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// ecdsa-with-SHA256, as an AlgorithmIdentifier (RFC 5758).
const ECDSA_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// No attributes.
const NO_ATTRIBUTES: &[u8] = &[0xa0, 0];

/// A request that is not signed yet.
pub struct Unsigned {
    info: Vec<u8>,
}

impl Unsigned {
    /// For this name and key. None if the name is empty or longer than [`LONGEST_NAME`].
    #[must_use]
    pub fn new(common_name: &str, point: &Point) -> Option<Self> {
        if !(1..=LONGEST_NAME).contains(&common_name.len()) {
            return None;
        }
        let value = element(UTF8_STRING, &[common_name.as_bytes()]);
        let attribute = element(SEQUENCE, &[COMMON_NAME, &value]);
        let name = element(SEQUENCE, &[&element(SET, &[&attribute])]);
        let key = element(SEQUENCE, &[P256, &element(BIT_STRING, &[&[0], point])]);
        let info = element(SEQUENCE, &[VERSION, &name, &key, NO_ATTRIBUTES]);
        Some(Self { info })
    }

    /// The SHA-256 that the key is to sign.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        crate::digest(&self.info)
    }

    /// The request, with the signature (`ECDSA-Sig-Value` in DER), as Base64 on one line.
    #[must_use]
    pub fn signed(&self, signature: &[u8]) -> String {
        let signature = element(BIT_STRING, &[&[0], signature]);
        let request = element(SEQUENCE, &[&self.info, ECDSA_SHA256, &signature]);
        Base64::encode_string(&request)
    }
}

/// An element of DER. None of a request has 65,536 bytes.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = Vec::with_capacity(length + 4);
    element.push(tag);
    match length {
        0..0x80 => element.push(length as u8),
        0x80..0x100 => element.extend([0x81, length as u8]),
        _ => element.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        element.extend_from_slice(part);
    }
    element
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_that_no_certificate_has_are_not_asked_for() {
        assert!(Unsigned::new("", &[4; 65]).is_none());
        assert!(Unsigned::new(&"x".repeat(65), &[4; 65]).is_none());
        assert!(Unsigned::new(&"x".repeat(64), &[4; 65]).is_some());
    }

    #[test]
    fn a_request_is_laid_out_as_drawn() {
        let unsigned = Unsigned::new("SN-1", &[4; 65]).unwrap();
        let request = Base64::decode_vec(&unsigned.signed(&[0xaa; 70])).unwrap();
        // What `openssl asn1parse` shows; that OpenSSL verifies one is shown in crates/device.
        assert_eq!(request[..4], [SEQUENCE, 0x81, 200, SEQUENCE]);
        assert_eq!(request.len(), 203);
        let name = request.windows(4).position(|part| part == b"SN-1");
        assert_eq!(name, Some(21));
        assert!(request.ends_with(&[0xaa; 70]));
        let longest = Unsigned::new(&"x".repeat(64), &[4; 65]).unwrap();
        let text = longest.signed(&[0; LONGEST_SIGNATURE]).to_string();
        assert!(text.len() <= 360, "{}", text.len());
    }
}
