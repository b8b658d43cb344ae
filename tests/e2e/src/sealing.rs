//! Keys sealed for a board's chip, and what of them may not be in its flash.

use pki::Identity;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use seal::{Block, Key};

use crate::secrets::hide_key;

/// A key in this block, 0 to 5, as a board's chip gets it.
///
/// # Panics
///
/// If there is no such block.
#[must_use]
pub fn chip_key(block: u8) -> Key {
    let block = Block::new(block).expect("a block");
    Key::random(block, &mut UnwrapErr(SysRng))
}

/// The key of a device, sealed with its chip's.
///
/// # Panics
///
/// If it is too long.
#[must_use]
pub fn sealed_key(identity: &Identity, chip: &Key) -> Vec<u8> {
    hide_key(identity.key_pem());
    let key = identity.key_pem().as_bytes();
    seal::seal(key, chip.block(), chip, &mut UnwrapErr(SysRng)).expect("the chip has a key")
}

/// What of a private key on P-256 (PEM) may not be in flash: each line of it, its DER, and its number.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn traces(pem: &str) -> Vec<Vec<u8>> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
    let der = der.secret_der().to_vec();
    // An octet string of 32 bytes, in SEC1 and in what PKCS#8 has of it.
    let at = der
        .windows(2)
        .position(|two| two == [4, 32])
        .expect("P-256");
    let number = der[at + 2..at + 34].to_vec();
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let lines = lines.map(|line| line.as_bytes().to_vec());
    lines.chain([der, number]).collect()
}

/// Whether these bytes are in a flash.
#[must_use]
pub fn holds(flash: &[u8], bytes: &[u8]) -> bool {
    flash.windows(bytes.len()).any(|window| window == bytes)
}
