//! Asking a time server, by SNTP (RFC 4330), with the `sntpc` crate.

use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, Instant, with_timeout};
use embedded_nal_async::{AddrType, Dns};
use sntpc::{NtpContext, NtpTimestampGenerator};

use crate::event::ClockError;
use crate::platform::Network;

/// How long a name may take to resolve, with three servers of DNS to ask for ten seconds each.
const DNS_PATIENCE: Duration = Duration::from_secs(32);

/// How long the time server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time since boot, told as if boot had been at `boot_unix_us`: the server's answer is then an
/// offset to that, and the era of the 32-bit NTP seconds is the one near it.
#[derive(Clone, Copy)]
struct SinceBoot {
    boot_unix_us: u64,
    now_unix_us: u64,
}

impl NtpTimestampGenerator for SinceBoot {
    fn init(&mut self) {
        self.now_unix_us = self.boot_unix_us.saturating_add(Instant::now().as_micros());
    }

    fn timestamp_sec(&self) -> u64 {
        self.now_unix_us / 1_000_000
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        (self.now_unix_us % 1_000_000) as u32
    }
}

/// Asks `host` once what time it is, and returns the milliseconds since 1970 UTC now.
///
/// `floor_unix_s` is a time certainly past: an earlier answer is refused.
///
/// # Errors
///
/// [`ClockError`], within 40 seconds; where `host` is an address, within five.
pub async fn ask<N: Network>(
    network: &N,
    host: &str,
    port: u16,
    floor_unix_s: u64,
) -> Result<u64, ClockError> {
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => with_timeout(
            DNS_PATIENCE,
            network.stack().get_host_by_name(host, AddrType::IPv4),
        )
        .await
        .map_err(|_| ClockError::NameNotResolved)?
        .map_err(|_| ClockError::NameNotResolved)?,
    };
    let socket = network.udp().await.map_err(|_| ClockError::NoSocket)?;
    let clock = SinceBoot {
        boot_unix_us: floor_unix_s.saturating_mul(1_000_000),
        now_unix_us: 0,
    };
    let answer = with_timeout(
        PATIENCE,
        sntpc::get_time(
            SocketAddr::new(address, port),
            &socket,
            NtpContext::new(clock),
        ),
    )
    .await
    .map_err(|_| ClockError::Silent)?
    .map_err(|error| match error {
        sntpc::Error::Network | sntpc::Error::AddressResolve => ClockError::Silent,
        _ => ClockError::Implausible,
    })?;
    let mut now = clock;
    now.init();
    let unix_us = now.now_unix_us.checked_add_signed(answer.offset());
    match unix_us {
        Some(us) if us / 1_000_000 >= floor_unix_s => Ok(us / 1_000),
        _ => Err(ClockError::Implausible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_late_to_begin_with() {
        let mut clock = SinceBoot {
            boot_unix_us: u64::MAX,
            now_unix_us: 0,
        };
        clock.init();
        assert_eq!(clock.now_unix_us, u64::MAX);
    }
}
