//! What a guard lets through and what it refuses, whole and byte by byte.

use alloc::vec;
use alloc::vec::Vec;

use super::messages::{
    COOKIE, EXTENDED_MASTER_SECRET, KEY_SHARE, NAMED_CURVE, RETRY, SIGNATURE_ALGORITHMS,
    SUPPORTED_GROUPS, SUPPORTED_VERSIONS, is_whole_proof,
};
use super::*;

const P256: u16 = 23;
const P384: u16 = 24;
const X25519: u16 = 29;
const TLS13_SUITE: u16 = 0x1301;
const TLS12_SUITE: u16 = 0xc02b;
const ECDSA_SHA256: u16 = 0x0403;
const ECDSA_SHA1: u16 = 0x0203;

fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u16).to_be_bytes();
    [&length, bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(data)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &vector(body)[..]].concat()
}

/// A device's that offers two groups and has a key for one.
fn client_hello() -> Vec<u8> {
    let numbers = |numbers: &[u16]| -> Vec<u8> {
        vector(
            &numbers
                .iter()
                .flat_map(|n| n.to_be_bytes())
                .collect::<Vec<_>>(),
        )
    };
    let share = [&P256.to_be_bytes()[..], &vector(&[4; 65])].concat();
    let extensions = [
        extension(SUPPORTED_GROUPS, &numbers(&[P256, P384])),
        extension(SIGNATURE_ALGORITHMS, &numbers(&[ECDSA_SHA256, 0x0804])),
        extension(KEY_SHARE, &vector(&share)),
        extension(SUPPORTED_VERSIONS, &[4, 3, 4, 3, 3]),
        extension(EXTENDED_MASTER_SECRET, &[]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &numbers(&[TLS13_SUITE, TLS12_SUITE]),
        &[1, 0],
        &vector(&extensions),
    ]
    .concat();
    record(HANDSHAKE, &message(CLIENT_HELLO, &body))
}

fn hello(version: u16, random: &[u8], suite: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &version.to_be_bytes()[..],
        random,
        &[0],
        &suite.to_be_bytes(),
        &[0],
        &vector(&extensions.concat()),
    ]
    .concat();
    message(SERVER_HELLO, &body)
}

fn versions() -> Vec<u8> {
    extension(SUPPORTED_VERSIONS, &[3, 4])
}

fn wants(group: u16) -> Vec<u8> {
    extension(KEY_SHARE, &group.to_be_bytes())
}

fn retry(extensions: &[Vec<u8>]) -> Vec<u8> {
    hello(
        TLS_1_2,
        &RETRY,
        TLS13_SUITE,
        &[&[versions()], extensions].concat(),
    )
}

fn tls13_hello() -> Vec<u8> {
    hello(TLS_1_2, &[9; 32], TLS13_SUITE, &[versions()])
}

fn tls12_hello() -> Vec<u8> {
    hello(TLS_1_2, &[9; 32], TLS12_SUITE, &[])
}

fn key_exchange(signature: u16) -> Vec<u8> {
    let body = [
        &[NAMED_CURVE, 0, 23, 65][..],
        &[4; 65],
        &signature.to_be_bytes(),
        &vector(&[1; 70]),
    ];
    message(SERVER_KEY_EXCHANGE, &body.concat())
}

/// What a guard says of an answer in one piece.
fn judge_whole(answer: &[u8]) -> Result<(), Refusal> {
    let mut guard = Guard::new(None);
    guard.sent(&client_hello());
    guard.received(answer)
}

/// What a guard says of an answer, in pieces of any length.
fn judge(answer: &[u8]) -> Result<(), Refusal> {
    let judge = |piece| {
        let mut guard = Guard::new(None);
        guard.sent(&client_hello());
        answer
            .chunks(piece)
            .try_for_each(|bytes| guard.received(bytes))
    };
    let whole = judge(answer.len());
    for piece in [1, 2, 7, 100] {
        assert_eq!(judge(piece), whole, "in pieces of {piece}");
    }
    whole
}

fn judge_message(message: &[u8]) -> Result<(), Refusal> {
    judge(&record(HANDSHAKE, message))
}

