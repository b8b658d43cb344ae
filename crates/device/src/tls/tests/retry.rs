//! HelloRetryRequest: a server that wants another group than the one the device sent a key for.

use alloc::vec;

use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use rustls::HandshakeKind;
use rustls::crypto::ring::kx_group::SECP384R1;

use super::pipe::pipe;
use super::server::{Options, Server};
use super::{NOW, ROOT, alone, bundle, library};
use crate::testing::run;
use crate::tls::{Client, Resumption, Stream};

#[test]
fn a_server_that_wants_another_group_is_talked_to() {
    let _alone = alone();
    let server = Server::with(Options {
        groups: vec![SECP384R1],
        ..Options::default()
    });
    let bundle = bundle(ROOT);
    let mut resumption = Resumption::new();
    for room in [65_536, 1] {
        // The second time with a ticket.
        let resumes = room == 1;
        let (here, mut there) = pipe(room);
        let client = Client {
            library: library(),
            credentials: bundle.at(NOW).unwrap(),
            server_name: "broker.test",
            unix_s: NOW,
        };
        run(join(
            async {
                let stream = Stream::connect(here, client, &mut resumption).await;
                let mut stream = stream.unwrap();
                assert_eq!(stream.resumed(), resumes);
                stream.write_all(b"hello").await.unwrap();
                stream.flush().await.unwrap();
                let mut answer = [0; 5];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"hello");
            },
            async {
                let mut peer = server.accept(&mut there).await.unwrap();
                if !resumes {
                    let kind = HandshakeKind::FullWithHelloRetryRequest;
                    assert_eq!(peer.tls.handshake_kind(), Some(kind));
                }
                let mut buffer = [0; 64];
                let length = peer.read(&mut buffer).await.unwrap();
                peer.write(&buffer[..length]).await;
            },
        ));
    }
}
