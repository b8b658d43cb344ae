//! Requests for certificates (PKCS#10, RFC 2986) that devices make, and what is issued for them.
//!
//! A request is proven before it is one: signed by the key that it asks for, of a kind that devices
//! take, with one name. Of what else it asks for nothing is granted: a device's certificate is made
//! here as every other one is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use certfile::{firmware, outline, pem as blocks};
use rcgen::SubjectPublicKeyInfo;
use x509_parser::{
    certificate::X509Certificate, certification_request::X509CertificationRequest,
    prelude::FromDer, public_key::PublicKey, x509::X509Version,
};

use crate::{Error, Pki, RequestFault, Validity, authority::check_serial_number, key};

/// The labels of requests in PEM: the second is Microsoft's and old OpenSSL's.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
/// Of RSA, in bits: what devices take.
const RSA_BITS: std::ops::RangeInclusive<usize> = firmware::LEAST_RSA_BITS..=4096;

/// A request, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    common_name: String,
    /// The public key, DER.
    key: Vec<u8>,
}

impl Request {
    /// Reads a request in whatever form people have it: PEM, DER, or DER in Base64, as it stands in
    /// a client attribute.
    ///
    /// # Errors
    ///
    /// [`RequestFault`]
    pub fn read(file: &[u8]) -> Result<Self, RequestFault> {
        let found = blocks::blocks(file).find(|block| LABELS.contains(&block.label));
        if let Some(block) = found {
            return Self::from_der(&block.decode().map_err(|_| RequestFault::None)?);
        }
        // The length of a request in DER is no text.
        let Ok(text) = std::str::from_utf8(file) else {
            return Self::from_der(file);
        };
        let text: String = text.split_whitespace().collect();
        let der = Base64::decode_vec(text.trim_matches('"')).map_err(|_| RequestFault::None)?;
        Self::from_der(&der)
    }

    /// Reads a request in DER, with nothing behind it.
    ///
    /// # Errors
    ///
    /// [`RequestFault`]
    pub fn from_der(der: &[u8]) -> Result<Self, RequestFault> {
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| RequestFault::None)?;
        let info = &request.certification_request_info;
        if !rest.is_empty() || info.version != X509Version::V1 {
            return Err(RequestFault::None);
        }
        let key = info.subject_pki.raw;
        // Before the signature, which a key that nobody knows cannot prove.
        let outline = outline::Key::of_public(key).ok_or(RequestFault::None)?;
        if let Some(objection) = firmware::objection_to_key(outline) {
            return Err(RequestFault::Key(objection.to_string()));
        }
        if let Ok(PublicKey::RSA(rsa)) = info.subject_pki.parsed()
            && !RSA_BITS.contains(&rsa.key_size())
        {
            let bits = rsa.key_size();
            let why = format!(
                "is RSA of {bits} bits: let the device make one on P-256, or of 2048 to 4096 bits"
            );
            return Err(RequestFault::Key(why));
        }
        request
            .verify_signature()
            .map_err(|_| RequestFault::Signature)?;
        let names: Vec<_> = info.subject.iter_common_name().collect();
        let [name] = names[..] else {
            return Err(RequestFault::Names(names.len()));
        };
        let name = name.as_str().map_err(|_| RequestFault::Names(0))?;
        Ok(Self {
            common_name: name.to_owned(),
            key: key.to_vec(),
        })
    }

    /// The name of whoever asks, which is a device's serial number.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// Proves that it is this device's.
    ///
    /// # Errors
    ///
    /// [`RequestFault::Another`]
    pub fn expect(&self, common_name: &str) -> Result<(), RequestFault> {
        match self.common_name == common_name {
            true => Ok(()),
            false => Err(RequestFault::Another {
                expected: common_name.to_owned(),
                there: self.common_name.clone(),
            }),
        }
    }
}

/// A device's certificate that was issued for a request, with its chain.
#[derive(Clone, Debug)]
pub struct Issued {
    common_name: String,
    /// The leaf, then what signed it; DER. Without the root.
    chain: Vec<Vec<u8>>,
    serial_hex: String,
    not_after: SystemTime,
    shortened: bool,
}

impl Issued {
    /// Whose it is.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The leaf, then the intermediate that signed it, in PEM: a `device.crt`.
    pub fn chain_pem(&self) -> String {
        let pem = self.chain.iter().map(|der| key::pem("CERTIFICATE", der));
        pem.map(|pem| pem.to_string()).collect()
    }

    /// The same in DER, one after the other, as a device takes them over the air.
    pub fn chain_der(&self) -> Vec<u8> {
        self.chain.concat()
    }

    /// The leaf's serial number, lower-case hexadecimal.
    pub fn serial_hex(&self) -> &str {
        &self.serial_hex
    }

    /// Its last moment.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether its dates end with the authority's, earlier than they were asked for.
    pub fn shortened(&self) -> bool {
        self.shortened
    }
}

impl Pki {
    /// Signs a device's request by the intermediate. Valid for 20 years if `None`, and no longer
    /// than the authority.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a name that cannot be a serial number, [`Error::Backend`].
    pub fn sign(&self, request: &Request, validity: Option<Validity>) -> Result<Issued, Error> {
        check_serial_number(&request.common_name)?;
        let public = SubjectPublicKeyInfo::from_der(&request.key)?;
        let params = Self::device_params(validity)?;
        let (leaf, shortened) = self.certify(&request.common_name, params, &public)?;
        let broken = || Error::Backend("what was issued cannot be read".into());
        let (_, x509) = X509Certificate::from_der(leaf.der()).map_err(|_| broken())?;
        let ends = u64::try_from(x509.validity().not_after.timestamp()).map_err(|_| broken())?;
        let serial = x509.raw_serial().iter().map(|byte| format!("{byte:02x}"));
        let above = pem::parse_many(&self.intermediate.certificate).map_err(|_| broken())?;
        let root = pem::parse(&self.root.certificate).map_err(|_| broken())?;
        let above = above.into_iter().map(pem::Pem::into_contents);
        let above = above.filter(|der| der != root.contents());
        Ok(Issued {
            common_name: request.common_name.clone(),
            serial_hex: serial.collect(),
            not_after: UNIX_EPOCH + Duration::from_secs(ends),
            shortened,
            chain: std::iter::once(leaf.der().to_vec()).chain(above).collect(),
        })
    }
}
