//! Chains of certificates with anything in their fields, signed with true keys: as the three files,
//! and from a server in the handshake, of TLS 1.2 and 1.3.
//!
//! Certificates that are as they should be are taken, and no others make the device believe a server
//! of another name.
#![no_main]

use device::credentials::{Bundle, Files};
use device::tls::{Resumption, Stream};
use fuzz::tls::client::{SERVER_KEY, bundle, client_of};
use fuzz::tls::x509::{Maker, anchor, pem};
use fuzz::tls::{Kept, Play, Server, Wire};
use fuzz::{Noise, Script, time};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static ANCHOR: String = pem(&anchor());
    static DEVICE: Bundle = ANCHOR.with(|anchor| bundle(anchor));
}

fuzz_target!(|data: &[u8]| {
    time::reset();
    let mut script = Script::new(data);
    let how = script.byte_or_0();
    let honest = script.is_over();
    // From the server's own up to the last before the anchor.
    let depth = usize::from(how >> 1 & 15);
    let mut chain = Vec::new();
    for level in (1..=depth + 1).rev() {
        let issuer = format!("CA {}", level - 1);
        let is_leaf = level == depth + 1;
        let subject = if is_leaf {
            "leaf".to_owned()
        } else {
            format!("CA {level}")
        };
        let mut maker = Maker(&mut script);
        chain.push(maker.certificate(subject.as_bytes(), issuer.as_bytes(), is_leaf));
    }
    for _ in 0..script.byte_or_0() & 3 {
        let (from, to) = (script.byte_or_0(), script.byte_or_0());
        let certificate = chain[usize::from(from) % chain.len()].clone();
        chain.insert(usize::from(to) % (chain.len() + 1), certificate);
    }
    let text: String = chain.iter().map(|certificate| pem(certificate)).collect();
    ANCHOR.with(|anchor| {
        for (certificate, server_chain) in [(&text, anchor), (anchor, &text)] {
            let files = Files {
                certificate: certificate.as_bytes(),
                key: SERVER_KEY.as_bytes(),
                server_chain: server_chain.as_bytes(),
            };
            match Bundle::prove(files, &mut Noise(3)) {
                Ok(bundle) => drop(bundle.at(fuzz::tls::client::NOW).map(drop)),
                Err(error) => drop(error.to_string()),
            }
        }
    });
    DEVICE.with(|bundle| {
        let wire = Wire::default();
        let mut resumption = Resumption::new();
        let end = wire.clone();
        let mut device = Play::new(async {
            Stream::connect(end, client_of(bundle), &mut resumption)
                .await
                .map(drop)
        });
        let first = [how & 1];
        let mut rest = Script::new(&first);
        let mut server = Server::new(wire.clone(), &mut rest);
        server.shown = Some(chain);
        server.shake_hands(&mut device, &mut Kept::default());
        device.nudge();
        wire.close();
        device.nudge();
        match device.outcome.expect("it ends with the stream") {
            Ok(()) => {}
            Err(error) => {
                let text = error.to_string();
                // MbedTLS goes up eight certificates, the anchor included.
                assert!(!honest || depth > 6, "{text}");
            }
        }
    });
});
