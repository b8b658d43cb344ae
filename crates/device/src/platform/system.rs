//! The system around the device: its clock, randomness, button and memory.

use core::convert::Infallible;

use embassy_time::Instant;
use rand_core::{TryCryptoRng, TryRng};

use crate::machine::{Heap, Identity, ResetReason, Running};
use crate::retained;

/// Clock, randomness, button, memory.
///
/// Time since boot is not here: it is [`embassy_time::Instant::now`] in every body.
pub trait System {
    /// Who this device is.
    fn identity(&self) -> Identity;

    /// When it was started: times since boot count from here. Now, unless the body knows better; it
    /// is asked once, when the device's life begins.
    fn started(&self) -> Instant {
        Instant::now()
    }

    /// Where the running image lies; none where it does not run from a slot, and cannot be updated.
    fn running(&self) -> Option<Running> {
        None
    }

    /// Why it started.
    fn reset_reason(&self) -> ResetReason;

    /// What outlives a restart.
    fn retained(&self) -> &dyn retained::Memory;

    /// Keeps the watchdog from restarting the device, for a minute at least. The device asks for it
    /// every few seconds as long as its life goes on; no other may. Nothing where there is no
    /// watchdog.
    fn feed_watchdog(&self);

    /// The wall clock in milliseconds since 1970 UTC; none until it has been set since power-on.
    fn unix_ms(&self) -> Option<u64>;

    /// Sets the wall clock.
    fn set_unix_ms(&self, unix_ms: u64);

    /// Milliseconds of a counter that runs on through restarts, and begins anew with the power; none where
    /// there is none. By it samples of a life without a calendar get their time from a later one's.
    fn powered_ms(&self) -> Option<u64> {
        None
    }

    /// The chip's HMAC with keys of its eFuses, which open what was sealed for it. No key anywhere, unless the
    /// body has the peripheral, or a stand-in.
    fn sealer(&self) -> &dyn seal::Chip {
        &NoKeys
    }

    /// Fills with true randomness, from hardware where there is any.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Restarts the device, while all parts of its body are as they were: what a reset ends needs no
    /// order in which it is taken down, and parts of a chip have rules for that. Returns in a body
    /// whose lives end by [`run()`](crate::run())'s return alone.
    fn restart(&self) {}

    /// Free bytes of heap, and the least there ever were; none where that is not known.
    fn heap(&self) -> Option<Heap>;

    /// The largest free block of the heap in bytes, as [`largest_free_block`](super::largest_free_block)
    /// finds it; none where the heap has no end, or nobody knows. It is asked for when the server is
    /// told, for to find it costs more than to read a counter.
    fn heap_largest(&self) -> Option<u32> {
        None
    }

    /// The chip's own temperature in tenths of a degree Celsius, where it has a sensor.
    fn chip_temperature_decicelsius(&self) -> Option<i16>;

    /// Returns when the button has been held for five seconds, or been let go before; one that is pressed
    /// already when this is called, has to be released first. Cancel-safe. Without a button it never
    /// returns.
    async fn button(&self) -> Press;
}

/// A chip without keys in its eFuses.
struct NoKeys;

impl seal::Chip for NoKeys {
    fn hmac(&self, _: seal::Block, _: &seal::Message) -> Option<seal::Mac> {
        None
    }
}

/// What was done to the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// It was let go before five seconds were over.
    Short,
    /// It was held for five seconds.
    Long,
}

/// The system's randomness as the generator type that cryptography asks for.
pub struct Entropy<'a, S>(pub &'a S);

impl<S: System> TryRng for Entropy<'_, S> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill_random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill_random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_random(bytes);
        Ok(())
    }
}

impl<S: System> TryCryptoRng for Entropy<'_, S> {}
