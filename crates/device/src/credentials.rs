//! Who the device is, proven before use: the three files of SPIFFS that make a TLS client.
//!
//! | file | holds |
//! |---|---|
//! | `device.crt` | PEM: the device's certificate, then the CA that signed it, and so on upwards |
//! | `device.key` | PEM: the device's private key, in PKCS#1, PKCS#8 or SEC1, not encrypted; or that, [sealed](seal) for the chip |
//! | `server_chain.pem` | PEM: the CAs that the broker's certificate may come from, the anchors of trust |
//!
//! A [`Bundle`] exists only if the three parse, each certificate of `device.crt` is signed by the
//! next, the key is that of the first, and the first has a common name. Of `server_chain.pem` one
//! usable anchor is enough; the others are named by [`Bundle::unused_anchors`]. An anchor's own
//! signature proves nothing, and is not looked at. Dates cannot be checked
//! before there is a clock: [`Bundle::at`] checks them for one moment and gives the
//! [`Credentials`] that TLS asks for. It is cheap, so that every connection asks anew and a
//! certificate that expires while the device runs is named as such.
//!
//! A sealed key is opened before it gets here; one that was not is refused.
//!
//! This module knows neither flash nor network. Whether the server likes the certificates is the
//! server's business, and told by [`crate::cloud`].

mod error;
mod read;
#[cfg(test)]
mod tests;
#[allow(unsafe_code)] // MbedTLS's X.509, which TLS brings along; each call is argued for there.
mod x509;

use alloc::vec::Vec;
use heapless::String;
use rand_core::CryptoRng;

use crate::calendar::Moment;
pub use certfile::file::Form;
use certfile::firmware::LEAST_RSA_BITS;
pub use error::{CredentialsError, Fault, File};
pub(crate) use read::server_fault;
use x509::KeyKind;
pub(crate) use x509::{Certificate, Key, unix_s};

/// The most certificates that a file may hold.
pub const MOST_CERTIFICATES: usize = 10;

/// The most that the certificates of `device.crt` may have, decoded, in bytes: they go out in one
/// record, for which there are 8 KiB (`ssl-out-content-len-8192` in Cargo.toml), with a few bytes
/// around each.
pub const MOST_CHAIN_BYTES: usize = 8192 - 16 * (MOST_CERTIFICATES + 1);

/// Signing with more bits takes a chip many seconds.
const MOST_RSA_BITS: usize = 4096;

/// The three files, as they are in flash.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// `device.crt`
    pub certificate: &'a [u8],
    /// `device.key`
    pub key: &'a [u8],
    /// `server_chain.pem`
    pub server_chain: &'a [u8],
}

/// What a renewal brought in the place of files, or beside them.
#[derive(Clone, Copy, Default)]
pub struct Renewed<'a> {
    /// In the place of `device.crt` and `device.key`.
    pub identity: Option<Identity<'a>>,
    /// Beside `server_chain.pem`: certificates in DER, one after the other.
    pub anchors: [&'a [u8]; 2],
}

/// A key and its certificates, as a renewal keeps them.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The private key on P-256, the most significant byte first.
    pub key: &'a [u8],
    /// The device's certificate and the CAs above it: DER, one after the other.
    pub chain: &'a [u8],
}

/// The three files, parsed and found to belong together; their dates are yet to be checked.
///
/// Holds about 1 KiB of heap for each certificate and for an RSA-2048 key. The key is wiped when
/// the bundle is dropped.
pub struct Bundle {
    common_name: String<64>,
    /// Where the device's certificate is from.
    file: File,
    own: Vec<Validity>,
    trusted: Vec<Anchor>,
    unused: Vec<CredentialsError>,
    certificate: Certificate,
    key: Key,
    server_chain: Certificate,
}

/// Credentials whose dates were good when [`Bundle::at`] looked.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    bundle: &'a Bundle,
    forgives_future: bool,
}

/// From when to when a certificate is good, in seconds since 1970; both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    from_unix_s: u64,
    to_unix_s: u64,
}