fn refused(violation: Violation) -> Result<(), Refusal> {
    Err(violation.into())
}

#[test]
fn what_servers_answer_passes() {
    assert_eq!(judge_message(&tls13_hello()), Ok(()));
    let encrypted = record(23, &[0xff; 500]);
    let change = record(CHANGE_CIPHER_SPEC, &[1]);
    let again = record(HANDSHAKE, &tls13_hello());
    let flight = [
        record(HANDSHAKE, &retry(&[wants(P384)])),
        change.clone(),
        again,
        encrypted.clone(),
    ];
    assert_eq!(judge(&flight.concat()), Ok(()));
    let alert = record(ALERT, &[2, 40]);
    assert_eq!(judge(&alert), Ok(()));

    // TLS 1.2, its messages in one record, or each cut in two.
    let messages = [
        tls12_hello(),
        message(CERTIFICATE, &[5; 20_000]),
        key_exchange(ECDSA_SHA256),
        message(14, &[]),
    ];
    let records = |bytes: &[u8], most| -> Vec<u8> {
        bytes
            .chunks(most)
            .flat_map(|part| record(HANDSHAKE, part))
            .collect()
    };
    for most in [16_384, 50, 1] {
        let flight = records(&messages.concat(), most);
        assert_eq!(
            judge(&[flight, change.clone(), encrypted.clone()].concat()),
            Ok(())
        );
    }
    // One from before there were extensions.
    let mut old = tls12_hello();
    old.truncate(old.len() - 2);
    old[3] -= 2;
    assert_eq!(judge_message(&old), Ok(()));
}

#[test]
fn a_retry_must_ask_for_something_else() {
    assert_eq!(judge_message(&retry(&[wants(P384)])), Ok(()));
    assert_eq!(
        judge_message(&retry(&[])),
        refused(Violation::RetryForNothing)
    );
    assert_eq!(
        judge_message(&retry(&[wants(P256)])),
        refused(Violation::RetryForNothing)
    );
    assert_eq!(
        judge_message(&retry(&[wants(X25519)])),
        refused(Violation::NotOffered)
    );
    let twice = [wants(P384), wants(P384)];
    assert_eq!(judge_message(&retry(&twice)), refused(Violation::Malformed));
    let cookie = extension(COOKIE, &vector(&[1; 32]));
    assert_eq!(
        judge_message(&retry(&[wants(P384), cookie.clone()])),
        Err(Refusal::Cookie)
    );
    assert_eq!(judge_message(&retry(&[cookie])), Err(Refusal::Cookie));
}

#[test]
fn there_is_one_retry() {
    let once = record(HANDSHAKE, &retry(&[wants(P384)]));
    assert_eq!(
        judge(&[once.clone(), once.clone()].concat()),
        refused(Violation::SecondRetry)
    );
    // And it was for TLS 1.3.
    let older = record(HANDSHAKE, &tls12_hello());
    assert_eq!(
        judge(&[once, older].concat()),
        refused(Violation::VersionConfused)
    );
}

#[test]
fn the_version_goes_with_the_rest() {
    let confused = [
        // CVE-2026-115490: TLS 1.3 without its extension.
        hello(0x0304, &[9; 32], TLS13_SUITE, &[]),
        hello(0x0304, &[9; 32], TLS12_SUITE, &[]),
        hello(0x0304, &[9; 32], TLS13_SUITE, &[versions()]),
        hello(TLS_1_2, &[9; 32], TLS13_SUITE, &[]),
        hello(TLS_1_2, &[9; 32], TLS12_SUITE, &[versions()]),
        hello(TLS_1_2, &RETRY, TLS12_SUITE, &[]),
    ];
    for hello in confused {
        assert_eq!(judge_message(&hello), refused(Violation::VersionConfused));
    }
    let other = hello(TLS_1_2, &[9; 32], 0x1303, &[versions()]);
    assert_eq!(judge_message(&other), refused(Violation::NotOffered));
}

