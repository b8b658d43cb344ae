//! What a server says in the clear, looked at before MbedTLS acts on it: rules that it does not
//! keep, or not in every release.
//!
//! The guard reads along what comes in, up to where it is encrypted, and the device's own
//! ClientHello, by which it knows what was offered. It changes nothing and answers nothing. MbedTLS
//! judges, too; docs/mbedtls.md says which advisory is answered by which rule here. What comes
//! encrypted it cannot see beforehand: some of it is shown to it after MbedTLS took it ([`taken`]), and
//! one rule about it is in [`super::session`].

mod messages;
mod taken;

use alloc::vec::Vec;
use core::fmt;

use super::Alert;
pub(super) use messages::certificates_of;
use messages::{COOKIE, EXTENDED_MASTER_SECRET, Hello, KeyExchange, Offer, RENEGOTIATION_INFO};
use taken::KeyKind;
pub(super) use taken::{CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, NEW_SESSION_TICKET};

// Types of records and of messages, and a version (RFC 8446, 4 and 5.1).
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const TLS_1_2: u16 = 0x0303;

/// The longest ServerHello that is read. What the device asks for is answered in 200 bytes.
const MOST_HELLO: usize = 1024;
/// As much of a ServerKeyExchange has its curve, its key and the algorithm of its signature.
const MOST_KEY_EXCHANGE: usize = HEADER + 1 + 2 + 1 + 255 + 2;
/// Type and length of a message.
const HEADER: usize = 4;
/// The longest record of TLS 1.3: text, its type and padding, and the tag that all suites have (RFC 8446,
/// 5.2 and 5.4).
const MOST_ENCRYPTED: usize = (1 << 14) + 1 + 16;
/// How many records of type change_cipher_spec, which mean nothing in TLS 1.3, there may be in a
/// handshake. Servers send one.
const MOST_CHANGES: u8 = 8;

/// A rule of TLS that a server did not keep, so that the device hung up on it: by this guard, or by
/// MbedTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A HelloRetryRequest that asks for nothing else than what was sent.
    RetryForNothing,
    /// A second HelloRetryRequest.
    SecondRetry,
    /// A cipher suite, group, signature algorithm or other value that the device did not offer, or
    /// that is none.
    NotOffered,
    /// A version that does not go with what else was chosen.
    VersionConfused,
    /// An extension that the device did not send.
    NotAsked,
    /// A resumed session that is not as it was (extended_master_secret).
    ResumedOtherwise,
    /// A record in the clear where all are encrypted.
    InTheClear,
    /// Something follows in a record after which the keys change, or a message is cut by it.
    AcrossKeyChange,
    /// A message or a record that is not made as it must be.
    Malformed,
    /// A record that is none, or longer than any may be.
    NoRecord,
    /// A record that is not what the server encrypted.
    Undecryptable,
    /// A message at the wrong time.
    OutOfTurn,
    /// A signature that is not by the key of its certificate.
    Signature,
    /// A key of another kind than the suite has, or a signature of another kind than the key makes.
    OtherKey,
    /// An extension that is there twice.
    Twice,
}

impl Violation {
    fn alert(self) -> Alert {
        Alert(match self {
            Self::RetryForNothing
            | Self::NotOffered
            | Self::VersionConfused
            | Self::OtherKey
            | Self::Twice => 47,
            Self::SecondRetry | Self::AcrossKeyChange | Self::InTheClear | Self::OutOfTurn => 10,
            Self::Undecryptable => 20,
            Self::NoRecord => 22,
            Self::ResumedOtherwise => 40,
            Self::NotAsked => 110,
            Self::Malformed => 50,
            Self::Signature => 51,
        })
    }
}

