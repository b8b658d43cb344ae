//! KeyUpdate: a server that changes its keys amid a connection, which MbedTLS cannot follow.

use device::tls::TlsError;
use e2e::scenario_with_peers;
use embedded_io_async::{Read, Write};
use pki::KeyAlgorithm;
use tokio::io::AsyncWriteExt;

use super::{OpenSsl, prepare};

#[test]
fn a_change_of_keys_is_told_as_such_and_the_session_resumed() {
    scenario_with_peers(async {
        let (folder, mut device) = prepare(KeyAlgorithm::P256);
        let mut server = OpenSsl::start_with(&folder, &["-tls1_3"]).await;
        let mut console = server.process.stdin.take().expect("its console");
        // With and without a wish that the device change its own.
        for (visit, command) in ["k\n", "K\n", "K\n"].iter().enumerate() {
            let mut stream = device.connect(&server, "localhost").await;
            assert_eq!(stream.resumed(), visit > 0);
            stream.write_all(b"hello\n").await.expect("writing");
            stream.flush().await.expect("flushing");
            console.write_all(b"hello\n").await.expect("its console");
            let mut answer = [0; 6];
            stream.read_exact(&mut answer).await.expect("reading");
            assert_eq!(&answer, b"hello\n");
            console
                .write_all(command.as_bytes())
                .await
                .expect("its console");
            let end = stream.read(&mut answer).await;
            assert_eq!(end, Err(TlsError::KeyUpdate));
        }
    });
}
