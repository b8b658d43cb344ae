//! What the server takes of one device in a time, beside what the device sends.

use device::settings::Settings;
use thingsboard::limits::{RateLimit, SessionLimits, Window};

use crate::{Check, Finding, Who};

/// Values of a sample, beside the vitals.
const READINGS: f64 = 2.0;
/// Values of the vitals, all at once.
const VITALS: f64 = 6.0;
/// The smallest payload with which the device gets on: its attributes go in one message.
const LEAST_PAYLOAD: u32 = 1_024;

/// Reads the answer to `getSessionLimits`.
pub(crate) fn examine(answer: &[u8], settings: &Settings) -> Vec<Finding> {
    let Ok(limits) = SessionLimits::parse(answer) else {
        return vec![Finding::note(
            Check::Limits,
            "the server's limits cannot be read",
            Who::Server,
            "see whether a rule chain answers getSessionLimits in ThingsBoard's place",
        )];
    };
    let interval_s = f64::from(settings.telemetry_interval_ms) / 1000.0;
    let vitals_s = match settings.vitals_interval_s {
        0 => interval_s,
        seconds => f64::from(seconds),
    };
    let messages = 1.0 / interval_s;
    let points = READINGS / interval_s + VITALS / vitals_s;
    let mut findings = Vec::new();
    for (limit, rate, what) in [
        (limits.telemetry_messages, messages, "messages of telemetry"),
        (limits.telemetry_data_points, points, "data points"),
    ] {
        if let Some(window) = tightest(limit, rate) {
            findings.push(too_little(window, rate, what, settings));
        }
    }
    if let Some(most) = limits.max_payload_size.filter(|&most| most < LEAST_PAYLOAD) {
        findings.push(Finding::bad(
            Check::Limits,
            format!("the server takes {most} bytes in a message, which is less than the device says of itself"),
            Who::Server,
            "raise NETTY_MAX_PAYLOAD_SIZE on the server",
        ));
    }
    if findings.is_empty() {
        let says = format!(
            "a sample each {} ms is within the server's limits",
            settings.telemetry_interval_ms
        );
        findings.push(Finding::good(Check::Limits, says));
    }
    findings
}

/// The window that lets the least through, if that is less than is sent.
fn tightest(limit: RateLimit<'_>, rate: f64) -> Option<Window> {
    let per_second = |window: &Window| f64::from(window.count) / f64::from(window.seconds);
    let too_tight = limit.windows().filter(|window| per_second(window) < rate);
    too_tight.min_by(|one, other| per_second(one).total_cmp(&per_second(other)))
}

fn too_little(window: Window, rate: f64, what: &str, settings: &Settings) -> Finding {
    let Window { count, seconds } = window;
    let sent = rate * f64::from(seconds);
    let factor = sent / f64::from(count);
    let enough = (f64::from(settings.telemetry_interval_ms) * factor / 100.0).ceil() * 100.0;
    Finding::note(
        Check::Limits,
        format!(
            "the server takes {count} {what} in {seconds} s, and a sample each {} ms makes {sent:.0}: the device will \
             send less often, and its queue may overflow",
            settings.telemetry_interval_ms
        ),
        Who::Tenant,
        format!(
            "have the limits of the tenant's profile raised, or set telemetry_interval_ms to {enough:.0} or more in \
             settings.json"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn found(limits: &str) -> Vec<Finding> {
        let settings = Settings::parse(b"{}").unwrap();
        examine(limits.as_bytes(), &settings)
    }

    #[test]
    fn no_limit_is_good() {
        let found = found(
            r#"{"maxPayloadSize":65536,"rateLimits":{"messages":null,"telemetryDataPoints":null}}"#,
        );
        assert!(matches!(&found[..], [one] if one.verdict == Verdict::Good));
    }

    #[test]
    fn the_tightest_limit_is_told_with_an_interval_that_fits() {
        let found = found(r#"{"rateLimits":{"telemetryDataPoints":"1000:60,15000:36000"}}"#);
        let [one] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(
            one.says.contains("15000 data points in 36000 s"),
            "{}",
            one.says
        );
        // 2.1 in a second are sent, 0.4166 are taken.
        let what = &one.remedy.as_ref().unwrap().what;
        assert!(what.contains("telemetry_interval_ms to 5100 "), "{what}");
    }

    #[test]
    fn a_payload_too_small_is_bad() {
        assert!(found(r#"{"maxPayloadSize":512}"#)[0].is_bad());
    }
}
