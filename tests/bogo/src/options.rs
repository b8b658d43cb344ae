//! What the runner asks of the shim, from its command line (ssl/test/test_config.cc of BoringSSL).
//!
//! A flag that is not in the table below asks for what the device does not have; why, is told in
//! [`crate::scope`].

use std::path::PathBuf;

use device::event::TlsVersion;

use crate::scope;

/// One connection's part.
#[derive(Clone, Default, Debug)]
pub(crate) struct Exchange {
    /// Whether the client speaks first.
    pub(crate) writes_first: bool,
    /// What it then says.
    pub(crate) first_words: Option<String>,
    /// How often.
    pub(crate) repeat: usize,
    /// Whether it hangs up after the handshake rather than answer.
    pub(crate) shuts_down: bool,
    /// Whether the runner must end the connection with close_notify.
    pub(crate) check_close_notify: bool,
    /// The version that must be agreed upon.
    pub(crate) expect_version: Option<TlsVersion>,
    /// Whether an earlier session must not be resumed.
    pub(crate) expect_session_miss: bool,
    /// How much is read at once.
    pub(crate) read_size: Option<usize>,
    /// Whether bytes come and go one by one.
    pub(crate) drop_by_drop: bool,
    /// Whether the server's certificate must be refused.
    pub(crate) verify_fail: bool,
    /// The name of the server.
    pub(crate) host_name: Option<String>,
    /// PEM: the CA of the server.
    pub(crate) trusted: Option<PathBuf>,
    /// PEM: the client's certificates.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM: its key.
    pub(crate) key: Option<PathBuf>,
    /// What the runner wants to be offered, by the flag's name: the device offers what it offers.
    wishes: Vec<(&'static str, u16)>,
}

/// All of it.
#[derive(Default, Debug)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) ipv6: bool,
    pub(crate) shim: u64,
    /// How many connections follow the first.
    pub(crate) resumptions: usize,
    pub(crate) initial: Exchange,
    pub(crate) resumed: Exchange,
}

/// Why a test is not for this shim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The question before all tests: whether a handshake can move to another process.
    Handshaker,
    /// This flag asks for what is not there.
    Unimplemented(String),
    /// The command line is not the runner's.
    Malformed(String),
}

/// What a flag does.
enum Meaning {
    /// Nothing: what it asks for, the client does in any case.
    Moot,
    /// It stands alone.
    Switch(fn(&mut Exchange)),
    /// It takes a value; whether it can be had.
    Value(fn(&mut Exchange, &str) -> bool),
    /// It takes a value that this shim does not look at, since the runner checks the same at its end.
    RunnerChecks,
}

use Meaning::{Moot, RunnerChecks, Switch, Value};

/// What the device offers of that which the runner can wish for: named groups, signature algorithms
/// (RFC 8446, 4.2.7 and 4.2.3).
const OFFERED: &[(&str, &[u16])] = &[
    ("curves", &[23, 24]),
    ("signing-prefs", SIGNATURES),
    ("verify-prefs", SIGNATURES),
];
const SIGNATURES: &[u16] = &[
    0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0804, 0x0805, 0x0806,
];

