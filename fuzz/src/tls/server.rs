//! The server: what both versions have in common.

use super::client::{INTERMEDIATE, OTHERS, SERVER};
use super::keys::{Hash, Protection};
use super::{CERTIFICATE_VERIFY, CLIENT_HELLO, FINISHED, Play, Wire, der, message, vector};
use crate::Script;

/// What is left of a session for the next.
#[derive(Default)]
pub struct Kept {
    /// The key that a ticket of TLS 1.3 stands for.
    pub(super) psk: Option<Hash>,
    /// The master secret that a ticket of TLS 1.2 stands for.
    pub(super) master: Option<Vec<u8>>,
}

/// One connection's server.
pub struct Server<'s, 'a> {
    /// The stream to the device.
    pub wire: Wire,
    /// What it does.
    pub script: &'s mut Script<'a>,
    /// Whether it said something by which it is no longer believable.
    pub spoilt: bool,
    /// What it shows in place of its certificates.
    pub shown: Option<Vec<Vec<u8>>>,
    /// Whether it is of TLS 1.3.
    pub tls13: bool,
    /// All messages.
    pub(super) transcript: Vec<u8>,
    /// Messages that are yet to be sent.
    pub(super) pending: Vec<Vec<u8>>,
    pub(super) held: Option<Vec<u8>>,
    pub(super) write_key: Option<Protection>,
    pub(super) read_key: Option<Protection>,
    /// Bytes of the device's records that are yet to be read.
    pub(super) unread: Vec<u8>,
    /// Bytes of the device's messages.
    pub(super) heard: Vec<u8>,
    /// The text that the device sent.
    pub text: Vec<u8>,
    /// The text that it was sent, in the order of its records.
    pub said: Vec<u8>,
    /// The secrets of TLS 1.3 for what comes: the server's traffic, and resumption.
    pub(super) traffic: Hash,
    pub(super) resumption: Hash,
}

/// What matters of a ClientHello.
pub(super) struct Hello {
    pub(super) random: Vec<u8>,
    pub(super) session: Vec<u8>,
    pub(super) extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// The device's hellos are sound.
    fn read(body: &[u8]) -> Self {
        let number = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        let session = usize::from(body[34]);
        let suites = 35 + session;
        let methods = suites + 2 + number(suites);
        let mut at = methods + 1 + usize::from(body[methods]) + 2;
        let mut extensions = Vec::new();
        while at < body.len() {
            let length = number(at + 2);
            let data = body[at + 4..at + 4 + length].to_vec();
            extensions.push((number(at) as u16, data));
            at += 4 + length;
        }
        Self {
            random: body[2..34].to_vec(),
            session: body[35..35 + session].to_vec(),
            extensions,
        }
    }

    pub(super) fn extension(&self, kind: u16) -> Option<&[u8]> {
        let found = self.extensions.iter().find(|(other, _)| *other == kind);
        found.map(|(_, data)| &data[..])
    }
}

/// Whether a certificate has all that was signed of the server's own.
fn is_of_the_server(certificate: &[u8]) -> bool {
    let own = der(SERVER);
    // Two lengths of two bytes: that of the whole, and that of the part that is signed.
    let signed = &own[4..8 + usize::from(u16::from_be_bytes([own[6], own[7]]))];
    certificate.windows(signed.len()).any(|part| part == signed)
}

impl<'s, 'a> Server<'s, 'a> {
    /// A server that has heard nothing yet.
    pub fn new(wire: Wire, script: &'s mut Script<'a>) -> Self {
        Self {
            wire,
            script,
            spoilt: false,
            shown: None,
            tls13: true,
            transcript: Vec::new(),
            pending: Vec::new(),
            held: None,
            write_key: None,
            read_key: None,
            unread: Vec::new(),
            heard: Vec::new(),
            text: Vec::new(),
            said: Vec::new(),
            traffic: [0; 32],
            resumption: [0; 32],
        }
    }

