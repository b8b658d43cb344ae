//! The two authorities, and what they issue.
//!
//! ```text
//! root ── intermediate ─┬─ server
//!                       └─ device, device, …
//! ```

use std::{fmt, net::IpAddr, time::SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};
use zeroize::Zeroizing;

use crate::{
    Error, Identity, InvalidRequest, KeyAlgorithm, KeyEncoding, Role, Validity,
    key::{self, Key},
};

/// The longest common name and organization that certificates allow (RFC 5280, appendix A.1:
/// `ub-common-name`).
const LONGEST_NAME: usize = 64;
const ROOT_DAYS: u32 = 40 * 365;
const INTERMEDIATE_DAYS: u32 = 30 * 365;
const DEVICE_DAYS: u32 = 20 * 365;
/// The longest that browsers and Apple's systems accept of a server.
const SERVER_DAYS: u32 = 825;

/// What the authorities are made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The organization in the authorities' names: 1 to 64 characters.
    pub organization: String,
    /// The kind of their keys.
    pub algorithm: KeyAlgorithm,
    /// The root's dates; 40 years if `None`.
    pub root_validity: Option<Validity>,
    /// The intermediate's dates; 30 years if `None`.
    pub intermediate_validity: Option<Validity>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            organization: "esptb".into(),
            algorithm: KeyAlgorithm::default(),
            root_validity: None,
            intermediate_validity: None,
        }
    }
}

/// What a server's or device's certificate is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile {
    /// The kind of key.
    pub algorithm: KeyAlgorithm,
    /// How the key is written.
    pub encoding: KeyEncoding,
    /// The dates; 20 years for a device and 825 days for a server if `None`. They end with the
    /// authority's at the latest.
    pub validity: Option<Validity>,
}

/// A root and an intermediate authority with their keys.
pub struct Pki {
    pub(crate) root: Root,
    pub(crate) intermediate: Authority,
    /// Whom devices trust in place of the root, PEM.
    pub(crate) anchors: Option<String>,
}

/// The root: its certificate, and its key unless that is kept offline. It is needed for a new
/// intermediate only.
pub(crate) struct Root {
    pub(crate) certificate: String,
    pub(crate) key: Option<Key>,
}

/// An authority that issues.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    pub(crate) key: Key,
}

impl Pki {
    /// Makes a root, and an intermediate signed by it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an organization that does not fit, [`Error::Backend`].
    pub fn new(options: &Options) -> Result<Self, Error> {
        if !is_name(&options.organization) {
            return Err(InvalidRequest::Organization(options.organization.clone()).into());
        }
        let authority = |what: &str, validity: Option<Validity>, days, path_len| {
            let mut params = params(validity, days)?;
            let name = format!("{} {what}", options.organization);
            // The organization alone may fill the field.
            let common_name: String = if is_name(&name) {
                name
            } else {
                what.to_owned()
            };
            params.distinguished_name = DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, &*options.organization);
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            Ok::<_, Error>(params)
        };

        let root_params = authority("Root CA", options.root_validity, ROOT_DAYS, 1)?;
        let root_key = Key::generate(options.algorithm)?;
        let root = root_params.self_signed(root_key.pair())?;

        let params = authority(
            "Device CA",
            options.intermediate_validity,
            INTERMEDIATE_DAYS,
            0,
        )?;
        let key = Key::generate(options.algorithm)?;
        let issuer = Issuer::from_params(&root_params, root_key.pair());
        let intermediate = params.signed_by(key.pair(), &issuer)?;