const FLAGS: &[(&str, Meaning)] = &[
    ("shim-writes-first", Switch(|e| e.writes_first = true)),
    (
        "shim-initial-write",
        Value(|e, v| set(&mut e.first_words, v)),
    ),
    (
        "repeat-shim-initial-write",
        Value(|e, v| v.parse().map(|n| e.repeat = n).is_ok()),
    ),
    ("shim-shuts-down", Switch(|e| e.shuts_down = true)),
    (
        "check-close-notify",
        Switch(|e| e.check_close_notify = true),
    ),
    (
        "expect-version",
        Value(|e, v| version(v).map(|v| e.expect_version = Some(v)).is_some()),
    ),
    (
        "expect-session-miss",
        Switch(|e| e.expect_session_miss = true),
    ),
    (
        "read-size",
        Value(|e, v| v.parse().map(|n| e.read_size = Some(n)).is_ok()),
    ),
    ("async", Switch(|e| e.drop_by_drop = true)),
    ("host-name", Value(|e, v| set(&mut e.host_name, v))),
    ("trust-cert", Value(|e, v| set(&mut e.trusted, v))),
    ("cert-file", Value(|e, v| set(&mut e.certificate, v))),
    ("key-file", Value(|e, v| set(&mut e.key, v))),
    ("new-x509-credential", Moot),
    ("verify-fail", Switch(|e| e.verify_fail = true)),
    // The server's certificate is always verified.
    ("verify-peer", Moot),
    ("use-custom-verify-callback", Moot),
    ("expect-verify-result", Moot),
    // There is no other way to call the client.
    ("implicit-handshake", Moot),
    ("no-op-extra-handshake", Moot),
    ("handshake-twice", Moot),
    ("partial-write", Moot),
    // Never offered.
    ("no-tls1", Moot),
    ("no-tls11", Moot),
    ("renegotiate-ignore", Moot),
    (
        "min-version",
        Value(|_, v| v.parse().is_ok_and(|v: u16| v <= 0x303)),
    ),
    (
        "max-version",
        Value(|_, v| v.parse().is_ok_and(|v: u16| v >= 0x304)),
    ),
    ("curves", Value(|e, v| e.wish("curves", v))),
    ("signing-prefs", Value(|e, v| e.wish("signing-prefs", v))),
    ("verify-prefs", Value(|e, v| e.wish("verify-prefs", v))),
    ("expect-cipher", RunnerChecks),
    ("expect-curve-id", RunnerChecks),
    ("expect-peer-signature-algorithm", RunnerChecks),
    ("expect-extended-master-secret", Moot),
    ("expect-ticket-renewal", Moot),
    ("expect-hrr", Moot),
    ("expect-no-hrr", Moot),
    ("expect-no-session", Moot),
];

fn set<T: for<'a> From<&'a str>>(field: &mut Option<T>, value: &str) -> bool {
    *field = Some(value.into());
    true
}

fn version(value: &str) -> Option<TlsVersion> {
    match value.parse() {
        Ok(0x303_u16) => Some(TlsVersion::Tls12),
        Ok(0x304) => Some(TlsVersion::Tls13),
        _ => None,
    }
}

impl Exchange {
    fn wish(&mut self, flag: &'static str, value: &str) -> bool {
        value
            .parse()
            .map(|code| self.wishes.push((flag, code)))
            .is_ok()
    }

    /// A flag by which the runner wishes only for what the device never offers.
    fn vain_wish(&self) -> Option<&'static str> {
        let vain = |(flag, offered): &&(&str, &[u16])| {
            let mut wishes = self
                .wishes
                .iter()
                .filter(|(name, _)| name == flag)
                .peekable();
            wishes.peek().is_some() && !wishes.any(|(_, code)| offered.contains(code))
        };
        OFFERED.iter().find(vain).map(|(flag, _)| *flag)
    }
}

impl Options {
    /// Reads a command line.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| Refusal::Malformed(format!("{word} without a value")))
            };
            let number = |value: String| {
                value
                    .parse::<u64>()
                    .map_err(|_| Refusal::Malformed(format!("{word} {value}")))
            };
            match word.as_str() {
                "-is-handshaker-supported" => return Err(Refusal::Handshaker),
                "-port" => options.port = number(value()?)?.try_into().unwrap_or_default(),
                "-shim-id" => options.shim = number(value()?)?,
                "-resume-count" => {
                    options.resumptions = number(value()?)?.try_into().unwrap_or_default();
                }
                "-ipv6" => options.ipv6 = true,
                flag => options.flag(flag, value)?,
            }
        }
        let vain = options.initial.vain_wish().or(options.resumed.vain_wish());
        match vain {
            Some(flag) => Err(Refusal::Unimplemented(format!("-{flag}"))),
            None => Ok(options),
        }
    }

    /// A flag that may differ between the first connection and those that follow.
    fn flag(
        &mut self,
        word: &str,
        mut value: impl FnMut() -> Result<String, Refusal>,
    ) -> Result<(), Refusal> {
        let refuse = || Refusal::Unimplemented(word.to_owned());
        let (name, meant) = scope::name(word);
        let (_, meaning) = FLAGS
            .iter()
            .find(|(flag, _)| *flag == name)
            .ok_or_else(refuse)?;
        let value = match meaning {
            Value(_) | RunnerChecks => value()?,
            Moot | Switch(_) => String::new(),
        };
        for (meant, exchange) in [
            (meant.initial, &mut self.initial),
            (meant.resumed, &mut self.resumed),
        ] {
            match meaning {
                _ if !meant => {}
                Moot | RunnerChecks => {}
                Switch(set) => set(exchange),
                Value(set) => {
                    if !set(exchange, &value) {
                        return Err(refuse());
                    }
                }
            }
        }
        Ok(())
    }
}
