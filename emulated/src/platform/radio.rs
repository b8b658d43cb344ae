//! A rule that the radio of a chip has, and this board's network card has not: it is the source of
//! true randomness, and must not go down while somebody draws from it (esp-hal 1.2.2,
//! src/rng/trng.rs, `decrease_entropy_source_counter`; esp-radio 1.0.0-beta.1, src/wifi/mod.rs, `Drop
//! for WifiRefGuard`).

use core::cell::Cell;
use core::convert::Infallible;

use critical_section::Mutex;
use rand_core::{TryCryptoRng, TryRng};

use crate::board::random::Random;

/// How many there are who draw randomness.
static USERS: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));

/// The radio, powered up as long as this lives.
pub(crate) struct Power;

impl Drop for Power {
    fn drop(&mut self) {
        let users = critical_section::with(|cs| USERS.borrow(cs).get());
        assert!(users == 0, "the radio goes down while it is in use");
    }
}

/// The right to draw randomness from the radio.
pub(crate) struct Source(Random);

impl Source {
    /// A source of a radio that is up.
    pub(crate) fn of(_: &Power) -> Self {
        critical_section::with(|cs| USERS.borrow(cs).update(|users| users + 1));
        Self(Random)
    }

    /// Fills with randomness.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        critical_section::with(|cs| USERS.borrow(cs).update(|users| users - 1));
    }
}

impl TryRng for Source {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Source {}
