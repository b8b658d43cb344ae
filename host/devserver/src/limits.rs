//! What a device may send in a time, as ThingsBoard's tenant profiles say it, and how much of that
//! it has used.
//!
//! Only what is counted for each device is here; ThingsBoard also counts for the whole tenant.
//!
//! Source: thingsboard/thingsboard, commit 292e6a36a120c2056a3c19b501d8245d9e6f2db0 (v4.2.1):
//! `TbRateLimits` (buckets that refill evenly), `DefaultTransportRateLimitService.checkEntityRateLimit`
//! (what counts as which), `MqttTransportHandler.onGetSessionLimitsRpc` (how a device is told).

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use tokio::time::Instant;

/// ThingsBoard's default of `NETTY_MAX_PAYLOAD_SIZE`, in bytes.
const PAYLOAD: u32 = 65_536;
/// `maxInflightMessages` of a device that asks: its default of `MQTT_MSG_QUEUE_SIZE_PER_DEVICE_LIMIT`.
const IN_FLIGHT: u32 = 100;

/// What a device may send. A device that sends more is cut off: DISCONNECT 0x83 in MQTT 5, and no
/// acknowledgement of what was too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages that carry no values: connects, subscriptions, requests, answers.
    pub messages: Option<RateLimit>,
    /// Messages with telemetry or attributes.
    pub telemetry_messages: Option<RateLimit>,
    /// Values in them: each key of each record is one.
    pub telemetry_data_points: Option<RateLimit>,
    /// The largest packet in bytes, without the byte of its type and its length field.
    pub max_payload: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: None,
            telemetry_messages: None,
            telemetry_data_points: None,
            max_payload: PAYLOAD,
        }
    }
}

impl Limits {
    /// The answer to a device's call `getSessionLimits`.
    pub(crate) fn answer(&self) -> Value {
        let text = |limit: &Option<RateLimit>| limit.as_ref().map(RateLimit::to_string);
        json!({
            "maxPayloadSize": self.max_payload,
            "maxInflightMessages": IN_FLIGHT,
            "rateLimits": {
                "messages": text(&self.messages),
                "telemetryMessages": text(&self.telemetry_messages),
                "telemetryDataPoints": text(&self.telemetry_data_points),
            },
        })
    }
}

/// So many in so many seconds, as ThingsBoard writes it: `10:1,300:60` is ten in a second and three
/// hundred in a minute, and both hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit(Vec<Rate>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    count: u64,
    seconds: u64,
}

/// A limit that is not written as ThingsBoard writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no limit: write COUNT:SECONDS, with commas between several, as in \"10:1,300:60\""
)]
pub struct RateLimitError(String);

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate = |part: &str| {
            let (count, seconds) = part.split_once(':')?;
            let (count, seconds) = (count.parse().ok()?, seconds.parse().ok()?);
            (count > 0 && seconds > 0).then_some(Rate { count, seconds })
        };
        let rates: Option<Vec<_>> = text.split(',').map(rate).collect();
        rates
            .map(Self)
            .ok_or_else(|| RateLimitError(text.to_owned()))
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Rate { count, seconds }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{count}:{seconds}")?;
        }
        Ok(())
    }
}

/// What a message of a device counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A message without values.
    Message,
    /// A message with so many values; with none it is one without values.
    DataPoints(usize),
}

/// What one device has left of each limit.
#[derive(Debug)]
pub(crate) struct Allowance {
    messages: Option<Bucket>,
    telemetry_messages: Option<Bucket>,
    telemetry_data_points: Option<Bucket>,
}

impl Allowance {
    /// All of it.
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let bucket = |limit: &Option<RateLimit>| limit.as_ref().map(|of| Bucket::new(of, now));
        Self {
            messages: bucket(&limits.messages),
            telemetry_messages: bucket(&limits.telemetry_messages),
            telemetry_data_points: bucket(&limits.telemetry_data_points),
        }
    }

    /// Takes what a message costs.
    ///
    /// # Errors
    /// The limit that it is too much for, in words. As there, what a message is too much for by its
    /// values has cost a message all the same.
    pub(crate) fn take(&mut self, cost: Cost, now: Instant) -> Result<(), String> {
        match cost {
            Cost::Message | Cost::DataPoints(0) => {
                take(&mut self.messages, 1, now, "messages without values")
            }
            Cost::DataPoints(points) => {
                take(&mut self.telemetry_messages, 1, now, "telemetry messages")?;
                take(&mut self.telemetry_data_points, points, now, "data points")
            }
        }
    }
}

