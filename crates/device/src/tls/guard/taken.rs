//! Messages that come encrypted: the guard sees them after MbedTLS took them, in the clear and whole, and
//! before anything else happens. For what MbedTLS lets through.

use certfile::firmware::{P256, P384, RSA};
use certfile::outline::{Certificate, Key};

use super::messages::{Reader, certificates_of, is_whole_proof};
use super::{Guard, Violation};

// Types of messages (RFC 8446, 4).
pub(in crate::tls) const NEW_SESSION_TICKET: u8 = 4;
pub(in crate::tls) const CERTIFICATE: u8 = 11;
pub(in crate::tls) const CERTIFICATE_REQUEST: u8 = 13;
pub(in crate::tls) const CERTIFICATE_VERIFY: u8 = 15;

/// An extension (RFC 8446, 4.2.4).
const CERTIFICATE_AUTHORITIES: u16 = 47;

/// The kind of a server's key, as far as a suite or an algorithm of signatures names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    P256,
    P384,
    Rsa,
}

impl KeyKind {
    /// That of the first certificate in a message; none if MbedTLS knows better.
    fn of(message: &[u8], context: usize) -> Option<Self> {
        let (_, leaf) = certificates_of(message, context).next()?;
        Some(match Certificate::read(leaf)?.key {
            Key::Curve(curve) if curve.as_bytes() == P256 => Self::P256,
            Key::Curve(curve) if curve.as_bytes() == P384 => Self::P384,
            Key::Algorithm(kind) if kind.as_bytes() == RSA => Self::Rsa,
            _ => return None,
        })
    }

    /// Whether a suite of TLS 1.2 is for it. Those of TLS 1.3 are for all.
    fn suits(self, suite: u16) -> bool {
        match suite {
            // TLS_ECDHE_ECDSA_WITH_… (RFC 5289, 5; RFC 7905, 2)
            0xc02b | 0xc02c | 0xcca9 => self != Self::Rsa,
            // TLS_ECDHE_RSA_WITH_…
            0xc02f | 0xc030 | 0xcca8 => self == Self::Rsa,
            _ => true,
        }
    }

    /// Whether it signs so in TLS 1.3 (RFC 8446, 4.2.3), where a curve has one hash and RSA no
    /// PKCS #1.
    fn signs(self, algorithm: u16) -> bool {
        match self {
            Self::P256 => algorithm == 0x0403,
            Self::P384 => algorithm == 0x0503,
            Self::Rsa => matches!(algorithm, 0x0804..=0x0806),
        }
    }
}

impl Guard {
    /// Judges a message that MbedTLS took, with its header.
    pub(in crate::tls) fn judge_taken(
        &mut self,
        message: &[u8],
        tls13: bool,
    ) -> Result<(), Violation> {
        let [kind, _, _, _, body @ ..] = message else {
            return Ok(());
        };
        match *kind {
            CERTIFICATE => {
                self.key = KeyKind::of(message, usize::from(tls13));
                match self.key {
                    Some(key) if !key.suits(self.suite) => Err(Violation::OtherKey),
                    _ => Ok(()),
                }
            }
            // MbedTLS does not look behind the signature (library/ssl_tls13_generic.c,
            // ssl_tls13_parse_certificate_verify, v3.6.5).
            CERTIFICATE_VERIFY if tls13 && !is_whole_proof(message) => Err(Violation::Malformed),
            CERTIFICATE_VERIFY if tls13 => {
                let algorithm = Reader::new(body).number().ok_or(Violation::Malformed)?;
                match self.key {
                    Some(key) if !key.signs(algorithm) => Err(Violation::OtherKey),
                    _ => Ok(()),
                }
            }
            CERTIFICATE_REQUEST if tls13 => request(body).ok_or(Violation::Malformed),
            NEW_SESSION_TICKET if tls13 => {
                if ticket(body).ok_or(Violation::Malformed)? {
                    Ok(())
                } else {
                    Err(Violation::Twice)
                }
            }
            _ => Ok(()),
        }
    }
}

/// Reads a CertificateRequest as it must be in a handshake (RFC 8446, 4.3.2).
fn request(body: &[u8]) -> Option<()> {
    let mut body = Reader::new(body);
    body.short_vector()?.end()?;
    let mut extensions = body.vector()?;
    while extensions.end().is_none() {
        let (kind, mut data) = (extensions.number()?, extensions.vector()?);
        if kind != CERTIFICATE_AUTHORITIES {
            continue;
        }
        let mut names = data.vector()?;
        data.end()?;
        // One at least, and none of them empty.
        loop {
            names.vector()?.not_empty()?;
            if names.end().is_some() {
                break;
            }
        }
    }
    body.end()
}

