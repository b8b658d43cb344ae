//! Chance, from the operating system.

use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;

/// How long until the next of things that come on average once in this time: independent of when the last
/// one was.
pub(super) fn chance(mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - fraction()).ln())
}

/// From 0 to 1, without 1.
pub(super) fn fraction() -> f64 {
    let mut bytes = [0; 4];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives randomness");
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_what_they_are_called() {
        let all: Vec<_> = (0..1000).map(|_| fraction()).collect();
        assert!(all.iter().all(|one| (0.0..1.0).contains(one)));
        let sum: f64 = all.iter().sum();
        assert!((400.0..600.0).contains(&sum), "{sum}");
    }
}