fn take(bucket: &mut Option<Bucket>, count: usize, now: Instant, of: &str) -> Result<(), String> {
    let Some(bucket) = bucket else { return Ok(()) };
    if bucket.take(count as u64, now) {
        return Ok(());
    }
    let limit = &bucket.limit;
    Err(format!(
        "{count} {of}, and the limit of {limit} (count:seconds) has no room"
    ))
}

/// Levels that fill evenly, one for each rate of a limit: all have to hold what is taken.
#[derive(Debug)]
struct Bucket {
    limit: RateLimit,
    /// In nanoseconds' worth of the rate, times its count: full is `count` times its seconds.
    levels: Vec<u128>,
    filled: Instant,
}

const NANOS: u128 = 1_000_000_000;

impl Rate {
    fn full(self) -> u128 {
        u128::from(self.count) * self.one()
    }

    /// What one costs.
    fn one(self) -> u128 {
        u128::from(self.seconds) * NANOS
    }
}

impl Bucket {
    fn new(limit: &RateLimit, now: Instant) -> Self {
        Self {
            limit: limit.clone(),
            levels: limit.0.iter().map(|rate| rate.full()).collect(),
            filled: now,
        }
    }

    fn take(&mut self, count: u64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        self.filled = now;
        let levels = self.levels.iter_mut().zip(&self.limit.0);
        for (level, rate) in levels {
            let gained = passed.saturating_mul(u128::from(rate.count));
            *level = level.saturating_add(gained).min(rate.full());
        }
        let cost = |rate: &Rate| rate.one().saturating_mul(u128::from(count));
        let mut levels = self.levels.iter().zip(&self.limit.0);
        let enough = levels.all(|(level, rate)| *level >= cost(rate));
        if enough {
            for (level, rate) in self.levels.iter_mut().zip(&self.limit.0) {
                *level -= cost(rate);
            }
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_is_written_as_thingsboard_writes_it() {
        for text in ["1:1", "10:1,300:60", "15000:3600"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
        for text in ["", "1", "1:", ":1", "0:1", "1:0", "1:1,", "-1:1", "a:b"] {
            let error = text.parse::<RateLimit>().unwrap_err();
            assert!(error.to_string().contains("COUNT:SECONDS"), "{text}");
        }
    }

    #[test]
    fn a_bucket_fills_evenly_and_holds_every_rate() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let limit = "4:1,6:60".parse().unwrap();
        let mut bucket = Bucket::new(&limit, start);
        assert!(bucket.take(4, at(0)));
        assert!(!bucket.take(1, at(249)));
        assert!(bucket.take(1, at(250)));
        assert!(bucket.take(1, at(1_000)));
        // Six were taken: the minute gives one each ten seconds.
        assert!(!bucket.take(1, at(9_000)));
        assert!(bucket.take(1, at(10_000)));
        assert!(!bucket.take(5, at(3_600_000)), "more than a second's worth");
        assert!(bucket.take(4, at(3_600_000)));
    }

    #[test]
    fn values_and_messages_are_counted_apart() {
        let now = Instant::now();
        let limits = Limits {
            messages: Some("1:60".parse().unwrap()),
            telemetry_messages: Some("2:60".parse().unwrap()),
            telemetry_data_points: Some("5:60".parse().unwrap()),
            ..Limits::default()
        };
        let mut allowance = Allowance::new(&limits, now);
        assert_eq!(allowance.take(Cost::DataPoints(3), now), Ok(()));
        let told = allowance.take(Cost::DataPoints(3), now).unwrap_err();
        assert!(
            told.contains("3 data points") && told.contains("5:60"),
            "{told}"
        );
        // What was too much has cost a message.
        let told = allowance.take(Cost::DataPoints(1), now).unwrap_err();
        assert!(told.contains("telemetry messages"), "{told}");
        assert_eq!(allowance.take(Cost::DataPoints(0), now), Ok(()));
        assert!(allowance.take(Cost::Message, now).is_err());
        let mut unlimited = Allowance::new(&Limits::default(), now);
        assert_eq!(unlimited.take(Cost::DataPoints(1_000_000), now), Ok(()));
    }

    #[test]
    fn a_device_is_told_as_thingsboard_tells() {
        assert_eq!(
            Limits::default().answer().to_string(),
            r#"{"maxInflightMessages":100,"maxPayloadSize":65536,"rateLimits":{"messages":null,"telemetryDataPoints":null,"telemetryMessages":null}}"#
        );
        let limits = Limits {
            telemetry_data_points: Some("15000:3600".parse().unwrap()),
            ..Limits::default()
        };
        let told = limits.answer();
        assert_eq!(told["rateLimits"]["telemetryDataPoints"], "15000:3600");
    }
}
