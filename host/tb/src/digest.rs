//! How bytes are told apart: in packages, campaigns and certificates over the air.

use sha2::{Digest, Sha256};

/// The SHA-256 in hexadecimal digits, 64 of them in lower case.
#[must_use]
pub fn sha256(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_sha256sum_tells() {
        // Of `printf abc | sha256sum`.
        assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea"));
    }
}