/// An anchor that can be used.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// Which certificate of the file.
    number: u8,
    validity: Validity,
}

impl Bundle {
    /// Parses and proves the three files. `random` blinds the arithmetic with the key.
    ///
    /// Takes as long as two or three signatures are to verify, and for an RSA key some
    /// arithmetic on top: tens of milliseconds on a chip with P-256.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] names the file, what is wrong with it and what to do.
    pub fn prove(files: Files<'_>, random: &mut dyn CryptoRng) -> Result<Self, CredentialsError> {
        Self::prove_named(files, Renewed::default(), random, common_name)
    }

    /// The same with what a renewal brought.
    ///
    /// # Errors
    ///
    /// As there; of what was renewed, [`CredentialsError`] names [`File::Renewed`] or
    /// [`File::RenewedAnchors`].
    pub fn prove_renewed(
        files: Files<'_>,
        renewed: Renewed<'_>,
        random: &mut dyn CryptoRng,
    ) -> Result<Self, CredentialsError> {
        Self::prove_named(files, renewed, random, common_name)
    }

    /// As [`Bundle::prove`], for certificates that need no name: those of a TLS test suite.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "outside-suite")]
    pub fn prove_nameless(
        files: Files<'_>,
        random: &mut dyn CryptoRng,
    ) -> Result<Self, CredentialsError> {
        Self::prove_named(files, Renewed::default(), random, |_, _| Ok(String::new()))
    }

    fn prove_named(
        files: Files<'_>,
        renewed: Renewed<'_>,
        random: &mut dyn CryptoRng,
        name: impl Fn(&Certificate, File) -> Result<String<64>, CredentialsError>,
    ) -> Result<Self, CredentialsError> {
        let (own, common_name, key) = match renewed.identity {
            Some(identity) => prove_identity(identity, random)?,
            None => {
                let own = read::own_chain(files.certificate)?;
                let common_name = prove_chain(&own, File::Certificate, name)?;
                let key = read::key(files.key, random)?;
                prove_key(&own, &key, File::Key, random)?;
                (own, common_name, key)
            }
        };
        let mut anchors = read::anchors(files.server_chain)?;
        for further in renewed.anchors {
            if let Err(error) = read::further_anchors(further, &mut anchors) {
                anchors.unused.push(error);
            }
        }
        let mut certificate = Certificate::none();
        for one in &own {
            // Each parsed alone, so what can fail is the memory.
            let added = certificate.add(one.der());
            added.map_err(|_| File::Certificate.has(Fault::OutOfMemory))?;
        }
        let file = match renewed.identity {
            Some(_) => File::Renewed,
            None => File::Certificate,
        };
        Ok(Self {
            common_name,
            file,
            own: own.iter().map(Certificate::validity).collect(),
            trusted: anchors.usable,
            unused: anchors.unused,
            certificate,
            key,
            server_chain: anchors.list,
        })
    }

