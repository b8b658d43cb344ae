//! Time: dates in certificates are judged by it, by the device and by the server.

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
    fn a_wrong_clock_is_told() {
        assert_eq!(compare("ntp", 1_000_000, 1_000_050).verdict, Verdict::Good);
        let finding = compare("ntp", 1_000_000, 1_086_400);
        assert_eq!(finding.verdict, Verdict::Note);
        assert!(finding.says.contains("86400 s away"), "{}", finding.says);
    }
}
