//! A chain of certificates over the air: shared attributes with pieces of it, which a device asks for one
//! after the other, as it takes no long message (docs/certificate-renewal.md).

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::{Client, Error};

/// Characters in a piece.
const PIECE: usize = 512;

/// Certificates in DER, one after the other, as shared attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    /// What the attributes are called, before their numbers.
    name: &'static str,
    pieces: Vec<String>,
    /// Their number, and the SHA-256 of the whole.
    summary: String,
}

impl Pieces {
    pub(super) fn new(name: &'static str, chain: &[u8]) -> Self {
        let text = Base64::encode_string(chain);
        // Base64 is ASCII.
        let pieces = text.as_bytes().chunks(PIECE);
        let pieces: Vec<_> = pieces
            .map(|piece| String::from_utf8_lossy(piece).into_owned())
            .collect();
        let summary = format!("{} {}", pieces.len(), sha256(chain));
        Self {
            name,
            pieces,
            summary,
        }
    }

    /// What says that all pieces are there, and which.
    pub(super) fn summary(&self) -> &str {
        &self.summary
    }

    /// Sets the attributes, each by a request of its own: the one that a device acts on comes last.
    pub(super) fn share(&self, client: &Client, device_id: &str) -> Result<(), Error> {
        for (number, piece) in (1..).zip(&self.pieces) {
            client.share(device_id, &format!("{}{number}", self.name), piece)?;
        }
        client.share(device_id, self.name, &self.summary)
    }

    /// The names of the attributes, that one first.
    pub(super) fn keys(&self) -> Vec<String> {
        let numbers = (1..=self.pieces.len()).map(|number| format!("{}{number}", self.name));
        std::iter::once(self.name.to_owned())
            .chain(numbers)
            .collect()
    }
}

/// In hexadecimal digits.
pub(super) fn sha256(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_512_characters_and_make_up_the_whole() {
        let chain: Vec<u8> = (0..900_u32).map(|n| n as u8).collect();
        let pieces = Pieces::new("renewedChain", &chain);
        let lengths: Vec<_> = pieces.pieces.iter().map(String::len).collect();
        assert_eq!(lengths, [512, 512, 176]);
        assert_eq!(Base64::decode_vec(&pieces.pieces.concat()).unwrap(), chain);
        assert_eq!(pieces.summary(), format!("3 {}", sha256(&chain)));
        assert_eq!(
            pieces.keys(),
            [
                "renewedChain",
                "renewedChain1",
                "renewedChain2",
                "renewedChain3"
            ]
        );
        // Of `printf abc | sha256sum`.
        assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea"));
    }
}
