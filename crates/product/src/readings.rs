//! What was measured at one moment, as small as the ranges of its series allow.
//!
//! A value waits as the number of steps above its least one, and 1; 0 is "absent". Each has as many bits
//! as its range needs, one after the other from the lowest bit of the first byte: two series of 1,651
//! and 1,001 values take three bytes.

use core::fmt;

use thingsboard::Value;

use crate::series::{About, MOST_BYTES, Schema};

/// The values of one moment.
#[derive(Clone, Copy)]
pub struct Readings {
    pub(crate) schema: Schema,
    pub(crate) packed: [u8; MOST_BYTES],
}

impl Readings {
    /// All absent.
    #[must_use]
    pub const fn absent(schema: Schema) -> Self {
        Self {
            schema,
            packed: [0; MOST_BYTES],
        }
    }

    /// Those that were kept as [bytes](Self::bytes).
    #[must_use]
    pub fn from_bytes(schema: Schema, bytes: &[u8]) -> Self {
        let mut readings = Self::absent(schema);
        for (to, from) in readings.packed.iter_mut().zip(bytes) {
            *to = *from;
        }
        readings
    }

    /// As bytes: as many as the [schema](Schema::bytes) says.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.packed.get(..self.schema.bytes()).unwrap_or_default()
    }

    /// Every series, with its value in steps, if it has one.
    pub fn iter(&self) -> impl Iterator<Item = (&'static About, Option<i32>)> + Clone + use<> {
        let mut bytes = self.packed.into_iter();
        let (mut waiting, mut bits) = (0_u64, 0);
        self.schema.iter().map(move |about| {
            let width = about.bits();
            while bits < width {
                waiting |= u64::from(bytes.next().unwrap_or_default()) << bits;
                bits += 8;
            }
            let code = waiting & ((1 << width) - 1);
            waiting >>= width;
            bits -= width;
            // What is no code is in no sample, so that it may become anything.
            let above = code.checked_sub(1);
            let steps = above.map(|above| i64::from(about.least).saturating_add_unsigned(above));
            (about, steps.and_then(|steps| i32::try_from(steps).ok()))
        })
    }

    /// Those values that there are, as the server is told them.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Value<'static>)> + Clone + use<> {
        let present = self
            .iter()
            .filter_map(|(about, steps)| Some((about, steps?)));
        present.map(|(about, steps)| (about.key, about.value(steps)))
    }

    /// The value of this key in steps, if there is one.
    #[must_use]
    pub fn steps(&self, key: &str) -> Option<i32> {
        let (_, steps) = self.iter().find(|(about, _)| about.key == key)?;
        steps
    }
}

/// No series at all.
impl Default for Readings {
    fn default() -> Self {
        Self::absent(Schema::EMPTY)
    }
}

impl PartialEq for Readings {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values()).finish()
    }
}

/// What people read: the values that there are, each with its unit.
impl fmt::Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self
            .iter()
            .filter_map(|(about, steps)| Some((about, steps?)));
        for (index, (about, steps)) in present.enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", about.shown(steps))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
