//! What a server says in the clear, looked at before MbedTLS acts on it: rules that it does not
//! keep, or not in every release.
//!
//! The guard reads along what comes in, up to where it is encrypted, and the device's own
//! ClientHello, by which it knows what was offered. It changes nothing and answers nothing. MbedTLS
//! judges, too; docs/mbedtls.md says which advisory is answered by which rule here. What comes
//! encrypted it cannot see; the one rule about that is in [`super::session`].

use alloc::vec::Vec;
use core::fmt;

use super::Alert;

// Types of records and of messages, extensions, and versions (RFC 8446, 4, 4.2 and 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;
const COOKIE: u16 = 44;
const KEY_SHARE: u16 = 51;
const TLS_1_2: u16 = 0x0303;
/// The curve of a ServerKeyExchange is told by its number (RFC 8422, 5.4).
const NAMED_CURVE: u8 = 3;

/// The random number that makes a ServerHello a HelloRetryRequest (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The longest ServerHello that is read. What the device asks for is answered in 200 bytes.
const MOST_HELLO: usize = 1024;
/// As much of a ServerKeyExchange has its curve, its key and the algorithm of its signature.
const MOST_KEY_EXCHANGE: usize = HEADER + 1 + 2 + 1 + 255 + 2;
/// Type and length of a message.
const HEADER: usize = 4;

/// A rule of TLS that a server did not keep, so that the device hung up on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A HelloRetryRequest that asks for nothing else than what was sent.
    RetryForNothing,
    /// A second HelloRetryRequest.
    SecondRetry,
    /// A cipher suite, group or signature algorithm that the device did not offer.
    NotOffered,
    /// A version that does not go with what else was chosen.
    VersionConfused,
    /// Something follows in a record after which the keys change, or a message is cut by it.
    AcrossKeyChange,
    /// A message or a record that is not made as it must be.
    Malformed,
}

impl Violation {
    fn alert(self) -> Alert {
        Alert(match self {
            Self::RetryForNothing | Self::NotOffered | Self::VersionConfused => 47,
            Self::SecondRetry | Self::AcrossKeyChange => 10,
            Self::Malformed => 50,
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
            Self::AcrossKeyChange => "sends something across a change of keys",
            Self::Malformed => "sends a message that is not well formed",
        })
    }
}

/// Why the device hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Violation(Violation),
    /// A HelloRetryRequest with a cookie. It is within the rules, but MbedTLS takes the extension
    /// for one that was not asked for (Mbed-TLS/mbedtls#9543), by a field that is out of reach.
    /// Over TCP it is of no use: servers that keep no state until they know an address speak UDP.
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

/// What the device's last ClientHello offers.
#[derive(Default)]
struct Offer {
    suites: Vec<u16>,
    groups: Vec<u16>,
    /// The groups for which there was a key.
    shares: Vec<u16>,
    signatures: Vec<u16>,
}

/// Where a handshake is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No ServerHello yet.
    Hello,
    /// After that of TLS 1.2.
    Tls12,
    /// All that comes is encrypted.
    Encrypted,
}

/// A reader of the records of one connection.
pub(super) struct Guard {
    phase: Phase,
    offer: Offer,
    retried: bool,
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
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Hello,
            offer: Offer::default(),
            retried: false,
            header: Vec::new(),
            record: 0,
            record_left: 0,
            message: Vec::new(),
            message_left: 0,
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
            if self.record == HANDSHAKE {
                self.read_messages(body)?;
            } else {
                self.record_left -= body.len();
            }
        }
        if self.phase == Phase::Encrypted {
            // Some memory less.
            (self.offer, self.message, self.header) = Default::default();
        }
        Ok(())
    }

    fn begin_record(&mut self, kind: u8, length: usize) -> Result<(), Violation> {
        (self.record, self.record_left) = (kind, length);
        match kind {
            HANDSHAKE if length == 0 => Err(Violation::Malformed),
            // Keys change by it in TLS 1.2; in TLS 1.3 it means nothing.
            CHANGE_CIPHER_SPEC if self.phase == Phase::Tls12 => {
                self.phase = Phase::Encrypted;
                if self.message.is_empty() {
                    Ok(())
                } else {
                    Err(Violation::AcrossKeyChange)
                }
            }
            HANDSHAKE | ALERT => Ok(()),
            _ if self.message.is_empty() => Ok(()),
            _ => Err(Violation::Malformed),
        }
    }

    fn read_messages(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while self.phase != Phase::Encrypted && !bytes.is_empty() {
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
                let signature = signature_algorithm(body).ok_or(Violation::Malformed)?;
                match signature {
                    Some(signature) if !self.offer.signatures.contains(&signature) => {
                        Err(Violation::NotOffered.into())
                    }
                    _ => Ok(()),
                }
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
            self.phase = if tls13 {
                Phase::Encrypted
            } else {
                Phase::Tls12
            };
        }
        // After a HelloRetryRequest MbedTLS would forget it, after a ServerHello believe it.
        if tls13 && self.record_left > 0 {
            return Err(Violation::AcrossKeyChange.into());
        }
        Ok(())
    }

    fn judge_retry(&mut self, hello: &Hello) -> Result<(), Refusal> {
        if core::mem::replace(&mut self.retried, true) {
            return Err(Violation::SecondRetry.into());
        }
        if hello.has_cookie {
            return Err(Refusal::Cookie);
        }
        match hello.group {
            None => Err(Violation::RetryForNothing.into()),
            Some(group) if self.offer.shares.contains(&group) => {
                Err(Violation::RetryForNothing.into())
            }
            Some(group) if !self.offer.groups.contains(&group) => Err(Violation::NotOffered.into()),
            Some(_) => Ok(()),
        }
    }
}

