//! What the device says on its own: client attributes and telemetry, as ThingsBoard's payloads.

use core::fmt::Write;
use core::ops::Range;

use heapless::{String, Vec};
use product::{Card, MOST_SHARED, Members};
use thingsboard::firmware::OFFER_KEYS;
use thingsboard::json::{BufferTooSmall, Json, Object, Text, Writer};
use thingsboard::{Decimal, Value, attributes, limits, rpc, telemetry, time};

use super::certified::Certified;
use super::device::Device;
use super::inbound::Refused;
use super::pace::Allowance;
use crate::credentials::Bundle;
use crate::event::KeptLimit;
use crate::renewal::{ASKED, NOTICES};
use crate::retained::PanicRecord;
use crate::settings::INTERVAL_ATTRIBUTE;
use crate::telemetry::{Sample, SampleQueue, Vitals};

/// Named values, as many as there may be.
type Values<'a> = Vec<(&'static str, Value<'a>), 8>;

/// The client attribute that tells it.
const INTERVAL: &str = "telemetry_interval_ms";

/// The client attribute that tells what the server wanted last and cannot have.
const REFUSED: &str = "refused";

/// The client attribute that tells which limit the device keeps to, and what that costs.
const LIMIT: &str = "telemetry_limit";

/// The client attribute that tells how many days its certificate has left: what a server can raise an
/// alarm by, which compares numbers and knows no date.
const CERTIFICATE_DAYS: &str = "certificate_days";

