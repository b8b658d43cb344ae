//! What is read of the messages of a handshake: by the guard, and to say what is wrong with certificates.

use alloc::vec::Vec;

// Extensions (RFC 8446, 4.2; RFC 7627, 5.1; RFC 8422, 5.1; RFC 5746, 3.4).
pub(super) const SUPPORTED_GROUPS: u16 = 10;
pub(super) const EC_POINT_FORMATS: u16 = 11;
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;
pub(super) const COOKIE: u16 = 44;
pub(super) const KEY_SHARE: u16 = 51;
pub(super) const RENEGOTIATION_INFO: u16 = 0xff01;

/// The curve of a ServerKeyExchange is told by its number (RFC 8422, 5.4).
pub(super) const NAMED_CURVE: u8 = 3;
/// How a point begins that is not compressed, the one form that is offered (RFC 8422, 5.4).
const UNCOMPRESSED: u8 = 4;
/// The same, as an extension says it (RFC 8422, 5.1.2).
const UNCOMPRESSED_FORMAT: u8 = 0;
/// The group of that name (RFC 8422, 5.1.1).
const X25519: u16 = 29;

/// The random number that makes a ServerHello a HelloRetryRequest (RFC 8446, 4.1.3).
pub(super) const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What the device's last ClientHello offers.
#[derive(Default)]
pub(super) struct Offer {
    /// The number of a session.
    pub(super) session: Vec<u8>,
    pub(super) suites: Vec<u16>,
    pub(super) groups: Vec<u16>,
    /// The groups for which there was a key.
    pub(super) shares: Vec<u16>,
    pub(super) signatures: Vec<u16>,
    /// What extensions it has.
    pub(super) extensions: Vec<u16>,
}

impl Offer {
    /// Reads the body of a ClientHello (RFC 8446, 4.1.2).
    pub(super) fn read(hello: &[u8]) -> Option<Self> {
        let mut hello = Reader(hello);
        // Version and random number.
        hello.take(2 + 32)?;
        let mut this = Self {
            session: hello.short_vector()?.0.to_vec(),
            suites: hello.vector()?.numbers(),
            ..Self::default()
        };
        // Methods of compression.
        hello.short_vector()?;
        let mut extensions = hello.vector()?;
        while !extensions.0.is_empty() {
            let (kind, mut data) = (extensions.number()?, extensions.vector()?);
            this.extensions.push(kind);
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
pub(super) struct Hello {
    pub(super) legacy_version: u16,
    pub(super) is_retry: bool,
    /// The number of a session.
    pub(super) session: Vec<u8>,
    pub(super) suite: u16,
    /// Whether it has the extension by which TLS 1.3 is chosen, or a version after it.
    pub(super) tls13: bool,
    pub(super) has_cookie: bool,
    /// The group that a HelloRetryRequest asks for.
    pub(super) group: Option<u16>,
    /// What extensions it has, each once.
    pub(super) extensions: Vec<u16>,
}

impl Hello {
    /// Reads a body (RFC 8446, 4.1.3; RFC 5246, 7.4.1.3).
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut body = Reader(body);
        let legacy_version = body.number()?;
        let is_retry = body.take(32)? == RETRY;
        let session = body.short_vector()?.0.to_vec();
        let suite = body.number()?;
        // The method of compression.
        body.take(1)?;
        let mut this = Self {
            legacy_version,
            is_retry,
            session,
            suite,
            tls13: false,
            has_cookie: false,
            group: None,
            extensions: Vec::new(),
        };
        if body.0.is_empty() {
            return Some(this);
        }
        let mut extensions = body.vector()?;
        while !extensions.0.is_empty() {
            let (kind, mut data) = (extensions.number()?, extensions.vector()?);
            if this.extensions.contains(&kind) {
                return None;
            }
            this.extensions.push(kind);
            match kind {
                SUPPORTED_VERSIONS => this.tls13 = true,
                COOKIE => this.has_cookie = true,
                KEY_SHARE if is_retry => {
                    this.group = Some(data.number()?);
                    data.end()?;
                }
                EC_POINT_FORMATS if !data.short_vector()?.0.contains(&UNCOMPRESSED_FORMAT) => {
                    return None;
                }
                _ => {}
            }
        }
        body.end()?;
        Some(this)
    }
}

/// What matters of a ServerKeyExchange (RFC 8422, 5.4) of the kind that the device's suites have.
pub(super) struct KeyExchange {
    /// Whether the server's key is a point in the form that was offered.
    pub(super) uncompressed: bool,
    /// The algorithm of the signature.
    pub(super) signature: u16,
}

impl KeyExchange {
    /// Reads a body, whose end may be missing. There may be none in it of that kind.
    pub(super) fn read(body: &[u8]) -> Option<Option<Self>> {
        let mut body = Reader(body);
        if body.take(1)? != [NAMED_CURVE] {
            // MbedTLS knows no other, and says so.
            return Some(None);
        }
        let group = body.number()?;
        let point = body.short_vector()?;
        Some(Some(Self {
            // X25519 has one form only, whose first byte is any (RFC 8422, 5.4.1).
            uncompressed: group == X25519 || point.0.first() == Some(&UNCOMPRESSED),
            signature: body.number()?,
        }))
    }
}

/// The certificates in a message, numbered from 1, as far as it is whole: type, length, a context in
/// TLS 1.3, then the list (RFC 5246, 7.4.2; RFC 8446, 4.4.2, with extensions after each).
pub(in crate::tls) fn certificates_of(
    message: &[u8],
    context: usize,
) -> impl Iterator<Item = (u8, &[u8])> {
    const LENGTH: usize = 3;
    let mut rest = message.get(1 + LENGTH + context + LENGTH..).unwrap_or(&[]);
    (1..=u8::MAX).map_while(move |number| {
        let (length, after) = rest.split_first_chunk::<LENGTH>()?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (certificate, after) = after.split_at_checked(length)?;
        rest = after;
        if context > 0 {
            let (length, after) = rest.split_first_chunk::<2>()?;
            rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
        }
        Some((number, certificate))
    })
}

/// Whether a CertificateVerify ends with its signature (RFC 8446, 4.4.3).
pub(super) fn is_whole_proof(message: &[u8]) -> bool {
    let mut message = Reader::new(message);
    // Type and length, the algorithm, the signature.
    message.take(4 + 2).is_some() && message.vector().is_some() && message.0.is_empty()
}

/// What is yet to be read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u16> {
        let number = self.take(2)?;
        Some(u16::from_be_bytes([number[0], number[1]]))
    }

    /// With its length in one byte.
    pub(super) fn short_vector(&mut self) -> Option<Self> {
        let length = self.take(1)?[0];
        self.take(length.into()).map(Self)
    }

    /// With its length in two bytes.
    pub(super) fn vector(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Self)
    }

    /// All as numbers of two bytes.
    fn numbers(mut self) -> Vec<u16> {
        core::iter::from_fn(|| self.number()).collect()
    }

    /// Nothing more follows.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// Something follows.
    pub(super) fn not_empty(&self) -> Option<()> {
        (!self.0.is_empty()).then_some(())
    }
}
