//! A sample in parts, as it waits in flash: time and readings, and the vitals of the few that have any.

use product::{Readings, Schema};

use super::{READINGS, Sample, UPTIME};

/// How many bytes the vitals take, with the byte that says which of them the server is told.
const VITALS_BYTES: usize = READINGS - UPTIME.end;

impl Sample {
    /// The bytes of its vitals, as they wait in flash.
    pub(crate) fn vitals_bytes(&self) -> [u8; VITALS_BYTES] {
        let mut bytes = [0; READINGS];
        let bare = Self {
            readings: Readings::default(),
            ..*self
        };
        bare.pack(&mut bytes);
        let mut vitals = [0; VITALS_BYTES];
        vitals.copy_from_slice(&bytes[UPTIME.end..]);
        vitals
    }

    /// What waited in flash: time and readings, and, where the server is told any, the vitals.
    pub(crate) fn from_parts(uptime_ms: u64, readings: Readings, vitals: &[u8]) -> Self {
        let mut bytes = [0; READINGS];
        match bytes.get_mut(UPTIME.end..) {
            Some(own) if own.len() == vitals.len() => own.copy_from_slice(vitals),
            _ => {
                return Self {
                    uptime_ms,
                    readings,
                    ..Self::default()
                };
            }
        }
        Self {
            uptime_ms,
            readings,
            ..Self::unpack(&bytes, Schema::EMPTY)
        }
    }
}
