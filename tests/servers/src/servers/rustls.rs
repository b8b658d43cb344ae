//! rustls, in this process.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result};
use device::event::TlsVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, NamedGroup, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Port, Running};
use crate::setting::{Cipher, Clients, Group, Setting};
use crate::stage::Stage;

/// Where the version of the library stands.
const LOCKFILE: &str = include_str!("../../../../Cargo.lock");

pub(super) fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let mut running = Running::of(version().to_owned(), Vec::new());
    for Port { number, setting } in ports {
        let acceptor = TlsAcceptor::from(Arc::new(config(stage, setting)?));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *number))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let broker = stage.broker;
        running.tasks.push(tokio::task::spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::task::spawn_local(async move {
                    // What fails here is told by the device.
                    let Ok(mut device) = acceptor.accept(socket).await else {
                        return;
                    };
                    if let Ok(mut broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).await
                    {
                        let _ = copy_bidirectional(&mut device, &mut broker).await;
                    }
                });
            }
        }));
    }
    Ok(running)
}

fn version() -> &'static str {
    let mut lines = LOCKFILE.lines();
    let found = lines
        .by_ref()
        .find(|line| *line == "name = \"rustls\"")
        .and_then(|_| lines.next());
    found.map_or("unknown", |line| {
        line.trim_start_matches("version = ").trim_matches('"')
    })
}

fn config(stage: &Stage, setting: &Setting) -> Result<ServerConfig> {
    let mut provider: CryptoProvider = aws_lc_rs::default_provider();
    if let Some(group) = setting.group {
        let name = match group {
            Group::P256 => NamedGroup::secp256r1,
            Group::P384 => NamedGroup::secp384r1,
            Group::X25519 => NamedGroup::X25519,
            Group::P521 => NamedGroup::secp521r1,
        };
        provider.kx_groups.retain(|group| group.name() == name);
    }
    if let Some(cipher) = setting.cipher {
        let suites = match cipher {
            Cipher::Aes128 => [
                CipherSuite::TLS13_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ],
            Cipher::Aes256 => [
                CipherSuite::TLS13_AES_256_GCM_SHA384,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            ],
            Cipher::ChaCha20 => [
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
        };
        provider
            .cipher_suites
            .retain(|suite| suites.contains(&suite.suite()));
    }
    let provider = Arc::new(provider);
    let versions = match setting.version {
        Some(TlsVersion::Tls12) => &[&TLS12][..],
        Some(TlsVersion::Tls13) => &[&TLS13],
        None => &[&TLS12, &TLS13],
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&stage.clients)?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let verifier = match setting.clients {
        Clients::Unasked => Arc::new(NoClientAuth),
        Clients::Optional => verifier.allow_unauthenticated().build()?,
        Clients::Required => verifier.build()?,
    };
    let files = stage.chain(setting.chain);
    let chain = CertificateDer::pem_file_iter(&files.chain)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&files.key)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .with_context(|| setting.name.clone())?;
    if setting.tickets {
        config.ticketer = aws_lc_rs::Ticketer::new()?;
    }
    Ok(config)
}
