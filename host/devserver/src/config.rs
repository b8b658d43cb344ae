//! What a server is started with.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use certfile::file::Fault;
use certfile::firmware;
use certfile::outline::Key;
use certfile::pem::Other;
use regex::Regex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::event::Refusal;
use crate::limits::Limits;

/// A configuration that cannot work: whoever wrote it has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The server's chain has no certificate in it.
    #[error("the server's certificate chain: {fault}")]
    ServerChain {
        /// What is wrong with it.
        fault: Fault,
    },
    /// The server's key is not one.
    #[error("the server's private key: {fault}")]
    ServerKey {
        /// What is wrong with it.
        fault: String,
    },
    /// The server's certificate and key do not work together.
    #[error("the server's certificate and key cannot be used: {reason}")]
    ServerIdentity {
        /// What the TLS library says.
        reason: String,
    },
    /// The profile's CA is not a certificate.
    #[error("the device profile's CA: {fault}")]
    ProfileCa {
        /// What is wrong with it.
        fault: Fault,
    },
    /// The profile's regular expression cannot be used.
    #[error("the device profile's regular expression for the CN cannot be used: {reason}")]
    ProfilePattern {
        /// What is wrong with it.
        reason: String,
    },
}

/// How long [`Server::send_rpc`](crate::Server::send_rpc) and the page wait for an answer.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server is started with. The default is a plain MQTT port and a page, both on free
/// ports of this computer only, with the data in memory.
#[derive(Debug)]
pub struct Config {
    /// Where to serve MQTT; port 0 takes a free one.
    pub mqtt: SocketAddr,
    /// The server's certificate; without it MQTT is not encrypted, and devices can log in
    /// with an access token only.
    pub tls: Option<Tls>,
    /// Which devices may come by certificate, and be created; without it only those whose
    /// certificate is stored already.
    pub profile: Option<Profile>,
    /// Where to serve the page and its API; port 0 takes a free one. It has no login: keep
    /// it on the loopback address unless the network is trusted.
    pub http: SocketAddr,
    /// Host names besides `localhost` and IP addresses under which the page may be opened.
    pub http_names: Vec<String>,
    /// Where the data is kept.
    pub database: Database,
    /// What each device may send.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            mqtt: free,
            tls: None,
            profile: None,
            http: free,
            http_names: Vec::new(),
            database: Database::Memory,
            limits: Limits::default(),
        }
    }
}

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Nowhere: it is gone with the server.
    Memory,
    /// In this SQLite file, made if it is not there.
    File(PathBuf),
}

/// The server's certificate and what it asks of clients.
pub struct Tls {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// Whether a client without a certificate is turned away in the handshake. ThingsBoard
    /// lets it in and looks for an access token, so `false` is the default.
    pub require_client_certificate: bool,
}

impl Tls {
    /// Reads the chain (the server's own certificate first) and its private key, both PEM.
    ///
    /// # Errors
    /// [`ConfigError::ServerChain`] or [`ConfigError::ServerKey`] if one has nothing usable.
    /// Whether they belong together is found out on starting.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        let chain = certificates(chain).map_err(|fault| ConfigError::ServerChain { fault })?;
        let server_key = |fault| ConfigError::ServerKey { fault };
        let der = certfile::file::key(key).map_err(|fault| server_key(fault.to_string()))?;
        let outline = Key::of_private(&der);
        if let Some(objection) = outline.and_then(firmware::objection_to_key) {
            return Err(server_key(format!("it {objection}")));
        }
        let key = PrivateKeyDer::try_from(der.to_vec())
            .map_err(|_| server_key("it is damaged: copy it anew, whole".to_owned()))?;
        Ok(Self {
            chain,
            key,
            require_client_certificate: false,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificates", &self.chain.len())
            .field(
                "require_client_certificate",
                &self.require_client_certificate,
            )
            .finish_non_exhaustive()
    }
}

/// ThingsBoard's provisioning by "X.509 certificate chain", the part of a device profile that
/// matters for it.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) ca: CertificateDer<'static>,
    pattern: Regex,
    /// Whether a device that does not exist is created.
    pub allow_create: bool,
}

impl Profile {
    /// Takes the CA certificate (PEM; intermediate or root, the first if there are several)
    /// that the devices send in their chain, and the regular expression whose first group
    /// cuts the device name from the leaf's CN: `(.*)` takes it whole.
    ///
    /// # Errors
    /// [`ConfigError::ProfileCa`] or [`ConfigError::ProfilePattern`].
    pub fn from_pem(ca: &[u8], cn_pattern: &str) -> Result<Self, ConfigError> {
        let ca = certificates(ca)
            .and_then(|all| all.into_iter().next().ok_or(Fault::None(Other::Empty)))
            .map_err(|fault| ConfigError::ProfileCa { fault })?;
        let pattern = Regex::new(cn_pattern).map_err(|error| ConfigError::ProfilePattern {
            reason: error.to_string(),
        })?;
        if pattern.captures_len() < 2 {
            let reason =
                "it has no group: put the device name in brackets, as in \"(.*)\"".to_owned();
            return Err(ConfigError::ProfilePattern { reason });
        }
        Ok(Self {
            ca,
            pattern,
            allow_create: true,
        })
    }

    /// The regular expression.
    pub(crate) fn pattern(&self) -> &str {
        self.pattern.as_str()
    }

    /// Cuts the device name from a CN, by the first match anywhere in it
    /// (`DeviceProvisionServiceImpl.extractDeviceNameFromCNByRegEx`: `find`, then group 1).
    pub(crate) fn device_name(&self, common_name: Option<&str>) -> Result<String, Refusal> {
        common_name
            .and_then(|cn| self.pattern.captures(cn)?.get(1))
            .map(|name| name.as_str().to_owned())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Refusal::NameNotMatched {
                common_name: common_name.unwrap_or_default().to_owned(),
                pattern: self.pattern.as_str().to_owned(),
            })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certificates = certfile::file::all_certificates(pem)?;
    Ok(certificates.iter().map(|der| der.to_vec().into()).collect())
}
