//! TLS from a misbehaving server: one that holds the true key and the true certificates, speaks TLS
//! 1.2 and 1.3 on P-256 and P-384 with AES-128-GCM, and does at each step what a script says.
//!
//! It is small so that all of it can be bent: what a library of TLS would not sign, send or encrypt,
//! this does. An empty script is an honest server.

pub mod client;
mod keys;
mod play;
mod records;
mod server;
mod tls12;
mod tls13;
pub mod x509;

pub use client::Wire;
pub use play::Play;
pub use server::{Kept, Server};

use p256::pkcs8::DecodePrivateKey;

// Types of records and messages (RFC 8446, 4 and 5.1; RFC 5246, 7.4).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// The type of a record with data.
pub const DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const TICKET: u8 = 4;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;
const MESSAGE_HASH: u8 = 254;

/// A length of two bytes before the bytes.
fn vector(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A length of three bytes before the bytes.
fn long_vector(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

/// A length of one byte before the bytes.
fn short_vector(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

/// An extension.
fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(data)].concat()
}

/// A message with its header.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &long_vector(body)[..]].concat()
}

/// The certificate of a PEM file, or the first of them.
pub fn der(text: &str) -> Vec<u8> {
    let (_, der) = p256::pkcs8::der::pem::decode_vec(text.as_bytes()).expect("it is PEM");
    der
}

/// Signs with the server's key (ECDSA on P-256, SHA-256).
fn sign(text: &[u8]) -> Vec<u8> {
    use p256::ecdsa::signature::Signer;
    thread_local! {
        static KEY: p256::ecdsa::SigningKey =
            p256::ecdsa::SigningKey::from_pkcs8_pem(client::SERVER_KEY).expect("it is a key");
    }
    let signature: p256::ecdsa::Signature = KEY.with(|key| key.sign(text));
    signature.to_der().as_bytes().to_vec()
}

/// Agrees upon a key on P-256 (23) or P-384 (24): the server's half and the secret.
fn agree(group: u16, theirs: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match group {
        23 => {
            let secret = p256::SecretKey::from_slice(&[7; 32]).expect("it is in range");
            let theirs = p256::PublicKey::from_sec1_bytes(theirs).ok()?;
            let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine());
            let ours = secret.public_key().to_sec1_bytes().to_vec();
            Some((uncompressed(ours), shared.raw_secret_bytes().to_vec()))
        }
        24 => {
            let secret = p384::SecretKey::from_slice(&[7; 48]).expect("it is in range");
            let theirs = p384::PublicKey::from_sec1_bytes(theirs).ok()?;
            let shared = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), theirs.as_affine());
            let ours = secret.public_key().to_sec1_bytes().to_vec();
            Some((uncompressed(ours), shared.raw_secret_bytes().to_vec()))
        }
        _ => None,
    }
}

fn uncompressed(point: Vec<u8>) -> Vec<u8> {
    assert_eq!(point[0], 4, "it is uncompressed");
    point
}