/// Continues a sentence about the server.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RetryForNothing => "asks to retry with what it was sent already",
            Self::SecondRetry => "asks to retry a second time",
            Self::NotOffered => "chooses what the device did not offer",
            Self::VersionConfused => "chooses a version that does not go with its other choices",
            Self::NotAsked => "answers what the device did not ask (extension)",
            Self::ResumedOtherwise => "resumes a session that was another (extended_master_secret)",
            Self::InTheClear => "sends in the clear what it must encrypt",
            Self::AcrossKeyChange => "sends something across a change of keys",
            Self::Malformed => "sends a message that is not well formed",
            Self::NoRecord => "sends a record that is none, or too long",
            Self::Undecryptable => "sends a record that does not decrypt",
            Self::OutOfTurn => "sends a message at the wrong time",
            Self::Signature => "sends a signature that is not by the key of its certificate",
            Self::OtherKey => "signs otherwise than its key, or the suite, has it",
            Self::Twice => "sends an extension twice",
        })
    }
}

/// Why the device hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Violation(Violation),
    /// A HelloRetryRequest with a cookie, as Java's servers send it. It is within the rules, but
    /// MbedTLS takes the extension for one that was not asked for (Mbed-TLS/mbedtls#9543), by a field
    /// that is out of reach. What helps is to have a key for the group that is asked for the next
    /// time.
    Cookie,
}

impl Refusal {
    /// What the server is told.
    pub(super) fn alert(self) -> Alert {
        match self {
            Self::Violation(violation) => violation.alert(),
            // There is nothing that both can do.
            Self::Cookie => Alert(40),
        }
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// Where a handshake is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No ServerHello yet.
    Hello,
    /// After that of TLS 1.2.
    Tls12,
    /// All that comes is encrypted, in records of any type.
    Encrypted,
    /// All that comes is encrypted, in records of application data.
    Tls13,
    /// As before, after the handshake.
    Tls13Over,
}

/// A reader of the records of one connection.
pub(super) struct Guard {
    phase: Phase,
    offer: Offer,
    retried: bool,
    /// The group that a HelloRetryRequest with a cookie asked for.
    wanted: Option<u16>,
    /// Whether the session to be resumed has an extended master secret; none, if there is none
    /// whose server could forget it.
    extended_before: Option<bool>,
    /// Whether this one has.
    extended: bool,
    /// Whether the server showed its certificate, as none does that resumes.
    certificate: bool,
    /// The suite that was chosen.
    suite: u16,
    /// The kind of the server's key.
    key: Option<KeyKind>,
    /// How many records of type change_cipher_spec came in TLS 1.3.
    changes: u8,
    /// What there is of the header of a record.
    header: Vec<u8>,
    /// The type of the record that is coming in, and what is missing of it.
    record: u8,
    record_left: usize,
    /// The beginning of the message that is coming in.
    message: Vec<u8>,
    /// What is missing of it, once its header is there.
    message_left: usize,
}

impl Guard {
    /// For a connection that may resume a session of TLS 1.2, with an extended master secret or
    /// without.
    pub(super) fn new(extended_before: Option<bool>) -> Self {
        Self {
            phase: Phase::Hello,
            offer: Offer::default(),
            retried: false,
            wanted: None,
            extended_before,
            extended: false,
            certificate: false,
            suite: 0,
            key: None,
            changes: 0,
            header: Vec::new(),
            record: 0,
            record_left: 0,
            message: Vec::new(),
            message_left: 0,
        }
    }

    /// Whether the session, of TLS 1.2, has an extended master secret.
    pub(super) fn extended(&self) -> bool {
        self.extended
    }

    /// The group for which the server wants to be sent a key at once, of those that were offered.
    pub(super) fn wanted(&self) -> Option<u16> {
        self.wanted
    }

    /// Whether this is a handshake of TLS 1.2 that resumes nothing.
    pub(super) fn is_full_tls12(&self) -> bool {
        self.certificate
    }

    /// The handshake is over.
    pub(super) fn over(&mut self) {
        if self.phase == Phase::Tls13 {
            self.phase = Phase::Tls13Over;
        }
    }

