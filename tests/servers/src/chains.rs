//! Certificates for servers: each [`Chain`] under a root of its own, in files for the servers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, RsaKeySize, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use crate::setting::Chain;

/// An extension that nobody knows; the number is for examples (RFC 5612).
const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 1];
/// As much text in three certificates makes a chain of 20 KB.
const MUCH: usize = 6_500;

/// A chain in files, PEM.
pub(crate) struct Files {
    /// The leaf and the intermediate.
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub(crate) both: PathBuf,
    /// The root, to be trusted: text.
    pub(crate) root: String,
}

/// Keys, and how they sign.
#[derive(Clone, Copy)]
enum Kind {
    Ec(&'static SignatureAlgorithm),
    Rsa(&'static SignatureAlgorithm, RsaKeySize),
}

use Kind::{Ec, Rsa};

impl Kind {
    fn key(self) -> Result<KeyPair> {
        Ok(match self {
            Ec(algorithm) => KeyPair::generate_for(algorithm)?,
            Rsa(algorithm, size) => KeyPair::generate_rsa_for(algorithm, size)?,
        })
    }
}

/// Root, intermediate and leaf.
fn kinds(chain: Chain) -> [Kind; 3] {
    let p256 = Ec(&PKCS_ECDSA_P256_SHA256);
    let p384 = Ec(&PKCS_ECDSA_P384_SHA384);
    let ed25519 = Ec(&PKCS_ED25519);
    match chain {
        Chain::P256 | Chain::KeyUsage | Chain::Critical | Chain::Long => [p256; 3],
        Chain::P384 => [p384; 3],
        Chain::LetsEncrypt => [Rsa(&PKCS_RSA_SHA256, RsaKeySize::_4096), p384, p256],
        Chain::Rsa2048 => [Rsa(&PKCS_RSA_SHA256, RsaKeySize::_2048); 3],
        Chain::Rsa4096 => [Rsa(&PKCS_RSA_SHA256, RsaKeySize::_4096); 3],
        Chain::RsaSha384 => [Rsa(&PKCS_RSA_SHA384, RsaKeySize::_2048); 3],
        Chain::RsaSha512 => [Rsa(&PKCS_RSA_SHA512, RsaKeySize::_2048); 3],
        Chain::Ed25519 => [p256, p256, ed25519],
        Chain::P521 => [p256, p256, Ec(&PKCS_ECDSA_P521_SHA512)],
        Chain::ByEd25519 => [p256, ed25519, p256],
    }
}

/// What all certificates of a chain have in common.
fn params(chain: Chain, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::DAY * 365;
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    if chain == Chain::Long {
        let text = CustomExtension::from_oid_content(UNKNOWN, vec![0; MUCH]);
        params.custom_extensions.push(text);
    }
    params
}

fn authority(chain: Chain, name: &str) -> CertificateParams {
    let mut params = params(chain, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Makes the chain, and writes it into the folder.
pub(crate) fn make(chain: Chain, folder: &Path) -> Result<Files> {
    let [root, intermediate, leaf] = kinds(chain);
    let root = CertifiedIssuer::self_signed(authority(chain, "root"), root.key()?)?;
    let intermediate =
        CertifiedIssuer::signed_by(authority(chain, "intermediate"), intermediate.key()?, &root)?;
    let key = leaf.key()?;
    let mut params = params(chain, "server");
    params.subject_alt_names = CertificateParams::new(["localhost".to_owned()])?.subject_alt_names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![match chain {
        Chain::KeyUsage => KeyUsagePurpose::KeyAgreement,
        _ => KeyUsagePurpose::DigitalSignature,
    }];
    if chain == Chain::Critical {
        // NULL, in DER.
        let mut extension = CustomExtension::from_oid_content(UNKNOWN, vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    }
    let leaf = params.signed_by(&key, &intermediate)?;
    let mut text = leaf.pem() + &intermediate.pem();
    if chain == Chain::Long {
        // The root need not be sent, and some servers do.
        text += &root.pem();
    }
    let key = match chain {
        Chain::Ed25519 => without_public_key(key.serialized_der()),
        _ => key.serialize_pem(),
    };
    e2e::hide_key(&key);
    let put = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(format!("{chain:?}.{name}.pem"));
        fs::write(&path, text)?;
        Ok(path)
    };
    Ok(Files {
        both: put("both", &(text.clone() + &key))?,
        chain: put("chain", &text)?,
        key: put("key", &key)?,
        root: root.pem(),
    })
}

/// A key of Ed25519 as OpenSSL 3.0 reads it: in the first version of PKCS #8, where the second has the
/// public key behind the private one (RFC 8410, 7).
fn without_public_key(der: &[u8]) -> String {
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let private = der.get(PREFIX.len()..PREFIX.len() + 32);
    let contents = [&PREFIX[..], private.unwrap_or_default()].concat();
    pem::encode(&pem::Pem::new("PRIVATE KEY", contents))
}
