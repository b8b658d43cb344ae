//! TLS: honest servers of both versions, as scripts and as bytes.

use device::tls::{Resumption, Stream};
use fuzz::Script;
use fuzz::script::Writer;
use fuzz::time;
use fuzz::tls::client::client;
use fuzz::tls::{Kept, Play, Server, Wire};

use crate::Corpus;

/// Two handshakes, the second of which resumes the first: where the first ends, and the ticket, follows
/// from what the server reads of its script.
fn resuming(version: u8, how: u8) -> Vec<u8> {
    let mut script = vec![0; 25];
    script[0] = version;
    if version == 1 {
        script.truncate(24);
        script[14..19].copy_from_slice(b"\x04tick");
    }
    script.extend([version, how]);
    script
}

/// Seeds for the TLS client.
pub(crate) fn write(corpus: &Corpus) {
    // TLS 1.3, 1.2; HelloRetryRequest to P-384, and the same with a cookie; P-384 in TLS 1.2; no client
    // certificate; and one byte at a time.
    let scripts: [&[u8]; 9] = [
        &[0],
        &[1],
        &[0, 1],
        &[0, 65],
        &[1, 2],
        &[0, 2],
        &[1, 8],
        &[0x10],
        &[0x11],
    ];
    for (index, script) in scripts.into_iter().enumerate() {
        corpus.add("tls_flights", &format!("honest_{index}"), script);
        let said = said(script);
        let mut raw = Writer::default();
        raw.byte(0).string(&said);
        corpus.add("tls_raw", &format!("honest_{index}"), &raw.0);
    }
    // Resumed after a HelloRetryRequest.
    corpus.add("tls_flights", "resumed_retry", &resuming(0, 0x11));
    // Something behind the signature of the server's proof, which MbedTLS does not look at.
    let mut behind = vec![0; 16];
    behind.extend([0xFF, 1, 0]);
    corpus.add("tls_flights", "behind_proof", &behind);
    for version in [0, 1] {
        let name = format!("resumed_{version}");
        corpus.add("tls_flights", &name, &resuming(version, 0x10));
        let mut after = Writer::default();
        after.byte(version);
        // A read, a record, a write, a ticket, a KeyUpdate, a long record.
        after.byte(11).short(2_000).byte(0).short(1_500);
        after.byte(9).short(3_000).byte(10).byte(4);
        after.0.extend([0, 0, 0, 0, 0, 0]);
        after.byte(11).short(20_000).byte(0).short(16_384).byte(5);
        corpus.add("tls_after", &format!("talk_{version}"), &after.0);
        for depth in [0, 1, 3, 7, 12] {
            let name = format!("chain_{version}_{depth}");
            corpus.add("chains", &name, &[version | depth << 1]);
        }
    }
}

/// What the server said in a handshake.
fn said(script: &[u8]) -> Vec<u8> {
    time::reset();
    let mut script = Script::new(script);
    let wire = Wire::default();
    let end = wire.clone();
    let mut resumption = Resumption::new();
    let mut device = Play::new(async {
        Stream::connect(end, client(), &mut resumption)
            .await
            .map(drop)
    });
    let mut server = Server::new(wire.clone(), &mut script);
    server.shake_hands(&mut device, &mut Kept::default());
    wire.said()
}