impl Offer {
    /// Reads the body of a ClientHello (RFC 8446, 4.1.2).
    fn read(hello: &[u8]) -> Option<Self> {
        let mut hello = Reader(hello);
        // Version and random number, and the number of a session.
        hello.take(2 + 32)?;
        hello.short_vector()?;
        let mut this = Self {
            suites: hello.vector()?.numbers(),
            ..Self::default()
        };
        // Methods of compression.
        hello.short_vector()?;
        let mut extensions = hello.vector()?;
        while !extensions.0.is_empty() {
            let (kind, mut data) = (extensions.number()?, extensions.vector()?);
            match kind {
                SUPPORTED_GROUPS => this.groups = data.vector()?.numbers(),
                SIGNATURE_ALGORITHMS => this.signatures = data.vector()?.numbers(),
                KEY_SHARE => {
                    let mut shares = data.vector()?;
                    while !shares.0.is_empty() {
                        this.shares.push(shares.number()?);
                        shares.vector()?;
                    }
                }
                _ => {}
            }
        }
        Some(this)
    }
}

/// What matters of a ServerHello, which may be a HelloRetryRequest.
struct Hello {
    legacy_version: u16,
    is_retry: bool,
    suite: u16,
    /// Whether it has the extension by which TLS 1.3 is chosen, or a version after it.
    tls13: bool,
    has_cookie: bool,
    /// The group that a HelloRetryRequest asks for.
    group: Option<u16>,
}

impl Hello {
    /// Reads a body (RFC 8446, 4.1.3; RFC 5246, 7.4.1.3).
    fn read(body: &[u8]) -> Option<Self> {
        let mut body = Reader(body);
        let legacy_version = body.number()?;
        let is_retry = body.take(32)? == RETRY;
        body.short_vector()?;
        let suite = body.number()?;
        // The method of compression.
        body.take(1)?;
        let mut this = Self {
            legacy_version,
            is_retry,
            suite,
            tls13: false,
            has_cookie: false,
            group: None,
        };
        if body.0.is_empty() {
            return Some(this);
        }
        let mut extensions = body.vector()?;
        while !extensions.0.is_empty() {
            let (kind, mut data) = (extensions.number()?, extensions.vector()?);
            match kind {
                SUPPORTED_VERSIONS => this.tls13 = true,
                COOKIE => this.has_cookie = true,
                KEY_SHARE if is_retry && this.group.is_none() => {
                    this.group = Some(data.number()?);
                    data.end()?;
                }
                KEY_SHARE if is_retry => return None,
                _ => {}
            }
        }
        body.end()?;
        Some(this)
    }
}

/// The algorithm of a ServerKeyExchange's signature (RFC 8422, 5.4), if it is of the kind that the
/// device's suites have. The end may be missing.
fn signature_algorithm(body: &[u8]) -> Option<Option<u16>> {
    let mut body = Reader(body);
    if body.take(1)? != [NAMED_CURVE] {
        // MbedTLS knows no other, and says so.
        return Some(None);
    }
    body.take(2)?;
    body.short_vector()?;
    body.number().map(Some)
}

/// What is yet to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let number = self.take(2)?;
        Some(u16::from_be_bytes([number[0], number[1]]))
    }

    /// With its length in one byte.
    fn short_vector(&mut self) -> Option<Self> {
        let length = self.take(1)?[0];
        self.take(length.into()).map(Self)
    }

    /// With its length in two bytes.
    fn vector(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Self)
    }

    /// All as numbers of two bytes.
    fn numbers(mut self) -> Vec<u16> {
        core::iter::from_fn(|| self.number()).collect()
    }

    /// Nothing more follows.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
