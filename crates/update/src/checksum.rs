//! The checksum that ThingsBoard keeps of a package.
//!
//! Those are taken that cost little: SHA-256, which the signature needs anyway, SHA-384 and SHA-512,
//! which provisioning has in the device already, and CRC-32. MD5 and the two Murmur hashes would be code
//! for nothing else and prove nothing that the signature does not; ThingsBoard makes SHA-256 unless it is
//! told otherwise.
//!
//! Source: thingsboard/thingsboard v4.2.1, `ChecksumAlgorithm.java`, `BaseOtaPackageService.java`. Its
//! CRC-32 is Guava's, which is written with its least significant byte first: of 5,000 times `x`, whose
//! CRC-32 is 0x00dbf026, ThingsBoard says `26f0db00`.

use core::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `SHA256`.
    Sha256,
    /// `SHA384`.
    Sha384,
    /// `SHA512`.
    Sha512,
    /// `CRC32`.
    Crc32,
}

impl Algorithm {
    /// By ThingsBoard's name; none for those that this device has not.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512, Self::Crc32]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// ThingsBoard's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
            Self::Crc32 => "CRC32",
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
            Self::Crc32 => 4,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

impl Checksum {
    fn new(algorithm: Algorithm, value: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes
            .iter_mut()
            .zip(value)
            .for_each(|(to, from)| *to = *from);
        Self { algorithm, bytes }
    }

    /// Reads hexadecimal digits. None if they are not as many as the algorithm has.
    pub fn parse(algorithm: Algorithm, hex: &str) -> Option<Self> {
        if hex.len() != 2 * algorithm.len() {
            return None;
        }
        let mut bytes = [0; 64];
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            for &digit in digits {
                *byte = *byte << 4 | char::from(digit).to_digit(16)? as u8;
            }
        }
        Some(Self { algorithm, bytes })
    }

    /// Its bytes, and zeros behind.
    pub(crate) fn bytes(&self) -> &[u8; 64] {
        &self.bytes
    }

    /// How it is made.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes.iter().take(self.algorithm.len());
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.algorithm)
    }
}

/// A checksum under way, beside the SHA-256 that is made in any case.
#[derive(Clone)]
pub(crate) enum Running {
    /// Nothing beside.
    Sha256,
    Sha384(Sha384),
    Sha512(Sha512),
    Crc32(u32),
}

impl Running {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Crc32 => Self::Crc32(u32::MAX),
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256 => {}
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Crc32(crc) => *crc = crc32(*crc, bytes),
        }
    }

    /// The checksum, where `sha256` is that of the same bytes.
    pub(crate) fn finish(self, sha256: Sha256) -> Checksum {
        match self {
            Self::Sha256 => Checksum::new(Algorithm::Sha256, &sha256.finalize()),
            Self::Sha384(hash) => Checksum::new(Algorithm::Sha384, &hash.finalize()),
            Self::Sha512(hash) => Checksum::new(Algorithm::Sha512, &hash.finalize()),
            Self::Crc32(crc) => Checksum::new(Algorithm::Crc32, &(!crc).to_le_bytes()),
        }
    }
}

/// CRC-32 as zip has it, goes on from `crc`, without the last inversion. Own code: a line of arithmetic,
/// where the libraries have kilobytes of tables.
pub(crate) fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut running = Running::new(algorithm);
        running.take(bytes);
        running.finish(Sha256::new_with_prefix(bytes))
    }

    /// What ThingsBoard 4.2.1 said of 5,000 times `x`.
    #[test]
    fn checksums_are_those_of_thingsboard() {
        let package = [b'x'; 5000];
        let sha256 = "c59d3c0480cc2d71d8f646e735e92da65450311eec46e81a5db8c7e6e8a92054";
        assert_eq!(sum(Algorithm::Sha256, &package).to_string(), sha256);
        assert_eq!(sum(Algorithm::Crc32, &package).to_string(), "26f0db00");
        let parsed = Checksum::parse(Algorithm::Crc32, "26F0db00");
        assert_eq!(parsed, Some(sum(Algorithm::Crc32, &package)));
    }

    /// `printf abc | sha384sum`, and `sha512sum`.
    #[test]
    fn long_checksums_are_those_of_coreutils() {
        let of = |algorithm| sum(algorithm, b"abc").to_string();
        assert!(of(Algorithm::Sha384).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(of(Algorithm::Sha512).ends_with("2a9ac94fa54ca49f"));
    }

    #[test]
    fn what_is_no_checksum_is_none() {
        assert_eq!(Algorithm::parse("MD5"), None);
        assert_eq!(Algorithm::parse("SHA384"), Some(Algorithm::Sha384));
        for hex in ["", "26f0db0", "26f0db000", "26f0db0g", "26f0d\u{e9}0"] {
            assert_eq!(Checksum::parse(Algorithm::Crc32, hex), None, "{hex}");
        }
    }
}
