//! Any bytes as a TLS server's answer, in reads of any size.
//!
//! The device's randomness is the same each time, so that what an honest server sent once goes on being
//! understood. The connection ends when the server closes it.
#![no_main]

use device::tls::{Resumption, Stream};
use embedded_io_async::{Read, Write};
use fuzz::tls::client::client;
use fuzz::tls::{Play, Wire};
use fuzz::{Script, time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    time::reset();
    let mut script = Script::new(data);
    let wire = Wire::default();
    let mut resumption = Resumption::new();
    let end = wire.clone();
    let mut device = Play::new(async {
        let mut stream = Stream::connect(end, client(), &mut resumption).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        let mut buffer = [0; 100];
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<(), device::tls::TlsError>(())
    });
    device.nudge();
    while !script.is_over() {
        wire.most.set(usize::from(script.byte_or_0()));
        wire.say(script.string());
        if !device.nudge() {
            break;
        }
        wire.heard();
    }
    wire.close();
    device.nudge();
    if let Err(error) = device.outcome.expect("it ends with the stream") {
        let _ = (error.to_string(), format!("{error:?}"));
    }
});
