//! TLS 1.3 (RFC 8446).

use super::HANDSHAKE;
use super::keys::{Hash, Protection, derive, expand, hash, mac};
use super::server::Hello;
use super::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, ENCRYPTED_EXTENSIONS, FINISHED,
    KEY_UPDATE, Kept, MESSAGE_HASH, Play, SERVER_HELLO, Server, TICKET, agree, extension,
    long_vector, message, short_vector, sign, vector,
};

/// The random number that makes a ServerHello a HelloRetryRequest (RFC 8446, 4.1.3).
const RETRY: &str = "HelloRetryRequest";

impl Server<'_, '_> {
    pub(super) fn shake_hands_of_13<T>(
        &mut self,
        device: &mut Play<'_, T>,
        kept: &mut Kept,
    ) -> Option<()> {
        let mut hello = self.hello(device)?;
        let how = self.script.byte_or_0();
        if how & 1 != 0 {
            hello = self.retry(device, &hello, how)?;
        }
        let psk = kept
            .psk
            .filter(|_| how & 16 != 0 && hello.extension(41).is_some());
        let (group, ours, shared) =
            shares(hello.extension(51)?)
                .into_iter()
                .find_map(|(group, theirs)| {
                    agree(group, &theirs).map(|(ours, shared)| (group, ours, shared))
                })?;
        let mut share = [&group.to_be_bytes()[..], &vector(&ours)].concat();
        self.bend(&mut share);
        let mut list = [extension(43, &[3, 4]), extension(51, &share)].concat();
        if psk.is_some() {
            list.extend(extension(41, &[0, 0]));
        }
        self.server_hello([0x55; 32], &hello.session, list);
        if how & 32 == 0 {
            self.flush();
        }
        let early = mac(&[0; 32], &[&psk.unwrap_or_default()]);
        let secret = mac(&derive(&early, "derived", &[]), &[&shared]);
        let theirs = derive(&secret, "c hs traffic", &self.transcript);
        let mine = derive(&secret, "s hs traffic", &self.transcript);
        self.write_key = Some(Protection::of_secret(&mine));

        let list = self.extensions(Vec::new());
        self.send(ENCRYPTED_EXTENSIONS, &list);
        if psk.is_none() {
            self.prove_by_certificate(how);
        }
        let proof = finished(&mine, &self.transcript);
        self.send(FINISHED, &proof);
        self.flush();

        let master = mac(&derive(&secret, "derived", &[]), &[&[0; 32]]);
        let client_traffic = derive(&master, "c ap traffic", &self.transcript);
        self.traffic = derive(&master, "s ap traffic", &self.transcript);
        self.read_key = Some(Protection::of_secret(&theirs));
        while self.next_message(device)?.0 != FINISHED {}
        self.resumption = derive(&master, "res master", &self.transcript);
        self.read_key = Some(Protection::of_secret(&client_traffic));
        self.write_key = Some(Protection::of_secret(&self.traffic));
        Some(())
    }

    fn prove_by_certificate(&mut self, how: u8) {
        if how & 2 == 0 {
            let algorithms = extension(13, &vector(&[4, 3, 5, 3, 8, 4]));
            let list = self.extensions(algorithms);
            self.send(CERTIFICATE_REQUEST, &[&[0], &list[..]].concat());
        }
        let entries: Vec<u8> = self
            .chain()
            .iter()
            .flat_map(|certificate| [long_vector(certificate), vec![0, 0]].concat())
            .collect();
        let mut body = [&[0], &long_vector(&entries)[..]].concat();
        self.bend(&mut body);
        self.send(CERTIFICATE, &body);
        let mut text = [0x20; 64].to_vec();
        text.extend(b"TLS 1.3, server CertificateVerify\0");
        text.extend(hash(&self.transcript));
        let body = [&[4, 3], &vector(&sign(&text))[..]].concat();
        self.send(CERTIFICATE_VERIFY, &body);
    }

    fn retry<T>(&mut self, device: &mut Play<'_, T>, hello: &Hello, how: u8) -> Option<Hello> {
        let first = hash(&self.transcript);
        self.transcript = message(MESSAGE_HASH, &first);
        let group: u16 = match how >> 2 & 3 {
            0 => 24,
            1 => 23,
            2 => 29,
            _ => self.script.short(),
        };
        let mut list = [extension(43, &[3, 4]), extension(51, &group.to_be_bytes())].concat();
        if how & 64 != 0 {
            let cookie = vector(self.script.string());
            list.extend(extension(44, &cookie));
        }
        self.server_hello(hash(RETRY.as_bytes()), &hello.session, list);
        self.flush();
        if how & 128 == 0 {
            self.odd(0);
        }
        self.hello(device)
    }

    fn server_hello(&mut self, random: Hash, session: &[u8], list: Vec<u8>) {
        let mut body = [&[3, 3], &random[..], &short_vector(session), &[0x13, 1, 0]].concat();
        let list = self.extensions(list);
        body.extend(list);
        self.send(SERVER_HELLO, &body);
    }

    /// Sends a ticket, spoilt or not.
    pub fn ticket(&mut self, kept: &mut Kept) {
        let nonce = self.script.short_string().to_vec();
        let ticket = match self.script.byte_or_0() {
            0 => b"a ticket".to_vec(),
            _ => self.script.string().to_vec(),
        };
        if !self.tls13 {
            let body = [&[0, 0, 14, 16], &vector(&ticket)[..]].concat();
            self.send(TICKET, &body);
            self.flush();
            return;
        }
        kept.psk = expand(&self.resumption, "resumption", &nonce, 32)
            .try_into()
            .ok();
        let mut body = [[0, 0, 14, 16], [1, 2, 3, 4]].concat();
        body.extend(short_vector(&nonce));
        body.extend(vector(&ticket));
        let list = self.extensions(Vec::new());
        body.extend(list);
        self.send(TICKET, &body);
        self.flush();
    }

    /// Changes the server's keys, and asks for the same or not.
    pub fn update_keys(&mut self, request: u8) {
        self.record(HANDSHAKE, &message(KEY_UPDATE, &[request]), 0);
        if self.tls13 {
            let next = expand(&self.traffic, "traffic upd", &[], 32);
            self.traffic = next.try_into().expect("it is as long");
            self.write_key = Some(Protection::of_secret(&self.traffic));
        }
    }
}

fn finished(secret: &Hash, transcript: &[u8]) -> Hash {
    mac(&expand(secret, "finished", &[], 32), &[&hash(transcript)])
}

/// The key shares of a ClientHello: groups and points.
fn shares(data: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut shares = Vec::new();
    let mut rest = data.get(2..).unwrap_or_default();
    while let [g0, g1, l0, l1, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let Some((share, more)) = more.split_at_checked(length) else {
            break;
        };
        shares.push((u16::from_be_bytes([*g0, *g1]), share.to_vec()));
        rest = more;
    }
    shares
}
