//! A signed package, read as a stream: an app image, and the maker's signature behind it.
//!
//! ```text
//!  -96  magic "ESPTBSIG"
//!  -88  format: 1, ECDSA on P-256 with SHA-256
//!  -87  zeros
//!  -84  length of the image, 32-bit little-endian
//!  -80  id of the key, 8 bytes
//!  -72  zeros
//!  -64  r, then s, most significant byte first: of all that is before
//! ```
//!
//! What a package says is believed once [`Read::prove`] has said so, not before.

use sha2::{Digest, Sha256};

pub use crate::check::TRAILER_LEN;
use crate::check::{Board, Refusal};
use crate::checksum::{Algorithm, Checksum, Running};
use crate::image::{HEAD_LEN, Head};
use crate::key::{KeyId, PublicKey, Verifier};
use crate::word;

/// How many of the bytes behind the image are the signature.
pub const SIGNATURE_LEN: usize = 64;

const MAGIC: [u8; 8] = *b"ESPTBSIG";
const FORMAT: u8 = 1;
/// What is signed along with the image.
const SIGNED_LEN: usize = TRAILER_LEN - SIGNATURE_LEN;

/// What comes behind the image and is signed with it.
pub fn signed_part(image_len: u32, key: KeyId) -> [u8; SIGNED_LEN] {
    let mut bytes = [0; SIGNED_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8] = FORMAT;
    bytes[12..16].copy_from_slice(&image_len.to_le_bytes());
    bytes[16..24].copy_from_slice(&key.0);
    bytes
}

/// What a trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the image before it.
    pub image_len: u32,
    /// The key that it was signed with.
    pub key: KeyId,
    /// r, then s.
    pub signature: [u8; SIGNATURE_LEN],
}

impl Trailer {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotSigned`], [`Refusal::OtherFormat`].
    pub fn read(bytes: &[u8; TRAILER_LEN]) -> Result<Self, Refusal> {
        let (signed, signature) = bytes.split_at(SIGNED_LEN);
        let (Some(signature), Some(&key)) = (signature.first_chunk(), signed[16..].first_chunk())
        else {
            return Err(Refusal::NotSigned);
        };
        if signed[..8] != MAGIC {
            return Err(Refusal::NotSigned);
        }
        let (image_len, key) = (word(signed, 12), KeyId(key));
        if signed != signed_part(image_len, key) {
            return Err(Refusal::OtherFormat(signed[8]));
        }
        Ok(Self {
            image_len,
            key,
            signature: *signature,
        })
    }
}

/// A package that is being read.
#[derive(Clone)]
pub struct Reader {
    len: u32,
    at: u32,
    head: [u8; HEAD_LEN],
    trailer: [u8; TRAILER_LEN],
    signed: Sha256,
    checksum: Running,
}

impl Reader {
    /// Begins with a package of `len` bytes, of which a checksum is asked for.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAnApp`] if that is too short for any.
    pub fn new(len: u32, checksum: Algorithm) -> Result<Self, Refusal> {
        if (len as usize) < HEAD_LEN + TRAILER_LEN {
            return Err(Refusal::NotAnApp);
        }
        Ok(Self {
            len,
            at: 0,
            head: [0; HEAD_LEN],
            trailer: [0; TRAILER_LEN],
            signed: Sha256::new(),
            checksum: Running::new(checksum),
        })
    }

    /// Takes the next bytes; what is more than the package has is passed over.
    pub fn take(&mut self, bytes: &[u8]) {
        let left = (self.len - self.at) as usize;
        let bytes = bytes.get(..left).unwrap_or(bytes);
        let len = self.len as usize;
        keep(&mut self.head, 0, self.at as usize, bytes);
        keep(
            &mut self.trailer,
            len - TRAILER_LEN,
            self.at as usize,
            bytes,
        );
        let signed = (len - SIGNATURE_LEN).saturating_sub(self.at as usize);
        self.signed.update(bytes.get(..signed).unwrap_or(bytes));
        self.checksum.take(bytes);
        self.at += bytes.len() as u32;
    }

    /// Ends.
    ///
    /// # Errors
    ///
    /// [`Refusal::CutShort`], or that it is no package: [`Refusal::NotAnApp`], [`Refusal::NotSigned`],
    /// [`Refusal::OtherFormat`], [`Refusal::OtherLength`].
    pub fn finish(self) -> Result<Read, Refusal> {
        if self.at < self.len {
            return Err(Refusal::CutShort {
                has: self.at,
                len: self.len,
            });
        }
        let head = Head::read(&self.head).ok_or(Refusal::NotAnApp)?;
        let mut whole = self.signed.clone();
        whole.update(&self.trailer[SIGNED_LEN..]);
        let checksum = self.checksum.finish(whole);
        let trailer = Trailer::read(&self.trailer);
        if let Ok(trailer) = &trailer
            && trailer.image_len != self.len - TRAILER_LEN as u32
        {
            return Err(Refusal::OtherLength);
        }
        Ok(Read {
            head,
            len: self.len,
            trailer,
            digest: self.signed.finalize().into(),
            checksum,
        })
    }
}

/// Copies into `field`, which lies at `start` of the whole, what `bytes`, which lie at `at`, have of it.
fn keep(field: &mut [u8], start: usize, at: usize, bytes: &[u8]) {
    let from = start.max(at);
    let to = (start + field.len()).min(at + bytes.len());
    if from < to
        && let (Some(field), Some(bytes)) = (
            field.get_mut(from - start..to - start),
            bytes.get(from - at..to - at),
        )
    {
        field.copy_from_slice(bytes);
    }
}

/// A package that was read to its end, and is not believed yet.
#[derive(Clone, Debug)]
pub struct Read {
    head: Head,
    len: u32,
    trailer: Result<Trailer, Refusal>,
    digest: [u8; 32],
    checksum: Checksum,
}

/// A package that the maker signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    head: Head,
    len: u32,
}

impl Read {
    /// What the image says of itself, believed or not.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the trailer says.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotSigned`], [`Refusal::OtherFormat`].
    pub fn trailer(&self) -> Result<&Trailer, Refusal> {
        self.trailer.as_ref().map_err(|refusal| *refusal)
    }

    /// The checksum that was asked for.
    pub fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    /// Checks the server's checksum, if it gave one, and the signature. The checksum first: a package that
    /// was damaged on its way is to be fetched again, one with a wrong signature is not.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn prove(
        self,
        checksum: Option<&Checksum>,
        keys: &[PublicKey],
        verifier: &impl Verifier,
    ) -> Result<Package, Refusal> {
        if checksum.is_some_and(|expected| *expected != self.checksum) {
            return Err(Refusal::Damaged(self.checksum.algorithm()));
        }
        let trailer = self.trailer?;
        let key = keys.iter().find(|key| key.id() == trailer.key);
        let key = key.ok_or(Refusal::UnknownKey(trailer.key))?;
        if !verifier.is_signed(key, &self.digest, &trailer.signature) {
            return Err(Refusal::WrongSignature);
        }
        Ok(Package {
            head: self.head,
            len: self.len,
        })
    }
}

impl Package {
    /// What the image says of itself.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its bytes, the trailer included.
    #[expect(clippy::len_without_is_empty)] // none is empty
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether this board takes it.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn check(&self, board: &Board<'_>) -> Result<(), Refusal> {
        board.check(&self.head, self.len)
    }
}

#[cfg(test)]
mod tests;
