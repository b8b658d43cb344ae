//! The key schedules of TLS 1.2 and 1.3 with SHA-256, and records in AES-128-GCM
//! (RFC 5246, 5 and 6.3; RFC 5288; RFC 8446, 5.2 and 7.1).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// A secret or a hash.
pub(super) type Hash = [u8; 32];

/// SHA-256.
pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// HMAC with SHA-256 over the parts.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Hash {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// TLS 1.3's HKDF-Expand-Label for at most a hash's length, which is one step.
pub(super) fn expand(secret: &[u8], label: &str, context: &[u8], length: usize) -> Vec<u8> {
    let name = [b"tls13 ", label.as_bytes()].concat();
    let mut info = (length as u16).to_be_bytes().to_vec();
    info.push(name.len() as u8);
    info.extend(name);
    info.push(context.len() as u8);
    info.extend(context);
    mac(secret, &[&info, &[1]])[..length].to_vec()
}

/// TLS 1.3's Derive-Secret.
pub(super) fn derive(secret: &[u8], label: &str, transcript: &[u8]) -> Hash {
    let secret = expand(secret, label, &hash(transcript), 32);
    secret.try_into().expect("it is as long")
}

/// TLS 1.2's PRF.
pub(super) fn prf(secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
    let seed = [label.as_bytes(), seed].concat();
    let mut output = Vec::new();
    let mut a = mac(secret, &[&seed]);
    while output.len() < length {
        output.extend(mac(secret, &[&a, &seed]));
        a = mac(secret, &[&a]);
    }
    output.truncate(length);
    output
}

/// One direction's key.
pub(super) struct Protection {
    cipher: Aes128Gcm,
    iv: Vec<u8>,
    number: u64,
    tls13: bool,
}

impl Protection {
    /// Of a traffic secret of TLS 1.3.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        let key = expand(secret, "key", &[], 16);
        Self::new(&key, expand(secret, "iv", &[], 12), true)
    }

    /// Of TLS 1.2's key and the first 4 bytes of its nonces.
    pub(super) fn of_key(key: &[u8], salt: &[u8]) -> Self {
        Self::new(key, salt.to_vec(), false)
    }

    fn new(key: &[u8], iv: Vec<u8>, tls13: bool) -> Self {
        Self {
            cipher: Aes128Gcm::new_from_slice(key).expect("it has 16 bytes"),
            iv,
            number: 0,
            tls13,
        }
    }

    fn nonce(&self) -> Nonce<aes_gcm::aead::consts::U12> {
        let number = self.number.to_be_bytes();
        let mut nonce = [0; 12];
        nonce[..self.iv.len()].copy_from_slice(&self.iv);
        for (place, byte) in nonce[4..].iter_mut().zip(number) {
            *place ^= byte;
        }
        nonce.into()
    }

    /// A whole record.
    pub(super) fn seal(&mut self, kind: u8, text: &[u8], padding: usize) -> Vec<u8> {
        let nonce = self.nonce();
        let (head, body) = if self.tls13 {
            let inner = [text, &[kind], &vec![0; padding]].concat();
            let head = header(23, inner.len() + 16);
            let payload = Payload {
                msg: &inner,
                aad: &head,
            };
            (head, self.cipher.encrypt(&nonce, payload).expect("it fits"))
        } else {
            let about = [&self.number.to_be_bytes()[..], &header(kind, text.len())].concat();
            let payload = Payload {
                msg: text,
                aad: &about,
            };
            let sealed = self.cipher.encrypt(&nonce, payload).expect("it fits");
            let body = [&nonce[4..], &sealed].concat();
            (header(kind, body.len()), body)
        };
        self.number += 1;
        [&head[..], &body].concat()
    }

    /// The type and the text of a record, if it is one of this key.
    pub(super) fn open(&mut self, kind: u8, body: &[u8]) -> Option<(u8, Vec<u8>)> {
        let nonce = self.nonce();
        let opened = if self.tls13 {
            let aad = header(23, body.len());
            let payload = Payload {
                msg: body,
                aad: &aad,
            };
            let mut inner = self.cipher.decrypt(&nonce, payload).ok()?;
            while inner.pop_if(|byte| *byte == 0).is_some() {}
            (inner.pop()?, inner)
        } else {
            let sealed = body.get(8..)?;
            let length = sealed.len().checked_sub(16)?;
            let about = [&self.number.to_be_bytes()[..], &header(kind, length)].concat();
            let payload = Payload {
                msg: sealed,
                aad: &about,
            };
            (kind, self.cipher.decrypt(&nonce, payload).ok()?)
        };
        self.number += 1;
        Some(opened)
    }
}

/// A record's header.
pub(super) fn header(kind: u8, length: usize) -> [u8; 5] {
    let [high, low] = (length as u16).to_be_bytes();
    [kind, 3, 3, high, low]
}
