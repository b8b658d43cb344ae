//! The way to the broker: its name, and a socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use device::cloud::{CloudError, Phase};
use device::settings::Endpoint;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::{Check, Finding, Who};

/// As long as the device waits for each.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks the broker up and opens a connection; gives the address that the device would take.
pub(crate) async fn examine(broker: &Endpoint) -> (Option<SocketAddr>, Vec<Finding>) {
    let host = broker.host.as_str();
    let mut findings = Vec::new();
    let addresses = match broker.address() {
        Some(address) => vec![SocketAddr::new(address, broker.port)],
        None => {
            let looked_up = timeout(PATIENCE, lookup_host((host, broker.port))).await;
            let (found, finding) = names(host, looked_up.map(|found| found.map(Vec::from_iter)));
            findings.push(finding);
            found
        }
    };
    // IPv4 first, as the device does.
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    let Some(&address) = first else {
        return (None, findings);
    };
    let begun = Instant::now();
    let opened = timeout(PATIENCE, TcpStream::connect(address)).await;
    let error = match opened {
        Ok(Ok(_)) => {
            let took = begun.elapsed().as_millis();
            findings.push(Finding::good(
                Check::Tcp,
                format!("{address} answers in {took} ms"),
            ));
            return (Some(address), findings);
        }
        Ok(Err(error)) => CloudError::Unreachable(embedded_io_async::Error::kind(&error)),
        Err(_) => CloudError::TimedOut(Phase::Tcp),
    };
    let mut finding = Finding::of_error(Check::Tcp, error, Who::Server);
    finding.says = format!("{address}: {}", finding.says);
    findings.push(finding);
    (None, findings)
}

type LookedUp = Result<std::io::Result<Vec<SocketAddr>>, tokio::time::error::Elapsed>;

fn names(host: &str, looked_up: LookedUp) -> (Vec<SocketAddr>, Finding) {
    let found = match looked_up {
        Ok(found) => found.unwrap_or_default(),
        Err(_) => {
            let error = CloudError::TimedOut(Phase::Dns);
            return (
                Vec::new(),
                Finding::of_error(Check::Dns, error, Who::Network),
            );
        }
    };
    let text = |addresses: &[SocketAddr]| {
        let texts = addresses.iter().map(|address| address.ip().to_string());
        texts.collect::<Vec<_>>().join(", ")
    };
    let finding = match &found[..] {
        [] => {
            let mut finding =
                Finding::of_error(Check::Dns, CloudError::NameNotResolved, Who::Maker);
            finding.says = format!("{host}: {}", finding.says);
            finding
        }
        some if some.iter().all(|address| is_this_computer(address.ip())) => Finding::note(
            Check::Dns,
            format!(
                "{host} is this computer ({}), which it is not for a device",
                text(some)
            ),
            Who::Maker,
            "name the broker in settings.json as devices find it",
        ),
        some if some.iter().all(SocketAddr::is_ipv6) => Finding::note(
            Check::Dns,
            format!("{host} has IPv6 addresses only ({})", text(some)),
            Who::Server,
            "give the name an IPv4 address, too: few access points for things have working IPv6",
        ),
        some => Finding::good(Check::Dns, format!("{host} is {}", text(some))),
    };
    (found, finding)
}

fn is_this_computer(address: IpAddr) -> bool {
    address.is_loopback()
}
