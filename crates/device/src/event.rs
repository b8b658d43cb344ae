//! The one vocabulary in which the device tells what happens to it.
//!
//! The console, the demo's view, the lifecycle and the tests all read the same [`Event`]; its
//! [`name`](Event::name) is stable, so that a script can measure every phase.

mod clock;
mod limit;
mod renewal;
mod text;

use alloc::boxed::Box;
use core::net::Ipv4Addr;

use heapless::String;
use product::{Fault, Refused};

use crate::broker::CloudError;
use crate::credentials::CredentialsError;
use crate::machine::ResetReason;
use crate::settings::SettingsError;
use crate::storage::StorageError;
use crate::telemetry::Sample;
pub use crate::tls::TlsVersion;
use crate::wifi::{JoinError, Ssid};
pub use clock::{ClockError, ClockSource, ServerClock};
pub use limit::{KeptLimit, LimitOf};
pub use renewal::Renewal;

/// Whoever is told what happens to the device.
pub trait Observer {
    /// Takes notice of `event`, which happened this many milliseconds after boot.
    fn notice(&self, uptime_ms: u64, event: &Event);

    /// Shows the QR code's payload for the provisioning app. It holds the proof of possession:
    /// for the eyes at the device (console, label), not for a log that travels.
    fn show_provisioning_code(&self, payload: &str);
}

