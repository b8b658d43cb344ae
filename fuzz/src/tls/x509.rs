//! Certificates with anything in them, signed with a true key: what a CA gone mad would make.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

use super::client::SERVER;
use super::der;
use crate::Script;

const ECDSA_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];

/// A value with its tag and its length.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut value = vec![tag];
    match body.len() {
        length @ 0..128 => value.push(length as u8),
        length @ 128..256 => value.extend([0x81, length as u8]),
        length @ 256..65_536 => {
            value.push(0x82);
            value.extend((length as u16).to_be_bytes());
        }
        length => {
            value.push(0x83);
            value.extend(&(length as u32).to_be_bytes()[1..]);
        }
    }
    value.extend(body);
    value
}

fn name(common: &[u8]) -> Vec<u8> {
    let pair = tlv(0x30, &[&[6, 3, 0x55, 4, 3], &tlv(12, &[common])]);
    tlv(0x30, &[&tlv(0x31, &[&pair])])
}

fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xFF] } else { &[] };
    tlv(
        0x30,
        &[&[6, 3, 0x55, 0x1D, number], critical, &tlv(4, &[value])],
    )
}

/// The CAs' key, which is one for all.
fn key() -> SigningKey {
    SigningKey::from_slice(&[11; 32]).expect("it is in range")
}

/// The key in a certificate.
fn subject_key(of_server: bool) -> Vec<u8> {
    if !of_server {
        let point = key().verifying_key().to_sec1_point(false);
        let curve = [&[6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1], &P256[..]].concat();
        return tlv(
            0x30,
            &[&tlv(0x30, &[&curve]), &tlv(3, &[&[0], point.as_bytes()])],
        );
    }
    let own = der(SERVER);
    // From the algorithm of the key on, for the 89 bytes that it has with P-256.
    let at = own.windows(P256.len()).position(|part| part == P256);
    let start = at.expect("it is on P-256") - 13;
    own[start..start + 91].to_vec()
}

const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];

/// The longest that a repetition gets, in bytes.
const MOST_REPEATED: usize = 100_000;

/// Makes certificates as a script says. An empty script makes good ones.
pub struct Maker<'s, 'a>(pub &'s mut Script<'a>);

impl Maker<'_, '_> {
    fn bend(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self.0.byte_or_0() {
            0xF0.. => self.0.mutate(&mut bytes),
            0xE8.. => bytes = Vec::new(),
            0xE4.. => {
                let times = usize::from(self.0.byte_or_0());
                // Longer than anybody takes, and not longer: one is repeated within another.
                bytes = bytes.repeat(times.min(MOST_REPEATED / bytes.len().max(1)));
            }
            // Into each other, many times.
            0xE0.. => {
                for _ in 0..self.0.byte_or_0() {
                    bytes = tlv(0x30, &[&bytes]);
                }
            }
            _ => {}
        }
        bytes
    }

    /// A certificate; the server's if it has a leaf's name.
    pub fn certificate(&mut self, subject: &[u8], issuer: &[u8], is_leaf: bool) -> Vec<u8> {
        let validity = [
            &tlv(23, &[b"200101000000Z"])[..],
            &tlv(24, &[b"20991231235959Z"]),
        ];
        let validity = tlv(0x30, &validity);
        let fields = [
            tlv(0xA0, &[&[2, 1, 2]]),
            vec![2, 1, 1],
            ECDSA_SHA256.to_vec(),
            name(issuer),
            validity,
            name(subject),
            subject_key(is_leaf),
            self.extensions(is_leaf),
        ];
        let fields = fields.map(|field| self.bend(field));
        let signed = tlv(0x30, &[&fields.concat()]);
        let signature: Signature = key().sign(&signed);
        let signature = self.bend(tlv(3, &[&[0], signature.to_der().as_bytes()]));
        let algorithm = self.bend(ECDSA_SHA256.to_vec());
        tlv(0x30, &[&signed, &algorithm, &signature])
    }

    fn extensions(&mut self, is_leaf: bool) -> Vec<u8> {
        let mut all = Vec::new();
        if is_leaf {
            let purposes = [
                &[6, 8, 0x2B, 6, 1, 5, 5, 7, 3, 1][..],
                &[6, 8, 0x2B, 6, 1, 5, 5, 7, 3, 2],
            ];
            let names = [&tlv(0x82, &[b"broker.test"])[..], &[0x87, 4, 192, 0, 2, 7]];
            let names = names.map(|name| self.bend(name.to_vec()));
            all.push(extension(0x13, true, &tlv(0x30, &[])));
            all.push(extension(0x0F, true, &[3, 2, 7, 0x80]));
            all.push(extension(0x25, false, &tlv(0x30, &purposes)));
            all.push(extension(0x11, false, &tlv(0x30, &[&names.concat()])));
        } else {
            all.push(extension(0x13, true, &tlv(0x30, &[&[1, 1, 0xFF]])));
            all.push(extension(0x0F, true, &[3, 2, 1, 6]));
        }
        let more = self.0.byte_or_0();
        for _ in 0..more & 15 {
            let number = self.0.byte_or_0();
            let value = self.0.short_string().to_vec();
            let value = self.bend(value);
            all.push(extension(number & 0x7F, number & 0x80 != 0, &value));
        }
        let all: Vec<Vec<u8>> = all.into_iter().map(|one| self.bend(one)).collect();
        tlv(0xA3, &[&tlv(0x30, &[&all.concat()])])
    }
}

/// The CA that all chains end with, which is as it should be.
pub fn anchor() -> Vec<u8> {
    Maker(&mut Script::new(&[])).certificate(b"CA 0", b"CA 0", false)
}

/// A certificate as text.
pub fn pem(der: &[u8]) -> String {
    use p256::pkcs8::der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE", LineEnding::LF, der).expect("it is not too long")
}
