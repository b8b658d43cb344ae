//! Events as lines for a person: what happened, and what to do where somebody must act.

use core::fmt;

use super::{Event, RestartReason, TlsVersion};
use crate::calendar::Date;
use crate::settings::{INTERVAL_ATTRIBUTE, LEAST_INTERVAL_MS, MOST_INTERVAL_MS};
use crate::wifi::{JoinError, Shown};

/// One line for a person; the name is not in it.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Booted {
                reset,
                provisioned: true,
            } => {
                write!(f, "started ({}), a network is known", reset.name())
            }
            Self::Booted {
                reset,
                provisioned: false,
            } => {
                write!(f, "started ({}), no network is known yet", reset.name())
            }
            Self::BootPaused { crashes, ms } => write!(
                f,
                "{crashes} lives in a row ended in a crash; waiting {} s",
                ms / 1000
            ),
            Self::StorageFailed(error) => error.fmt(f),
            Self::KeptInMemory(error) => {
                write!(f, "kept in memory, and lost at a restart: {error}")
            }
            Self::SettingsRefused(error) => write!(f, "{error}; using the defaults"),
            Self::CountryRefused { country } => write!(
                f,
                "the radio does not know the country {}: write another into settings.json",
                country.escape_ascii()
            ),
            Self::CredentialsProven {
                common_name,
                expires_unix_s,
            } => {
                write!(f, "credentials of {common_name} proven, good until ")?;
                // Its last second, as the certificate says it.
                Date::from_unix_s(expires_unix_s.saturating_sub(1)).fmt(f)
            }
            Self::CredentialsRefused(error) => error.fmt(f),
            Self::AnchorUnused(error) => write!(f, "{error}; trusting the others"),
            Self::ProvisioningStarted { name, security } => {
                write!(f, "advertising as {name}, security {security}")
            }
            Self::ClientConnected => f.write_str("a provisioning client connected"),
            Self::ClientDisconnected => f.write_str("the provisioning client left"),
            Self::SessionOpened { security } => {
                write!(f, "session open, security {security}")
            }
            Self::ProofRefused { tries_left: 1 } => {
                f.write_str("wrong proof of possession, one try left")
            }
            Self::ProofRefused { tries_left } => {
                write!(f, "wrong proof of possession, {tries_left} tries left")
            }
            Self::ProofsLocked { for_ms } => {
                write!(f, "too many wrong proofs: locked for {} s", for_ms / 1000)
            }
            Self::NetworksScanned { found } => write!(f, "{found} networks in the air"),
            Self::NetworkChosen { ssid } => write!(f, "the client chose \"{}\"", Shown(ssid)),
            Self::NetworkRefused { error } => write!(f, "{error}; the client may try again"),
            Self::Provisioned { ssid } => {
                write!(f, "\"{}\" works and is kept", Shown(ssid))
            }
            Self::AnswerAwaited => f.write_str(
                "the client waits to hear whether the device gets online: Bluetooth stays up meanwhile",
            ),
            Self::BluetoothStopped => f.write_str("Bluetooth is down, its memory given back"),
            Self::BluetoothFailed => f.write_str("Bluetooth does not work; trying again"),
            Self::Joining { ssid, attempt } => {
                write!(f, "joining \"{}\", attempt {attempt}", Shown(ssid))
            }
            Self::Joined {
                address,
                rssi_dbm: Some(rssi),
            } => {
                write!(f, "joined as {address}, {rssi} dBm")
            }
            Self::Joined {
                address,
                rssi_dbm: None,
            } => write!(f, "joined as {address}"),
            Self::JoinFailed { error, retry_ms } => {
                write!(f, "{error}; ")?;
                retry(f, *retry_ms)
            }
            Self::NetworkUnreadable { error, retry_ms } => {
                write!(f, "the network to join cannot be read: {error}; ")?;
                retry(f, *retry_ms)
            }
            Self::WifiLost => f.write_str("the network is lost"),
            Self::ClockSet { unix_ms, source } => {
                Date::from_unix_s(unix_ms / 1000).fmt(f)?;
                write!(f, " UTC, {source}")
            }
            Self::ClockFailed { error, retry_ms } => {
                write!(f, "{error}; ")?;
                retry(f, *retry_ms)
            }
            Self::ServerClock(clock) => clock.fmt(f),
            Self::Connecting {
                host,
                port,
                attempt,
            } => {
                write!(f, "connecting to {host}:{port}, attempt {attempt}")
            }
            Self::TlsEstablished { version, resumed } => {
                let version = match version {
                    TlsVersion::Tls12 => "1.2",
                    TlsVersion::Tls13 => "1.3",
                };
                write!(
                    f,
                    "TLS {version}{}",
                    if *resumed { ", session resumed" } else { "" }
                )
            }
            Self::Online { session_present } => f.write_str(if *session_present {
                "online, the server kept the session"
            } else {
                "online"
            }),
            Self::ConnectionFailed { error, retry_ms } => {
                write!(f, "{error}; ")?;
                retry(f, *retry_ms)
            }
            Self::Sampled(sample) => sample.fmt(f),
            Self::SensorFailed(fault) => fault.fmt(f),
            Self::Acknowledged {
                samples: 1,
                backlog,
            } => {
                write!(f, "1 sample acknowledged, {backlog} waiting")
            }
            Self::Acknowledged { samples, backlog } => {
                write!(f, "{samples} samples acknowledged, {backlog} waiting")
            }
            Self::SamplesDropped { total } => {
                write!(
                    f,
                    "no room is left, {total} samples dropped since the start"
                )
            }
            Self::SamplesKept { samples } => write!(f, "{samples} samples kept in flash"),
            Self::BacklogAcknowledged { samples } => {
                write!(f, "{samples} samples from flash acknowledged")
            }
            Self::BacklogFailed => f.write_str(
                "the partition \"backlog\" cannot be used as it is: what could not be read in it was erased; \
                 if this comes again, the flash is worn or broken, and the board is to be replaced",
            ),
            Self::RpcAnswered { method, ok } => {
                write!(
                    f,
                    "RPC {method} {}",
                    if *ok { "answered" } else { "refused" }
                )
            }
            Self::RpcDropped { method } => {
                write!(f, "RPC {method} not answered: no room for its reply")
            }
            Self::MessageSkipped { bytes, most } => write!(
                f,
                "a message of {bytes} bytes was passed over: make it shorter on the server, this \
                 device takes {most}"
            ),
            Self::LimitKept(limit) => write!(f, "the server's limit on telemetry: {limit}"),
            Self::IntervalChanged { ms } => write!(f, "telemetry every {ms} ms from now on"),
            Self::IntervalRefused => write!(
                f,
                "shared attribute {INTERVAL_ATTRIBUTE} is no interval, and changes nothing: set a \
                 number from {LEAST_INTERVAL_MS} to {MOST_INTERVAL_MS} on the server"
            ),
            Self::AttributeSet { key } => write!(f, "shared attribute {key} set"),
            Self::AttributeRefused { key, why } => {
                write!(f, "shared attribute {key} changes nothing: {why}")
            }
            Self::FactoryReset => f.write_str("forgetting the network"),
            Self::EraseFailed(error) => write!(
                f,
                "the network's credentials are still in flash, and hold again after a restart: \
                 {error}"
            ),
            Self::Restarting {
                why: RestartReason::Rpc,
            } => f.write_str("restarting, by RPC"),
            Self::Restarting {
                why: RestartReason::FactoryReset,
            } => f.write_str("restarting, to be provisioned anew"),
            Self::Restarting {
                why: RestartReason::Update,
            } => f.write_str("restarting, into the new firmware"),
            Self::Restarting {
                why: RestartReason::Rollback,
            } => f.write_str(
                "the firmware on trial did not get online in its time: restarting, into the old one",
            ),
            Self::FirmwareFetching { version, bytes } => {
                write!(f, "fetching firmware {version}, {bytes} bytes")
            }
            Self::FirmwareWithdrawn => {
                f.write_str("the server took the firmware away: it is fetched no further")
            }
            Self::FirmwareRefused { why } => write!(f, "the firmware is not taken: {why}"),
            Self::FirmwareInstalled { version } => {
                write!(f, "firmware {version} is proven, and starts next")
            }
            Self::Renewal(renewal) => renewal.fmt(f),
            Self::ClaimOpened { minutes } => write!(
                f,
                "can be claimed on the server for {minutes} minutes, with the secret of the label's code"
            ),
            Self::FirmwareAccepted => {
                f.write_str("the firmware on trial got online, and stays")
            }
        }
    }
}

fn retry(f: &mut fmt::Formatter<'_>, ms: u32) -> fmt::Result {
    write!(f, "next try in {}.{} s", ms / 1000, ms % 1000 / 100)
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassphrase => f.write_str(
                "the passphrase is not that of the network: give the device the right one",
            ),
            Self::NetworkNotFound => f.write_str(
                "no access point of that name is heard: check that it is on, near, and has 2.4 GHz",
            ),
            Self::NoAddress => f.write_str(
                "joined, but DHCP gave no address: check that its server is up, and has some left",
            ),
            Self::Unsupported(mode) => write!(
                f,
                "the network's security is {mode}, which this firmware cannot do: let it offer \
                 WPA2 with a passphrase, or choose another"
            ),
            Self::Other(reason) => write!(
                f,
                "the access point lets the device not in (reason {reason}): check its log, and \
                 restart it"
            ),
        }
    }
}

#[cfg(test)]
mod remedies;