/// Writes those in `range` of the client attributes, which are published once per connection. Returns
/// the length, and where to go on if there are more.
pub(super) fn write_attributes<D: Device>(
    device: &D,
    certified: Certified<'_>,
    range: Range<usize>,
    buffer: &mut [u8],
) -> Result<(usize, Option<usize>), BufferTooSmall> {
    let (identity, product) = (device.identity(), device.product());
    let mut mac = String::<17>::new();
    for (index, byte) in device.mac().iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        // Six bytes fit.
        let _ = write!(mac, "{colon}{byte:02x}");
    }
    let panic = device.panic();
    let backtrace = panic.as_ref().map(PanicRecord::backtrace);
    let build = identity.build.hex();
    let panic_build = panic.as_ref().and_then(|panic| panic.build.hex());
    let bundle = certified.bundle;
    let certificate_serial = bundle.map(|bundle| serial(bundle.serial()));
    let issuer = bundle.and_then(Bundle::issuer);
    let expires_ms = certified.expires_unix_s.map(|unix_s| unix_s * 1_000);
    let expires_ms = expires_ms.and_then(|ms| i64::try_from(ms).ok());
    let values: Vec<(&str, Value<'_>), 16> = [
        ("serial", Some(certified.name.into())),
        ("mac", Some(mac.as_str().into())),
        ("chip", Some(identity.chip.into())),
        ("firmware_version", Some(product.version.into())),
        ("build", build.as_deref().map(Into::into)),
        ("reset_reason", Some(device.reset_reason().name().into())),
        (INTERVAL, Some(device.interval_ms().into())),
        (REFUSED, Some("".into())),
        ("certificate_expires_ms", expires_ms.map(Value::Int)),
        (CERTIFICATE_DAYS, certified.days(device).map(Into::into)),
        (
            "certificate_serial",
            certificate_serial.as_deref().map(Into::into),
        ),
        ("certificate_issuer", issuer.as_deref().map(Into::into)),
        ("panic", panic.as_ref().map(|p| p.message.as_str().into())),
        ("panic_at", panic.as_ref().map(|p| p.place.as_str().into())),
        ("panic_backtrace", backtrace.as_deref().map(Into::into)),
        ("panic_build", panic_build.as_deref().map(Into::into)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let end = range.end.min(values.len());
    let some = values.get(range.start..end).unwrap_or_default();
    let length = attributes::write_values(buffer, some.iter().copied())?.len();
    Ok((length, (end < values.len()).then_some(end)))
}

/// A certificate's serial number in hexadecimal, as OpenSSL writes it but in lower case: without the zero
/// that only says that it is positive.
fn serial(bytes: &[u8]) -> String<40> {
    let mut text = String::new();
    let rest = bytes.strip_prefix(&[0]).filter(|rest| !rest.is_empty());
    for byte in rest.unwrap_or(bytes) {
        // One of more than 20 bytes, which RFC 5280 does not allow, is cut.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Client attributes that may change while a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Changing {
    /// Milliseconds between samples.
    pub(super) interval_ms: u32,
    /// What the server wanted and cannot have.
    pub(super) refused: Option<Refused>,
    /// The limit that the device keeps to.
    pub(super) limit: Option<KeptLimit>,
    /// Days that the certificate has left.
    pub(super) certificate_days: Option<u32>,
}

impl Changing {
    /// How many are not as they were `told`, at most.
    pub(super) fn changes(&self, told: &Self) -> u32 {
        u32::from(self.interval_ms != told.interval_ms)
            + u32::from(self.refused != told.refused)
            + u32::from(self.limit != told.limit)
            + u32::from(self.certificate_days != told.certificate_days)
    }
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
    let mut limit = String::<256>::new();
    let mut values = Values::new();
    // There is room for all.
    if now.interval_ms != told.interval_ms {
        let _ = values.push((INTERVAL, now.interval_ms.into()));
    }
    if now.refused != told.refused {
        let _ = values.push((REFUSED, refused.as_str().into()));
    }
    if let Some(kept) = now.limit.filter(|_| now.limit != told.limit) {
        // It fits with numbers of ten digits.
        let _ = write!(limit, "{kept}");
        let _ = values.push((LIMIT, limit.as_str().into()));
    }
    let days = now.certificate_days;
    if let Some(days) = days.filter(|_| days != told.certificate_days) {
        let _ = values.push((CERTIFICATE_DAYS, days.into()));
    }
    attributes::write_values(buffer, values).map(<[u8]>::len)
}

/// The members of one object that are not in another as they are.
fn news<'a>(told: &'a str, now: &'a str) -> impl Iterator<Item = (Text<'a>, Json<'a>)> {
    let told = Object::parse(told.as_bytes()).ok();
    let now = Object::parse(now.as_bytes()).ok();
    let all = now.into_iter().flat_map(Object::members);
    // The keys of a product's attributes are plain.
    all.filter(move |(key, value)| {
        let before = told.and_then(|told| told.get(key.as_plain()?));
        before != Some(*value)
    })
}

/// How many client attributes of a product are not as they were `told`.
pub(super) fn count_news(told: &str, now: &str) -> u32 {
    news(told, now).count() as u32
}

/// Writes those. Returns the length.
pub(super) fn write_news(
    told: &str,
    now: &str,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    Members::object(&mut writer, |members| {
        for (key, value) in news(told, now) {
            members.member(key.as_plain().unwrap_or_default(), &value);
        }
    });
    writer.finish().map(<[u8]>::len)
}

/// Writes the request for the shared attributes: the device's own, those of firmware and the product's. Returns the length.
pub(super) fn write_request(
    product: Card,
    firmware: bool,
    renewal: bool,
    buffer: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut keys =
        Vec::<&str, { 1 + OFFER_KEYS.len() + 1 + 1 + NOTICES.len() + MOST_SHARED }>::new();
    // There is room for these.
    let _ = keys.push(INTERVAL_ATTRIBUTE);
    if firmware {
        let _ = keys.extend_from_slice(&OFFER_KEYS);
        let _ = keys.push("fw_url");
    }
    if renewal {
        let _ = keys.push(ASKED);
        let _ = keys.extend_from_slice(&NOTICES);
    }
    product.shared(&mut |key, _| {
        if keys.push(key).is_err() {
            log::error!("the product has too many shared attributes: {key} is not asked for");
        }
    });
    attributes::write_request(buffer, &[], &keys).map(<[u8]>::len)
}

/// Writes the call that asks for the server's limits. Returns the length.
pub(super) fn write_limits_call(buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
    rpc::write_request(buffer, limits::METHOD, &[]).map(<[u8]>::len)
}

/// Writes the call that asks for the time. Returns the length.
pub(super) fn write_time_call(buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
    rpc::write_request(buffer, time::METHOD, &[]).map(<[u8]>::len)
}

/// Writes the samples of a queue from number `from`, as many as fit into `buffer` and the allowance. Returns
/// the length, and what was written.
///
/// While the time is not certain it is one sample alone, without a stamp: the server would give
/// the same to all. What was sent before goes alone, too, with the stamps that it had.
pub(super) fn write_telemetry<D: Device>(
    device: &D,
    source: Source,
    from: u64,
    allowance: Allowance,
    buffer: &mut [u8],
) -> Result<(usize, Batch), BufferTooSmall> {
    let queue = source.queue(device);
    let live = source == Source::Memory;
    let boot_unix_ms = |number| queue.sent_with(number).or_else(|| device.stamp(0));
    let untold = live && from == queue.first() && queue.dropped_untold() > 0;
    let dropped = untold.then(|| queue.dropped());
    let boot = boot_unix_ms(from);
    let mut written = Batch {
        end: from,
        boot_unix_ms: boot,
        dropped,
        ..Batch::default()
    };
    let vitals = |sample: &Sample| match allowance.bare {
        true => Vitals::NONE,
        false => sample.vitals,
    };
    let Some(oldest) = queue.at(from) else {
        return Ok((0, written));
    };
    let values = |number: u64, sample: &Sample| {
        let first = number == from;
        let counted = vitals(sample).contains(Vitals::COUNTERS);
        let dropped = dropped
            .filter(|_| first)
            .or((counted && live).then(|| queue.dropped()));
        values(sample, vitals(sample), dropped)
    };
    let Some(boot) = boot else {
        let values = values(from, &oldest);
        written.add(values.clone().count());
        let length = telemetry::write_values(buffer, values)?.len();
        return Ok((length, written));
    };
    let mut batch = telemetry::Batch::new(buffer);
    while let Some(sample) = queue.at(written.end)
        && boot_unix_ms(written.end) == Some(boot)
        && written.samples < allowance.samples
    {
        let values = values(written.end, &sample);
        let count = values.clone().count();
        let points = written.data_points + count as u32;
        if written.samples > 0 && points > allowance.data_points {
            break;
        }
        match batch.push(boot.saturating_add(sample.uptime_ms), values) {
            Ok(()) => written.add(count),
            Err(error) if written.samples == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok((batch.finish().map_or(0, <[u8]>::len), written))
}

/// Where samples wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// In memory: those that are taken now.
    Memory,
    /// In flash: those of an outage, or of another life.
    Flash,
}

impl Source {
    /// Those that can be sent.
    pub(super) fn queue<D: Device>(self, device: &D) -> &SampleQueue {
        match (self, device.backlog()) {
            (Self::Flash, Some(backlog)) => backlog.queue(),
            _ => device.queue(),
        }
    }
}

/// Samples that were written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batch {
    /// The number after the last of them.
    pub(super) end: u64,
    /// How many.
    pub(super) samples: u16,
    /// How many values.
    pub(super) data_points: u32,
    /// Milliseconds between 1970 UTC and boot, if they have time stamps.
    pub(super) boot_unix_ms: Option<u64>,
    /// The number of dropped samples that the first of them carries across a gap.
    pub(super) dropped: Option<u32>,
}

impl Batch {
    fn add(&mut self, values: usize) {
        self.end += 1;
        self.samples = self.samples.saturating_add(1);
        self.data_points += values as u32;
    }
}

/// How many values the sample of this number has, if it waits.
pub(super) fn data_points<D: Device>(device: &D, from: Source, number: u64, bare: bool) -> u32 {
    let queue = from.queue(device);
    let Some(sample) = queue.at(number) else {
        return 0;
    };
    let vitals = if bare { Vitals::NONE } else { sample.vitals };
    let dropped = (queue.dropped_untold() > 0).then(|| queue.dropped());
    values(&sample, vitals, dropped).count() as u32
}

/// What a sample carries: its readings, these vitals, and how many samples were dropped before it.
fn values(
    sample: &Sample,
    vitals: Vitals,
    dropped: Option<u32>,
) -> impl Iterator<Item = (&'static str, Value<'static>)> + Clone + use<> {
    let tenths = |value: i16| Value::Decimal(Decimal::new(value.into(), 1));
    // 48 bits of milliseconds, see `telemetry`.
    let uptime_ms = i64::try_from(sample.uptime_ms).unwrap_or(i64::MAX);
    let chip = sample.chip_temperature_decicelsius.map(tenths);
    let rssi = sample.rssi_dbm.map(|rssi| Value::Int(rssi.into()));
    let own = [
        ("chip_temperature", Vitals::CHIP_TEMPERATURE, chip),
        ("rssi", Vitals::RSSI, rssi),
        (
            "heap_free",
            Vitals::HEAP_FREE,
            sample.heap_free.map(Into::into),
        ),
        (
            "heap_least",
            Vitals::HEAP_LEAST,
            sample.heap_least.map(Into::into),
        ),
        (
            "heap_largest",
            Vitals::HEAP_LARGEST,
            sample.heap_largest.map(Into::into),
        ),
        ("uptime_ms", Vitals::COUNTERS, Some(Value::Int(uptime_ms))),
        // Whether it goes along is not for the vitals alone to say.
        ("dropped", Vitals::NONE, dropped.map(Into::into)),
    ];
    let own = own.into_iter().filter_map(move |(name, of, value)| {
        let told = vitals.contains(of);
        Some((name, value.filter(|_| told)?))
    });
    sample.readings.values().chain(own)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn no_product_can_have_a_series_with_the_key_of_a_vital() {
        let sample = Sample {
            chip_temperature_decicelsius: Some(0),
            rssi_dbm: Some(0),
            heap_free: Some(0),
            heap_least: Some(0),
            heap_largest: Some(0),
            ..Sample::default()
        };
        let own: std::vec::Vec<_> = values(&sample, Vitals::ALL, Some(0)).collect();
        assert_eq!(own.len(), 7);
        assert!(own.iter().all(|(key, _)| product::RESERVED.contains(key)));
    }
}
