//! Sockets whose flush waits for the peer's acknowledgement, as embassy-net's does.

use embassy_futures::join::join;
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};

use super::pipe::{End, pipe};
use super::server::{Options, Server};
use super::{ROOT, alone, bundle, client};
use crate::testing::run;
use crate::tls::{Resumption, Stream};

/// A socket whose peer takes everything and acknowledges nothing.
struct Unacknowledged(End);

impl ErrorType for Unacknowledged {
    type Error = <End as ErrorType>::Error;
}

impl Read for Unacknowledged {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(buffer).await
    }
}

impl Write for Unacknowledged {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(buffer).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        core::future::pending().await
    }
}

#[test]
fn only_the_last_words_wait_for_the_peers_acknowledgement() {
    let _alone = alone();
    let (here, mut there) = pipe(100);
    let bundle = bundle(ROOT);
    let mut resumption = Resumption::new();
    run(join(
        async {
            let here = Unacknowledged(here);
            let stream = Stream::connect(here, client(&bundle), &mut resumption);
            let mut stream = stream.await.unwrap();
            let mut answer = [0; 5];
            let asked = async {
                stream.write_all(b"hello").await.unwrap();
                stream.flush().await.unwrap();
                stream.read_exact(&mut answer).await.unwrap();
            };
            let answered = with_timeout(Duration::from_secs(60), asked).await;
            assert!(answered.is_ok(), "the flush waited for the peer");
            assert_eq!(&answer, b"hello");
            // Dropped before, the socket would not send them.
            let closed = with_timeout(Duration::from_secs(1), stream.close()).await;
            assert!(closed.is_err(), "the end did not wait for the peer");
        },
        async {
            let server = Server::with(Options::default());
            let mut peer = server.accept(&mut there).await.unwrap();
            let mut buffer = [0; 64];
            let length = peer.read(&mut buffer).await.unwrap();
            peer.write(&buffer[..length]).await;
            assert_eq!(peer.read(&mut buffer).await.ok(), Some(0), "close_notify");
        },
    ));
}
