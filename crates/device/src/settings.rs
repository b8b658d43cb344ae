//! What differs from the built-in defaults: the file `settings.json` in SPIFFS.
//!
//! The file is one JSON object; every key may be left out. A key that is not known is logged and
//! passed over, so that an older firmware reads a newer file. Anything else that is wrong refuses
//! the whole file: half of somebody's settings is nobody's settings.
//!
//! | key | value | default |
//! |---|---|---|
//! | `broker` | `mqtts://host[:port]`; a name, or an IPv4 address | [`DEFAULT_BROKER`], port 8883 |
//! | `server_name` | the name that the broker's certificate must carry | the host of `broker` |
//! | `sntp_server` | `host[:port]`, or up to three with commas between: with three, one that lies is outvoted | [`DEFAULT_TIME_SERVERS`], port 123 |
//! | `telemetry_interval_ms` | 100 to 3,600,000 | 1000 |
//! | `vitals_interval_s` | 0 to 86,400: how often what the device measures of itself is sent, beside when it changes; 0 with each sample | 60 |
//! | `outage_order` | `newest` or `oldest`: which samples go first after an outage, those that are taken now or those that wait in flash | `newest` |
//! | `keep_alive_s` | 5 to 3,600: how soon a dead connection is noticed | 30 |
//! | `firmware_trial_starts` | 1 to 8: so many starts has a new firmware to get online, or the old one comes back | 3 |
//! | `firmware_trial_minutes` | 1 to 1,440: and so many minutes in each of them | 10 |
//! | `claim_minutes` | 0 to 1,440: how long whoever has the label may claim the device on the server, after it was provisioned or its button was pressed; 0 if nobody may | 15 |
//! | `renew_before_days` | 0 to 3,650: with so many days left the device asks for another certificate by itself; 0 for never | 30 |
//! | `country` | two capital letters (ISO 3166-1): which Wi-Fi channels may be used, until the access point tells | what is allowed everywhere (`01`) |
//! | `provisioning.security` | 0, 1 or 2 | 2 |
//! | `provisioning.username` | 1 to 32 bytes; security 2 only | `wifiprov` |
//! | `provisioning.pop` | at most 64 bytes: the proof of possession; `""` for none, as the C firmware had | that of the file `provisioning.pop`, or else made at random by the device, and kept |
//! | `provisioning.name_prefix` | at most 20 printable ASCII characters | `PROV_` |
//! | `provisioning.await_broker_s` | 0 to 600: for so long every client, Espressif's app too, is told "connecting" until the broker has accepted the device, and "connected" only then; 0 for "connected" as soon as the network has | 0 |
//!
//! `mqtt://`, without TLS, is refused: the certificate is who the device is, and a server that
//! proved nothing could tell it to erase itself.
//!
//! ```
//! use device::settings::Settings;
//!
//! let settings = Settings::parse(br#"{"broker":"mqtts://192.0.2.7"}"#).unwrap();
//! assert_eq!((settings.broker.host.as_str(), settings.broker.port), ("192.0.2.7", 8883));
//!
//! let error = Settings::parse(br#"{"telemetry_interval_ms":5}"#).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "settings.json: telemetry_interval_ms is out of range: write a number from 100 to 3600000"
//! );
//! ```

mod error;
mod pop;
#[cfg(test)]
mod tests;
mod uri;

use alloc::vec::Vec;
use core::net::IpAddr;

use heapless::String;
use thingsboard::json::{Json, Object};
use update::trial::Limits;

pub use error::{Fault, SettingsError};
pub use pop::{Proof, ProofOfPossession};

/// The broker where `settings.json` names none: the value of `DEVICE_BROKER` when this was built,
/// or `mqtts://thingsboard.local`. A name that ends in `.local` is asked for by mDNS (RFC 6762), which
/// computers with Avahi or Bonjour answer for themselves.
pub const DEFAULT_BROKER: &str = match option_env!("DEVICE_BROKER") {
    Some(uri) => uri,
    None => "mqtts://thingsboard.local",
};

