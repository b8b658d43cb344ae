//! Where a ThingsBoard is, as people write it.
//!
//! Only the shape: whether somebody answers there is found out by [`Client`](crate::Client).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`, with a path where a proxy wants one, and without a
/// slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `http://` nor `https://`.
    #[error(
        "`{0}` is no address of a ThingsBoard: write http://HOST[:PORT] or https://HOST[:PORT]"
    )]
    Shape(String),
    /// A login stands in it, where it would be shown to everybody.
    #[error(
        "an address has no login in it: give user and password, or an API key, by the environment or when \
         they are asked for"
    )]
    Login,
}

impl Address {
    /// The address of something on this server.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The host, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let place = rest.split('/').next().unwrap_or_default();
        match place.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => place,
        }
    }

    /// Whether what is sent there can be read on the way.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        let host = self.host();
        self.0.starts_with("http://")
            && !matches!(host, "localhost" | "[::1]")
            && !host.starts_with("127.")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let shape = || AddressError::Shape(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(shape)?;
        let place = rest.split('/').next().unwrap_or_default();
        if place.contains('@') {
            return Err(AddressError::Login);
        }
        let is_clean = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"');
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https")
            || place.is_empty()
            || place.starts_with(':')
            || !rest.bytes().all(is_clean)
        {
            return Err(shape());
        }
        Ok(Self(format!("{scheme}://{}", rest.trim_end_matches('/'))))
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_whatever_its_end() {
        for (text, address, host) in [
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080",
                "127.0.0.1",
            ),
            (
                "HTTPS://tb.example.com/",
                "https://tb.example.com",
                "tb.example.com",
            ),
            (
                "https://example.com/tb/",
                "https://example.com/tb",
                "example.com",
            ),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]"),
        ] {
            let read: Address = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read.host()), (address, host));
        }
        for text in [
            "",
            "tb.example.com",
            "mqtt://x",
            "http://",
            "http://a b",
            "http://:1",
            "http://x?y",
        ] {
            assert!(
                matches!(text.parse::<Address>(), Err(AddressError::Shape(_))),
                "{text}"
            );
        }
        let login = "http://user:password@tb.example.com".parse::<Address>();
        assert_eq!(login, Err(AddressError::Login));
    }

    #[test]
    fn a_password_can_be_read_on_the_way_only_to_other_computers() {
        for (text, clear) in [
            ("http://tb.example.com", true),
            ("https://tb.example.com", false),
            ("http://localhost:8080", false),
            ("http://127.0.0.1", false),
        ] {
            assert_eq!(
                text.parse::<Address>().unwrap().is_in_the_clear(),
                clear,
                "{text}"
            );
        }
    }
}
