//! Servers whose records are short: a message comes in many, and ends anywhere in one.

use alloc::vec::Vec;

use embassy_futures::select::select;
use embedded_io_async::{Read as _, Write as _};

use super::pipe::{End, pipe};
use super::server::{Options, Server};
use super::{ROOT, alone, bundle, client};
use crate::credentials::Bundle;
use crate::testing::run;
use crate::tls::TlsVersion;
use crate::tls::{Resumption, Stream, TlsError};

async fn echoed(io: End, bundle: &Bundle, resumption: &mut Resumption) -> Result<(), TlsError> {
    let mut stream = Stream::connect(io, client(bundle), resumption).await?;
    stream.write_all(b"hello").await?;
    stream.flush().await?;
    // A ticket comes before the answer, in records as short.
    let mut answer = Vec::new();
    while answer.len() < 5 {
        let mut buffer = [0; 5];
        let length = stream.read(&mut buffer).await?;
        answer.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(answer, b"hello");
    Ok(())
}

/// What becomes of a connection to a server that speaks this version, in records of this length.
fn with_records_of(longest: usize, version: TlsVersion) -> Result<(), TlsError> {
    let server = Server::with(Options {
        versions: &[version],
        longest_record: Some(longest),
        ..Options::default()
    });
    let bundle = bundle(ROOT);
    let mut resumption = Resumption::new();
    let (here, mut there) = pipe(65_536);
    let mut result = None;
    run(select(
        async {
            result = Some(echoed(here, &bundle, &mut resumption).await);
        },
        async {
            if let Ok(mut peer) = server.accept(&mut there).await {
                let mut buffer = [0; 64];
                if let Ok(length) = peer.read(&mut buffer).await {
                    peer.write(&buffer[..length]).await;
                }
            }
            core::future::pending::<()>().await;
        },
    ));
    result.unwrap()
}

#[test]
fn messages_in_short_records_are_joined_or_the_reason_is_named() {
    let _alone = alone();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let lengths = (32..200).chain([512, 1024, 4096]);
        let results: Vec<_> = lengths
            .map(|longest| with_records_of(longest, version))
            .collect();
        let named = results
            .iter()
            .filter(|result| **result == Err(TlsError::MessageCut))
            .count();
        let well = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(named + well, results.len(), "{results:?}");
        assert!(well > 100, "{well} of {}", results.len());
        if version == TlsVersion::Tls13 {
            // There all messages of the flight make one text, and some records end amid a header.
            assert!(named > 0);
        }
    }
}
