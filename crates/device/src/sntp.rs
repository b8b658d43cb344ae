//! Asking a time server, by SNTP (RFC 4330), with the `sntpc` crate.

use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, Instant, with_timeout};
use embedded_nal_async::{AddrType, Dns};
use heapless::Vec;
use sntpc::{NtpContext, NtpTimestampGenerator};

use crate::event::ClockError;
use crate::platform::Network;
use crate::settings::{Endpoint, MOST_TIME_SERVERS};

/// How long a name may take to resolve, with three servers of DNS to ask for ten seconds each.
const DNS_PATIENCE: Duration = Duration::from_secs(32);

/// How long the time server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long those that are asked after the first may take, with their names and all: nobody shall wait
/// minutes for a time where none is to be had.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(8);

/// The most milliseconds by which two servers differ that agree: a leap second that one of them smears, and
/// what a slow network adds.
const AGREE_MS: u64 = 2_000;

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

/// Asks servers, one after the other, until two agree, and returns the milliseconds since 1970 UTC
/// now. One that lies is outvoted by two others. Where a single one answers, its word is taken, as
/// that of a single server: samples without a time would be of less use, and the dates of
/// certificates contradict the worst lies.
///
/// `floor_unix_s` is a time certainly past: an earlier answer is refused.
///
/// # Errors
///
/// [`ClockError`]: that of the first server, or [`ClockError::Contradiction`].
pub async fn ask_all<N: Network>(
    network: &N,
    servers: &[Endpoint],
    floor_unix_s: u64,
) -> Result<u64, ClockError> {
    let mut votes = Votes::default();
    let mut first_error = None;
    for Endpoint { host, port } in servers {
        let asking = ask(network, host, *port, floor_unix_s);
        let answer = match first_error.is_none() && votes.boots.is_empty() {
            true => asking.await,
            false => with_timeout(PATIENCE_WITH_OTHERS, asking)
                .await
                .unwrap_or(Err(ClockError::Silent)),
        };
        match answer {
            Ok(unix_ms) if votes.agree(unix_ms.saturating_sub(Instant::now().as_millis())) => {
                return Ok(unix_ms);
            }
            Ok(_) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match votes.boots[..] {
        [] => Err(first_error.unwrap_or(ClockError::Silent)),
        [boot] => Ok(boot.saturating_add(Instant::now().as_millis())),
        _ => Err(ClockError::Contradiction),
    }
}

/// When the device was started, as servers have told that no other agreed with.
#[derive(Default)]
struct Votes {
    boots: Vec<u64, MOST_TIME_SERVERS>,
}

impl Votes {
    /// Whether another one has told the same; if not, this is remembered.
    fn agree(&mut self, boot_unix_ms: u64) -> bool {
        let same = |other: &u64| other.abs_diff(boot_unix_ms) <= AGREE_MS;
        if self.boots.iter().any(same) {
            return true;
        }
        // There is room for each server.
        let _ = self.boots.push(boot_unix_ms);
        false
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
    fn two_that_are_near_each_other_agree() {
        let mut votes = Votes::default();
        assert!(!votes.agree(10_000));
        assert!(!votes.agree(10_000 + AGREE_MS + 1));
        assert!(votes.agree(10_000 - AGREE_MS) && votes.agree(10_000 + AGREE_MS));
        assert!(!votes.agree(u64::MAX) && votes.agree(u64::MAX));
    }

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
