//! Time: dates in certificates are judged by it, by the device and by the server.

use core::ops::Range;

use device::event::ClockError;
use device::settings::{Endpoint, Settings};
use simulator::network::Sockets;
use tokio::sync::watch;

use crate::{Check, Finding, Who};

/// So far two clocks may be apart, in seconds.
const APART_S: u64 = 60;

/// Asks each of the device's time servers as the device does, and compares it with this computer.
pub(crate) async fn examine(settings: &Settings, now_unix_s: u64) -> Vec<Finding> {
    let (_joined, link) = watch::channel(true);
    let network = Sockets::new(link);
    let mut findings = Vec::new();
    for server in &settings.sntp_servers {
        let asked = device::sntp::ask(&network, &server.host, server.port, 0).await;
        findings.push(finding(server, asked, now_unix_s));
    }
    findings
}

fn finding(server: &Endpoint, asked: Result<u64, ClockError>, now_unix_s: u64) -> Finding {
    match asked {
        Ok(unix_ms) => compare(&server.host, unix_ms / 1000, now_unix_s),
        Err(error) => Finding::note(
            Check::Clock,
            format!(
                "the time server {} does not tell the time from here ({error})",
                server.host
            ),
            Who::Network,
            "let UDP to port 123 pass where the devices are, or name another sntp_server in settings.json: without it \
             they begin with a time that is only a lower bound",
        ),
    }
}

/// Compares what the server says when the device asks it for the time, in seconds since 1970, with this computer's clock
/// and with the dates of the device's certificate.
pub(crate) fn of_server(
    told_unix_s: Option<u64>,
    now_unix_s: u64,
    certificate: Range<u64>,
) -> Finding {
    let Some(told) = told_unix_s else {
        return Finding::note(
            Check::Clock,
            "the server does not tell devices its time, so what time servers say is all that they have",
            Who::Tenant,
            "have a rule chain answer getCurrentTime, as \"esptb tb setup\" makes it",
        );
    };
    let apart = told.abs_diff(now_unix_s);
    if told >= certificate.end {
        return Finding::bad(
            Check::Clock,
            format!(
                "the server's own clock, {apart} s from this computer's, says that the device's certificate has expired: \
                 the device believes it"
            ),
            Who::Server,
            "set the server's clock, or renew the device's certificate",
        );
    }
    if told < certificate.start {
        return Finding::note(
            Check::Clock,
            format!(
                "the server's own clock, {apart} s from this computer's, is before the device's certificate: no device \
                 believes it"
            ),
            Who::Server,
            "set the server's clock",
        );
    }
    match apart <= APART_S {
        true => Finding::good(
            Check::Clock,
            format!("the server tells devices its time, {apart} s from this computer's"),
        ),
        false => Finding::note(
            Check::Clock,
            format!(
                "the server tells devices its time, which is {apart} s from this computer's: they believe it against \
                 time servers"
            ),
            Who::Server,
            "set the server's clock, or this computer's",
        ),
    }
}

fn compare(server: &str, told_unix_s: u64, now_unix_s: u64) -> Finding {
    let apart = told_unix_s.abs_diff(now_unix_s);
    match apart <= APART_S {
        true => Finding::good(
            Check::Clock,
            format!("{server} and this computer agree within {apart} s"),
        ),
        false => Finding::note(
            Check::Clock,
            format!(
                "this computer's clock is {apart} s away from {server}, so what is said of dates here may be wrong"
            ),
            Who::Network,
            "set this computer's clock, or name another sntp_server in settings.json",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn the_servers_clock_is_judged_by_this_computers_and_by_the_certificate() {
        let now = 2_000_000_000;
        let certificate = || now - 86_400..now + 86_400;
        let verdict = |told: Option<u64>| of_server(told, now, certificate()).verdict;
        assert_eq!(verdict(None), Verdict::Note);
        assert_eq!(verdict(Some(now - 60)), Verdict::Good);
        assert_eq!(verdict(Some(now + 61)), Verdict::Note);
        let says = |told| of_server(Some(told), now, certificate()).says;
        assert!(says(now - 100_000).contains("no device believes it"));
        assert_eq!(verdict(Some(now + 86_400)), Verdict::Bad);
        assert!(says(now + 100_000).contains("100000 s from this computer's"));
    }

    #[test]
    fn a_wrong_clock_is_told() {
        assert_eq!(compare("ntp", 1_000_000, 1_000_050).verdict, Verdict::Good);
        let finding = compare("ntp", 1_000_000, 1_086_400);
        assert_eq!(finding.verdict, Verdict::Note);
        assert!(finding.says.contains("86400 s away"), "{}", finding.says);
    }
}
