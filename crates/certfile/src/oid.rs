//! Object identifiers, and the names of those that people have heard of.

use core::fmt;

/// An object identifier that stays when the file is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Oid {
    bytes: [u8; Self::MOST],
    length: u8,
}

impl Oid {
    /// The most bytes that are kept. Those of certificates have 3 to 12.
    const MOST: usize = 14;

    /// From the content of the element. What is longer than is kept is cut.
    #[must_use]
    pub fn new(content: &[u8]) -> Self {
        let mut bytes = [0; Self::MOST];
        let mut length = 0;
        for (kept, byte) in bytes.iter_mut().zip(content) {
            *kept = *byte;
            length += 1;
        }
        Self { bytes, length }
    }

    /// The content of the element.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

/// What an authority, a tool or a standard calls it.
const NAMES: &[(&[u8], &str)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "RSA"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02", "MD2 with RSA"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", "MD5 with RSA"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "SHA-1 with RSA"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "RSA-PSS"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", "SHA-224 with RSA"),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", "SHA-1 with ECDSA"),
    (b"\x2a\x86\x48\xce\x38\x04\x03", "DSA"),
    (b"\x2a\x86\x48\xce\x38\x04\x01", "DSA"),
    (b"\x2b\x65\x70", "Ed25519"),
    (b"\x2b\x65\x71", "Ed448"),
    (b"\x2b\x81\x04\x00\x23", "P-521"),
    (b"\x2b\x81\x04\x00\x21", "P-224"),
    (b"\x2b\x81\x04\x00\x0a", "secp256k1"),
    (b"\x2b\x24\x03\x03\x02\x08\x01\x01\x07", "brainpoolP256r1"),
    (b"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b", "brainpoolP384r1"),
    (b"\x55\x1d\x1e", "nameConstraints"),
    (b"\x55\x1d\x20", "certificatePolicies"),
    (b"\x55\x1d\x21", "policyMappings"),
    (b"\x55\x1d\x24", "policyConstraints"),
    (b"\x55\x1d\x36", "inhibitAnyPolicy"),
    (b"\x55\x1d\x12", "issuerAltName"),
    (
        b"\x2b\x06\x01\x05\x05\x07\x01\x18",
        "TLS feature (must-staple)",
    ),
];

/// The name, or the numbers with dots.
impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_bytes();
        if let Some((_, name)) = NAMES.iter().find(|(oid, _)| *oid == bytes) {
            return f.write_str(name);
        }
        let mut number = 0_u64;
        let mut first = true;
        for byte in bytes {
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                continue;
            }
            if first {
                let root = (number / 40).min(2);
                write!(f, "{root}.{}", number - root * 40)?;
                first = false;
            } else {
                write!(f, ".{number}")?;
            }
            number = 0;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_unknown_is_shown_by_its_numbers() {
        assert_eq!(Oid::new(&[0x2a, 3, 4]).to_string(), "1.2.3.4");
        assert_eq!(Oid::new(&[0x88, 0x37, 0x03]).to_string(), "2.999.3");
        assert_eq!(Oid::new(b"\x2b\x65\x70").to_string(), "Ed25519");
        assert_eq!(Oid::new(&[0xff; 30]).as_bytes().len(), Oid::MOST);
        assert_eq!(Oid::new(&[0xff; 30]).to_string(), "");
    }
}