    /// Checks the dates for a moment: seconds since 1970, or [`Moment`] where they are only a lower
    /// bound, by which nothing can be told to be not valid yet.
    ///
    /// # Errors
    ///
    /// [`Fault::Expired`] or [`Fault::NotYetValid`], for any certificate of `device.crt`, or for
    /// `server_chain.pem` if none of its certificates is good.
    pub fn at(&self, now: impl Into<Moment>) -> Result<Credentials<'_>, CredentialsError> {
        let now = now.into();
        for (number, validity) in (1..).zip(&self.own) {
            validity.check(self.file, number, now)?;
        }
        let mut bad = None;
        for anchor in &self.trusted {
            let Anchor { number, validity } = *anchor;
            match validity.check(File::ServerChain, number, now) {
                Ok(()) => {
                    return Ok(Credentials {
                        bundle: self,
                        forgives_future: now.is_floor,
                    });
                }
                Err(error) => bad = bad.or(Some(error)),
            }
        }
        Err(bad.unwrap_or(File::ServerChain.has(Fault::Empty)))
    }

    /// The common name of the device's certificate: 1 to 64 bytes of printable UTF-8. The server
    /// names the device after it.
    #[must_use]
    pub fn common_name(&self) -> &String<64> {
        &self.common_name
    }

    /// The first second, counted since 1970, at which all certificates of `device.crt` are valid. They
    /// were made before they were flashed: it is at least this late.
    #[must_use]
    pub fn valid_from_unix_s(&self) -> u64 {
        self.own.iter().map(|v| v.from_unix_s).max().unwrap_or(0)
    }

    /// From when the device's own certificate is valid, and the first second at which it or one above it has
    /// expired; counted since 1970.
    #[must_use]
    pub fn valid_unix_s(&self) -> core::ops::Range<u64> {
        let from = self.own.first().map_or(0, |own| own.from_unix_s);
        from..self.expires_unix_s()
    }

    /// The serial number of the device's certificate, the most significant byte first.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.certificate.serial()
    }

    /// The common name of who issued the device's certificate; none if it has none that can be read.
    #[must_use]
    pub fn issuer(&self) -> Option<alloc::string::String> {
        let (tag, name) = self.certificate.issuer_common_name()?;
        certfile::text::decode(tag, name)
    }

    /// The certificates of `server_chain.pem` that no server can be trusted by, while others can:
    /// what is wrong with each.
    #[must_use]
    pub fn unused_anchors(&self) -> &[CredentialsError] {
        &self.unused
    }

    /// The first second, counted since 1970, at which a certificate of `device.crt` has expired.
    #[must_use]
    pub fn expires_unix_s(&self) -> u64 {
        let last = self.own.iter().map(|v| v.to_unix_s).min();
        last.unwrap_or(0).saturating_add(1)
    }
}

impl<'a> Credentials<'a> {
    /// What they were made of.
    #[must_use]
    pub fn bundle(self) -> &'a Bundle {
        self.bundle
    }

    /// Whether the moment was only a lower bound, so that the server's certificates, too, cannot be
    /// told to be not valid yet.
    pub(crate) fn forgives_future(self) -> bool {
        self.forgives_future
    }

    /// What the device shows to the server.
    pub(crate) fn certificate(self) -> &'a Certificate {
        &self.bundle.certificate
    }

    /// What it proves with that it is the device's.
    pub(crate) fn key(self) -> &'a Key {
        &self.bundle.key
    }

    /// The CAs that the server's certificate may come from.
    pub(crate) fn server_chain(self) -> &'a Certificate {
        &self.bundle.server_chain
    }
}

impl Validity {
    fn check(self, file: File, number: u8, now: Moment) -> Result<(), CredentialsError> {
        let now_unix_s = now.unix_s;
        if now_unix_s < self.from_unix_s && !now.is_floor {
            let from_unix_s = self.from_unix_s;
            Err(file.has(Fault::NotYetValid {
                number,
                from_unix_s,
                now_unix_s,
            }))
        } else if now_unix_s > self.to_unix_s {
            let to_unix_s = self.to_unix_s;
            Err(file.has(Fault::Expired {
                number,
                to_unix_s,
                now_unix_s,
            }))
        } else {
            Ok(())
        }
    }
}

/// Proves a key and certificates that a renewal brought, but for their dates.
///
/// # Errors
///
/// [`CredentialsError`], of [`File::Renewed`].
fn prove_identity(
    identity: Identity<'_>,
    random: &mut dyn CryptoRng,
) -> Result<(Vec<Certificate>, String<64>, Key), CredentialsError> {
    let own = read::renewed_chain(identity.chain)?;
    let common_name = prove_chain(&own, File::Renewed, common_name)?;
    if seal::is_sealed(identity.key) {
        return Err(File::Renewed.has(Fault::Sealed));
    }
    let key = Key::of_scalar(identity.key, random);
    let key = key.map_err(|_| File::Renewed.has(Fault::Mismatch))?;
    prove_key(&own, &key, File::Renewed, random)?;
    Ok((own, common_name, key))
}