        Ok(Self {
            root: Root {
                certificate: root.pem(),
                key: Some(root_key),
            },
            intermediate: Authority {
                certificate: intermediate.pem(),
                key,
            },
            anchors: None,
        })
    }

    /// The root certificate: what devices and clients trust.
    pub fn root_pem(&self) -> &str {
        &self.root.certificate
    }

    /// What devices verify the server by: the root, unless [others](Self::trust) are.
    pub(crate) fn anchors_pem(&self) -> &str {
        self.anchors.as_deref().unwrap_or(&self.root.certificate)
    }

    /// The intermediate certificate: what is pasted into ThingsBoard's device profile.
    pub fn intermediate_pem(&self) -> &str {
        &self.intermediate.certificate
    }

    /// The common name of the intermediate, by which what it issued tells its issuer; none if it has none.
    pub fn intermediate_name(&self) -> Option<String> {
        let block = pem::parse(&self.intermediate.certificate).ok()?;
        let (_, x509) = X509Certificate::from_der(block.contents()).ok()?;
        let name = x509.subject().iter_common_name().next()?;
        name.as_str().ok().map(str::to_owned)
    }

    /// When what is issued ends at the latest.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`]
    pub fn ends(&self) -> Result<SystemTime, Error> {
        Ok(self.intermediate_ends()?.into())
    }

    /// A device's identity, with a P-256 key in PKCS#8, valid for 20 years. Its common name is
    /// its serial number.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a serial number that cannot be a name, [`Error::Backend`].
    pub fn device(&self, serial_number: &str) -> Result<Identity, Error> {
        self.device_with(serial_number, &Profile::default())
    }

    /// A device's identity of a chosen kind.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device), and [`Error::Invalid`] for an encoding that the kind of key
    /// does not have.
    pub fn device_with(&self, serial_number: &str, profile: &Profile) -> Result<Identity, Error> {
        check_serial_number(serial_number)?;
        let params = Self::device_params(profile.validity)?;
        self.issue(Role::Device, serial_number, params, profile)
    }

    /// A server's identity, with a P-256 key in PKCS#8, valid for 825 days. Each name is a DNS
    /// name or an IP address.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for no name or one that is neither, [`Error::Backend`].
    pub fn server(&self, names: &[&str]) -> Result<Identity, Error> {
        self.server_with(names, &Profile::default())
    }

    /// A server's identity of a chosen kind.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server), and [`Error::Invalid`] for an encoding that the kind of key
    /// does not have.
    pub fn server_with(&self, names: &[&str], profile: &Profile) -> Result<Identity, Error> {
        let common_name = *names.first().ok_or(InvalidRequest::NoServerName)?;
        let mut params = params(profile.validity, SERVER_DAYS)?;
        params.subject_alt_names = names
            .iter()
            .map(|name| subject_alt_name(name))
            .collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // What counts is the alternative names; this one may be too long for its field.
        let common_name = if is_name(common_name) {
            common_name
        } else {
            "server"
        };
        self.issue(Role::Server, common_name, params, profile)
    }

    fn issue(
        &self,
        role: Role,
        common_name: &str,
        params: CertificateParams,
        profile: &Profile,
    ) -> Result<Identity, Error> {
        key::check(profile.algorithm, profile.encoding)?;
        // The dates before the key: one of RSA takes its time.
        self.check_begin(&params)?;
        let key = Key::generate(profile.algorithm)?;
        let (leaf, shortened) = self.certify(common_name, params, key.pair())?;
        let trust = match role {
            Role::Device => self.anchors_pem(),
            Role::Server => &self.root.certificate,
        };
        Ok(Identity {
            role,
            common_name: common_name.to_owned(),
            leaf: leaf.pem(),
            intermediate: self.intermediate.certificate.clone(),
            key: key.pem(profile.encoding)?,
            trust: trust.to_owned(),
            shortened,
        })
    }

    /// What a device's certificate has beside its name and its key.
    pub(crate) fn device_params(validity: Option<Validity>) -> Result<CertificateParams, Error> {
        let mut params = params(validity, DEVICE_DAYS)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params)
    }

    /// A certificate of the intermediate's for a name and a key; and whether its dates end with the
    /// authority's, earlier than they were to.
    pub(crate) fn certify(
        &self,
        common_name: &str,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<(Certificate, bool), Error> {
        let ends = self.check_begin(&params)?;
        let shortened = params.not_after > ends;
        params.not_after = params.not_after.min(ends);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if key.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            // For the RSA key exchange of TLS 1.2.
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        let issuer =
            Issuer::from_ca_cert_pem(&self.intermediate.certificate, self.intermediate.key.pair())?;
        Ok((params.signed_by(key, &issuer)?, shortened))
    }

    /// The authority's last moment, if it comes after the first of what is to be issued.
    fn check_begin(&self, params: &CertificateParams) -> Result<OffsetDateTime, Error> {
        let ends = self.intermediate_ends()?;
        match params.not_before < ends {
            true => Ok(ends),
            false => Err(InvalidRequest::AfterAuthority.into()),
        }
    }

    /// The last moment of the intermediate, or of the root if that comes first.
    fn intermediate_ends(&self) -> Result<OffsetDateTime, Error> {
        let ends = |certificate: &str| {
            let block = pem::parse(certificate).ok()?;
            let (_, x509) = X509Certificate::from_der(block.contents()).ok()?;
            Some(x509.validity().not_after.to_datetime())
        };
        ends(&self.root.certificate)
            .zip(ends(&self.intermediate.certificate))
            .map(|(root, intermediate)| root.min(intermediate))
            .ok_or_else(|| Error::Backend("a certificate of an authority is damaged".into()))
    }

    /// The name of the issuer, DER, as it stands in what the intermediate issues.
    pub(crate) fn issued_issuer(&self) -> Result<Vec<u8>, Error> {
        let pair = self.intermediate.key.pair();
        let issuer = Issuer::from_ca_cert_pem(&self.intermediate.certificate, pair)?;
        let issued = params(None, 1)?.signed_by(pair, &issuer)?;
        let (_, issued) = X509Certificate::from_der(issued.der())
            .map_err(|_| Error::Backend("what was issued cannot be read".into()))?;
        Ok(issued.issuer().as_raw().to_vec())
    }

    /// The keys of the root, if it is here, and of the intermediate.
    pub(crate) fn key_pems(&self) -> Result<(Option<Zeroizing<String>>, Zeroizing<String>), Error> {
        let root = self.root.key.as_ref();
        let root = root.map(|key| key.pem(KeyEncoding::Pkcs8)).transpose()?;
        Ok((root, self.intermediate.key.pem(KeyEncoding::Pkcs8)?))
    }
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pki").finish_non_exhaustive()
    }
}

/// What all certificates have in common.
fn params(validity: Option<Validity>, days: u32) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let validity = match validity {
        Some(validity) => validity,
        None => Validity::days(days)?,
    };
    validity.apply(&mut params);
    params.serial_number = Some(serial_number()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 124 random bits, in a number that is positive and always as long, and whose second hexadecimal digit is a
/// letter: ThingsBoard makes a number of text that looks like one, and devices tell theirs.
fn serial_number() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    bytes[0] = bytes[0] & 0x35 | 0x4A;
    Ok(SerialNumber::from_slice(&bytes))
}

fn subject_alt_name(name: &str) -> Result<SanType, InvalidRequest> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let invalid = || InvalidRequest::ServerName(name.to_owned());
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_inner)
    };
    if name.len() > 253
        || !name
            .strip_prefix("*.")
            .unwrap_or(name)
            .split('.')
            .all(is_label)
    {
        return Err(invalid());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| invalid())?))
}

pub(crate) fn check_serial_number(serial_number: &str) -> Result<(), InvalidRequest> {
    // Slashes, as serial numbers name folders.
    if !is_name(serial_number)
        || serial_number.contains(['/', '\\'])
        || matches!(serial_number, "." | "..")
    {
        return Err(InvalidRequest::SerialNumber(serial_number.to_owned()));
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
