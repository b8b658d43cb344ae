//! What clients did that counts beyond their sessions, and beyond the device end that served them.

use core::time::Duration;

use super::Limits;
use crate::refusal::Refusal;
use crate::time::Instant;

/// Wrong proofs, and handshakes that nobody finished, by whomever. It holds no secret.
///
/// A provisioning service that opens again gets the one of the service before, or whoever makes it
/// open again could guess from the beginning ([`Device::resume`](super::Device::resume),
/// [`Device::history`](super::Device::history)). The times in it are those of the clock that goes
/// on meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Wrong proofs in a row.
    failed: u8,
    cool_until: Option<Instant>,
    /// Handshakes of security 2 that were begun, less one for each [`Limits::handshake_pace`].
    begun: u8,
    /// From when on the next one less is counted; none if none was begun.
    paced: Option<Instant>,
}

impl History {
    pub(super) fn check_cool_down(&mut self, now: Instant) -> Result<(), Refusal> {
        let over = self.cool_until.take_if(|until| *until <= now);
        match self.cool_until {
            Some(until) if over.is_none() => Err(Refusal::CoolingDown {
                remaining: until.saturating_duration_since(now),
            }),
            _ => Ok(()),
        }
    }

    /// Counts a handshake that costs the device much before it knows anything of the client.
    pub(super) fn begin_handshake(&mut self, now: Instant, limits: &Limits) -> Result<(), Refusal> {
        let pace = limits.handshake_pace.max(Duration::from_millis(1));
        let mut paced = self.paced.unwrap_or(now);
        while self.begun > 0 && paced + pace <= now {
            paced = paced + pace;
            self.begun -= 1;
        }
        if self.begun == 0 {
            paced = now;
        }
        self.paced = Some(paced);
        if self.begun >= limits.handshakes {
            return Err(Refusal::CoolingDown {
                remaining: (paced + pace).saturating_duration_since(now),
            });
        }
        self.begun += 1;
        Ok(())
    }

    /// Counts a wrong proof; returns how many may follow before a cool-down, which begins at 0.
    pub(super) fn failed(&mut self, now: Instant, limits: &Limits) -> u8 {
        self.failed = self.failed.saturating_add(1);
        let left = limits.failed_proofs.saturating_sub(self.failed);
        if left == 0 {
            self.failed = 0;
            self.cool_until = Some(now + limits.cool_down);
        }
        left
    }

    /// A client has proven itself.
    pub(super) fn proven(&mut self) {
        self.failed = 0;
        self.begun = 0;
    }
}