/// The time servers where `settings.json` names none. Not the NTP pool, which products may not have as
/// their default without a zone of their own (<https://www.ntppool.org/en/vendors.html>); these are
/// offered to everybody (<https://developers.cloudflare.com/time-services/ntp/usage/>,
/// <https://developers.google.com/time/faq>, <https://time.nl/index_en.html>).
pub const DEFAULT_TIME_SERVERS: [&str; MOST_TIME_SERVERS] =
    ["time.cloudflare.com", "time.google.com", "ntp.time.nl"];

/// The most time servers.
pub const MOST_TIME_SERVERS: usize = 3;

// A build with a bad default must fail, not the device.
const DEFAULT_BROKER_PARTS: uri::HostPort<'static> = match uri::broker(DEFAULT_BROKER) {
    Ok(parts) => parts,
    Err(_) => panic!("DEVICE_BROKER is no broker URI: write mqtts://host or mqtts://host:port"),
};

/// The shared attribute that sets the telemetry interval, in milliseconds.
pub(crate) const INTERVAL_ATTRIBUTE: &str = "telemetryIntervalMs";
/// The shortest telemetry interval, in milliseconds.
pub const LEAST_INTERVAL_MS: u32 = 100;
/// The longest telemetry interval, in milliseconds.
pub const MOST_INTERVAL_MS: u32 = 3_600_000;

/// The keys of settings.json.
pub const KEYS: [&str; 13] = [
    "broker",
    "server_name",
    "sntp_server",
    "telemetry_interval_ms",
    "vitals_interval_s",
    "outage_order",
    "keep_alive_s",
    "firmware_trial_starts",
    "firmware_trial_minutes",
    "claim_minutes",
    "renew_before_days",
    "country",
    "provisioning",
];
/// The keys of `provisioning` in it.
pub const PROVISIONING_KEYS: [&str; 5] = [
    "security",
    "username",
    "pop",
    "name_prefix",
    "await_broker_s",
];

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, or an IPv4 address.
    pub host: String<128>,
    /// The port, never 0.
    pub port: u16,
}

impl Endpoint {
    /// The address, if the host is one and not a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The device's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The MQTT broker, over TLS.
    pub broker: Endpoint,
    /// The name or address that the broker's certificate must carry.
    pub server_name: String<128>,
    /// The time servers, one to [`MOST_TIME_SERVERS`]. On the heap, for settings are handed on by value, and
    /// stack is dearer.
    pub sntp_servers: Vec<Endpoint>,
    /// Milliseconds between two samples, [`LEAST_INTERVAL_MS`] to [`MOST_INTERVAL_MS`].
    pub telemetry_interval_ms: u32,
    /// Seconds between two samples that carry all vitals, 0 to 86,400; 0 if each does.
    pub vitals_interval_s: u32,
    /// Whether samples that wait in flash go before those that are taken now.
    pub oldest_first: bool,
    /// MQTT keep-alive in seconds, 5 to 3,600.
    pub keep_alive_s: u16,
    /// What the trial of a new firmware allows.
    pub firmware_trial: Limits,
    /// For how many minutes the device can be claimed on the server, 0 to 1,440.
    pub claim_minutes: u16,
    /// With how many days left the device asks for another certificate by itself, 0 to 3,650; 0 for never.
    pub renew_before_days: u16,
    /// The country's two letters (ISO 3166-1), by whose rules the radio chooses its channels.
    pub country: Option<[u8; 2]>,
    /// How the device is provisioned.
    pub provisioning: Provisioning,
}

/// How the device is provisioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// Session security, 0 to 2.
    pub security: Security,
    /// The user name of security 2.
    pub username: String<32>,
    /// The proof of possession. Security 2 always has one.
    pub pop: Proof,
    /// What the Bluetooth name begins with; three bytes of the MAC in hex follow.
    pub name_prefix: String<20>,
    /// For how many seconds clients are told "connecting" until the broker has accepted, 0 to 600.
    pub await_broker_s: u16,
}

