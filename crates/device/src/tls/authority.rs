//! Whether a certificate is a CA's, by the letter of RFC 5280: MbedTLS up to 3.6.6 also takes some
//! for one that are not well formed, and that others, who sign or store them, take for a leaf
//! (CVE-2026-49300).

use certfile::der::{BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use mbedtls_rs_sys as sys;

/// The name of basicConstraints, 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

/// Looks at a certificate of a chain that MbedTLS verifies: adds a flag where it took one for a CA's
/// that is none.
///
/// # Safety
///
/// The certificate was parsed by MbedTLS.
#[allow(unsafe_code)]
pub(super) unsafe fn verify(certificate: &sys::mbedtls_x509_crt, flags: &mut u32) {
    let extensions = match &certificate.v3_ext {
        none if none.p.is_null() => &[],
        // SAFETY: the caller's promise. The extensions are a part of the certificate's own copy.
        some => unsafe { core::slice::from_raw_parts(some.p, some.len) },
    };
    if certificate.private_ca_istrue != 0 && is_authority(extensions) != Some(true) {
        *flags |= sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    }
}

/// Whether extensions make a certificate one of a CA (RFC 5280, 4.2.1.9); none if they are not well
/// formed.
fn is_authority(extensions: &[u8]) -> Option<bool> {
    let mut list = Reader::new(Reader::new(extensions).read(SEQUENCE)?.content);
    while !list.rest().is_empty() {
        let mut extension = Reader::new(list.read(SEQUENCE)?.content);
        let name = extension.read(OBJECT_IDENTIFIER)?.content;
        // Whether it is critical.
        extension.read(BOOLEAN);
        let mut constraints = Reader::new(extension.read(OCTET_STRING)?.content);
        if name != BASIC_CONSTRAINTS {
            continue;
        }
        let mut fields = Reader::new(constraints.read(SEQUENCE)?.content);
        let is_authority = fields
            .read(BOOLEAN)
            .is_some_and(|element| element.content != [0]);
        // How many may follow.
        fields.read(INTEGER);
        let ended = [fields, constraints, extension]
            .iter()
            .all(|reader| reader.rest().is_empty());
        return ended.then_some(is_authority);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::mbedtls::Owned;
    use crate::tls::tests::{alone, library};

    /// basicConstraints of a CA, in its extension.
    const AUTHORITY: [u8; 7] = [OCTET_STRING, 5, SEQUENCE, 3, BOOLEAN, 1, 0xff];

    /// The root of the tests with other bytes in the place of [`AUTHORITY`], or as it is.
    fn root(instead: &[u8; 7]) -> Vec<u8> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;

        let pem = include_str!("../../tests/vectors/credentials/root.crt");
        let mut der = CertificateDer::from_pem_slice(pem.as_bytes())
            .unwrap()
            .to_vec();
        let place = der.windows(7).position(|part| part == AUTHORITY).unwrap();
        der[place..][..7].copy_from_slice(instead);
        der
    }

    /// What MbedTLS takes a certificate for, and the flags that it gets here.
    #[allow(unsafe_code)]
    fn verified(der: &[u8]) -> (bool, u32) {
        let mut certificate = Owned::<sys::mbedtls_x509_crt>::new();
        let mut flags = 0;
        // SAFETY: the structure is initialised, and the bytes are readable and copied.
        let parsed = unsafe {
            let certificate = certificate.as_mut_ptr();
            sys::mbedtls_x509_crt_parse_der(certificate, der.as_ptr(), der.len())
        };
        assert_eq!(parsed, 0);
        // SAFETY: it was parsed just now.
        unsafe { verify(&certificate, &mut flags) };
        (certificate.private_ca_istrue != 0, flags)
    }

    #[test]
    fn who_is_no_authority_by_the_letter_is_none() {
        let _alone = alone();
        library();
        let refused = sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        assert_eq!(verified(&root(&AUTHORITY)), (true, 0));
        // A number where the boolean should be: MbedTLS takes it for one.
        let number = [OCTET_STRING, 5, SEQUENCE, 3, INTEGER, 1, 1];
        assert_eq!(verified(&root(&number)), (true, refused));
        let no = [OCTET_STRING, 5, SEQUENCE, 3, BOOLEAN, 1, 0];
        assert_eq!(verified(&root(&no)), (false, 0));
    }

    #[test]
    fn a_sequence_ends_with_its_extension() {
        let extensions = |value: &[u8], behind: &[u8]| {
            let mut extension = [&[OBJECT_IDENTIFIER, 3][..], &BASIC_CONSTRAINTS].concat();
            extension.extend([&[OCTET_STRING, value.len() as u8], value].concat());
            let mut all = [&[SEQUENCE, extension.len() as u8], &extension[..], behind].concat();
            all.splice(0..0, [SEQUENCE, all.len() as u8]);
            all
        };
        let good = [SEQUENCE, 3, BOOLEAN, 1, 0xff];
        assert_eq!(is_authority(&extensions(&good, &[])), Some(true));
        let limited = [SEQUENCE, 6, BOOLEAN, 1, 0xff, INTEGER, 1, 0];
        assert_eq!(is_authority(&extensions(&limited, &[])), Some(true));
        assert_eq!(is_authority(&extensions(&[SEQUENCE, 0], &[])), Some(false));
        // It goes on behind: the first flaw of the advisory.
        assert_eq!(
            is_authority(&extensions(&[SEQUENCE, 3], &[BOOLEAN, 1, 0xff])),
            None
        );
        assert_eq!(
            is_authority(&extensions(&[SEQUENCE, 3, BOOLEAN, 1, 0xff, 0], &[])),
            None
        );
        assert_eq!(is_authority(&[]), None);
    }
}
