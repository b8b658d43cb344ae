//! The whole life of a device with this product, on this computer: `cargo run -p desk`.

use std::f64::consts::TAU;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use @ident@::@Type@;
use @ident@::model::{Relay, Tmp102};
use simulator::Wiring;

/// What the product is wired to here.
#[derive(Default)]
struct Bench;

impl Wiring for Bench {
    type Product = @Type@<Tmp102<fn() -> Option<i16>>, Relay<fn(bool)>>;

    fn product(&self) -> Self::Product {
        @Type@::new(Tmp102(weather), Relay(|_| {}))
    }
}

/// A warm day every ten minutes, in sixteenths of a degree.
fn weather() -> Option<i16> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let wave = ((seconds % 600) as f64 / 600.0 * TAU).sin();
    Some(((20.0 + 8.0 * wave) * 16.0) as i16)
}

fn main() -> ExitCode {
    esptb::desk::<Bench>()
}
