//! What the server shows: versions of TLS, suites, and its chain, certificate by certificate.
//!
//! A look by rustls, which believes everything and so sees all of it. Whether the device takes it is for the
//! device to say, in [`session`](crate::session).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use device::calendar::Date;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::files::Folder;
use crate::{Check, Finding, Who};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at the server.
pub(crate) async fn examine(
    address: SocketAddr,
    server_name: &str,
    folder: &Folder,
    now_unix_s: u64,
) -> Vec<Finding> {
    let mut spoken = Vec::new();
    let mut chain = Vec::new();
    let mut last_error = None;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (outcome, seen) = shake_hands(address, server_name, version).await;
        if chain.is_empty() {
            chain = seen;
        }
        match outcome {
            Ok(text) => spoken.push(text),
            Err(error) => last_error = Some(error),
        }
    }
    if chain.is_empty() {
        let error = last_error.unwrap_or_else(|| "it says nothing".to_owned());
        return vec![Finding::bad(
            Check::Server,
            format!("no TLS at {address}: {error}"),
            Who::Server,
            "see that MQTT over TLS is at this port, which is 8883 by default: on ThingsBoard MQTT_SSL_ENABLED=true, \
             MQTT_SSL_PEM_CERT and MQTT_SSL_PEM_KEY; for TLS 1.2 or 1.3",
        )];
    }
    let mut findings = Vec::new();
    if !spoken.is_empty() {
        findings.push(Finding::good(Check::Server, spoken.join(", ")));
    }
    findings.extend(judge(&chain, server_name, &folder.anchors(), now_unix_s));
    findings
}

/// Version and suite, and the chain that was shown, whatever came of it.
async fn shake_hands(
    address: SocketAddr,
    server_name: &str,
    version: &'static SupportedProtocolVersion,
) -> (Result<String, String>, Vec<CertificateDer<'static>>) {
    let seen = Arc::new(Believer::default());
    let outcome = timeout(
        PATIENCE,
        connect(address, server_name, version, seen.clone()),
    )
    .await;
    let chain = seen
        .chain
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let outcome = outcome.unwrap_or_else(|_| Err("the handshake takes too long".to_owned()));
    (outcome, chain)
}

async fn connect(
    address: SocketAddr,
    server_name: &str,
    version: &'static SupportedProtocolVersion,
    believer: Arc<Believer>,
) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .map_err(|error| text(&error))?
        .dangerous()
        .with_custom_certificate_verifier(believer)
        .with_no_client_auth();
    let name = ServerName::try_from(server_name.to_owned()).map_err(|error| text(&error))?;
    let socket = TcpStream::connect(address)
        .await
        .map_err(|error| text(&error))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await;
    let stream = stream.map_err(|error| text(&error))?;
    let (_, connection) = stream.get_ref();
    let suite = connection.negotiated_cipher_suite();
    let suite = suite
        .map(|suite| format!("{:?}", suite.suite()))
        .unwrap_or_default();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    Ok(format!("{version} with {suite}"))
}

/// Believes everything, and remembers it. Nothing is sent to who is believed.
#[derive(Debug, Default)]
struct Believer {
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let all = all.map(|one| one.clone().into_owned()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What there is to say of a chain.
fn judge(
    chain: &[CertificateDer<'_>],
    server_name: &str,
    anchors: &[Vec<u8>],
    now_unix_s: u64,
) -> Vec<Finding> {
    let parsed: Vec<_> = chain
        .iter()
        .filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1))
        .collect();
    let mut findings = Vec::new();
    for (number, certificate) in (1..).zip(&parsed) {
        findings.push(dates(number, certificate, now_unix_s));
    }
    if let Some(leaf) = parsed.first() {
        findings.push(names(leaf, server_name));
    }
    for (number, pair) in (1..).zip(parsed.windows(2)) {
        if let [below, above] = pair
            && below.issuer() != above.subject()
        {
            findings.push(Finding::bad(
                Check::Server,
                format!("certificate {number} of the server ({}) is not issued by the next one it shows", below.subject()),
                Who::Server,
                "put its own certificate first, and behind each the one that issued it",
            ));
        }
    }
    findings.push(anchor(&parsed, anchors));
    findings
}

fn dates(number: usize, certificate: &X509Certificate<'_>, now_unix_s: u64) -> Finding {
    let date = |unix_s: i64| Date::from_unix_s(u64::try_from(unix_s).unwrap_or(0));
    let (from, to) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    let now = i64::try_from(now_unix_s).unwrap_or(i64::MAX);
    if now > to {
        return Finding::bad(
            Check::Server,
            format!(
                "certificate {number} of the server ({subject}) has ended at {}",
                date(to)
            ),
            Who::Server,
            "renew it",
        );
    }
    if now < from {
        return Finding::bad(
            Check::Server,
            format!(
                "certificate {number} of the server ({subject}) is valid only from {}",
                date(from)
            ),
            Who::Server,
            "check the clock of whoever issued it, and this computer's",
        );
    }
    Finding::good(
        Check::Server,
        format!(
            "certificate {number}: {subject}, by {issuer}, until {}",
            date(to)
        ),
    )
}

fn names(leaf: &X509Certificate<'_>, server_name: &str) -> Finding {
    let alternative = leaf.subject_alternative_name().ok().flatten();
    let names: Vec<String> = match alternative {
        Some(names) => names.value.general_names.iter().filter_map(name).collect(),
        None => Vec::new(),
    };
    let listed = names.join(", ");
    if names.iter().any(|name| matches(name, server_name)) {
        return Finding::good(Check::Server, format!("it is for {listed}"));
    }
    Finding::bad(
        Check::Server,
        match names.is_empty() {
            true => format!("the server's certificate names nobody, and {server_name} is wanted"),
            false => format!("the server's certificate is for {listed}, not for {server_name}"),
        },
        Who::Maker,
        "write its name as server_name into settings.json, or have the server's certificate issued for this one, too",
    )
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(IpAddr::from(v4).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|v6| IpAddr::from(v6).to_string()),
        },
        _ => None,
    }
}

/// Whether a name of a certificate is that one; a star stands for its first label (RFC 6125, 6.4.3).
fn matches(name: &str, wanted: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => wanted
            .split_once('.')
            .is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(wanted),
    }
}

/// Which of the device's anchors the chain ends in.
fn anchor(chain: &[X509Certificate<'_>], anchors: &[Vec<u8>]) -> Finding {
    let parsed = anchors
        .iter()
        .filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1));
    for (number, anchor) in (1..).zip(parsed) {
        let reaches = |one: &X509Certificate<'_>| {
            one.as_raw() == anchor.as_raw()
                || one.issuer() == anchor.subject()
                    && one.verify_signature(Some(anchor.public_key())).is_ok()
        };
        if chain.iter().any(reaches) {
            let subject = anchor.subject();
            return Finding::good(
                Check::Server,
                format!("it comes from anchor {number} of server_chain.pem: {subject}"),
            );
        }
    }
    let issuer = chain
        .last()
        .map(|last| last.issuer().to_string())
        .unwrap_or_default();
    Finding::bad(
        Check::Server,
        format!(
            "no CA of server_chain.pem issued what the server shows; the last of it is by {issuer}"
        ),
        Who::Maker,
        format!(
            "put the certificate of {issuer} into server_chain.pem; or let the server show the certificates in between"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        assert!(
            matches("*.example.com", "tb.example.com")
                && matches("TB.example.com", "tb.example.com")
        );
        assert!(
            !matches("*.example.com", "a.b.example.com")
                && !matches("*.example.com", "example.com")
        );
    }
}
