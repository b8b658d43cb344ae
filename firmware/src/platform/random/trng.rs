//! Randomness from the radio's noise. esp-hal sees to it that the radio is up; that it is awake while
//! no network is joined, `wifi` does.

pub(crate) use esp_hal::rng::Trng as Random;

/// The source.
///
/// # Panics
///
/// If the radio is not up.
pub(crate) fn source() -> Random {
    Random::try_new().expect("the radio is up")
}
