//! The product at a desk: `cargo test`.

use std::cell::Cell;

use @ident@::@Type@;
use @ident@::model::{Relay, Tmp102};
use product::{Product as _, desk};

#[test]
fn it_measures_and_switches() {
    let (degrees, on) = (Cell::new(Some(21)), Cell::new(false));
    let sensor = Tmp102(|| degrees.get().map(|degrees: i16| degrees * 16 + 8));
    let mut it = @Type@::new(sensor, Relay(|high| on.set(high)));
    assert_eq!(desk::sample(&mut it).to_string(), "21.5 °C on false");

    assert_eq!(desk::call(&mut it, "switch", "true"), r#"{"ok":true}"#);
    assert!(on.get());
    let wrong = desk::call(&mut it, "switch", "1");
    assert_eq!(
        wrong,
        r#"{"ok":false,"error":"params: write true or false"}"#
    );
    assert_eq!(desk::attributes(&it), r#"{"on":true}"#);

    degrees.set(Some(-10));
    assert_eq!(desk::sample(&mut it).to_string(), "-9.5 °C on true");
    // What cannot be measured is absent.
    degrees.set(None);
    assert_eq!(desk::sample(&mut it).to_string(), "on true");

    desk::run(it.offline());
    assert!(!on.get());
}
