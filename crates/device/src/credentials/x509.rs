//! Certificates and keys by way of MbedTLS 3.6, which TLS brings along: a parser of its own would
//! cost tens of kilobytes of flash.
//!
//! The only part of the credentials with `unsafe`. What comes out of MbedTLS is copied or lent
//! for as long as its owner lives.

use alloc::vec::Vec;
use core::ffi::c_int;
use core::ptr;

use mbedtls_rs_sys as sys;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Validity;
use crate::mbedtls::{Owned, random as random_numbers};

/// A parsed certificate; or the first of several, which TLS takes along.
pub(crate) struct Certificate(Owned<sys::mbedtls_x509_crt>);

/// A parsed private key, wiped when dropped.
pub(crate) struct Key(Owned<sys::mbedtls_pk_context>);

/// A key's algorithm and size. Those of other kinds, and of curves but P-256 and P-384, MbedTLS
/// does not parse: it is built without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa { bits: usize },
    Ec,
}

/// A parser refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// For lack of memory.
    OutOfMemory,
    /// For what is in it.
    Contents,
}

impl Certificate {
    /// No certificate yet.
    pub(crate) fn none() -> Self {
        Self(Owned::new())
    }

    /// Parses a certificate in DER, as the last of the list.
    pub(super) fn add(&mut self, der: &[u8]) -> Result<(), Refusal> {
        // SAFETY: the bytes are readable for their length, and are copied. Where MbedTLS refuses
        // them, the list is as it was (library/x509_crt.c, mbedtls_x509_crt_parse_der_internal,
        // v3.6.5).
        let result = unsafe {
            sys::mbedtls_x509_crt_parse_der(self.0.as_mut_ptr(), der.as_ptr(), der.len())
        };
        refusal(result)
    }

    /// It, or the first of the list, in DER.
    pub(super) fn der(&self) -> &[u8] {
        self.bytes(&self.0.raw)
    }

    /// The structure, with those that follow it.
    pub(crate) fn as_ptr(&self) -> *const sys::mbedtls_x509_crt {
        self.0.as_ptr()
    }

    /// Its length in DER.
    pub(super) fn length(&self) -> usize {
        self.0.raw.len
    }

