//! Private keys: made, read and written.
//!
//! Keys are wiped from this process's memory when they are dropped, as far as the libraries allow.

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair},
};
use rcgen::{KeyPair, RsaKeySize};
use x509_parser::asn1_rs::{self, FromDer};
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{KeyAlgorithm, KeyEncoding};
use crate::{Error, InvalidRequest};

/// A private key that is wiped when dropped and never shown.
pub(crate) struct Key(KeyPair);

impl Key {
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        Ok(Self(match algorithm {
            KeyAlgorithm::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyAlgorithm::Rsa2048 => rsa(RsaKeySize::_2048),
            KeyAlgorithm::Rsa3072 => rsa(RsaKeySize::_3072),
            KeyAlgorithm::Rsa4096 => rsa(RsaKeySize::_4096),
        }?))
    }

    /// Reads a key in any of the three encodings, DER.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Error> {
        Ok(Self(KeyPair::try_from(der)?))
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.0
    }

    /// Writes the key.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] if the key is not of the kind that the encoding is for; the caller has
    /// checked that.
    pub(crate) fn pem(&self, encoding: KeyEncoding) -> Result<Zeroizing<String>, Error> {
        let pkcs8 = self.0.serialized_der();
        Ok(match encoding {
            KeyEncoding::Pkcs8 => pem("PRIVATE KEY", pkcs8),
            KeyEncoding::Sec1 => {
                let curve = if self.0.algorithm() == &rcgen::PKCS_ECDSA_P384_SHA384 {
                    &ECDSA_P384_SHA384_ASN1_SIGNING
                } else {
                    &ECDSA_P256_SHA256_ASN1_SIGNING
                };
                let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8)
                    .map_err(|error| Error::Backend(error.to_string()))?;
                let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der()?;
                pem("EC PRIVATE KEY", der.as_ref())
            }
            KeyEncoding::Pkcs1 => pem("RSA PRIVATE KEY", inner_key(pkcs8)?),
        })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The key inside PKCS#8: version, algorithm, then the key as an octet string.
fn inner_key(pkcs8: &[u8]) -> Result<&[u8], Error> {
    let parse = || {
        let (_, sequence) = asn1_rs::Sequence::from_der(pkcs8).ok()?;
        // Borrowed from the input, as sequences are read without copying.
        let content = match sequence.content {
            std::borrow::Cow::Borrowed(content) => content,
            std::borrow::Cow::Owned(_) => return None,
        };
        let (rest, _version) = asn1_rs::Any::from_der(content).ok()?;
        let (rest, _algorithm) = asn1_rs::Any::from_der(rest).ok()?;
        let (_, key) = asn1_rs::Any::from_der(rest).ok()?;
        Some(key.data)
    };
    parse().ok_or_else(|| Error::Backend("a generated key is not PKCS#8".into()))
}

/// PEM as everybody writes it.
pub(crate) fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let block = pem::Pem::new(label, der);
    let text = pem::encode_config(&block, config);
    block.into_contents().zeroize();
    Zeroizing::new(text)
}

/// Refuses encodings that a kind of key does not have.
pub(crate) fn check(algorithm: KeyAlgorithm, encoding: KeyEncoding) -> Result<(), InvalidRequest> {
    match (encoding, algorithm.is_rsa()) {
        (KeyEncoding::Pkcs8, _) | (KeyEncoding::Sec1, false) | (KeyEncoding::Pkcs1, true) => Ok(()),
        _ => Err(InvalidRequest::Encoding {
            algorithm,
            encoding,
        }),
    }
}