/// Something that happened to the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The device started; `provisioned` tells whether it found a network to join in its flash.
    Booted {
        /// Why it started.
        reset: ResetReason,
        /// Whether a network to join was found in flash.
        provisioned: bool,
    },
    /// Lives before this one ended in crashes: the next begins after a pause.
    BootPaused {
        /// How many in a row.
        crashes: u8,
        /// The pause in milliseconds.
        ms: u32,
    },
    /// The flash is not laid out as it must be, or does not work.
    StorageFailed(StorageError),
    /// The flash did not take what was to be kept: it is kept in memory until the next restart.
    KeptInMemory(StorageError),
    /// `settings.json` was refused; the built-in defaults hold.
    SettingsRefused(SettingsError),
    /// The radio does not know the country of `settings.json`: it keeps to its own rules.
    CountryRefused {
        /// As it was asked for.
        country: [u8; 2],
    },
    /// The three files are there, belong together, and are good at this time.
    CredentialsProven {
        /// The certificate's CN, which becomes the device's name.
        common_name: String<64>,
        /// The first moment at which a certificate of the device has expired, in seconds since 1970.
        expires_unix_s: u64,
    },
    /// The three files cannot be used.
    CredentialsRefused(CredentialsError),
    /// A certificate of `server_chain.pem` cannot be used; another one can.
    AnchorUnused(CredentialsError),

    /// Advertising over Bluetooth, waiting for a provisioning client.
    ProvisioningStarted {
        /// The Bluetooth name.
        name: String<32>,
        /// Session security: 0, 1 or 2.
        security: u8,
    },
    /// A client connected.
    ClientConnected,
    /// The client went away.
    ClientDisconnected,
    /// The client proved possession; what follows is encrypted (but for security 0).
    SessionOpened {
        /// Session security: 0, 1 or 2.
        security: u8,
    },
    /// The client's proof was wrong.
    ProofRefused {
        /// Wrong proofs left before nobody is let in for a while.
        tries_left: u8,
    },
    /// Too many wrong proofs: nobody is let in for a while.
    ProofsLocked {
        /// For how long, in milliseconds.
        for_ms: u32,
    },
    /// The client asked for the networks in the air.
    NetworksScanned {
        /// How many, hidden ones included.
        found: u8,
    },
    /// The client told the network to join.
    NetworkChosen {
        /// The network.
        ssid: Ssid,
    },
    /// The chosen network does not work; the client is told, and may choose again.
    NetworkRefused {
        /// Why.
        error: JoinError,
    },
    /// The chosen network works and is kept in flash.
    Provisioned {
        /// The network.
        ssid: Ssid,
    },
    /// The chosen network works, and a client waits to hear whether the broker accepts the device:
    /// Bluetooth stays up while it goes online.
    AnswerAwaited,
    /// Bluetooth is down and its memory given back.
    BluetoothStopped,
    /// Bluetooth did not start or broke down.
    BluetoothFailed,

    /// Joining the network.
    Joining {
        /// The network.
        ssid: Ssid,
        /// Counted from 1 since it last worked.
        attempt: u32,
    },
    /// Joined, with an address.
    Joined {
        /// The address that DHCP gave.
        address: Ipv4Addr,
        /// Strength of the access point, in dBm.
        rssi_dbm: Option<i8>,
    },
    /// Not joined; next try in `retry_ms`.
    JoinFailed {
        /// Why.
        error: JoinError,
        /// Milliseconds until the next try.
        retry_ms: u32,
    },
    /// The network to join cannot be read from flash; next try in `retry_ms`.
    NetworkUnreadable {
        /// What the flash has.
        error: StorageError,
        /// The pause in milliseconds.
        retry_ms: u32,
    },
    /// The network was lost.
    WifiLost,

    /// The wall clock is set.
    ClockSet {
        /// Milliseconds since 1970 UTC.
        unix_ms: u64,
        /// Where it came from.
        source: ClockSource,
    },
    /// No time server answered; next try in `retry_ms`.
    ClockFailed {
        /// Why.
        error: ClockError,
        /// Milliseconds until the next try.
        retry_ms: u32,
    },

    /// The server told its own clock.
    ServerClock(ServerClock),

    /// Connecting to the broker.
    Connecting {
        /// Name or address of the broker.
        host: String<128>,
        /// Its TCP port.
        port: u16,
        /// Counted from 1 since it last worked.
        attempt: u32,
    },
    /// The TLS handshake is done.
    TlsEstablished {
        /// The negotiated version.
        version: TlsVersion,
        /// Whether an earlier session was resumed, which spares the full handshake.
        resumed: bool,
    },
    /// The broker accepted: the device is online.
    Online {
        /// Whether the broker kept the MQTT session.
        session_present: bool,
    },
    /// Not connected, or no longer; next try in `retry_ms`.
    ConnectionFailed {
        /// Why.
        error: CloudError,
        /// Milliseconds until the next try.
        retry_ms: u32,
    },

    /// A sample was taken.
    Sampled(Sample),
    /// The product could not measure all. Each kind of fault is told once, until a sample had none.
    SensorFailed(Fault),
    /// The broker acknowledged this many samples; `backlog` still wait.
    Acknowledged {
        /// How many.
        samples: u16,
        /// How many still wait in the queue.
        backlog: u16,
    },
    /// The queue was full: the oldest samples gave way. `total` counts since boot.
    SamplesDropped {
        /// Since boot.
        total: u32,
    },
    /// Samples went from memory into flash: there was no room, or a restart is near.
    SamplesKept {
        /// How many.
        samples: u16,
    },
    /// The broker acknowledged samples that had waited in flash, and they are there no more.
    BacklogAcknowledged {
        /// How many.
        samples: u16,
    },
    /// What waits in flash cannot be read or written.
    BacklogFailed,
    /// An RPC was answered.
    RpcAnswered {
        /// Its name, cut at 32 bytes.
        method: String<32>,
        /// Whether it was carried out.
        ok: bool,
    },
    /// An RPC was not answered, and not carried out if it was to restart the device: too many came
    /// at once, or the broker takes no reply of that size.
    RpcDropped {
        /// Its name, cut at 32 bytes.
        method: String<32>,
    },
    /// The server sent a message that is larger than the device takes; it was passed over, and
    /// answered with an error if it was a call.
    MessageSkipped {
        /// How large its packet was.
        bytes: u32,
        /// The largest packet that the device takes.
        most: u32,
    },
    /// The server told what it lets the device send, or the interval was changed: this is what the
    /// device keeps to.
    LimitKept(KeptLimit),
    /// The telemetry interval was changed by the server.
    IntervalChanged {
        /// The new interval in milliseconds.
        ms: u32,
    },

    /// The shared attribute of the telemetry interval makes no sense.
    IntervalRefused,
    /// A shared attribute of the product was set by the server.
    AttributeSet {
        /// Its key.
        key: &'static str,
    },
    /// A shared attribute of the product is set to what cannot be.
    AttributeRefused {
        /// Its key.
        key: &'static str,
        /// Why.
        why: Refused,
    },
    /// The server offers another firmware, which is being fetched.
    FirmwareFetching {
        /// Its version, cut at 32 bytes.
        version: String<32>,
        /// Bytes of the package.
        bytes: u32,
    },
    /// The server took away the firmware that was being fetched.
    FirmwareWithdrawn,
    /// The firmware that the server offers is not taken, or did not work.
    FirmwareRefused {
        /// Who must do what.
        why: Box<Why>,
    },
    /// The firmware was proven, and starts with the next life.
    FirmwareInstalled {
        /// Its version, cut at 32 bytes.
        version: String<32>,
    },
    /// The running firmware was on trial, and stays: the broker acknowledged telemetry.
    FirmwareAccepted,
    /// A renewal of the certificate, or of the broker's CAs, goes on.
    Renewal(Renewal),
    /// Whoever knows the claim secret may make the device his on the server.
    ClaimOpened {
        /// For so many minutes.
        minutes: u16,
    },
    /// The network is to be forgotten, by button, RPC or client.
    FactoryReset,
    /// The network's credentials could not be erased from flash: it is forgotten until the next
    /// restart.
    EraseFailed(StorageError),
    /// The device is about to restart.
    Restarting {
        /// At whose request.
        why: RestartReason,
    },
}

