//! Certificates as attributes: in pieces, as an operator sends them to a device.

use base64ct::{Base64, Encoding};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// How many characters a piece has.
const PIECE: usize = 512;

/// The attributes by which certificates (DER) are sent, the notice with this digest last.
#[must_use]
pub fn pieces(name: &str, der: &[u8], digest: &str) -> Vec<(String, String)> {
    let text = Base64::encode_string(der);
    let pieces: Vec<String> = text
        .as_bytes()
        .chunks(PIECE)
        .map(|piece| String::from_utf8_lossy(piece).into_owned())
        .collect();
    let notice = (name.to_owned(), format!("{} {digest}", pieces.len()));
    let pieces = (1..).zip(pieces);
    let pieces = pieces.map(|(number, piece)| (format!("{name}{number}"), piece));
    pieces.chain([notice]).collect()
}

/// The SHA-256 in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let digest = renewal::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The certificates of PEM, in DER, one after the other.
///
/// # Panics
///
/// If there is something else.
#[must_use]
pub fn chain_der(pem: &str) -> Vec<u8> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .flat_map(|der| der.expect("a certificate").to_vec())
        .collect()
}
