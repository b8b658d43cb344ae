//! What keeps a sensor from being read.

use core::fmt;

use embedded_hal::i2c;

/// Why there is no value, or none that can be believed. Whoever wired the board must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing answers.
    Absent,
    /// Something answered, but the bits were spoilt. The next try may do.
    Garbled,
    /// A value beyond the range of its series.
    Implausible,
}

impl Fault {
    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// All of them.
    const ALL: [Self; 3] = [Self::Absent, Self::Garbled, Self::Implausible];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "no sensor answers: check its wiring; going on without",
            Self::Garbled => "the sensor's bits were spoilt: check its wiring; going on without",
            Self::Implausible => {
                "a sensor tells what is beyond its range: check which it is; going on without"
            }
        })
    }
}

/// Nobody acknowledged: there is nobody. All else is noise on the bus.
impl From<i2c::ErrorKind> for Fault {
    fn from(error: i2c::ErrorKind) -> Self {
        match error {
            i2c::ErrorKind::NoAcknowledge(_) => Self::Absent,
            _ => Self::Garbled,
        }
    }
}

/// Which faults a sample had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults(u8);

impl Faults {
    /// The value, if there is one; otherwise takes note of why not.
    ///
    /// ```
    /// use product::{Fault, Faults};
    ///
    /// let mut faults = Faults::default();
    /// assert_eq!(faults.ok::<_, Fault>(Ok(215)), Some(215));
    /// assert_eq!(faults.ok::<i32, _>(Err(Fault::Absent)), None);
    /// assert!(faults.contains(Fault::Absent));
    /// ```
    pub fn ok<T, E: Into<Fault>>(&mut self, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.note(error.into())).ok()
    }

    /// Takes note of a fault.
    pub fn note(&mut self, fault: Fault) {
        self.0 |= fault.bit();
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, those: Self) -> Self {
        Self(self.0 | those.0)
    }

    /// Whether there was this one.
    #[must_use]
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    /// Whether there was none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, once.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL
            .into_iter()
            .filter(move |fault| self.contains(*fault))
    }
}