/// Why an update or a renewal failed, as the server is told.
pub type Why = String<224>;

/// Why the device restarts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartReason {
    /// The RPC `reboot`.
    Rpc,
    /// Credentials erased; provisioning starts afresh.
    FactoryReset,
    /// A new firmware starts.
    Update,
    /// The firmware on trial did not get online: the old one comes back.
    Rollback,
}

impl Event {
    /// The stable name: lower case, a dot between the subject and what happened.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Booted { .. } => "boot",
            Self::BootPaused { .. } => "boot.paused",
            Self::StorageFailed(_) => "storage.failed",
            Self::KeptInMemory(_) => "storage.memory",
            Self::SettingsRefused(_) => "settings.refused",
            Self::CountryRefused { .. } => "wifi.country",
            Self::CredentialsProven { .. } => "credentials.proven",
            Self::CredentialsRefused(_) => "credentials.refused",
            Self::AnchorUnused(_) => "credentials.anchor",
            Self::ProvisioningStarted { .. } => "provisioning.started",
            Self::ClientConnected => "provisioning.connected",
            Self::ClientDisconnected => "provisioning.disconnected",
            Self::SessionOpened { .. } => "provisioning.session",
            Self::ProofRefused { .. } => "provisioning.refused",
            Self::ProofsLocked { .. } => "provisioning.locked",
            Self::NetworksScanned { .. } => "provisioning.scanned",
            Self::NetworkChosen { .. } => "provisioning.chosen",
            Self::NetworkRefused { .. } => "provisioning.failed",
            Self::Provisioned { .. } => "provisioning.done",
            Self::AnswerAwaited => "provisioning.awaited",
            Self::BluetoothStopped => "bluetooth.stopped",
            Self::BluetoothFailed => "bluetooth.failed",
            Self::Joining { .. } => "wifi.joining",
            Self::Joined { .. } => "wifi.joined",
            Self::JoinFailed { .. } => "wifi.failed",
            Self::NetworkUnreadable { .. } => "wifi.unreadable",
            Self::WifiLost => "wifi.lost",
            Self::ClockSet { .. } => "clock.set",
            Self::ClockFailed { .. } => "clock.failed",
            Self::ServerClock(clock) => clock.name(),
            Self::Connecting { .. } => "cloud.connecting",
            Self::TlsEstablished { .. } => "cloud.tls",
            Self::Online { .. } => "cloud.online",
            Self::ConnectionFailed { .. } => "cloud.failed",
            Self::Sampled(_) => "telemetry.sampled",
            Self::SensorFailed(_) => "telemetry.sensor",
            Self::Acknowledged { .. } => "telemetry.acknowledged",
            Self::SamplesDropped { .. } => "telemetry.dropped",
            Self::SamplesKept { .. } => "telemetry.kept",
            Self::BacklogAcknowledged { .. } => "telemetry.caught_up",
            Self::BacklogFailed => "telemetry.damaged",
            Self::RpcAnswered { .. } => "rpc.answered",
            Self::RpcDropped { .. } => "rpc.dropped",
            Self::MessageSkipped { .. } => "cloud.skipped",
            Self::LimitKept(_) => "telemetry.limit",
            Self::IntervalChanged { .. } => "telemetry.interval",
            Self::IntervalRefused => "telemetry.refused",
            Self::AttributeSet { .. } => "attribute.set",
            Self::AttributeRefused { .. } => "attribute.refused",
            Self::FirmwareFetching { .. } => "firmware.fetching",
            Self::FirmwareWithdrawn => "firmware.withdrawn",
            Self::FirmwareRefused { .. } => "firmware.refused",
            Self::FirmwareInstalled { .. } => "firmware.installed",
            Self::FirmwareAccepted => "firmware.accepted",
            Self::Renewal(renewal) => renewal.name(),
            Self::ClaimOpened { .. } => "claim.opened",
            Self::FactoryReset => "factory.reset",
            Self::EraseFailed(_) => "factory.failed",
            Self::Restarting { .. } => "restart",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wifi::AuthMode;
    use alloc::string::ToString;

    #[test]
    fn an_event_says_what_happens_next() {
        let event = Event::JoinFailed {
            error: JoinError::WrongPassphrase,
            retry_ms: 2500,
        };
        assert_eq!(event.name(), "wifi.failed");
        assert_eq!(
            event.to_string(),
            "the passphrase is not that of the network: give the device the right one; next try in \
             2.5 s"
        );
        let enterprise = JoinError::Unsupported(AuthMode::Wpa2Enterprise);
        assert_eq!(
            Event::NetworkRefused { error: enterprise }.to_string(),
            "the network's security is WPA2 Enterprise, which this firmware cannot do: let it \
             offer WPA2 with a passphrase, or choose another; the client may try again"
        );
    }
}
