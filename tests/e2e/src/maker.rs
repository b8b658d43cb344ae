//! The maker of a product: images with their signature, and boards on which an image runs.

use std::ops::Range;

use devserver::Firmware;
use flashimage::FlashImage;
use pki::FirmwareKey;
use simulator::flash::Flash;
use simulator::image::Image;

use crate::desk::{Desk, files_of, known_network};

/// The first slot, by the project's partition table.
const FIRST_SLOT: usize = 0x1_0000;
/// The second one.
const SECOND_SLOT: usize = 0x15_0000;

/// Somebody with a key that signs firmware.
pub struct Maker(FirmwareKey);

impl Default for Maker {
    fn default() -> Self {
        Self::new()
    }
}

impl Maker {
    /// A maker with a new key.
    ///
    /// # Panics
    ///
    /// If none can be made.
    #[must_use]
    pub fn new() -> Self {
        Self(FirmwareKey::generate().expect("a key"))
    }

    /// The signed package of an image.
    ///
    /// # Panics
    ///
    /// If it cannot be signed.
    #[must_use]
    pub fn package(&self, image: &Image<'_>) -> Vec<u8> {
        self.0.package(image.bytes()).expect("a signature")
    }

    /// That, as the server has it.
    #[must_use]
    pub fn firmware(&self, image: &Image<'_>) -> Firmware {
        Firmware {
            title: image.product.to_owned(),
            version: image.version.to_owned(),
            tag: None,
            data: self.package(image),
        }
    }

    /// A flash that knows the desk's network and the maker's key, and runs this image.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    #[must_use]
    pub fn flash(&self, desk: &Desk, serial: &str, port: u16, image: &Image<'_>) -> Flash {
        let identity = desk.device_identity(serial);
        let (chain, key) = (identity.chain_pem(), identity.key_pem());
        let files = [chain.as_str(), key, identity.trust_pem()];
        let built = files_of(files, &desk.settings(port, "")).nvs(known_network());
        Flash::from_bytes(self.install(built, image))
    }

    /// A flash with the maker's key and this image, and whatever else there is to be.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub(crate) fn install(&self, rest: FlashImage, image: &Image<'_>) -> Vec<u8> {
        let built = rest.file("firmware_key.pem", self.0.public_pem()).build();
        let mut flash = built.expect("a flash image");
        let bytes = image.bytes();
        flash[FIRST_SLOT..FIRST_SLOT + bytes.len()].copy_from_slice(&bytes);
        flash
    }
}

/// Where so many bytes of the second slot lie.
#[must_use]
pub fn second_slot(len: usize) -> Range<usize> {
    SECOND_SLOT..SECOND_SLOT + len
}
