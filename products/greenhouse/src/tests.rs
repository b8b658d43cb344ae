//! The greenhouse at a desk, by the driver that the chips have.

extern crate std;

use core::cell::Cell;
use std::rc::Rc;
use std::string::ToString;

use product::desk;

use super::model::{Climate, Pin, Sht4x, Wire};
use super::*;

/// Models of the hardware, from outside.
struct Outside {
    climate: Rc<Cell<Climate>>,
    relay: Rc<Wire>,
    button: Rc<Wire>,
}

/// No time passes at a desk.
struct AtOnce;

impl DelayNs for AtOnce {
    async fn delay_ns(&mut self, _: u32) {}
}

fn greenhouse() -> (impl Product<Reading = Moment>, Outside) {
    let climate = Rc::new(Cell::new(Ok((215, 450))));
    let outside = Outside {
        climate: climate.clone(),
        relay: Rc::default(),
        button: Rc::new(Wire::new(true)),
    };
    let bus = Sht4x::new(move || climate.get());
    let (relay, button) = (Pin(outside.relay.clone()), Pin(outside.button.clone()));
    (Greenhouse::new(bus, relay, button, AtOnce), outside)
}

#[test]
fn the_driver_reads_the_sensor_over_the_whole_range() {
    let (mut greenhouse, outside) = greenhouse();
    for (t, h, shown) in [
        (215, 450, "21.5 °C 45.0 % frost false pumping false"),
        (-5, 0, "-0.5 °C 0.0 % frost true pumping false"),
        (-400, 1_000, "-40.0 °C 100.0 % frost true pumping false"),
        (1_250, 333, "125.0 °C 33.3 % frost false pumping false"),
    ] {
        outside.climate.set(Ok((t, h)));
        assert_eq!(desk::sample(&mut greenhouse).to_string(), shown);
    }
    let told = desk::attributes(&greenhouse);
    assert_eq!(
        told,
        r#"{"pump":false,"frostLimit":2.0,"sensorSerial":12648430}"#
    );
}

#[test]
fn a_sensor_that_is_absent_or_spoilt_is_told_and_nothing_is_zero() {
    let (mut greenhouse, outside) = greenhouse();
    for fault in [Fault::Absent, Fault::Garbled] {
        outside.climate.set(Err(fault));
        let mut faults = Faults::default();
        let moment = desk::run(greenhouse.sample(&mut faults));
        assert!(faults.contains(fault), "{faults:?}");
        let known = Moment {
            pumping: Some(false),
            ..Moment::default()
        };
        assert_eq!(moment, known);
    }
}

#[test]
fn the_pump_runs_by_call_and_by_attribute_and_stands_still_when_nobody_watches() {
    let (mut greenhouse, outside) = greenhouse();
    assert_eq!(
        desk::call(&mut greenhouse, "setPump", "true"),
        r#"{"ok":true}"#
    );
    assert!(outside.relay.is_high());
    assert_eq!(desk::call(&mut greenhouse, "isPumping", "{}"), "true");
    desk::run(greenhouse.offline());
    assert!(!outside.relay.is_high());
    assert_eq!(desk::set(&mut greenhouse, "pump", "true"), Ok(()));
    assert!(outside.relay.is_high());
    desk::run(greenhouse.restarting());
    assert!(!outside.relay.is_high());
    let error = desk::set(&mut greenhouse, "frostLimit", "10.1").unwrap_err();
    assert_eq!(error.to_string(), "write a number from -10.0 to 10.0");
}

#[test]
fn a_press_is_one_event_however_long_it_lasts() {
    let (mut greenhouse, outside) = greenhouse();
    let mut event = || desk::event(&mut greenhouse).map(|readings| readings.to_string());
    assert_eq!(event(), None);
    outside.button.set(false);
    assert_eq!(event().as_deref(), Some("button true"));
    assert_eq!(event(), None);
    outside.button.set(true);
    assert_eq!(event(), None);
    outside.button.set(false);
    assert_eq!(event().as_deref(), Some("button true"));
}
