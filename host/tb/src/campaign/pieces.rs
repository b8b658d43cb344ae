//! A chain of certificates over the air: shared attributes with pieces of it, which a device asks for one
//! after the other, as it takes no long message (docs/certificate-renewal.md).

use base64ct::{Base64, Encoding};

use crate::{Client, Error, sha256};

/// Characters in a piece.
const PIECE: usize = 512;

/// Certificates in DER, one after the other, as shared attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// What the attributes are called, before their numbers.
    name: &'static str,
    pieces: Vec<String>,
    /// Their number, and the SHA-256 of the whole.
    summary: String,
}

impl Pieces {
    /// Of these certificates, under this name.
    #[must_use]
    pub fn new(name: &'static str, chain: &[u8]) -> Self {
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

    /// How many pieces there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// What says that all pieces are there, and which.
    pub(super) fn summary(&self) -> &str {
        &self.summary
    }

    /// The attributes, each to be set by itself: the one that a device acts on comes last.
    pub fn attributes(&self) -> impl Iterator<Item = (String, &str)> {
        let pieces = (1..=self.pieces.len()).zip(&self.pieces);
        pieces
            .map(|(number, piece)| (format!("{}{number}", self.name), piece.as_str()))
            .chain([(self.name.to_owned(), self.summary.as_str())])
    }

    /// Sets the attributes.
    pub(super) fn share(&self, client: &Client, device_id: &str) -> Result<(), Error> {
        for (key, value) in self.attributes() {
            client.share(device_id, &key, value)?;
        }
        Ok(())
    }

    /// The names of the attributes, the one that a device acts on first.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.attributes().map(|(key, _)| key).collect();
        keys.rotate_right(1);
        keys
    }
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
    }
}