    /// Shakes hands, as the script says; none if that came to an end on the way.
    pub fn shake_hands<T>(&mut self, device: &mut Play<'_, T>, kept: &mut Kept) -> Option<()> {
        let how = self.script.byte_or_0();
        self.wire.most.set(match how >> 4 & 3 {
            0 => 0,
            1 => 1,
            _ => usize::from(self.script.byte_or_0()),
        });
        self.tls13 = how & 1 == 0;
        if self.tls13 {
            self.shake_hands_of_13(device, kept)
        } else {
            self.shake_hands_of_12(device, kept)
        }
    }

    pub(super) fn hello<T>(&mut self, device: &mut Play<'_, T>) -> Option<Hello> {
        let (kind, body) = self.next_message(device)?;
        (kind == CLIENT_HELLO).then(|| Hello::read(&body))
    }

    /// Has a message sent with the next flight, whole or as the script spoils it.
    pub(super) fn send(&mut self, kind: u8, body: &[u8]) {
        let honest = message(kind, body);
        let what = self.script.byte_or_0();
        if what < 0xC0 {
            self.put(honest);
            return;
        }
        let mut changed = body.to_vec();
        match what & 7 {
            0 => {
                self.script.mutate(&mut changed);
                changed = message(kind, &changed);
            }
            1 => {
                changed = honest.clone();
                self.script.mutate(&mut changed);
            }
            2 => {
                changed.truncate(usize::from(self.script.short()) % (body.len() + 1));
                changed = message(kind, &changed);
            }
            3 => changed = Vec::new(),
            4 => {
                self.put(honest.clone());
                changed = honest.clone();
            }
            5 => {
                let other = self.script.byte_or_0();
                let other = message(other, self.script.string());
                self.put(other);
                changed = honest.clone();
            }
            6 => {
                // After the next, instead of before it.
                self.held = Some(honest);
                return;
            }
            _ => {
                let more = usize::from(self.script.short()) % 20_000;
                changed.resize(changed.len() + more, what);
                changed = message(kind, &changed);
            }
        }
        self.spoilt |=
            !changed.starts_with(&honest) && matches!(kind, CERTIFICATE_VERIFY | FINISHED);
        self.put(changed);
    }

    fn put(&mut self, message: Vec<u8>) {
        for message in [Some(message), self.held.take()].into_iter().flatten() {
            self.transcript.extend(&message);
            self.pending.push(message);
        }
    }

    /// The certificates that the server shows: its own, then the one that signed it; or others.
    pub(super) fn chain(&mut self) -> Vec<Vec<u8>> {
        if let Some(chain) = self.shown.take() {
            return chain;
        }
        let mut chain = vec![der(SERVER), der(INTERMEDIATE)];
        let what = self.script.byte_or_0();
        if what >= 0x90 {
            for _ in 0..what & 0xF {
                let which = self.script.byte_or_0();
                let at = usize::from(which >> 4) % (chain.len() + 1);
                match which & 0xF {
                    which @ 0..6 => chain.insert(at, der(OTHERS[usize::from(which)])),
                    6 => chain.insert(at, self.script.string().to_vec()),
                    7 => chain.insert(at, vec![0x30; usize::from(self.script.short()) % 18_000]),
                    8 => drop(chain.drain(at..)),
                    9 => chain.reverse(),
                    _ => {
                        let mut certificate = chain.get(at).cloned().unwrap_or_default();
                        self.script.mutate(&mut certificate);
                        chain.insert(at, certificate);
                    }
                }
            }
            self.spoilt |= !chain.first().is_some_and(|first| is_of_the_server(first));
        }
        chain
    }

    /// Changes what is to be signed or sent next, seldom.
    pub(super) fn bend(&mut self, bytes: &mut Vec<u8>) {
        if self.script.byte_or_0() >= 0xE0 {
            self.script.mutate(bytes);
        }
    }

    /// A server's list of extensions, perhaps with more.
    pub(super) fn extensions(&mut self, mut list: Vec<u8>) -> Vec<u8> {
        let more = self.script.byte_or_0();
        if more >= 0xE0 {
            for _ in 0..more & 7 {
                let kind = self.script.short();
                let kind = if kind & 0x8000 == 0 { kind % 60 } else { kind };
                list.extend(super::extension(kind, self.script.short_string()));
            }
        }
        self.bend(&mut list);
        vector(&list)
    }
}
