//! What a device is to be, and how much is too much.

use core::time::Duration;

use crate::security::Security;
use crate::wire::version::AppInfo;

/// What a second connection gets while another has the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondSession {
    /// [`Refusal::Busy`](crate::refusal::Refusal::Busy). Right where the transport says when a connection ends, as Bluetooth does.
    #[default]
    Refuse,
    /// The session: the first connection has lost it. As ESP-IDF does over HTTP, where nothing says
    /// that a client has gone.
    Replace,
}

/// How much is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wrong proofs in a row before a cool-down. At least 1.
    pub failed_proofs: u8,
    /// How long a cool-down lasts.
    pub cool_down: Duration,
    /// First steps of security 2 that are taken one after the other, while no client proves itself.
    /// Each takes a chip one and a half seconds. At least 1.
    pub handshakes: u8,
    /// How long it takes until another one is taken after these.
    pub handshake_pace: Duration,
    /// How long a session may be silent, and how long a handshake may take.
    pub idle: Duration,
    /// How long a session may last, however busy: a client that asks for the status again and again
    /// must not keep others out for ever.
    pub session: Duration,
    /// How long a client waits for a blocking scan. ATT gives up after 30 seconds.
    pub scan: Duration,
}

impl Default for Limits {
    /// 5 proofs, 60 seconds of cool-down, 10 first steps and then one in 10 seconds, 5 minutes of silence (somebody may be typing a
    /// passphrase), 30 minutes of a session, 25 seconds of scanning.
    fn default() -> Self {
        Self {
            failed_proofs: 5,
            cool_down: Duration::from_secs(60),
            handshakes: 10,
            handshake_pace: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            session: Duration::from_secs(1800),
            scan: Duration::from_secs(25),
        }
    }
}

/// What a device is to be. `Config::new` has ESP-IDF's defaults, but for a reset that comes early.
#[derive(Clone)]
pub struct Config {
    /// Scheme and secrets.
    pub security: Security,
    /// What the application says about itself in `proto-ver`.
    pub app: &'static [AppInfo],
    /// How many custom endpoints there are.
    pub custom_endpoints: u8,
    /// Whether provisioning ends by itself once the station has joined: one second after a client
    /// read it (see [`Device::reply_read`](super::Device::reply_read)), or after 30 seconds. If not, clients may re-provision.
    pub auto_stop: bool,
    /// Whether `ctrl-reset` is an error while nothing was tried, as in ESP-IDF v5.4.1. By default it
    /// succeeds and does nothing, as in Espressif's `network_provisioning` from 1.2.1 on: an app that
    /// sends it once too often is not to show an error.
    pub refuse_early_reset: bool,
    /// What a second connection gets.
    pub second_session: SecondSession,
    /// How much is too much.
    pub limits: Limits,
}

impl Config {
    /// A device with this security, without custom endpoints, that stops by itself.
    pub fn new(security: Security) -> Self {
        Self {
            security,
            app: &[],
            custom_endpoints: 0,
            auto_stop: true,
            refuse_early_reset: false,
            second_session: SecondSession::default(),
            limits: Limits::default(),
        }
    }
}