/// Reads a NewSessionTicket (RFC 8446, 4.6.1), and returns whether each extension is there once.
fn ticket(body: &[u8]) -> Option<bool> {
    let mut body = Reader::new(body);
    // How long it is good, and what is added to its age.
    body.take(4 + 4)?;
    body.short_vector()?;
    body.vector()?.not_empty()?;
    let mut extensions = body.vector()?;
    body.end()?;
    let mut kinds = alloc::vec::Vec::new();
    while extensions.end().is_none() {
        let kind = extensions.number()?;
        extensions.vector()?;
        if kinds.contains(&kind) {
            return Some(false);
        }
        kinds.push(kind);
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn vector(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
    }

    fn judge(guard: &mut Guard, kind: u8, body: &[u8], tls13: bool) -> Result<(), Violation> {
        let length = (body.len() as u32).to_be_bytes();
        guard.judge_taken(&[&[kind], &length[1..], body].concat(), tls13)
    }

    /// What is said of a message of TLS 1.3.
    fn said(kind: u8, body: &[u8]) -> Result<(), Violation> {
        judge(&mut Guard::new(None), kind, body, true)
    }

    /// What is said of a chain, by the suite, and of a signature by it.
    fn signed(pem: &str, suite: u16, algorithm: u16) -> Result<(), Violation> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;

        let mut guard = Guard::new(None);
        guard.suite = suite;
        let tls13 = suite >> 8 == 0x13;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let length = (der.len() as u32).to_be_bytes();
        let mut list = [&length[1..], &der].concat();
        if tls13 {
            // No extensions.
            list.extend([0, 0]);
        }
        let length = (list.len() as u32).to_be_bytes();
        let context: &[u8] = if tls13 { &[0] } else { &[] };
        let body = [context, &length[1..], &list].concat();
        judge(&mut guard, CERTIFICATE, &body, tls13)?;
        let signature = [&algorithm.to_be_bytes()[..], &vector(&[1; 70])].concat();
        judge(&mut guard, CERTIFICATE_VERIFY, &signature, tls13)
    }

    const P256_PEM: &str = include_str!("../../../tests/vectors/credentials/p256.crt");
    const P384_PEM: &str = include_str!("../../../tests/vectors/credentials/p384.crt");
    const RSA_PEM: &str = include_str!("../../../tests/vectors/credentials/rsa2048.crt");

    #[test]
    fn a_key_is_of_the_kind_that_was_chosen() {
        let other = Err(Violation::OtherKey);
        for (pem, good) in [(P256_PEM, 0xc02b), (P384_PEM, 0xc02c), (RSA_PEM, 0xc02f)] {
            for suite in [0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8] {
                let is_rsa = |suite| matches!(suite, 0xc02f | 0xc030 | 0xcca8);
                let fits = is_rsa(suite) == is_rsa(good);
                let wanted = if fits { Ok(()) } else { other };
                assert_eq!(signed(pem, suite, 0x0403), wanted);
            }
        }
    }

    #[test]
    fn a_key_signs_as_its_kind_does_and_rsa_not_by_pkcs_1() {
        for (pem, good) in [
            (P256_PEM, 0x0403),
            (P384_PEM, 0x0503),
            (RSA_PEM, 0x0804),
            (RSA_PEM, 0x0806),
        ] {
            assert_eq!(signed(pem, 0x1301, good), Ok(()));
        }
        let other = Err(Violation::OtherKey);
        for algorithm in [0x0401, 0x0501, 0x0601, 0x0403] {
            assert_eq!(signed(RSA_PEM, 0x1301, algorithm), other);
        }
        assert_eq!(signed(P256_PEM, 0x1301, 0x0503), other);
        assert_eq!(signed(P384_PEM, 0x1301, 0x0403), other);
        assert_eq!(said(CERTIFICATE_VERIFY, &[4]), Err(Violation::Malformed));
        let behind = [&[4, 3][..], &vector(&[1; 70]), &[0]].concat();
        assert_eq!(said(CERTIFICATE_VERIFY, &behind), Err(Violation::Malformed));
    }

    #[test]
    fn requests_and_tickets_are_well_formed() {
        let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes()[..], &vector(data)].concat();
        let request = |context: &[u8], extensions: &[u8]| {
            let body = [&[context.len() as u8], context, &vector(extensions)].concat();
            said(CERTIFICATE_REQUEST, &body)
        };
        let malformed = Err(Violation::Malformed);
        let signatures = extension(13, &vector(&[4, 3]));
        assert_eq!(request(&[], &signatures), Ok(()));
        assert_eq!(request(&[1], &signatures), malformed);
        let authorities = |data: &[u8]| request(&[], &extension(CERTIFICATE_AUTHORITIES, data));
        let name = vector(&[0x30, 0]);
        assert_eq!(authorities(&vector(&name)), Ok(()));
        assert_eq!(
            authorities(&vector(&[name.clone(), name.clone()].concat())),
            Ok(())
        );
        for bad in [
            vector(&[]),
            vector(&vector(&[])),
            [vector(&name), vec![0]].concat(),
        ] {
            assert_eq!(authorities(&bad), malformed);
        }

        let ticket = |ticket: &[u8], extensions: &[u8]| {
            let body = [&[0; 8][..], &[1, 7], &vector(ticket), &vector(extensions)].concat();
            said(NEW_SESSION_TICKET, &body)
        };
        let early = extension(42, &[0; 4]);
        assert_eq!(ticket(&[1], &[]), Ok(()));
        // What a client does not know it passes over (RFC 8446, 4.6.1).
        assert_eq!(
            ticket(&[1], &[early.clone(), extension(62, &[])].concat()),
            Ok(())
        );
        assert_eq!(ticket(&[1], &early.repeat(2)), Err(Violation::Twice));
        assert_eq!(ticket(&[], &early), malformed);
        assert_eq!(ticket(&[1], &early[..5]), malformed);
    }

    /// Nothing of this is said of TLS 1.2, where messages of these types are others.
    #[test]
    fn messages_of_tls_1_2_are_not_read_as_those_of_tls_1_3() {
        for kind in [CERTIFICATE_VERIFY, CERTIFICATE_REQUEST, NEW_SESSION_TICKET] {
            assert_eq!(judge(&mut Guard::new(None), kind, &[1], false), Ok(()));
        }
    }
}
