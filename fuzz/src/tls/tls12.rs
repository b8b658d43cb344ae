//! TLS 1.2 (RFC 5246) with ECDHE, ECDSA and AES-128-GCM (RFC 5289), extended master secret (RFC
//! 7627), and tickets (RFC 5077).

use super::keys::{Protection, hash, prf};
use super::server::Hello;
use super::{
    CERTIFICATE, CERTIFICATE_REQUEST, CHANGE_CIPHER_SPEC, FINISHED, HELLO_DONE, KEY_EXCHANGE, Kept,
    Play, SERVER_HELLO, Server, TICKET, agree, extension, long_vector, short_vector, sign, vector,
};

/// The server's random number.
const RANDOM: [u8; 32] = [0x55; 32];

impl Server<'_, '_> {
    pub(super) fn shake_hands_of_12<T>(
        &mut self,
        device: &mut Play<'_, T>,
        kept: &mut Kept,
    ) -> Option<()> {
        let hello = self.hello(device)?;
        let how = self.script.byte_or_0();
        let extended = how & 1 == 0 && hello.extension(23).is_some();
        let resumed = kept
            .master
            .clone()
            .filter(|_| how & 16 != 0 && hello.extension(35).is_some_and(|t| !t.is_empty()));
        let mut list = extension(0xFF01, &[0]);
        if extended {
            list.extend(extension(23, &[]));
        }
        if how & 4 == 0 {
            list.extend(extension(35, &[]));
        }
        let session = if resumed.is_some() {
            &hello.session[..]
        } else {
            &[]
        };
        let mut body = [
            &[3, 3],
            &RANDOM[..],
            &short_vector(session),
            &[0xC0, 0x2B, 0],
        ]
        .concat();
        let list = self.extensions(list);
        body.extend(list);
        self.send(SERVER_HELLO, &body);
        if let Some(master) = resumed {
            return self.resume(device, &hello, &master, how);
        }
        let (secret, requested) = self.exchange(device, &hello, how)?;
        let master = if extended {
            prf(
                &secret,
                "extended master secret",
                &hash(&self.transcript),
                48,
            )
        } else {
            let seed = [&hello.random[..], &RANDOM].concat();
            prf(&secret, "master secret", &seed, 48)
        };
        let (theirs, mine) = keys(&master, &hello);
        // CertificateVerify comes before the key changes.
        if requested {
            self.next_message(device)?;
        }
        self.until_key_change(device)?;
        self.read_key = Some(theirs);
        while self.next_message(device)?.0 != FINISHED {}
        if how & 4 == 0 {
            let ticket = vector(self.script.short_string());
            self.send(TICKET, &[&[0, 0, 14, 16], &ticket[..]].concat());
            self.flush();
        }
        self.finish(&master, mine);
        kept.master = Some(master);
        Some(())
    }

    /// From the certificate to the client's half of the key; with the secret, and whether the client
    /// proves itself.
    fn exchange<T>(
        &mut self,
        device: &mut Play<'_, T>,
        hello: &Hello,
        how: u8,
    ) -> Option<(Vec<u8>, bool)> {
        let entries: Vec<u8> = self.chain().iter().flat_map(|c| long_vector(c)).collect();
        self.send(CERTIFICATE, &long_vector(&entries));
        let group: u16 = if how & 2 == 0 { 23 } else { 24 };
        // Its half does not depend on the client's.
        let (ours, _) = agree(group, &generator(group))?;
        let mut parameters = [&[3], &group.to_be_bytes()[..], &short_vector(&ours)].concat();
        self.bend(&mut parameters);
        let signature = sign(&[&hello.random[..], &RANDOM, &parameters].concat());
        let mut body = [&parameters[..], &[4, 3], &vector(&signature)].concat();
        let honest = body.clone();
        self.bend(&mut body);
        self.spoilt |= body != honest;
        self.send(KEY_EXCHANGE, &body);
        if how & 8 == 0 {
            let mut body = [&[1, 64][..], &vector(&[4, 3, 5, 3]), &[0, 0]].concat();
            self.bend(&mut body);
            self.send(CERTIFICATE_REQUEST, &body);
        }
        self.send(HELLO_DONE, &[]);
        self.flush();
        let mut requested = false;
        loop {
            match self.next_message(device)? {
                (CERTIFICATE, body) => requested = body.len() > 3,
                (16, body) => {
                    let (_, shared) = agree(group, body.get(1..)?)?;
                    return Some((shared, requested));
                }
                _ => return None,
            }
        }
    }

    fn resume<T>(
        &mut self,
        device: &mut Play<'_, T>,
        hello: &Hello,
        master: &[u8],
        how: u8,
    ) -> Option<()> {
        if how & 4 == 0 {
            let ticket = vector(self.script.short_string());
            self.send(TICKET, &[&[0, 0, 14, 16], &ticket[..]].concat());
        }
        self.flush();
        let (theirs, mine) = keys(master, hello);
        self.finish(master, mine);
        self.until_key_change(device)?;
        self.read_key = Some(theirs);
        while self.next_message(device)?.0 != FINISHED {}
        Some(())
    }

    fn finish(&mut self, master: &[u8], key: Protection) {
        match self.script.byte_or_0() {
            0xFF => {}
            0xFE => self.plain(CHANGE_CIPHER_SPEC, &[1, 1]),
            0xFD => self.plain(CHANGE_CIPHER_SPEC, &[2]),
            _ => self.plain(CHANGE_CIPHER_SPEC, &[1]),
        }
        self.write_key = Some(key);
        let proof = prf(master, "server finished", &hash(&self.transcript), 12);
        self.send(FINISHED, &proof);
        self.flush();
    }

    /// Reads the device's ChangeCipherSpec, after which it speaks with the new key.
    fn until_key_change<T>(&mut self, device: &mut Play<'_, T>) -> Option<()> {
        loop {
            match self.next_record(device)? {
                (CHANGE_CIPHER_SPEC, _) => return Some(()),
                (super::HANDSHAKE, text) => {
                    self.heard.extend(text);
                }
                _ => return None,
            }
        }
    }
}

/// The keys of the two directions: the client's, the server's.
fn keys(master: &[u8], hello: &Hello) -> (Protection, Protection) {
    let seed = [&RANDOM, &hello.random[..]].concat();
    let block = prf(master, "key expansion", &seed, 40);
    (
        Protection::of_key(&block[..16], &block[32..36]),
        Protection::of_key(&block[16..32], &block[36..]),
    )
}

/// Any point of the group.
fn generator(group: u16) -> Vec<u8> {
    match group {
        23 => p256::SecretKey::from_slice(&[9; 32])
            .expect("it is in range")
            .public_key()
            .to_sec1_bytes()
            .to_vec(),
        _ => p384::SecretKey::from_slice(&[9; 48])
            .expect("it is in range")
            .public_key()
            .to_sec1_bytes()
            .to_vec(),
    }
}
