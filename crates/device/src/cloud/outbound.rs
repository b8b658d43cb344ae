//! What the device says on its own: client attributes and telemetry, as ThingsBoard's payloads.

use core::fmt::Write;

use heapless::{String, Vec};
use thingsboard::json::BufferTooSmall;
use thingsboard::{Decimal, Value, attributes, telemetry};

use super::device::Device;
use super::inbound::Refused;
use crate::event::Sample;
use crate::retained::PanicRecord;

/// Named values, as many as there may be.
type Values<'a> = Vec<(&'static str, Value<'a>), 8>;

/// The shared attribute that sets the telemetry interval, in milliseconds.
pub(crate) const INTERVAL_ATTRIBUTE: &str = "telemetryIntervalMs";

/// The client attribute that tells it.
const INTERVAL: &str = "telemetry_interval_ms";

/// The client attribute that tells what the server wanted last and cannot have.
const REFUSED: &str = "refused";

/// Writes the client attributes, published once per connection. Returns the length.
pub(super) fn write_attributes<D: Device>(
    device: &D,
    name: &str,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let identity = device.identity();
    let mut mac = String::<17>::new();
    for (index, byte) in device.mac().iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        // Six bytes fit.
        let _ = write!(mac, "{colon}{byte:02x}");
    }
    let panic = device.panic();
    let backtrace = panic.as_ref().map(PanicRecord::backtrace);
    let values: Vec<(&str, Value<'_>), 10> = [
        ("serial", Some(name.into())),
        ("mac", Some(mac.as_str().into())),
        ("chip", Some(identity.chip.into())),
        ("firmware_version", Some(identity.firmware_version.into())),
        ("reset_reason", Some(device.reset_reason().name().into())),
        (INTERVAL, Some(device.interval_ms().into())),
        (REFUSED, Some("".into())),
        ("panic", panic.as_ref().map(|p| p.message.as_str().into())),
        ("panic_at", panic.as_ref().map(|p| p.place.as_str().into())),
        ("panic_backtrace", backtrace.as_deref().map(Into::into)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    attributes::write_values(buffer, &values).map(<[u8]>::len)
}

/// Client attributes that may change while a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Changing {
    /// Milliseconds between samples.
    pub(super) interval_ms: u32,
    /// What the server wanted and cannot have.
    pub(super) refused: Option<Refused>,
}

/// Writes those that are not as they were `told`. Returns the length.
pub(super) fn write_changes(
    told: Changing,
    now: Changing,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut refused = String::<96>::new();
    if let Some(what) = now.refused {
        // It fits with ten digits.
        let _ = write!(refused, "{what}");
    }
    let mut values = Values::new();
    // There is room for all.
    if now.interval_ms != told.interval_ms {
        let _ = values.push((INTERVAL, now.interval_ms.into()));
    }
    if now.refused != told.refused {
        let _ = values.push((REFUSED, refused.as_str().into()));
    }
    attributes::write_values(buffer, &values).map(<[u8]>::len)
}

/// Writes the request for the shared attributes. Returns the length.
pub(super) fn write_request(buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
    attributes::write_request(buffer, &[], &[INTERVAL_ATTRIBUTE]).map(<[u8]>::len)
}

/// Writes the oldest samples, as many as fit into `buffer`. Returns the length, and what was written.
///
/// While the time is not certain it is one sample alone, without a stamp: the server would give
/// the same to all. What was sent before goes alone, too, with the stamps that it had.
pub(super) fn write_telemetry<D: Device>(
    device: &D,
    buffer: &mut [u8],
) -> Result<(usize, Batch), BufferTooSmall> {
    let queue = device.queue();
    let first = queue.first();
    let boot_unix_ms = |number| queue.sent_with(number).or_else(|| device.stamp(0));
    let written = |end| Batch {
        end,
        boot_unix_ms: boot_unix_ms(first),
    };
    let Some(oldest) = queue.at(first) else {
        return Ok((0, written(first)));
    };
    let Some(boot) = boot_unix_ms(first) else {
        let length = telemetry::write_values(buffer, &values(&oldest))?.len();
        return Ok((length, written(first + 1)));
    };
    let mut batch = telemetry::Batch::new(buffer);
    let mut next = first;
    while let Some(sample) = queue.at(next)
        && boot_unix_ms(next) == Some(boot)
    {
        match batch.push(boot.saturating_add(sample.uptime_ms), &values(&sample)) {
            Ok(()) => next += 1,
            Err(error) if next == first => return Err(error),
            Err(_) => break,
        }
    }
    Ok((batch.finish().map_or(0, <[u8]>::len), written(next)))
}

/// Samples that were written, the oldest that wait.
#[derive(Clone, Copy, Default)]
pub(super) struct Batch {
    /// The number after the last of them.
    pub(super) end: u64,
    /// Milliseconds between 1970 UTC and boot, if they have time stamps.
    pub(super) boot_unix_ms: Option<u64>,
}

fn values(sample: &Sample) -> Values<'static> {
    let tenths = |value: i64| Value::Decimal(Decimal::new(value, 1));
    let number = |value: u32| Value::Int(value.into());
    // 48 bits of milliseconds, see `telemetry`.
    let uptime_ms = i64::try_from(sample.uptime_ms).unwrap_or(i64::MAX);
    [
        (
            "temperature",
            sample.temperature_decicelsius.map(|t| tenths(t.into())),
        ),
        (
            "humidity",
            sample.humidity_permille.map(|h| tenths(h.into())),
        ),
        (
            "chip_temperature",
            sample
                .chip_temperature_decicelsius
                .map(|t| tenths(t.into())),
        ),
        ("rssi", sample.rssi_dbm.map(|rssi| Value::Int(rssi.into()))),
        ("heap_free", sample.heap_free.map(number)),
        ("heap_least", sample.heap_least.map(number)),
        ("uptime_ms", Some(Value::Int(uptime_ms))),
        ("dropped", Some(number(sample.dropped))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
