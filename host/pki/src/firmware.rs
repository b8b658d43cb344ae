//! The key with which a maker signs firmware, and its public part, which devices have.
//!
//! What is signed is for `update` to say; here are the key, its files, the signature (ECDSA on P-256 with
//! SHA-256, as r and s), and a package of both.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use aws_lc_rs::{rand::SystemRandom, signature::KeyPair as _};
use rcgen::PublicKeyData as _;
use update::key::PublicKey;
use update::package::signed_part;
use zeroize::Zeroizing;

use crate::folder::{io, unusable};
use crate::key::{self, Key};
use crate::store::{Output, write};
use crate::{Error, Existing, KeyAlgorithm, KeyEncoding};

/// The key's files, in the order in which they are written.
const FILES: [&str; 2] = ["firmware.key", "firmware_key.pem"];
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// A key that signs firmware. Wiped when dropped, as far as the libraries allow.
pub struct FirmwareKey {
    key: Key,
    pair: EcdsaKeyPair,
}

impl FirmwareKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`].
    pub fn generate() -> Result<Self, Error> {
        let key = Key::generate(KeyAlgorithm::P256)?;
        let pair = pair(&key).ok_or_else(|| Error::Backend("a key of its own is none".into()))?;
        Ok(Self { key, pair })
    }

    /// Loads a key: PKCS#8 or SEC1, from here or from OpenSSL.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Unusable`] for what is no private key on P-256 in the clear.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = Zeroizing::new(hostfile::read(path).map_err(io(path))?);
        let key = read_key(&file).and_then(|key| Some((pair(&key)?, key)));
        let (pair, key) = key.ok_or_else(|| {
            let reason = "no private key on P-256 in PEM (PKCS#8 or SEC1, without a password): make one with \
                          `esptb firmware key`";
            unusable(path, reason)
        })?;
        Ok(Self { key, pair })
    }

    /// Writes `firmware.key`, for its owner only, and `firmware_key.pem`, its public part; makes the
    /// folder if there is none. Returns the paths of both.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<[PathBuf; 2], Error> {
        let secret = self.key.pem(KeyEncoding::Pkcs8)?;
        let public = self.public_pem();
        let outputs = [
            Output::secret(FILES[0], &secret),
            Output::public(FILES[1], &public),
        ];
        write(folder, existing, &outputs)?;
        Ok(FILES.map(|name| folder.join(name)))
    }

    /// The public part in PEM.
    pub fn public_pem(&self) -> String {
        key::pem(PUBLIC_LABEL, &self.public_der()).to_string()
    }

    /// The public part in DER (`SubjectPublicKeyInfo`).
    pub fn public_der(&self) -> Vec<u8> {
        self.key.pair().subject_public_key_info()
    }

    /// A signed package: the image with this key's signature behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`], also for an image that is longer than any flash.
    pub fn package(&self, mut image: Vec<u8>) -> Result<Vec<u8>, Error> {
        let key = PublicKey::from_der(&self.public_der());
        let key = key.ok_or_else(|| Error::Backend("a key of its own is not on P-256".into()))?;
        let len = u32::try_from(image.len());
        let len = len.map_err(|_| Error::Backend("the image is longer than any flash".into()))?;
        image.extend(signed_part(len, key.id()));
        let signature = self.sign(&image)?;
        image.extend(signature);
        Ok(image)
    }

    /// Signs: r, then s.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        let signature = self.pair.sign(&SystemRandom::new(), message)?;
        let signature = signature.as_ref().try_into();
        signature.map_err(|_| Error::Backend("a signature has another length".into()))
    }
}

/// The first key of a file, whatever stands around it, as the curve's parameters that OpenSSL writes.
fn read_key(file: &[u8]) -> Option<Key> {
    let block = certfile::pem::blocks(file).find(certfile::pem::Block::is_key)?;
    if block.is_encrypted() {
        return None;
    }
    Key::from_der(&block.decode().ok()?).ok()
}

/// The P-256 key pair in a key; none if it is another kind of key.
fn pair(key: &Key) -> Option<EcdsaKeyPair> {
    let der = key.pair().serialized_der();
    let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
    // An uncompressed point of 65 bytes: not of another curve.
    (pair.public_key().as_ref().len() == 65).then_some(pair)
}

/// Public keys in a file of PEM, each in DER; other blocks are passed over.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Unusable`] if there is none.
pub fn load_firmware_keys(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let file = hostfile::read(path).map_err(io(path))?;
    let blocks = certfile::pem::blocks(&file).filter(|block| block.label == PUBLIC_LABEL);
    let keys = blocks.filter_map(|block| Some(block.decode().ok()?.to_vec()));
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        let reason =
            "no public key in PEM: give the firmware_key.pem that `esptb firmware key` wrote";
        return Err(unusable(path, reason));
    }
    Ok(keys)
}

/// Whether a signature (r, then s) is that of a key (x, then y) over what has this SHA-256.
pub fn is_firmware_signature(point: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    let mut uncompressed = [4; 65];
    uncompressed[1..].copy_from_slice(point);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed);
    Digest::import_less_safe(digest, &SHA256)
        .is_ok_and(|digest| key.verify_digest(&digest, signature).is_ok())
}