/// The common name that a renewal brought, proven with its dates at a moment.
///
/// # Errors
///
/// [`CredentialsError`], of [`File::Renewed`].
#[cfg(feature = "renewal")]
pub(crate) fn check_identity(
    identity: Identity<'_>,
    now: impl Into<Moment>,
    random: &mut dyn CryptoRng,
) -> Result<String<64>, CredentialsError> {
    let (own, common_name, _) = prove_identity(identity, random)?;
    let now = now.into();
    for (number, certificate) in (1..).zip(&own) {
        let validity = certificate.validity();
        validity.check(File::Renewed, number, now)?;
    }
    Ok(common_name)
}

/// Whether anchors that a renewal brought (DER, one after the other) can all be used at a moment.
///
/// # Errors
///
/// [`CredentialsError`], of [`File::RenewedAnchors`].
#[cfg(feature = "renewal")]
pub(crate) fn check_anchors(
    anchors: &[u8],
    now: impl Into<Moment>,
) -> Result<(), CredentialsError> {
    let now = now.into();
    let mut found = read::Anchors::none();
    read::further_anchors(anchors, &mut found)?;
    if let Some(error) = found.unused.first() {
        return Err(*error);
    }
    for Anchor { number, validity } in &found.usable {
        validity.check(File::RenewedAnchors, *number, now)?;
    }
    match found.usable.is_empty() {
        true => Err(File::RenewedAnchors.has(Fault::Empty)),
        false => Ok(()),
    }
}

/// Proves that certificates can be a device's, and returns its name.
fn prove_chain(
    own: &[Certificate],
    file: File,
    name: impl Fn(&Certificate, File) -> Result<String<64>, CredentialsError>,
) -> Result<String<64>, CredentialsError> {
    let leaf = own.first().ok_or(file.has(Fault::Empty))?;
    for (number, pair) in (1..).zip(own.windows(2)) {
        let [child, issuer] = pair else { continue };
        if !child.names_as_issuer(issuer) || !child.is_signed_by(issuer) {
            return Err(file.has(Fault::OutOfOrder { number }));
        }
        if !issuer.is_ca() {
            let number = number + 1;
            return Err(file.has(Fault::NotACa { number }));
        }
    }
    if own.iter().map(Certificate::length).sum::<usize>() > MOST_CHAIN_BYTES {
        return Err(file.has(Fault::ChainTooLong));
    }
    check_key(file, leaf.key_kind())?;
    if !leaf.is_for_clients() {
        return Err(file.has(Fault::NotForClients));
    }
    if !leaf.may_sign() {
        return Err(file.has(Fault::KeyUsage));
    }
    name(leaf, file)
}

/// Proves that the key is that of the first certificate.
fn prove_key(
    own: &[Certificate],
    key: &Key,
    file: File,
    random: &mut dyn CryptoRng,
) -> Result<(), CredentialsError> {
    check_key(file, key.kind())?;
    match own.first().is_some_and(|leaf| key.belongs_to(leaf, random)) {
        true => Ok(()),
        false => Err(file.has(Fault::Mismatch)),
    }
}

fn check_key(file: File, kind: KeyKind) -> Result<(), CredentialsError> {
    match kind {
        KeyKind::Rsa {
            bits: LEAST_RSA_BITS..=MOST_RSA_BITS,
        }
        | KeyKind::Ec => Ok(()),
        KeyKind::Rsa { bits } => Err(file.has(Fault::RsaSize { number: 1, bits })),
    }
}

fn common_name(leaf: &Certificate, file: File) -> Result<String<64>, CredentialsError> {
    let (tag, name) = leaf.common_name().ok_or(file.has(Fault::NoCommonName))?;
    // It becomes the MQTT client id, a name on screens and part of file names: no control
    // characters. 64 is X.520's bound on common names.
    certfile::text::decode(tag, name)
        .filter(|name| !name.chars().any(char::is_control) && !name.trim().is_empty())
        .and_then(|name| String::try_from(name.as_str()).ok())
        .ok_or(file.has(Fault::CommonNameUnusable))
}
