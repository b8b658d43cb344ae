//! A broker without manners: it proves who it is as it should, and then does at one step of MQTT 5
//! what no broker should do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::version::TLS12;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig};
use simulator::internet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::desk::Desk;

/// A packet of the device, at which the broker misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// CONNECT.
    Connect,
    /// SUBSCRIBE.
    Subscribe,
    /// The first PUBLISH of telemetry.
    Publish,
    /// The one of this number, from 1.
    PublishNumber(u32),
}

/// What it does then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It hangs up.
    HangUp,
    /// It says nothing more.
    Nothing,
    /// It sends these bytes, and goes on as if it had answered.
    Bytes(Vec<u8>),
    /// It answers with this reason code of MQTT 5.
    Reason(u8),
    /// It answers as MQTT 3.1.1 would, with this return code. To CONNECT only.
    OldCode(u8),
    /// It answers, and disconnects with this reason code.
    Disconnect(u8),
    /// It answers, and then sends these packets.
    Then(Vec<Vec<u8>>),
    /// It answers, and then changes its keys. In TLS 1.3 only.
    ChangesKeys,
    /// It answers this and everything else byte by byte, each in a TLS record of its own.
    ByteByByte,
}

/// How it treats one connection.
pub type Misbehaviour = (Step, Answer);

/// The broker; it lives on the present `LocalSet`.
pub struct MisbehavingBroker {
    /// Where it listens.
    pub port: u16,
    /// How it will treat the next connections. When there is nothing left it behaves.
    pub plan: Rc<RefCell<VecDeque<Misbehaviour>>>,
}

impl MisbehavingBroker {
    /// Starts it with a certificate of the desk.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(desk: &Desk, plan: impl IntoIterator<Item = Misbehaviour>) -> Self {
        let config = ServerConfig::builder().with_no_client_auth();
        Self::start_with(desk, config, plan).await
    }

    /// Starts one that behaves, demands client certificates and speaks TLS 1.2 alone.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn polite_in_tls_1_2(desk: &Desk) -> Self {
        let root = CertificateDer::from_pem_slice(desk.pki.root_pem().as_bytes());
        let mut roots = RootCertStore::empty();
        roots.add(root.expect("a certificate")).expect("a root");
        let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        let config = ServerConfig::builder_with_protocol_versions(&[&TLS12])
            .with_client_cert_verifier(clients.expect("a root"));
        Self::start_with(desk, config, []).await
    }

    async fn start_with(
        desk: &Desk,
        config: ConfigBuilder<ServerConfig, WantsServerCert>,
        plan: impl IntoIterator<Item = Misbehaviour>,
    ) -> Self {
        let identity = desk.server_identity();
        let chain = CertificateDer::pem_slice_iter(identity.chain_pem().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).expect("a key");
        let config = config.with_single_cert(chain, key);
        let config = config.expect("a key that fits");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut listener = desk.listen().await;
        let port = listener.local_addr().expect("its number").port();
        let plan: Rc<RefCell<VecDeque<Misbehaviour>>> =
            Rc::new(RefCell::new(plan.into_iter().collect()));
        let plans = plan.clone();
        tokio::task::spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, plans) = (acceptor.clone(), plans.clone());
                tokio::task::spawn_local(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        let misbehaviour = plans.borrow_mut().pop_front();
                        // The device may leave whenever it likes.
                        let _ = serve(stream, misbehaviour).await;
                    }
                });
            }
        });
        Self { port, plan }
    }
}

type Stream = TlsStream<internet::Stream>;

/// Reads one packet: its first byte, and what comes after the length.
async fn packet(stream: &mut Stream) -> io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    Ok((first, rest))
}

/// The answer to a packet, with this reason code, or with success.
fn reply(first: u8, rest: &[u8], reason: Option<u8>) -> Option<Vec<u8>> {
    let number = |from: usize| rest.get(from..from + 2);
    match first >> 4 {
        1 => Some(vec![0x20, 3, 0, reason.unwrap_or(0), 0]),
        // A code for each filter: QoS 1. All begin with the version of ThingsBoard's API.
        8 => {
            let filters = rest.windows(3).filter(|at| at == b"v1/").count();
            let codes = std::iter::repeat_n(reason.unwrap_or(1), filters);
            let id = number(0)?;
            let head = [0x90, 3 + filters as u8, id[0], id[1], 0];
            Some(head.into_iter().chain(codes).collect())
        }
        3 => {
            let topic = usize::from(u16::from_be_bytes(number(0)?.try_into().ok()?));
            let id = number(2 + topic)?;
            Some(vec![0x40, 3, id[0], id[1], reason.unwrap_or(0)])
        }
        12 => Some(vec![0xd0, 0]),
        _ => None,
    }
}

fn step(first: u8, rest: &[u8]) -> Option<Step> {
    match first >> 4 {
        1 => Some(Step::Connect),
        8 => Some(Step::Subscribe),
        3 if rest
            .get(2..)
            .is_some_and(|rest| rest.starts_with(b"v1/devices/me/telemetry")) =>
        {
            Some(Step::Publish)
        }
        _ => None,
    }
}

async fn serve(mut stream: Stream, mut misbehaviour: Option<Misbehaviour>) -> io::Result<()> {
    let mut byte_by_byte = false;
    let mut published = 0;
    loop {
        let (first, rest) = packet(&mut stream).await?;
        let step = step(first, &rest);
        published += u32::from(step == Some(Step::Publish));
        let due = misbehaviour.take_if(|(at, _)| match at {
            Step::PublishNumber(number) => step == Some(Step::Publish) && published == *number,
            at => step == Some(*at),
        });
        let changes_keys = matches!(due, Some((_, Answer::ChangesKeys)));
        let good = reply(first, &rest, None).unwrap_or_default();
        let answers = match due.map(|(_, answer)| answer) {
            None | Some(Answer::ChangesKeys) => vec![good],
            Some(Answer::HangUp) => return stream.shutdown().await,
            Some(Answer::Nothing) => return std::future::pending().await,
            Some(Answer::Bytes(bytes)) => vec![bytes],
            Some(Answer::Reason(reason)) => {
                vec![reply(first, &rest, Some(reason)).unwrap_or_default()]
            }
            Some(Answer::OldCode(code)) => vec![vec![0x20, 2, 0, code]],
            Some(Answer::Disconnect(reason)) => vec![good, vec![0xe0, 2, reason, 0]],
            Some(Answer::Then(packets)) => std::iter::once(good).chain(packets).collect(),
            Some(Answer::ByteByByte) => {
                byte_by_byte = true;
                vec![good]
            }
        };
        for answer in answers {
            let size = if byte_by_byte { 1 } else { answer.len().max(1) };
            for piece in answer.chunks(size) {
                stream.write_all(piece).await?;
                stream.flush().await?;
            }
        }
        if changes_keys {
            let changed = stream.get_mut().1.refresh_traffic_keys();
            changed.map_err(io::Error::other)?;
            // It goes out with what is said next.
            stream.write_all(&[0xd0, 0]).await?;
            stream.flush().await?;
        }
    }
}
