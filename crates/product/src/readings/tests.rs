extern crate std;

use std::string::ToString;

use super::*;
use crate::{Fault, Faults, Product, Series};

struct Everything;

/// A value of each kind, with the widest range, the narrowest, and some between.
type Row = [Option<i32>; 6];

impl Product for Everything {
    const NAME: &'static str = "everything";
    const VERSION: &'static str = "1.2.3";
    type Reading = (Row, Option<bool>);
    const SERIES: &'static [Series<Self::Reading>] = &[
        Series::decimal("temperature", "°C", 1, -400..=1_250, |(row, _)| row[0]),
        Series::integer("all", "", i32::MIN..=i32::MAX, |(row, _)| row[1]),
        Series::boolean("open", |(_, open)| *open),
        Series::integer("one", "W", 7..=7, |(row, _)| row[2]),
        Series::decimal("small", "A", 9, -3..=3, |(row, _)| row[3]),
        Series::integer("byte", "", 0..=254, |(row, _)| row[4]),
        Series::integer("more", "", 0..=255, |(row, _)| row[5]),
    ];

    async fn sample(&mut self, _: &mut Faults) -> Self::Reading {
        ([None; 6], None)
    }
}

const SCHEMA: Schema = Schema::of::<Everything>();

fn steps(readings: &Readings) -> [Option<i32>; 7] {
    let mut all = [Some(99); 7];
    for (to, (_, from)) in all.iter_mut().zip(readings.iter()) {
        *to = from;
    }
    all
}

#[test]
fn each_value_takes_what_its_range_needs() {
    let bits = SCHEMA.iter().map(About::bits);
    assert!(bits.eq([11, 33, 2, 1, 3, 8, 9]));
    assert_eq!((SCHEMA.bytes(), SCHEMA.len()), (9, 7));
}

#[test]
fn what_was_measured_comes_out_as_it_went_in() {
    let rows: [(Row, Option<bool>); 6] = [
        ([None; 6], None),
        (
            [
                Some(-400),
                Some(i32::MIN),
                Some(7),
                Some(-3),
                Some(0),
                Some(0),
            ],
            Some(false),
        ),
        (
            [
                Some(1_250),
                Some(i32::MAX),
                Some(7),
                Some(3),
                Some(254),
                Some(255),
            ],
            Some(true),
        ),
        ([Some(0), Some(0), None, Some(0), None, Some(1)], Some(true)),
        ([None, Some(-1), None, None, Some(128), None], None),
        (
            [Some(215), None, Some(7), Some(1), None, Some(254)],
            Some(false),
        ),
    ];
    for reading in rows {
        let mut faults = Faults::default();
        let readings = Readings::of::<Everything>(&reading, &mut faults);
        assert!(faults.is_empty());
        let ([a, b, d, e, f, g], open) = reading;
        assert_eq!(steps(&readings), [a, b, open.map(i32::from), d, e, f, g]);
        assert_eq!(Readings::from_bytes(SCHEMA, readings.bytes()), readings);
        assert_eq!(readings.bytes().len(), 9);
    }
}

#[test]
fn what_is_beyond_its_range_is_absent_and_a_fault_and_spoils_nothing_else() {
    let mut faults = Faults::default();
    let row = [Some(1_251), Some(5), Some(8), Some(-4), Some(-1), Some(256)];
    let readings = Readings::of::<Everything>(&(row, None), &mut faults);
    assert_eq!(
        steps(&readings),
        [None, Some(5), None, None, None, None, None]
    );
    assert!(faults.contains(Fault::Implausible));
}

#[test]
fn bytes_that_nobody_packed_are_something_in_range_or_absent_or_beyond_and_never_a_panic() {
    for byte in 0..=u8::MAX {
        let readings = Readings::from_bytes(SCHEMA, &[byte; MOST_BYTES + 1]);
        assert_eq!(readings.iter().count(), 7);
    }
}

#[test]
fn values_are_told_and_shown_with_their_places_and_units() {
    let mut faults = Faults::default();
    let row = [Some(-5), Some(12), None, Some(2), None, None];
    let readings = Readings::of::<Everything>(&(row, Some(true)), &mut faults);
    assert_eq!(
        readings.to_string(),
        "-0.5 °C all 12 open true 0.000000002 A"
    );
    let mut buffer = [0; 128];
    let json = thingsboard::telemetry::write_values(&mut buffer, readings.values()).unwrap();
    assert_eq!(
        core::str::from_utf8(json).unwrap(),
        r#"{"temperature":-0.5,"all":12,"open":true,"small":0.000000002}"#
    );
    assert_eq!(readings.steps("all"), Some(12));
    assert_eq!(
        (readings.steps("one"), readings.steps("none")),
        (None, None)
    );
    assert_eq!(Readings::default().to_string(), "");
}
