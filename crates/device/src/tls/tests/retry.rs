//! HelloRetryRequest: a server that wants another group than the one the device sent a key for.

use alloc::vec;
use alloc::vec::Vec;

use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use rustls::HandshakeKind;
use rustls::crypto::aws_lc_rs::kx_group::SECP384R1;

use super::pipe::pipe;
use super::server::{Options, Server};
use super::{ROOT, alone, bundle, client};
use crate::testing::run;
use crate::tls::{Resumption, Stream, TlsError, Violation};

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
        let client = client(&bundle);
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

/// What a device says of a server that answers its ClientHello with these bytes, and the alert that
/// the server gets.
fn answered_with(answer: Vec<u8>) -> (TlsError, Option<u8>) {
    let _alone = alone();
    answer_with(answer, &mut Resumption::new())
}

fn answer_with(answer: Vec<u8>, resumption: &mut Resumption) -> (TlsError, Option<u8>) {
    let (here, mut there) = pipe(65_536);
    let bundle = bundle(ROOT);
    let client = client(&bundle);
    let device = async {
        let stream = Stream::connect(here, client, resumption).await;
        stream.err().unwrap()
    };
    let server = async {
        let mut hello = [0; 4096];
        there.read(&mut hello).await.unwrap();
        // Its number of a session is to be given back.
        let session = hello[5 + 4 + 2 + 32..][..33].to_vec();
        let place = answer.windows(33).position(|place| place == ECHO);
        let mut answer = answer;
        if let Some(place) = place {
            answer[place..][..33].copy_from_slice(&session);
        }
        there.write_all(&answer).await.unwrap();
        let mut alert = [0; 64];
        match there.read(&mut alert).await.unwrap() {
            7 if alert[0] == 21 => Some(alert[6]),
            _ => None,
        }
    };
    run(join(device, server))
}

/// The place of the device's number of a session, with its length.
const ECHO: [u8; 33] = [32; 33];

/// A ServerHello with these extensions in a record, with something behind it.
fn hello(version: u8, random: [u8; 32], extensions: &[u8], behind: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| (bytes.len() as u16).to_be_bytes();
    let body = [
        &[3, version][..],
        &random,
        &ECHO,
        &[0x13, 0x01, 0],
        &length(extensions),
        extensions,
    ]
    .concat();
    let message = [&[2, 0][..], &length(&body), &body, behind].concat();
    [&[22, 3, 3][..], &length(&message), &message].concat()
}

const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
const VERSIONS: [u8; 6] = [0, 43, 0, 2, 3, 4];
const P384: [u8; 6] = [0, 51, 0, 2, 0, 24];

#[test]
fn what_mbedtls_would_let_through_is_refused_and_told() {
    let refused = |violation, alert| (TlsError::Violation(violation), Some(alert));
    let retry = |extensions: &[&[u8]]| hello(3, RETRY, &extensions.concat(), &[]);
    // Mbed-TLS/mbedtls#10898: nothing to change, or what was sent already.
    let for_nothing = refused(Violation::RetryForNothing, 47);
    assert_eq!(answered_with(retry(&[&VERSIONS])), for_nothing);
    let p256 = [0, 51, 0, 2, 0, 23];
    assert_eq!(answered_with(retry(&[&VERSIONS, &p256])), for_nothing);
    // CVE-2026-25832: P-521, which was not offered.
    let p521 = [0, 51, 0, 2, 0, 25];
    let not_offered = refused(Violation::NotOffered, 47);
    assert_eq!(answered_with(retry(&[&VERSIONS, &p521])), not_offered);
    // A second one before the device has answered the first.
    let once = retry(&[&VERSIONS, &P384]);
    let twice = [once.clone(), once].concat();
    let (error, _) = answered_with(twice);
    assert_eq!(error, TlsError::Violation(Violation::SecondRetry));
    // CVE-2026-115490: TLS 1.3 by the old field.
    let confused = refused(Violation::VersionConfused, 47);
    assert_eq!(answered_with(hello(4, [9; 32], &[], &[])), confused);
    // CVE-2026-73096: something in the clear behind a ServerHello.
    let across = refused(Violation::AcrossKeyChange, 10);
    let behind = hello(3, [9; 32], &VERSIONS, &[8, 0, 0, 2, 0, 0]);
    assert_eq!(answered_with(behind), across);
}

#[test]
fn a_cookie_is_told_as_such() {
    let cookie = [0, 44, 0, 4, 0, 2, 1, 2];
    let retry = hello(3, RETRY, &[&VERSIONS[..], &P384, &cookie].concat(), &[]);
    assert_eq!(answered_with(retry), (TlsError::RetryCookie, Some(40)));
}

/// As Java's servers do, which send a cookie with every HelloRetryRequest.
#[test]
fn after_a_cookie_the_device_comes_with_the_group_that_was_asked_for() {
    let _alone = alone();
    let mut resumption = Resumption::new();
    let cookie = [0, 44, 0, 4, 0, 2, 1, 2];
    let retry = hello(3, RETRY, &[&VERSIONS[..], &P384, &cookie].concat(), &[]);
    let (error, _) = answer_with(retry, &mut resumption);
    assert_eq!(error, TlsError::RetryCookie);
    let server = Server::with(Options {
        groups: vec![SECP384R1],
        ..Options::default()
    });
    let (here, mut there) = pipe(65_536);
    let bundle = bundle(ROOT);
    let client = client(&bundle);
    let (stream, kind) = run(join(
        Stream::connect(here, client, &mut resumption),
        async {
            let peer = server.accept(&mut there).await.unwrap();
            peer.tls.handshake_kind()
        },
    ));
    assert!(stream.is_ok());
    assert_eq!(kind, Some(HandshakeKind::Full));
}
