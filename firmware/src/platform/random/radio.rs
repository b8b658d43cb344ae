//! Randomness from the radio's noise, for chips of which esp-hal does not yet know that.
//!
//! While the radio's receiver is on, what the generator gives is truly random (ESP-IDF v5.4.1,
//! 4c2820d377d1, docs/en/api-reference/system/random.rst). It comes up first, and sleeps only while a
//! network is joined, between beacons.

use core::convert::Infallible;

use esp_hal::rng::Rng;
use rand_core::{TryCryptoRng, TryRng};

/// The source, once the radio is up.
pub(crate) struct Random(Rng);

/// The source; the radio must be up.
pub(crate) fn source() -> Random {
    Random(Rng::new())
}

impl Random {
    /// Fills with random bytes.
    pub(crate) fn read(&self, bytes: &mut [u8]) {
        self.0.read(bytes);
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.random())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.0.random()) << 32 | u64::from(self.0.random()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.read(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random {}
