//! Hosts and ports as people write them. IPv6 addresses are known and refused: a chip's network stack
//! does without IPv6 for its size, and what fails later says less.
//!
//! Everything is `const`, so that the broker that is built in is checked when it is built in.

use heapless::String;

use super::{Endpoint, Fault};

/// MQTT over TLS, as registered with IANA.
const MQTTS_PORT: u16 = 8883;
/// NTP, as registered with IANA.
pub(super) const SNTP_PORT: u16 = 123;
/// The longest host, in bytes: what [`Endpoint`] holds.
const LONGEST_HOST: usize = 128;

/// A checked host and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostPort<'a> {
    host: &'a str,
    port: u16,
}

impl HostPort<'_> {
    pub(super) fn endpoint(self) -> Endpoint {
        Endpoint {
            // Fits: see `LONGEST_HOST`.
            host: String::try_from(self.host).unwrap_or_default(),
            port: self.port,
        }
    }
}

/// `mqtts://host[:port]`, with or without a slash at the end.
pub(super) const fn broker(text: &str) -> Result<HostPort<'_>, Fault> {
    if strip_prefix(text, "mqtt://").is_some() {
        return Err(Fault::NoTls);
    }
    let Some(rest) = strip_prefix(text, "mqtts://") else {
        return Err(Fault::NotABroker);
    };
    let rest = match rest.as_bytes() {
        [.., b'/'] => rest.split_at(rest.len() - 1).0,
        _ => rest,
    };
    if find(rest, b'@').is_some() {
        return Err(Fault::UserInBroker);
    }
    host_port(rest, MQTTS_PORT)
}

/// `host[:port]`.
pub(super) const fn time_server(text: &str) -> Result<HostPort<'_>, Fault> {
    host_port(text, SNTP_PORT)
}

/// A name or an address, without brackets: what a certificate may carry.
pub(super) const fn host(text: &str) -> Result<&str, Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > LONGEST_HOST {
        return Err(Fault::BadHost);
    }
    let mut at = 0;
    while at < bytes.len() {
        // Letters, digits and what stands in names and addresses; underscores do occur in the wild.
        if !(bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'.' | b'-' | b'_' | b':')) {
            return Err(Fault::BadHost);
        }
        at += 1;
    }
    Ok(text)
}

const fn host_port(text: &str, default_port: u16) -> Result<HostPort<'_>, Fault> {
    // In brackets, or with a second colon.
    if strip_prefix(text, "[").is_some() {
        return Err(Fault::Ipv6);
    }
    let (name, after) = match find(text, b':') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    if let Some(after) = strip_prefix(after, ":")
        && find(after, b':').is_some()
    {
        return Err(Fault::Ipv6);
    }
    let name = match host(name) {
        Ok(name) => name,
        Err(fault) => return Err(fault),
    };
    if after.is_empty() {
        return Ok(HostPort {
            host: name,
            port: default_port,
        });
    }
    let Some(digits) = strip_prefix(after, ":") else {
        return Err(Fault::BadHost);
    };
    match port(digits) {
        Some(port) => Ok(HostPort { host: name, port }),
        None => Err(Fault::BadPort),
    }
}

/// Digits only: the standard library would also take a plus.
const fn port(digits: &str) -> Option<u16> {
    let bytes = digits.as_bytes();
    if bytes.is_empty() || bytes.len() > 5 {
        return None;
    }
    let mut port: u32 = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            return None;
        }
        port = port * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    if port == 0 || port > u16::MAX as u32 {
        return None;
    }
    Some(port as u16)
}

const fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let Some((head, rest)) = text.split_at_checked(prefix.len()) else {
        return None;
    };
    let (head, prefix) = (head.as_bytes(), prefix.as_bytes());
    let mut at = 0;
    while at < prefix.len() {
        if head[at] != prefix[at] {
            return None;
        }
        at += 1;
    }
    Some(rest)
}

/// Where the first `byte`, which is ASCII, stands.
const fn find(text: &str, byte: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == byte {
            return Some(at);
        }
        at += 1;
    }
    None
}
