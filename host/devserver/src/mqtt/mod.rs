//! MQTT 3.1.1 and 5: the listener, and one task for each connection.
//!
//! The packets are `mqtt-protocol-core`'s; here are the sockets, ThingsBoard's topics and its rules of
//! who may come in.

mod admission;
mod in_flight;
mod online;
mod packets;
mod publish;
mod session;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::event::Event;
use crate::hub::Hub;
use crate::identity::Certificates;
use crate::{accept, tls};

/// How long a client may take for the TLS handshake, and again for its CONNECT.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves until told to stop, then ends all connections.
pub(crate) async fn serve(
    listener: impl Listener<Addr = SocketAddr>,
    tls: Option<Arc<ServerConfig>>,
    hub: Arc<Hub>,
    stop: watch::Receiver<bool>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let stopping = stop.clone();
    accept::serve(listener, stopping, |stream, peer| {
        let peer = peer.to_string();
        connection(stream, peer, acceptor.clone(), hub.clone(), stop.clone())
    })
    .await;
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: String,
    acceptor: Option<TlsAcceptor>,
    hub: Arc<Hub>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(acceptor) = acceptor else {
        return session::run(stream, peer, Certificates::default(), hub, stop).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(PATIENCE, acceptor.accept(stream)) => handshake,
        _ = stop.changed() => return,
    };
    let reason = match handshake {
        Ok(Ok(stream)) => {
            let tls = stream.get_ref().1;
            let sent = tls.peer_certificates().unwrap_or_default();
            let certificates = Certificates {
                chain: sent.iter().map(|der| der.clone().into_owned()).collect(),
                resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            };
            return session::run(stream, peer, certificates, hub, stop).await;
        }
        Ok(Err(error)) => tls::explain(&error),
        Err(_) => "the client did not finish the TLS handshake in time".to_owned(),
    };
    hub.emit(Event::HandshakeFailed { peer, reason });
}
