//! A product in the device's hands: its series as data, its readings packed, its calls carried out.
//!
//! What these become knows of no product: here is where its type is left behind.

use thingsboard::json::{Json, Writer};

use crate::call::{Calls as _, Refusal, Refused, Reply, refuse};
use crate::series::checked;
use crate::{Fault, Faults, Product, Readings, Schema};

impl Schema {
    /// Those of a product. Series that cannot be are found while it is compiled: a key that is there
    /// twice or is the device's own, a range without values, more than fits.
    ///
    /// ```compile_fail
    /// use product::{Faults, Product, Schema, Series};
    ///
    /// struct Twice;
    ///
    /// impl Product for Twice {
    ///     const NAME: &'static str = "twice";
    ///     const VERSION: &'static str = "1.0.0";
    ///     type Reading = ();
    ///     const SERIES: &'static [Series<()>] =
    ///         &[Series::boolean("open", |()| None), Series::boolean("open", |()| None)];
    ///     async fn sample(&mut self, _: &mut Faults) {}
    /// }
    ///
    /// const SCHEMA: Schema = Schema::of::<Twice>();
    /// ```
    #[must_use]
    pub const fn of<P: Product>() -> Self {
        Self {
            at: |index| P::SERIES.get(index).map(|series| &series.about),
            bytes: const { checked(P::SERIES) },
        }
    }
}

impl Readings {
    /// Those of a product. What is beyond its range is absent, and a fault.
    #[must_use]
    pub fn of<P: Product>(reading: &P::Reading, faults: &mut Faults) -> Self {
        let mut readings = Self::absent(const { Schema::of::<P>() });
        let mut bytes = readings.packed.iter_mut();
        let (mut waiting, mut bits) = (0_u64, 0);
        let steps = P::SERIES.iter().map(|series| series.steps(reading));
        for (about, steps) in readings.schema.iter().zip(steps) {
            let code = match steps {
                Some(steps) if about.contains(steps) => {
                    1 + i64::from(steps).abs_diff(about.least.into())
                }
                Some(_) => {
                    faults.note(Fault::Implausible);
                    0
                }
                None => 0,
            };
            waiting |= code << bits;
            bits += about.bits();
            while bits >= 8 {
                // There is room, for the product was compiled.
                if let Some(byte) = bytes.next() {
                    *byte = waiting as u8;
                }
                waiting >>= 8;
                bits -= 8;
            }
        }
        if let Some(byte) = bytes.next() {
            *byte = waiting as u8;
        }
        readings
    }
}

/// Carries out a call and writes its reply; for the device.
pub async fn answer<P: Product>(
    product: &mut P,
    method: &str,
    params: Option<Json<'_>>,
    buffer: &mut [u8],
) -> Reply {
    let mut writer = Writer::new(buffer);
    let done = P::calls()
        .perform(product, method, params, &mut writer)
        .await;
    let error = match done {
        Some(Ok(())) => match writer.finish() {
            Ok(written) => {
                let length = written.len();
                return Reply { ok: true, length };
            }
            Err(_) => Refused::Refusal(Refusal("the reply is too long: make the product say less")),
        },
        Some(Err(refused)) => refused,
        None => Refused::Refusal(Refusal("unknown method")),
    };
    Reply {
        ok: false,
        length: refuse(&error, buffer),
    }
}
