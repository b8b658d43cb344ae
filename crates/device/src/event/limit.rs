//! The limit of the server's that a device keeps to.

use core::fmt;

use crate::settings::INTERVAL_ATTRIBUTE;

/// The limit of the server that matters most, and what keeping to it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimit {
    /// What it limits.
    pub of: LimitOf,
    /// To how much,
    pub count: u32,
    /// in how many seconds.
    pub seconds: u32,
    /// The shortest interval between samples for which that is enough, in milliseconds.
    pub least_ms: u32,
    /// How many milliseconds a sample may have to wait, because several go together.
    pub late_ms: u32,
    /// The present interval between samples, in milliseconds.
    pub interval_ms: u32,
}

impl KeptLimit {
    /// Whether samples are lost in the long run.
    #[must_use]
    pub fn costs_samples(&self) -> bool {
        self.interval_ms < self.least_ms
    }

    /// Whether samples come late.
    #[must_use]
    pub fn costs_time(&self) -> bool {
        // They wait for each other that long in any case.
        self.late_ms > self.interval_ms.max(1_000)
    }
}

/// What a server limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOf {
    /// Nothing.
    Nothing,
    /// Values of telemetry.
    DataPoints,
    /// Messages of telemetry.
    TelemetryMessages,
}

impl fmt::Display for KeptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            LimitOf::Nothing => return f.write_str("none"),
            LimitOf::DataPoints => "data points",
            LimitOf::TelemetryMessages => "telemetry messages",
        };
        let (interval, least) = (self.interval_ms, self.least_ms);
        write!(f, "{} {of} in {} s: ", self.count, self.seconds)?;
        if self.costs_samples() {
            write!(
                f,
                "too few for a sample each {interval} ms, the oldest are dropped once the queue is \
                 full; set {INTERVAL_ATTRIBUTE} to {least} or more, or raise the limit"
            )
        } else if self.costs_time() {
            write!(
                f,
                "several samples go together, up to {} ms late",
                self.late_ms
            )
        } else {
            write!(f, "enough for a sample each {interval} ms")
        }
    }
}