    /// Whether the issuer's name is that certificate's own.
    pub(super) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.bytes(&self.0.issuer_raw) == issuer.bytes(&issuer.0.subject_raw)
    }

    /// Whether the signature is by that certificate's key.
    ///
    /// As in MbedTLS's own `x509_crt_check_signature` (library/x509_crt.c, v3.6.5), which is not
    /// for callers, while the public verification wants a clock.
    pub(super) fn is_signed_by(&self, issuer: &Self) -> bool {
        let crt = &*self.0;
        let tbs = self.bytes(&crt.tbs);
        let signature = self.bytes(&crt.private_sig);
        let mut hash = [0; sys::MBEDTLS_MD_MAX_SIZE as usize];
        // SAFETY: looks into a constant table; null for an unknown digest, which is checked.
        let md = unsafe { sys::mbedtls_md_info_from_type(crt.private_sig_md) };
        if md.is_null() {
            return false;
        }
        // SAFETY: `md` is an entry of that table; `tbs` is readable, and `hash` takes the
        // longest of all digests.
        let hashed = unsafe { sys::mbedtls_md(md, tbs.as_ptr(), tbs.len(), hash.as_mut_ptr()) };
        // SAFETY: as above.
        let length = unsafe { sys::mbedtls_md_get_size(md) };
        let pk: *const _ = &issuer.0.pk;
        // SAFETY: the key was set up by parsing the issuer. The options are those that parsing
        // found beside the signature, of the type that belongs to `private_sig_pk`. The key is
        // not written to, in spite of its type: `Self` is not shared between threads, for it
        // holds pointers.
        hashed == 0
            && unsafe { sys::mbedtls_pk_can_do(pk, crt.private_sig_pk) } == 1
            && unsafe {
                sys::mbedtls_pk_verify_ext(
                    crt.private_sig_pk,
                    crt.private_sig_opts,
                    pk.cast_mut(),
                    crt.private_sig_md,
                    hash.as_ptr(),
                    length.into(),
                    signature.as_ptr(),
                    signature.len(),
                )
            } == 0
    }

    /// Whether it is a CA's, allowed to sign certificates.
    pub(super) fn is_ca(&self) -> bool {
        // SAFETY: the structure was parsed.
        let usage = unsafe {
            sys::mbedtls_x509_crt_check_key_usage(
                self.0.as_ptr(),
                sys::MBEDTLS_X509_KU_KEY_CERT_SIGN,
            )
        };
        self.0.private_ca_istrue != 0 && usage == 0
    }

    /// Whether it may authenticate a TLS client: so it is if nothing is said about its use.
    pub(super) fn is_for_clients(&self) -> bool {
        // The constant ends with a zero that does not count.
        let [oid @ .., _] = sys::MBEDTLS_OID_CLIENT_AUTH;
        // SAFETY: the structure was parsed; the identifier is readable for its length.
        let usage = unsafe {
            sys::mbedtls_x509_crt_check_extended_key_usage(&*self.0, oid.as_ptr().cast(), oid.len())
        };
        usage == 0
    }

    /// Whether it may authenticate by a signature, as a TLS client does: so it is if nothing is said
    /// about its use.
    pub(super) fn may_sign(&self) -> bool {
        // SAFETY: the structure was parsed.
        let usage = unsafe {
            sys::mbedtls_x509_crt_check_key_usage(
                self.0.as_ptr(),
                sys::MBEDTLS_X509_KU_DIGITAL_SIGNATURE,
            )
        };
        usage == 0
    }

    /// Whether servers can be trusted by it: it may sign others as a trust anchor (in versions
    /// before 3 nothing says so), or is all that there is of a chain.
    pub(super) fn is_anchor(&self) -> bool {
        self.is_ca() || self.0.version < 3 || self.names_as_issuer(self)
    }

    /// The first common name of the subject: the tag of its string, and the bytes.
    pub(super) fn common_name(&self) -> Option<(u8, &[u8])> {
        self.common_name_in(&self.0.subject)
    }

    /// The first common name in one of its names.
    fn common_name_in(&self, name: &sys::mbedtls_x509_name) -> Option<(u8, &[u8])> {
        let [oid @ .., _] = sys::MBEDTLS_OID_AT_CN;
        let mut next = Some(name);
        while let Some(part) = next {
            if self.bytes(&part.oid) == oid {
                let tag = u8::try_from(part.val.tag).unwrap_or(0);
                return Some((tag, self.bytes(&part.val)));
            }
            // SAFETY: null or the next entry of a list that the certificate owns and that lives
            // as long as it is not changed, which the borrow of `self` rules out.
            next = unsafe { part.next.as_ref() };
        }
        None
    }

    /// Its serial number, the most significant byte first.
    pub(super) fn serial(&self) -> &[u8] {
        self.bytes(&self.0.serial)
    }

    /// The first common name of the issuer, likewise.
    pub(super) fn issuer_common_name(&self) -> Option<(u8, &[u8])> {
        self.common_name_in(&self.0.issuer)
    }

    /// Its dates.
    pub(super) fn validity(&self) -> Validity {
        Validity {
            from_unix_s: unix_s(&self.0.valid_from),
            to_unix_s: unix_s(&self.0.valid_to),
        }
    }

    /// The kind of its key.
    pub(super) fn key_kind(&self) -> KeyKind {
        kind(&self.0.pk)
    }

    /// A buffer of this certificate.
    fn bytes(&self, buffer: &sys::mbedtls_asn1_buf) -> &[u8] {
        if buffer.p.is_null() {
            return &[];
        }
        // SAFETY: all buffers of a certificate point into its own copy of the DER, which is
        // freed with it. Callers pass only buffers of `self`.
        unsafe { core::slice::from_raw_parts(buffer.p, buffer.len) }
    }
}

impl Key {
    /// Parses a private key in DER: PKCS#8, SEC1 or PKCS#1, which MbedTLS tells apart.
    pub(super) fn from_der(der: &[u8], random: &mut dyn CryptoRng) -> Result<Self, Refusal> {
        let mut this = Self(Owned::new());
        let mut random = random;
        // SAFETY: the bytes are readable for their length; there is no passphrase; the function for
        // random numbers gets back the pointer to `random`, which outlives the call.
        let result = unsafe {
            sys::mbedtls_pk_parse_key(
                this.0.as_mut_ptr(),
                der.as_ptr(),
                der.len(),
                ptr::null(),
                0,
                Some(random_numbers),
                ptr::from_mut(&mut random).cast(),
            )
        };
        refusal(result).map(|()| this)
    }

    /// The key on P-256 of this number, which is secret: the most significant byte first.
    pub(crate) fn of_scalar(scalar: &[u8], random: &mut dyn CryptoRng) -> Result<Self, Refusal> {
        // ECPrivateKey without its public part (RFC 5915), which MbedTLS then works out
        // (library/pkparse.c, pk_parse_key_sec1_der, v3.6.5).
        const BEFORE: &[u8] = &[0x30, 49, 0x02, 1, 1, 0x04, 32];
        const AFTER: &[u8] = b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        if scalar.len() != 32 {
            return Err(Refusal::Contents);
        }
        // At its full size from the start: a vector that grows leaves copies behind.
        let mut der = Zeroizing::new(Vec::with_capacity(64));
        for part in [BEFORE, scalar, AFTER] {
            der.extend_from_slice(part);
        }
        Self::from_der(&der, random)
    }