#[test]
fn nothing_follows_where_keys_change() {
    let encrypted_extensions = message(8, &[0, 0]);
    for first in [tls13_hello(), retry(&[wants(P384)])] {
        for rest in [&encrypted_extensions[..], &encrypted_extensions[..1]] {
            let both = [&first, rest].concat();
            assert_eq!(judge_message(&both), refused(Violation::AcrossKeyChange));
        }
    }
    // In TLS 1.2 the change is a record of its own.
    let cut = [
        record(HANDSHAKE, &tls12_hello()),
        record(HANDSHAKE, &encrypted_extensions[..2]),
        record(CHANGE_CIPHER_SPEC, &[1]),
    ];
    assert_eq!(judge(&cut.concat()), refused(Violation::AcrossKeyChange));
}

#[test]
fn a_key_is_signed_as_was_offered() {
    let flight = |signature| {
        let messages = [tls12_hello(), key_exchange(signature)].concat();
        judge_message(&messages)
    };
    assert_eq!(flight(ECDSA_SHA256), Ok(()));
    assert_eq!(flight(ECDSA_SHA1), refused(Violation::NotOffered));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for length in 0..tls13_hello().len() - HEADER {
        let body = &tls13_hello()[HEADER..][..length];
        let result = judge_message(&message(SERVER_HELLO, body));
        // Just before the extensions it is one of TLS 1.2.
        assert!(result.is_err(), "{length}");
    }
    let long = hello(TLS_1_2, &[9; 32], TLS13_SUITE, &[extension(0, &[0; 1000])]);
    assert_eq!(judge_message(&long), refused(Violation::Malformed));
    assert_eq!(
        judge(&record(HANDSHAKE, &[])),
        refused(Violation::Malformed)
    );
    let begun = record(HANDSHAKE, &tls13_hello()[..9]);
    assert_eq!(
        judge(&[begun, record(23, &[0; 9])].concat()),
        refused(Violation::Malformed)
    );
    let short = [
        tls12_hello(),
        message(SERVER_KEY_EXCHANGE, &[NAMED_CURVE, 0, 23, 65, 4]),
    ];
    assert_eq!(
        judge_message(&short.concat()),
        refused(Violation::Malformed)
    );
}

#[test]
fn nothing_passes_without_a_hello_of_the_device() {
    let mut guard = Guard::new(None);
    let result = guard.received(&record(HANDSHAKE, &tls13_hello()));
    assert_eq!(result, refused(Violation::NotOffered));
    let unused: Vec<u8> = vec![0; 3];
    assert!(Offer::read(&unused).is_none());
}

#[test]
fn an_extension_answers_one_of_the_devices_and_comes_once() {
    let asked = extension(SUPPORTED_GROUPS, &[]);
    let tls12 = |extensions: &[Vec<u8>]| {
        let hello = hello(TLS_1_2, &[9; 32], TLS12_SUITE, extensions);
        judge_message(&hello)
    };
    assert_eq!(tls12(core::slice::from_ref(&asked)), Ok(()));
    assert_eq!(tls12(&[extension(RENEGOTIATION_INFO, &[0])]), Ok(()));
    assert_eq!(
        tls12(&[asked.clone(), asked]),
        refused(Violation::Malformed)
    );
    let never = extension(1234, &[]);
    assert_eq!(
        tls12(core::slice::from_ref(&never)),
        refused(Violation::NotAsked)
    );
    let tls13 = hello(TLS_1_2, &[9; 32], TLS13_SUITE, &[versions(), never.clone()]);
    assert_eq!(judge_message(&tls13), refused(Violation::NotAsked));
    let again = retry(&[wants(P384), never]);
    assert_eq!(judge_message(&again), refused(Violation::NotAsked));
}

#[test]
fn a_point_is_not_compressed() {
    let mut exchange = key_exchange(ECDSA_SHA256);
    exchange[HEADER + 4] = 2;
    let messages = [tls12_hello(), exchange].concat();
    assert_eq!(judge_message(&messages), refused(Violation::NotOffered));
    // X25519's keys have one form, and begin with any byte.
    let mut exchange = key_exchange(ECDSA_SHA256);
    exchange[HEADER + 1..HEADER + 3].copy_from_slice(&29u16.to_be_bytes());
    exchange[HEADER + 4] = 2;
    let messages = [tls12_hello(), exchange].concat();
    assert_eq!(judge_message(&messages), Ok(()));
}

