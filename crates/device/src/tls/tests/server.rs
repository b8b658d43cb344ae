//! A server with a TLS of its own, rustls: what is wrong in ours is not wrong in both.

extern crate std;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use core::time::Duration;
use std::io::{Read as _, Write as _};

use embedded_io_async::{Read, Write};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SupportedCipherSuite};

use super::pipe::End;
use super::{INTERMEDIATE, NOW, ROOT, SERVER, SERVER_KEY};
use crate::tls::TlsVersion;

/// How a server ends a conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Closes,
    /// Without a word.
    HangsUp,
    /// With a record that is not what it was.
    Garbles,
    /// With a change of its keys, and something more that is encrypted by the new ones.
    ChangesKeys,
}

/// From whom a server wants a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// From everybody.
    Always,
    /// From whom has one.
    IfThere,
    /// From nobody.
    Never,
}

/// It shows its certificate to everybody, and wants one from everybody unless told otherwise.
pub(super) struct Server(Arc<ServerConfig>);

/// What a server may be told.
pub(super) struct Options<'a> {
    /// The versions that it speaks.
    pub(super) versions: &'a [TlsVersion],
    /// The CA of the devices that it trusts.
    pub(super) client_ca: &'a str,
    /// The groups in which it agrees upon keys.
    pub(super) groups: Vec<&'static dyn SupportedKxGroup>,
    /// How it encrypts.
    pub(super) suites: Vec<SupportedCipherSuite>,
    /// Whether it wants a certificate.
    pub(super) wanted: Wanted,
    /// Its certificates, its own first, and the key.
    pub(super) identity: (&'a [&'a str], &'a str),
    /// Whether it gives tickets; if not, it keeps sessions itself.
    pub(super) tickets: bool,
    /// The longest record that it sends, with its header, if it is shorter than most; 32 at least.
    pub(super) longest_record: Option<usize>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
            client_ca: ROOT,
            groups: aws_lc_rs::default_provider().kx_groups,
            suites: aws_lc_rs::default_provider().cipher_suites,
            wanted: Wanted::Always,
            identity: (&[SERVER, INTERMEDIATE], SERVER_KEY),
            tickets: true,
            longest_record: None,
        }
    }
}

impl Server {
    /// One that speaks this version only.
    pub(super) fn new(version: TlsVersion) -> Self {
        Self::with(Options {
            versions: &[version],
            ..Options::default()
        })
    }

    pub(super) fn with(options: Options<'_>) -> Self {
        let provider = Arc::new(CryptoProvider {
            kx_groups: options.groups,
            cipher_suites: options.suites,
            ..aws_lc_rs::default_provider()
        });
        let versions: Vec<_> = options
            .versions
            .iter()
            .map(|version| match version {
                TlsVersion::Tls12 => &rustls::version::TLS12,
                TlsVersion::Tls13 => &rustls::version::TLS13,
            })
            .collect();
        let mut roots = RootCertStore::empty();
        for ca in certificates(options.client_ca) {
            roots.add(ca).unwrap();
        }
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let clients = match options.wanted {
            Wanted::Always => clients.build().unwrap(),
            Wanted::IfThere => clients.allow_unauthenticated().build().unwrap(),
            Wanted::Never => WebPkiClientVerifier::no_client_auth(),
        };
        let (chain, key) = options.identity;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let chain = chain.iter().flat_map(|text| certificates(text)).collect();
        // Whatever comes first: a server may show what is not its own.
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let identity = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(Now))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(identity));
        config.max_fragment_size = options.longest_record;
        if options.tickets {
            config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        }
        Self(Arc::new(config))
    }

    /// Shakes hands.
    pub(super) async fn accept<'a>(&self, io: &'a mut End) -> Result<Peer<'a>, rustls::Error> {
        let mut peer = Peer {
            tls: ServerConnection::new(self.0.clone()).unwrap(),
            io,
            longest_record: 0,
            record_left: 0,
            header: Vec::new(),
        };
        while peer.tls.is_handshaking() {
            peer.receive().await?;
        }
        Ok(peer)
    }

    /// Shakes hands, echoes one message and ends. Returns whether it resumed a session.
    pub(super) async fn serve(&self, mut io: End, ending: Ending) -> Result<bool, rustls::Error> {
        let mut peer = self.accept(&mut io).await?;
        let mut buffer = [0; 64];
        let length = peer.read(&mut buffer).await?;
        peer.tls.writer().write_all(&buffer[..length]).unwrap();
        if ending == Ending::ChangesKeys {
            peer.tls.refresh_traffic_keys().unwrap();
            peer.tls.writer().write_all(b"more").unwrap();
        }
        if ending == Ending::Closes {
            peer.tls.send_close_notify();
        }
        let mut outgoing = peer.outgoing();
        if ending == Ending::Garbles {
            *outgoing.last_mut().unwrap() ^= 1;
        }
        let resumed = peer.tls.handshake_kind() == Some(HandshakeKind::Resumed);
        peer.io.write_all(&outgoing).await.unwrap();
        Ok(resumed)
    }
}

/// A connection, as the server sees it.
pub(super) struct Peer<'a> {
    pub(super) tls: ServerConnection,
    io: &'a mut End,
    /// The longest record that came in, without its header.
    pub(super) longest_record: usize,
    /// How much of the record that is coming in is missing, if its header is there.
    record_left: usize,
    /// What there is of the next header.
    header: Vec<u8>,
}

impl Peer<'_> {
    /// Waits for text.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, rustls::Error> {
        loop {
            match self.tls.reader().read(buffer) {
                Ok(length) => return Ok(length),
                Err(_) => self.receive().await?,
            }
        }
    }

    /// Sends text, in records as long as there may be.
    pub(super) async fn write(&mut self, text: &[u8]) {
        self.tls.set_buffer_limit(None);
        self.tls.writer().write_all(text).unwrap();
        self.send().await;
    }

    /// Sends what there is to send.
    pub(super) async fn send(&mut self) {
        let outgoing = self.outgoing();
        self.io.write_all(&outgoing).await.unwrap();
    }

    fn outgoing(&mut self) -> Vec<u8> {
        let mut outgoing = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut outgoing).unwrap();
        }
        outgoing
    }

    /// Takes in what came in, and answers.
    async fn receive(&mut self) -> Result<(), rustls::Error> {
        let mut bytes = vec![0; 4096];
        let length = self.io.read(&mut bytes).await.unwrap();
        if length == 0 {
            return Err(rustls::Error::General("the device hung up".into()));
        }
        self.measure(&bytes[..length]);
        let mut rest = &bytes[..length];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).unwrap();
            let result = self.tls.process_new_packets();
            self.send().await;
            result?;
        }
        Ok(())
    }

    fn measure(&mut self, bytes: &[u8]) {
        // A branch on all of them: Valgrind tells if the device sends what was never written.
        let sum = bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        assert_ne!(black_box(sum), u64::MAX);
        for &byte in bytes {
            if self.record_left > 0 {
                self.record_left -= 1;
                continue;
            }
            self.header.push(byte);
            if let &[_, _, _, high, low] = &self.header[..] {
                self.record_left = usize::from(u16::from_be_bytes([high, low]));
                self.longest_record = self.longest_record.max(self.record_left);
                self.header.clear();
            }
        }
    }
}

/// The server's clock stands still.
#[derive(Debug)]
struct Now;

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
    }
}

fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_slice_iter(text.as_bytes());
    all.collect::<Result<_, _>>().unwrap()
}
