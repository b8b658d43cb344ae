//! TLS as ThingsBoard does it: a client may have a certificate, whose chain has to be in order;
//! whether the certificate is known is none of TLS's business.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConfig, ServerSessionMemoryCache};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};

use crate::config::{ConfigError, Tls};
use crate::identity;

/// Sessions that can be resumed without tickets (TLS 1.2), enough for a fleet on the desk.
const SESSIONS: usize = 4096;

/// Makes the server's side of TLS 1.2 and 1.3, with resumption.
pub(crate) fn server_config(tls: Tls) -> Result<Arc<ServerConfig>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let identity = |error: rustls::Error| ConfigError::ServerIdentity {
        reason: error.to_string(),
    };
    let verifier = OrderedChain {
        algorithms: provider.signature_verification_algorithms,
        mandatory: tls.require_client_certificate,
    };
    let ticketer = aws_lc_rs::Ticketer::new().map_err(identity)?;
    let mut config = builder(provider)
        .map_err(identity)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(tls.chain, tls.key)
        .map_err(identity)?;
    config.ticketer = ticketer;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    Ok(Arc::new(config))
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, rustls::Error> {
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// Takes any client chain that is in order; see [`identity::check_order`].
#[derive(Debug)]
struct OrderedChain {
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl ClientCertVerifier for OrderedChain {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hint: the client shall send the chain it has, whatever CA it is of.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        identity::check_order(end_entity, intermediates)
            .map(|()| ClientCertVerified::assertion())
            .map_err(|reason| {
                CertificateError::Other(OtherError(Arc::new(OutOfOrder(reason)))).into()
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Carries the explanation of [`identity::check_order`] through rustls.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct OutOfOrder(String);

/// Says for whom it is what became of a handshake.
pub(crate) fn explain(error: &std::io::Error) -> String {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return format!("the connection broke during the TLS handshake: {error}");
    };
    match tls {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => {
            reason.to_string()
        }
        rustls::Error::NoCertificatesPresented => {
            "the client sent no certificate, and this server is told to require one".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "the client ended the TLS handshake with the alert {alert:?}: most often it does not trust the \
             server's certificate (wrong root, wrong name, or a clock that is wrong); look at the client's log"
        ),
        rustls::Error::InvalidMessage(_) => {
            format!("the client does not speak TLS ({tls}): is it set to plain MQTT?")
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}
