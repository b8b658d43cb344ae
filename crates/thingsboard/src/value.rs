//! The values that telemetry and attributes carry.

use core::fmt;

/// A value to be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A whole number.
    Int(i64),
    /// A number with decimals.
    Decimal(Decimal),
    /// `true` or `false`.
    Bool(bool),
    /// Text; escaped as it is written.
    ///
    /// ThingsBoard turns text that looks like a number into a number by default
    /// (`JsonConverter.parseProtoValues` with `isTypeCastEnabled`, see [`crate::telemetry`]):
    /// a serial number of digits only arrives as an integer.
    Text(&'a str),
    /// An object of further values; ThingsBoard stores it as JSON.
    Object(&'a [(&'a str, Value<'a>)]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Decimal> for Value<'_> {
    fn from(value: Decimal) -> Self {
        Self::Decimal(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

/// A decimal fraction: `mantissa / 10^places`.
///
/// Sensors measure in fixed steps, and formatting a float costs kilobytes of flash; this
/// costs an integer division. Written with all its places, so that 42 in steps of 0.1 is
/// `42.0`: ThingsBoard makes a double of that, but an integer of `42`, and a series should
/// not change its type from sample to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i64,
    places: u8,
}

impl Decimal {
    /// The most decimal places; ThingsBoard takes a number with more than 16 as text.
    pub const MAX_PLACES: u8 = 16;

    /// `mantissa / 10^places`; `Decimal::new(2345, 2)` is 23.45.
    ///
    /// More than [`MAX_PLACES`](Self::MAX_PLACES) are cut to it by dropping digits.
    pub const fn new(mut mantissa: i64, mut places: u8) -> Self {
        while places > Self::MAX_PLACES {
            mantissa /= 10;
            places -= 1;
            if mantissa == 0 {
                places = Self::MAX_PLACES;
            }
        }
        Self { mantissa, places }
    }

    /// Rounds half away from zero to `places`; `None` if it is not finite or does not fit.
    pub fn from_f32(value: f32, places: u8) -> Option<Self> {
        Self::from_f64(value.into(), places)
    }

    /// Rounds half away from zero to `places`; `None` if it is not finite or does not fit.
    pub fn from_f64(value: f64, places: u8) -> Option<Self> {
        if places > Self::MAX_PLACES {
            return None;
        }
        let mut scaled = value;
        for _ in 0..places {
            scaled *= 10.0;
        }
        scaled += if scaled < 0.0 { -0.5 } else { 0.5 };
        // 2^63; NaN fails both comparisons.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if scaled > -LIMIT && scaled < LIMIT {
            Some(Self {
                mantissa: scaled as i64,
                places,
            })
        } else {
            None
        }
    }

    /// The digits without the point.
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many of the digits stand behind the point.
    pub const fn places(self) -> u8 {
        self.places
    }

    /// The whole number it is, if all its decimals are zero.
    pub fn to_integer(self) -> Option<i64> {
        self.steps(0)
    }

    /// How many steps of the last of so many places it is, if it is a whole number of them.
    pub fn steps(self, places: u8) -> Option<i64> {
        let power = |of: u8| 10i64.checked_pow(of.into());
        match self.places.checked_sub(places) {
            Some(more) => {
                let scale = power(more)?;
                (self.mantissa % scale == 0).then(|| self.mantissa / scale)
            }
            None => self.mantissa.checked_mul(power(places - self.places)?),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.places == 0 {
            return fmt::Display::fmt(&self.mantissa, f);
        }
        // `places` is at most 16, so the power fits.
        let scale = 10u64.pow(self.places.into());
        let magnitude = self.mantissa.unsigned_abs();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let width = usize::from(self.places);
        write!(
            f,
            "{sign}{}.{:0width$}",
            magnitude / scale,
            magnitude % scale
        )
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;

    #[test]
    fn a_decimal_keeps_its_places() {
        assert_eq!(Decimal::new(2345, 2).to_string(), "23.45");
        assert_eq!(Decimal::new(-5, 2).to_string(), "-0.05");
        assert_eq!(Decimal::new(420, 1).to_string(), "42.0");
        assert_eq!(Decimal::new(0, 3).to_string(), "0.000");
        assert_eq!(Decimal::new(7, 0).to_string(), "7");
        assert_eq!(
            Decimal::new(i64::MIN, 16).to_string(),
            "-922.3372036854775808"
        );
        assert_eq!(Decimal::new(i64::MAX, 255), Decimal::new(0, 16));
        assert_eq!(Decimal::new(123, 18), Decimal::new(1, 16));
    }

    #[test]
    fn floats_are_rounded_or_refused() {
        assert_eq!(Decimal::from_f32(23.456, 2), Some(Decimal::new(2346, 2)));
        assert_eq!(Decimal::from_f64(-0.005, 2), Some(Decimal::new(-1, 2)));
        assert_eq!(Decimal::from_f64(2.5, 0), Some(Decimal::new(3, 0)));
        assert_eq!(Decimal::from_f64(f64::NAN, 2), None);
        assert_eq!(Decimal::from_f64(f64::INFINITY, 2), None);
        assert_eq!(Decimal::from_f64(1e19, 0), None);
        assert_eq!(Decimal::from_f64(1.0, 17), None);
    }

    #[test]
    fn steps_of_so_many_places_are_exact() {
        assert_eq!(Decimal::new(45, 1).steps(1), Some(45));
        assert_eq!(Decimal::new(5, 0).steps(2), Some(500));
        assert_eq!(Decimal::new(455, 2).steps(1), None);
        assert_eq!(Decimal::new(450, 2).steps(1), Some(45));
        assert_eq!(Decimal::new(i64::MAX, 0).steps(1), None);
    }

    #[test]
    fn whole_numbers_are_recognised() {
        assert_eq!(Decimal::new(5000, 3).to_integer(), Some(5));
        assert_eq!(Decimal::new(5001, 3).to_integer(), None);
        assert_eq!(Decimal::new(i64::MIN, 0).to_integer(), Some(i64::MIN));
    }
}