    /// The public part of a key on P-256, not compressed: 4, x, y. None for another key.
    #[cfg(feature = "renewal")]
    pub(crate) fn point(&self) -> Option<[u8; 65]> {
        // SAFETY: the structure was set up by parsing.
        let kind = unsafe { sys::mbedtls_pk_get_type(self.0.as_ptr()) };
        if kind != sys::mbedtls_pk_type_t_MBEDTLS_PK_ECKEY {
            return None;
        }
        let pair: *const sys::mbedtls_ecp_keypair = self.0.private_pk_ctx.cast();
        // SAFETY: that is what a key of this kind has there, and it lives as long as the key.
        let point = unsafe { &(*pair).private_Q };
        let mut bytes = [4; 65];
        let (x, y) = bytes[1..].split_at_mut(32);
        for (number, bytes) in [(&point.private_X, x), (&point.private_Y, y)] {
            // SAFETY: the number is initialised; the bytes are writable for their length.
            let written =
                unsafe { sys::mbedtls_mpi_write_binary(number, bytes.as_mut_ptr(), bytes.len()) };
            if written != 0 {
                return None;
            }
        }
        Some(bytes)
    }

    /// Signs what has this SHA-256, as ECDSA does it in TLS: by a number of `random`. None if that fails.
    #[cfg(feature = "renewal")]
    pub(crate) fn sign(&self, digest: &[u8; 32], random: &mut dyn CryptoRng) -> Option<Vec<u8>> {
        let mut random = random;
        let mut signature = alloc::vec![0; ::renewal::request::LONGEST_SIGNATURE];
        let mut length = 0;
        // SAFETY: the key was parsed; it is not written to, in spite of its type, but for blinding that lies
        // behind a pointer of its own. All bytes have the lengths that are told; random numbers as in `parse`.
        let signed = unsafe {
            sys::mbedtls_pk_sign(
                self.0.as_ptr().cast_mut(),
                sys::mbedtls_md_type_t_MBEDTLS_MD_SHA256,
                digest.as_ptr(),
                digest.len(),
                signature.as_mut_ptr(),
                signature.len(),
                &mut length,
                Some(random_numbers),
                ptr::from_mut(&mut random).cast(),
            )
        };
        signature.truncate(length);
        (signed == 0).then_some(signature)
    }

    /// The kind of the key.
    pub(super) fn kind(&self) -> KeyKind {
        kind(&self.0)
    }

    /// The structure.
    pub(crate) fn as_ptr(&self) -> *const sys::mbedtls_pk_context {
        self.0.as_ptr()
    }

    /// Whether the certificate is for this key.
    pub(super) fn belongs_to(&self, certificate: &Certificate, random: &mut dyn CryptoRng) -> bool {
        let mut random = random;
        // SAFETY: both were parsed; random numbers as in `parse`.
        let result = unsafe {
            sys::mbedtls_pk_check_pair(
                &certificate.0.pk,
                self.0.as_ptr(),
                Some(random_numbers),
                ptr::from_mut(&mut random).cast(),
            )
        };
        result == 0
    }
}

fn kind(pk: &sys::mbedtls_pk_context) -> KeyKind {
    // SAFETY: the structure was initialised, and set up by parsing.
    let (kind, bits) = unsafe { (sys::mbedtls_pk_get_type(pk), sys::mbedtls_pk_get_bitlen(pk)) };
    if kind == sys::mbedtls_pk_type_t_MBEDTLS_PK_RSA {
        KeyKind::Rsa { bits }
    } else {
        KeyKind::Ec
    }
}

/// Seconds since 1970; 0 for dates before that, and for none.
pub(crate) fn unix_s(time: &sys::mbedtls_x509_time) -> u64 {
    let field = |value: c_int| i64::from(value);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. MbedTLS
    // checked the fields; a year has four digits.
    let year = field(time.year) - i64::from(time.mon <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (field(time.mon) + 9).rem_euclid(12);
    let day_of_year = (153 * month_from_march + 2) / 5 + field(time.day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = field(time.hour) * 3_600 + field(time.min) * 60 + field(time.sec);
    u64::try_from(days * 86_400 + seconds).unwrap_or(0)
}

/// What a parser's result means. MbedTLS adds a code of the outer layer, in steps of 128, to one
/// of the inner layer (include/mbedtls/error.h).
fn refusal(code: c_int) -> Result<(), Refusal> {
    let inner = -(-code % 128);
    let outer = code - inner;
    match (outer, inner) {
        (0, 0) => Ok(()),
        (sys::MBEDTLS_ERR_X509_ALLOC_FAILED | sys::MBEDTLS_ERR_PK_ALLOC_FAILED, _)
        | (_, sys::MBEDTLS_ERR_ASN1_ALLOC_FAILED | sys::MBEDTLS_ERR_MPI_ALLOC_FAILED) => {
            Err(Refusal::OutOfMemory)
        }
        _ => Err(Refusal::Contents),
    }
}
