//! A TLS server with the true keys whose flights are cut, doubled, reordered, shortened, and changed
//! before they are signed or encrypted; twice, so that the second handshake can resume the first.
//!
//! A server that does not prove itself is not believed; the connection ends when the server closes it.
#![no_main]

use std::cell::Cell;

use device::tls::{Resumption, Stream, TlsError};
use embedded_io_async::{Read, Write};
use fuzz::tls::client::client;
use fuzz::tls::{DATA, Kept, Play, Server, Wire};
use fuzz::{Script, time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    time::reset();
    let mut script = Script::new(data);
    let mut resumption = Resumption::new();
    let mut kept = Kept::default();
    for _ in 0..2 {
        let wire = Wire::default();
        let (end, connected) = (wire.clone(), Cell::new(false));
        let mut device = Play::new(async {
            let mut stream = Stream::connect(end, client(), &mut resumption).await?;
            connected.set(true);
            stream.write_all(b"hello").await?;
            stream.flush().await?;
            let mut text = Vec::new();
            let mut buffer = [0; 100];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok(text),
                    length => text.extend(&buffer[..length]),
                }
            }
        });
        let mut server = Server::new(wire.clone(), &mut script);
        if server.shake_hands(&mut device, &mut kept).is_some() {
            // That of TLS 1.2 came within the handshake.
            if server.tls13 {
                server.ticket(&mut kept);
            }
            server.record(DATA, b"welcome", 0);
            server.listen(&mut device);
            assert!(b"hello".starts_with(&server.text[..]));
        } else {
            device.nudge();
        }
        let (spoilt, said) = (server.spoilt, server.said);
        wire.close();
        device.nudge();
        assert!(!(spoilt && connected.get()), "the server proved nothing");
        match device.outcome.expect("it ends with the stream") {
            Ok::<Vec<u8>, TlsError>(text) => assert!(said.starts_with(&text)),
            Err(error) => drop((error.to_string(), format!("{error:?}"))),
        }
    }
});