    /// A whole record goes out.
    pub(super) fn sent(&mut self, record: &[u8]) {
        if self.phase == Phase::Hello
            && let [HANDSHAKE, _, _, _, _, CLIENT_HELLO, _, _, _, hello @ ..] = record
        {
            // MbedTLS makes it well; otherwise nothing was offered, and nothing can be chosen.
            self.offer = Offer::read(hello).unwrap_or_default();
        }
    }

    /// These bytes came in.
    ///
    /// # Errors
    ///
    /// The reason to hang up. MbedTLS must not get them.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while self.phase != Phase::Encrypted && !bytes.is_empty() {
            if self.record_left == 0 {
                let missing = 5 - self.header.len();
                let (header, rest) = bytes.split_at(missing.min(bytes.len()));
                self.header.extend_from_slice(header);
                bytes = rest;
                if let [kind, _, _, high, low] = self.header[..] {
                    self.header.clear();
                    self.begin_record(kind, u16::from_be_bytes([high, low]).into())?;
                }
                continue;
            }
            let (body, rest) = bytes.split_at(self.record_left.min(bytes.len()));
            bytes = rest;
            if self.record == HANDSHAKE && self.reads_messages() {
                self.read_messages(body)?;
            } else {
                self.record_left -= body.len();
            }
        }
        if !self.reads_messages() {
            // Some memory less.
            (self.offer, self.message) = Default::default();
        }
        Ok(())
    }

    /// Whether messages come in the clear.
    fn reads_messages(&self) -> bool {
        matches!(self.phase, Phase::Hello | Phase::Tls12)
    }

    fn begin_record(&mut self, kind: u8, length: usize) -> Result<(), Violation> {
        (self.record, self.record_left) = (kind, length);
        if matches!(self.phase, Phase::Tls13 | Phase::Tls13Over) {
            return match kind {
                APPLICATION_DATA if length > MOST_ENCRYPTED => Err(Violation::NoRecord),
                APPLICATION_DATA => Ok(()),
                // Those of a handshake mean nothing (RFC 8446, 5).
                CHANGE_CIPHER_SPEC if self.phase == Phase::Tls13 && self.changes < MOST_CHANGES => {
                    self.changes += 1;
                    Ok(())
                }
                // By a server that has no keys, say; MbedTLS takes none for what it says.
                ALERT => Ok(()),
                _ => Err(Violation::InTheClear),
            };
        }
        match kind {
            HANDSHAKE if length == 0 => Err(Violation::Malformed),
            // Keys change by it in TLS 1.2; in TLS 1.3 it means nothing.
            CHANGE_CIPHER_SPEC if self.phase == Phase::Tls12 => {
                self.phase = Phase::Encrypted;
                if !self.message.is_empty() {
                    return Err(Violation::AcrossKeyChange);
                }
                match self.extended_before {
                    Some(before) if !self.certificate && before != self.extended => {
                        Err(Violation::ResumedOtherwise)
                    }
                    _ => Ok(()),
                }
            }
            HANDSHAKE | ALERT => Ok(()),
            _ if self.message.is_empty() => Ok(()),
            _ => Err(Violation::Malformed),
        }
    }

    fn read_messages(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while self.reads_messages() && !bytes.is_empty() {
            let in_header = self.message.len() < HEADER;
            let wanted = if in_header {
                HEADER - self.message.len()
            } else {
                self.message_left
            };
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.record_left -= part.len();
            bytes = rest;
            let most = match self.message.first() {
                Some(&SERVER_HELLO) => MOST_HELLO,
                Some(&SERVER_KEY_EXCHANGE) => MOST_KEY_EXCHANGE,
                _ => HEADER,
            };
            let kept = part.len().min(most - self.message.len().min(most));
            self.message.extend_from_slice(&part[..kept]);
            if !in_header {
                self.message_left -= part.len();
            } else if let [kind, length @ ..] = &self.message[..]
                && let &[high, middle, low] = length
            {
                self.message_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                if *kind == SERVER_HELLO && self.message_left > MOST_HELLO - HEADER {
                    return Err(Violation::Malformed.into());
                }
            }
            if self.message.len() >= HEADER && self.message_left == 0 {
                let message = core::mem::take(&mut self.message);
                self.judge(message[0], &message[HEADER..])?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, kind: u8, body: &[u8]) -> Result<(), Refusal> {
        match (self.phase, kind) {
            (Phase::Hello, SERVER_HELLO) => {
                let hello = Hello::read(body).ok_or(Violation::Malformed)?;
                self.judge_hello(&hello)
            }
            (Phase::Tls12, SERVER_KEY_EXCHANGE) => {
                let exchange = KeyExchange::read(body).ok_or(Violation::Malformed)?;
                match exchange {
                    Some(KeyExchange {
                        uncompressed,
                        signature,
                    }) if !uncompressed || !self.offer.signatures.contains(&signature) => {
                        Err(Violation::NotOffered.into())
                    }
                    _ => Ok(()),
                }
            }
            (Phase::Tls12, CERTIFICATE) => {
                self.certificate = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judge_hello(&mut self, hello: &Hello) -> Result<(), Refusal> {
        let tls13 = hello.tls13;
        // An older one than TLS 1.2 is no confusion, and MbedTLS refuses it.
        if hello.legacy_version > TLS_1_2
            || tls13 != (hello.suite >> 8 == 0x13)
            || !tls13 && (self.retried || hello.is_retry)
        {
            return Err(Violation::VersionConfused.into());
        }
        if !self.offer.suites.contains(&hello.suite) {
            return Err(Violation::NotOffered.into());
        }
        if hello.is_retry {
            self.judge_retry(hello)?;
        } else {
            if hello.extensions.iter().any(|kind| !self.asked(*kind)) {
                return Err(Violation::NotAsked.into());
            }
            // None was offered, but a number that is none, for the sake of old proxies (RFC 8446, D.4).
            if !tls13
                && self.extended_before.is_none()
                && !hello.session.is_empty()
                && hello.session == self.offer.session
            {
                return Err(Violation::NotOffered.into());
            }
            self.suite = hello.suite;
            self.extended = hello.extensions.contains(&EXTENDED_MASTER_SECRET);
            self.phase = if tls13 { Phase::Tls13 } else { Phase::Tls12 };
        }
        // After a HelloRetryRequest MbedTLS would forget it, after a ServerHello believe it.
        if tls13 && self.record_left > 0 {
            return Err(Violation::AcrossKeyChange.into());
        }
        Ok(())
    }

    /// Whether an extension of a ServerHello answers one of the device's. One is asked for by a
    /// suite (RFC 5746, 3.4).
    fn asked(&self, extension: u16) -> bool {
        extension == RENEGOTIATION_INFO || self.offer.extensions.contains(&extension)
    }

    fn judge_retry(&mut self, hello: &Hello) -> Result<(), Refusal> {
        if core::mem::replace(&mut self.retried, true) {
            return Err(Violation::SecondRetry.into());
        }
        let asked = |kind: &u16| *kind == COOKIE || self.asked(*kind);
        if !hello.extensions.iter().all(asked) {
            return Err(Violation::NotAsked.into());
        }
        match hello.group {
            None if hello.has_cookie => {}
            None => return Err(Violation::RetryForNothing.into()),
            Some(group) if self.offer.shares.contains(&group) => {
                return Err(Violation::RetryForNothing.into());
            }
            Some(group) if !self.offer.groups.contains(&group) => {
                return Err(Violation::NotOffered.into());
            }
            Some(group) => self.wanted = hello.has_cookie.then_some(group),
        }
        if hello.has_cookie {
            return Err(Refusal::Cookie);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