/// The session security of provisioning, in Espressif's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// None: everybody near hears the passphrase. For benches.
    None = 0,
    /// X25519 and AES-CTR, with the proof of possession mixed in.
    X25519 = 1,
    /// SRP-6a and AES-GCM.
    Srp6a = 2,
}

impl Security {
    /// Espressif's number of it.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl Default for Settings {
    fn default() -> Self {
        let broker = DEFAULT_BROKER_PARTS.endpoint();
        Self {
            server_name: broker.host.clone(),
            broker,
            sntp_servers: DEFAULT_TIME_SERVERS.map(time_server).into(),
            telemetry_interval_ms: 1_000,
            vitals_interval_s: 60,
            oldest_first: false,
            keep_alive_s: 30,
            firmware_trial: Limits::default(),
            // For who has just provisioned it to log in; and the device is not there for everybody whom
            // the label was shown once.
            claim_minutes: 15,
            // Time for whoever signs requests once a week, and for a device that was away.
            renew_before_days: 30,
            country: None,
            provisioning: Provisioning {
                security: Security::Srp6a,
                username: text("wifiprov"),
                pop: Proof::MadeByDevice,
                name_prefix: text("PROV_"),
                await_broker_s: 0,
            },
        }
    }
}

impl Settings {
    /// Reads the bytes of `settings.json`, with or without a byte order mark.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the key, what is wrong with it, and what to write instead.
    pub fn parse(file: &[u8]) -> Result<Self, SettingsError> {
        let file = Object::parse(certfile::text::bare(file)).map_err(SettingsError::NotJson)?;
        let mut settings = Self::default();
        let mut server_name = None;
        for (key, value) in file.members() {
            match key.as_plain() {
                Some("broker") => {
                    let parts = string(value, "broker")
                        .and_then(|t| uri::broker(t).map_err(Fault::at("broker")))?;
                    settings.broker = parts.endpoint();
                }
                Some("server_name") => {
                    let name = bounded(value, "server_name", 1)?;
                    uri::host(&name).map_err(Fault::at("server_name"))?;
                    server_name = Some(name);
                }
                Some("sntp_server") => {
                    let hosts = string(value, "sntp_server")?;
                    settings.sntp_servers =
                        time_servers(hosts).map_err(Fault::at("sntp_server"))?;
                }
                Some("telemetry_interval_ms") => {
                    settings.telemetry_interval_ms = number(
                        value,
                        "telemetry_interval_ms",
                        LEAST_INTERVAL_MS,
                        MOST_INTERVAL_MS,
                    )?;
                }
                Some("vitals_interval_s") => {
                    settings.vitals_interval_s = number(value, "vitals_interval_s", 0, 86_400)?;
                }
                Some("outage_order") => {
                    settings.oldest_first = match string(value, "outage_order")? {
                        "oldest" => true,
                        "newest" => false,
                        _ => return Err(Fault::at("outage_order")(Fault::NotAnOrder)),
                    };
                }
                Some("keep_alive_s") => {
                    settings.keep_alive_s = number(value, "keep_alive_s", 5, 3_600)? as u16;
                }
                Some("firmware_trial_starts") => {
                    settings.firmware_trial.starts =
                        number(value, "firmware_trial_starts", 1, 8)? as u8;
                }
                Some("firmware_trial_minutes") => {
                    settings.firmware_trial.minutes =
                        number(value, "firmware_trial_minutes", 1, 1_440)? as u16;
                }
                Some("claim_minutes") => {
                    settings.claim_minutes = number(value, "claim_minutes", 0, 1_440)? as u16;
                }
                Some("renew_before_days") => {
                    settings.renew_before_days =
                        number(value, "renew_before_days", 0, 3_650)? as u16;
                }
                Some("country") => {
                    let letters = string(value, "country")?.as_bytes().try_into().ok();
                    let letters =
                        letters.filter(|l: &[u8; 2]| l.iter().all(u8::is_ascii_uppercase));
                    let letters = letters.ok_or(Fault::NotACountry);
                    settings.country = Some(letters.map_err(Fault::at("country"))?);
                }
                Some("provisioning") => {
                    let object = value
                        .as_object()
                        .ok_or(Fault::NotAnObject)
                        .map_err(Fault::at("provisioning"))?;
                    settings.provisioning.read(object)?;
                }
                _ => log::warn!("settings.json: the key {key} is not known, passing over it"),
            }
        }
        if settings.provisioning.security == Security::Srp6a
            && settings.provisioning.pop == Proof::None
        {
            return Err(Fault::at("provisioning.pop")(Fault::NoProof));
        }
        settings.server_name = server_name.unwrap_or_else(|| settings.broker.host.clone());
        Ok(settings)
    }
}

