//! Serial numbers that are counted: `SN-000001`, `SN-000002` and so on.
//!
//! A series is what stands before the number, and how many digits the number has. Which numbers are
//! taken is the [ledger](crate::Ledger)'s to know.

/// The longest serial number, which is the certificate's common name (RFC 5280, `ub-common-name`).
const LONGEST: usize = 64;

/// A series, and with which number it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    prefix: String,
    digits: usize,
    first: u32,
}

/// Why a text begins no series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASerial {
    /// It does not end in a digit.
    #[error("a serial number that is counted ends in digits, as SN-000001")]
    NoDigits,
    /// It does not fit the certificate's field, or its number is too large.
    #[error("a serial number has at most 64 characters, and nine digits at the end")]
    TooLong,
}

impl Series {
    /// The series that begins with this serial number.
    ///
    /// # Errors
    ///
    /// [`NotASerial`].
    pub fn from_first(serial: &str) -> Result<Self, NotASerial> {
        let prefix = serial.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = serial.get(prefix.len()..).unwrap_or_default();
        if number.is_empty() {
            return Err(NotASerial::NoDigits);
        }
        if serial.chars().count() > LONGEST || number.len() > 9 {
            return Err(NotASerial::TooLong);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            digits: number.len(),
            first: number.parse().map_err(|_| NotASerial::TooLong)?,
        })
    }

    /// What stands before the number.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many digits a number has.
    pub fn digits(&self) -> usize {
        self.digits
    }

    /// The number that it begins with.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The serial number with this number; none once the digits do not suffice.
    pub fn serial(&self, number: u32) -> Option<String> {
        let number = format!("{number:0digits$}", digits = self.digits);
        (number.len() == self.digits).then(|| format!("{}{number}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_counted_in_its_digits() {
        let series = Series::from_first("A7-098").unwrap();
        assert_eq!((series.prefix(), series.first()), ("A7-", 98));
        assert_eq!(series.serial(99).as_deref(), Some("A7-099"));
        assert_eq!(series.serial(1000), None);
        assert_eq!(Series::from_first("7").unwrap().prefix(), "");
        assert_eq!(Series::from_first("SN-"), Err(NotASerial::NoDigits));
        assert_eq!(Series::from_first(""), Err(NotASerial::NoDigits));
        let long = format!("{}1", "x".repeat(64));
        assert_eq!(Series::from_first(&long), Err(NotASerial::TooLong));
        assert_eq!(Series::from_first("1234567890"), Err(NotASerial::TooLong));
    }
}