#[test]
fn a_session_is_resumed_with_the_master_secret_that_it_had() {
    let with = hello(
        TLS_1_2,
        &[9; 32],
        TLS12_SUITE,
        &[extension(EXTENDED_MASTER_SECRET, &[])],
    );
    let certificate = message(CERTIFICATE, &[0; 3]);
    let change = record(CHANGE_CIPHER_SPEC, &[1]);
    let judge = |before, messages: &[u8]| {
        let mut guard = Guard::new(before);
        guard.sent(&client_hello());
        guard.received(&[record(HANDSHAKE, messages), change.clone()].concat())
    };
    let otherwise = refused(Violation::ResumedOtherwise);
    for (before, hello, expected) in [
        (Some(true), &with, Ok(())),
        (Some(false), &tls12_hello(), Ok(())),
        (Some(true), &tls12_hello(), otherwise),
        (Some(false), &with, otherwise),
        // The server cannot resume what there is not.
        (None, &with, Ok(())),
    ] {
        assert_eq!(judge(before, hello), expected, "{before:?}");
        // A handshake anew may be otherwise.
        let anew = [&hello[..], &certificate].concat();
        assert_eq!(judge(before, &anew), Ok(()), "{before:?}");
    }
}

#[test]
fn after_the_hello_of_tls_1_3_nothing_comes_in_the_clear() {
    let hello = record(HANDSHAKE, &tls13_hello());
    let encrypted = record(APPLICATION_DATA, &[7; 40]);
    let change = record(CHANGE_CIPHER_SPEC, &[1]);
    let good = [hello.clone(), change.clone(), encrypted.clone()].concat();
    assert_eq!(judge(&[&good[..], &encrypted].concat()), Ok(()));
    let clear = record(HANDSHAKE, &[8; 40]);
    let in_the_clear = refused(Violation::InTheClear);
    assert_eq!(judge(&[&good[..], &clear].concat()), in_the_clear);
    let longest = |length: usize| {
        let record = record(APPLICATION_DATA, &vec![0; length]);
        judge_whole(&[&good[..], &record].concat())
    };
    assert_eq!(longest(MOST_ENCRYPTED), Ok(()));
    assert_eq!(longest(MOST_ENCRYPTED + 1), refused(Violation::NoRecord));
    let many = change.repeat(usize::from(MOST_CHANGES));
    assert_eq!(judge(&[&good[..], &many].concat()), in_the_clear);

    let mut guard = Guard::new(None);
    guard.sent(&client_hello());
    assert_eq!(guard.received(&good), Ok(()));
    guard.over();
    assert_eq!(guard.received(&encrypted), Ok(()));
    assert_eq!(guard.received(&change), in_the_clear);
}

#[test]
fn nothing_follows_a_proof() {
    let proof = |behind: &[u8]| {
        let signature = vector(&[7; 70]);
        message(
            15,
            &[&ECDSA_SHA256.to_be_bytes(), &signature[..], behind].concat(),
        )
    };
    assert!(is_whole_proof(&proof(&[])));
    assert!(!is_whole_proof(&proof(&[0])));
    let whole = proof(&[]);
    assert!((0..whole.len()).all(|length| !is_whole_proof(&whole[..length])));
}

/// The number of a session that a ClientHello of TLS 1.3 has is none (RFC 8446, D.4), unless there is one.
#[test]
fn a_session_that_was_not_offered_is_not_resumed() {
    let numbered = |hello: &[u8], number: u8| {
        let body = [
            &hello[4..][..2 + 32],
            &[1, number],
            &hello[4 + 2 + 32 + 1..],
        ]
        .concat();
        record(HANDSHAKE, &message(hello[0], &body))
    };
    let judge = |extended_before, number| {
        let mut guard = Guard::new(extended_before);
        guard.sent(&numbered(&client_hello()[5..], 7));
        guard.received(&numbered(&tls12_hello(), number))
    };
    assert_eq!(judge(None, 7), refused(Violation::NotOffered));
    assert_eq!(judge(None, 8), Ok(()));
    assert_eq!(judge(Some(false), 7), Ok(()));
}
