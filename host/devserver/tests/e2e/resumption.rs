//! Resumed TLS sessions, in which ThingsBoard provisions nobody.

use devserver::{Event, Events, Refusal, Server};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::bench::{Bench, event};
use crate::client::{Client, Greeting};

/// Connects, and tells how the handshake went and whether the device was let in.
async fn connect(server: &Server, tls: &TlsConnector) -> (HandshakeKind, bool) {
    let stream = TcpStream::connect(server.mqtt_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tls.connect(name, stream).await.unwrap();
    let kind = stream.get_mut().1.handshake_kind().unwrap();
    (
        kind,
        Client::greet(stream, Greeting::default()).await.is_ok(),
    )
}

async fn refusal(events: &mut Events) -> Refusal {
    match event(events, |e| matches!(e, Event::Refused { .. })).await {
        Event::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_created_in_a_full_handshake_only() {
    let bench = Bench::new();
    let server = bench.start().await;
    let mut events = server.events();
    for (name, version) in [
        ("SN-12", &rustls::version::TLS12),
        ("SN-13", &rustls::version::TLS13),
    ] {
        let device = bench.device(&bench.pki.device(name).unwrap());
        let tls = device.tls(version);
        // Refused, for the name is taken; then it is free.
        server.create_device(name, None).await.unwrap().unwrap();
        assert_eq!(connect(&server, &tls).await, (HandshakeKind::Full, false));
        assert!(matches!(
            refusal(&mut events).await,
            Refusal::NameTaken { .. }
        ));
        server.delete_device(name).await.unwrap();

        let resumed = connect(&server, &tls).await;
        assert_eq!(resumed, (HandshakeKind::Resumed, false));
        let refusal = refusal(&mut events).await;
        assert!(
            matches!(&refusal, Refusal::UnknownResumed { common_name } if common_name == name),
            "{refusal}"
        );

        let tls = device.tls(version);
        assert_eq!(connect(&server, &tls).await, (HandshakeKind::Full, true));
        // Its leaf is known now, and that is enough.
        assert_eq!(connect(&server, &tls).await, (HandshakeKind::Resumed, true));
    }
    server.stop().await;
}