impl Provisioning {
    fn read(&mut self, object: Object<'_>) -> Result<(), SettingsError> {
        for (key, value) in object.members() {
            match key.as_plain() {
                Some("security") => {
                    self.security = match number(value, "provisioning.security", 0, 2)? {
                        0 => Security::None,
                        1 => Security::X25519,
                        _ => Security::Srp6a,
                    };
                }
                Some("username") => self.username = bounded(value, "provisioning.username", 1)?,
                Some("pop") => {
                    const KEY: &str = "provisioning.pop";
                    let text = value
                        .as_text()
                        .ok_or(Fault::NotText)
                        .map_err(Fault::at(KEY))?;
                    self.pop = Proof::unescape(text).map_err(Fault::at(KEY))?;
                }
                Some("await_broker_s") => {
                    self.await_broker_s =
                        number(value, "provisioning.await_broker_s", 0, 600)? as u16;
                }
                Some("name_prefix") => {
                    const KEY: &str = "provisioning.name_prefix";
                    let prefix: String<20> = bounded(value, KEY, 0)?;
                    if !prefix.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                        return Err(Fault::at(KEY)(Fault::NotPrintable));
                    }
                    self.name_prefix = prefix;
                }
                _ => log::warn!(
                    "settings.json: the key provisioning.{key} is not known, passing over it"
                ),
            }
        }
        Ok(())
    }
}

/// The time server of that name.
fn time_server(host: &str) -> Endpoint {
    Endpoint {
        host: text(host),
        port: uri::SNTP_PORT,
    }
}

/// Time servers with commas between.
fn time_servers(hosts: &str) -> Result<Vec<Endpoint>, Fault> {
    if hosts.split(',').count() > MOST_TIME_SERVERS {
        return Err(Fault::TooMany(MOST_TIME_SERVERS));
    }
    let mut servers = Vec::with_capacity(MOST_TIME_SERVERS);
    for host in hosts.split(',') {
        servers.push(uri::time_server(host.trim_ascii())?.endpoint());
    }
    Ok(servers)
}

/// A default, which is known to fit.
fn text<const N: usize>(value: &str) -> String<N> {
    String::try_from(value).unwrap_or_default()
}

/// Text without escapes: nothing that is read this way has use for any.
fn string<'a>(value: Json<'a>, key: &'static str) -> Result<&'a str, SettingsError> {
    let text = value.as_text().ok_or(Fault::NotText);
    text.and_then(|text| text.as_plain().ok_or(Fault::Escaped))
        .map_err(Fault::at(key))
}

fn bounded<const N: usize>(
    value: Json<'_>,
    key: &'static str,
    least: usize,
) -> Result<String<N>, SettingsError> {
    let plain = string(value, key)?;
    let fault = Fault::Length { least, most: N };
    String::try_from(plain)
        .ok()
        .filter(|text: &String<N>| text.len() >= least)
        .ok_or(fault)
        .map_err(Fault::at(key))
}

fn number(value: Json<'_>, key: &'static str, least: u32, most: u32) -> Result<u32, SettingsError> {
    let fault = match value.as_decimal() {
        None => Fault::NotANumber { least, most },
        Some(_) => Fault::OutOfRange { least, most },
    };
    value
        .as_i64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (least..=most).contains(n))
        .ok_or(fault)
        .map_err(Fault::at(key))
}
