//! Series: what a product measures, as data.
//!
//! A series says how its values are called, shown and bounded, and where in a reading they are. All that
//! handles samples (queue, JSON, charts) reads it here and knows no product's names.

use core::fmt;
use core::ops::RangeInclusive;

use thingsboard::{Decimal, Value};

/// How many bytes the readings of a sample take at most.
pub const MOST_BYTES: usize = 48;

/// How many series a product has at most.
pub const MOST_SERIES: usize = 32;

/// Keys that no series may have: the device's own, and those by which the server knows a record.
pub const RESERVED: [&str; 9] = [
    "chip_temperature",
    "rssi",
    "heap_free",
    "heap_least",
    "heap_largest",
    "uptime_ms",
    "dropped",
    "ts",
    "values",
];

/// One series of a product whose readings are `R`.
pub struct Series<R> {
    pub(crate) about: About,
    of: Of<R>,
}

/// Where a reading has the value.
enum Of<R> {
    Number(fn(&R) -> Option<i32>),
    Truth(fn(&R) -> Option<bool>),
}

impl<R> Series<R> {
    /// Whole numbers, from one to another. The unit may be empty.
    pub const fn integer(
        key: &'static str,
        unit: &'static str,
        range: RangeInclusive<i32>,
        of: fn(&R) -> Option<i32>,
    ) -> Self {
        Self::new(key, unit, Kind::Integer, range, Of::Number(of))
    }

    /// Numbers with so many decimal places, 1 to 9. Range and values count steps of the last place: with
    /// one place 215 is 21.5.
    pub const fn decimal(
        key: &'static str,
        unit: &'static str,
        places: u8,
        range: RangeInclusive<i32>,
        of: fn(&R) -> Option<i32>,
    ) -> Self {
        Self::new(key, unit, Kind::Decimal { places }, range, Of::Number(of))
    }

    /// True or false.
    pub const fn boolean(key: &'static str, of: fn(&R) -> Option<bool>) -> Self {
        Self::new(key, "", Kind::Boolean, 0..=1, Of::Truth(of))
    }

    const fn new(
        key: &'static str,
        unit: &'static str,
        kind: Kind,
        range: RangeInclusive<i32>,
        of: Of<R>,
    ) -> Self {
        let about = About {
            key,
            unit,
            kind,
            least: *range.start(),
            most: *range.end(),
        };
        Self { about, of }
    }

    /// The value of this series in a reading, in steps.
    pub(crate) fn steps(&self, reading: &R) -> Option<i32> {
        match self.of {
            Of::Number(of) => of(reading),
            Of::Truth(of) => of(reading).map(i32::from),
        }
    }
}

/// What a series is, without where its values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The key by which the server knows it.
    pub key: &'static str,
    /// The unit, as people write it; empty where there is none.
    pub unit: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The smallest value, in steps.
    pub least: i32,
    /// The largest value, in steps.
    pub most: i32,
}

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers: a step is 1.
    Integer,
    /// Numbers with this many decimal places: a step is the last of them.
    Decimal {
        /// How many, 1 to 9.
        places: u8,
    },
    /// True or false: 1 or 0.
    Boolean,
}

impl About {
    /// How many bits a value takes while it waits: as many as its range needs, and "absent".
    pub(crate) const fn bits(&self) -> u32 {
        let most = self.most as i64 - self.least as i64 + 1;
        u64::BITS - (most as u64).leading_zeros()
    }

    /// Whether the range has this value.
    #[must_use]
    pub const fn contains(&self, steps: i32) -> bool {
        self.least <= steps && steps <= self.most
    }

    /// A value as the server is told it.
    #[must_use]
    pub fn value(&self, steps: i32) -> Value<'static> {
        match self.kind {
            Kind::Integer => Value::Int(steps.into()),
            Kind::Decimal { places } => Value::Decimal(Decimal::new(steps.into(), places)),
            Kind::Boolean => Value::Bool(steps != 0),
        }
    }

    /// A value as people read it, with its unit, or its key where it has none.
    #[must_use]
    pub fn shown(&self, steps: i32) -> impl fmt::Display {
        Shown {
            about: *self,
            steps,
        }
    }
}

struct Shown {
    about: About,
    steps: i32,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let About {
            key, unit, kind, ..
        } = self.about;
        if unit.is_empty() {
            write!(f, "{key} ")?;
        }
        match kind {
            Kind::Integer => self.steps.fmt(f),
            Kind::Decimal { places } => Decimal::new(self.steps.into(), places).fmt(f),
            Kind::Boolean => (self.steps != 0).fmt(f),
        }?;
        if unit.is_empty() {
            return Ok(());
        }
        write!(f, " {unit}")
    }
}

/// The series of a product, whichever it is.
#[derive(Clone, Copy)]
pub struct Schema {
    pub(crate) at: fn(usize) -> Option<&'static About>,
    pub(crate) bytes: u8,
}

impl Schema {
    /// No series.
    pub const EMPTY: Self = Self {
        at: |_| None,
        bytes: 0,
    };

    /// All of them, in the product's order.
    pub fn iter(self) -> impl Iterator<Item = &'static About> + Clone {
        (0..).map_while(self.at)
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many bytes a sample of them takes while it waits.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|about| about.key))
            .finish()
    }
}

/// Checks all series, which is done while a product is compiled, and returns the bytes of a sample.
pub(crate) const fn checked<R>(series: &[Series<R>]) -> u8 {
    assert!(
        series.len() <= MOST_SERIES,
        "a product has 32 series at most"
    );
    let mut bits = 0;
    let mut index = 0;
    while index < series.len() {
        let About {
            key,
            kind,
            least,
            most,
            ..
        } = series[index].about;
        assert!(!key.is_empty(), "a series has a key");
        assert!(least <= most, "the range of a series has values");
        if let Kind::Decimal { places } = kind {
            assert!(1 <= places && places <= 9, "a decimal has 1 to 9 places");
        }
        let mut other = 0;
        while other < index {
            let before = series[other].about.key;
            assert!(!same(key, before), "two series have the same key");
            other += 1;
        }
        other = 0;
        while other < RESERVED.len() {
            assert!(
                !same(key, RESERVED[other]),
                "the key of a series is one of the device's own"
            );
            other += 1;
        }
        bits += series[index].about.bits();
        index += 1;
    }
    let bytes = bits.div_ceil(8);
    assert!(
        bytes as usize <= MOST_BYTES,
        "a sample of these series is too large: narrow their ranges, or measure less"
    );
    bytes as u8
}

/// Whether two texts are the same, in a constant.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}
