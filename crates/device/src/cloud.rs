//! The connection to the broker: from its name to telemetry that is acknowledged, and why it
//! ended.
//!
//! [`CloudSession::run`] drives one connection until it ends: DNS, TCP, TLS, MQTT 5, then it
//! serves. Pauses between connections are the [`lifecycle`](crate::lifecycle)'s.
//!
//! # What survives a connection
//!
//! - **Samples** stay in the [`SampleQueue`](crate::telemetry::SampleQueue) until the broker has
//!   acknowledged them. What was under way when a connection broke is sent again, with the same
//!   time stamps even if the clock was set meanwhile, so that a server that got it after all
//!   stores it over itself.
//! - **The TLS session**, to be resumed.
//! - **The server's limits**, with the account of what was sent.
//! - Nothing of MQTT: every connection is a clean start without session expiry. A command that
//!   was sent while the device was away would be obeyed late; servers keep shared attributes, and
//!   the device asks for them each time.
//!
//! # Telemetry
//!
//! Oldest first, one message at a time, at most one message in 900 ms: so a live sample goes out
//! at once, and a backlog in batches of up to 2 KiB a second, thirty samples. Live samples wait
//! behind the backlog, for the order of acknowledgements is the order of the queue.
//!
//! While the time is not certain samples have no stamp, and the server gives each the time of its
//! arrival. It would give the same to all of a message, so they go one by one, as soon after each
//! other as they were taken, a few of them under way at once.
//!
//! # Limits
//!
//! The server is asked on each connection how much it takes (`getSessionLimits`), and the device
//! keeps to it: see `pace`. The console tells which limit matters most and what it costs, and so
//! does the client attribute `telemetry_limit`. A server that refuses a batch all the same, or tells
//! nothing, gets smaller ones.
//!
//! There is no last will: ThingsBoard keeps account of who is connected itself, in its server
//! attribute `active`, and takes no wills (thingsboard/thingsboard, `MqttTransportHandler.java`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd).
//!
//! # Messages too large
//!
//! The device says how large a packet it takes, to which ThingsBoard pays no regard. What is larger
//! is passed over without being held, and acknowledged; a call is answered with an error, and of
//! anything else the server is told in the client attribute `refused`. So nobody's message keeps a
//! device off.
//!
//! # Memory
//!
//! While connected: 5 KiB for MQTT on the heap, 8 KiB where firmware can be fetched, and MbedTLS's record buffers.

mod certified;
mod device;
mod inbound;
mod outbound;
mod pace;
mod serve;
#[cfg(test)]
mod tests;
mod wire;

use alloc::vec;
use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorKind, Read, Write};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use heapless::String;
use minimq::{Buffers, ConfigBuilder, Session};
use product::Schema;

pub use crate::broker::{CloudError, Phase};
use crate::context::Context;
use crate::credentials::Credentials;
pub use crate::errands::Command;
use crate::event::Event;
use crate::firmware::PACKET_BYTES;
use crate::platform::{Network, Platform};
use crate::tls::{self, Resumption, Stream, TlsError, Violation};
use certified::Certified;
use device::Device;
use pace::Pace;
use serve::{Failure, serve};
use wire::{Wire, WireState};

/// The largest packet that a device takes which cannot be updated: an RPC with about 900 bytes of
/// parameters.
const RX_BYTES: usize = 1024;
/// What is sent and not yet acknowledged: a batch of 2 KiB, the client attributes, a few replies.
const TX_BYTES: usize = 4096;

/// Time for each of three servers, which smoltcp asks one after the other for ten seconds.
const DNS_TIMEOUT: Duration = Duration::from_secs(32);
const TCP_TIMEOUT: Duration = Duration::from_secs(15);
/// RSA-4096 takes a chip many seconds.
const TLS_TIMEOUT: Duration = Duration::from_secs(60);
const MQTT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait for the reason after the server hung up, and for it to take notice of ours.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// What outlives the connections to one broker.
pub struct CloudSession {
    resumption: Resumption,
    pace: Pace,
    command: Option<Command>,
}

impl CloudSession {
    /// Nothing to resume yet. Samples are of these series.
    #[must_use]
    pub fn new(schema: Schema) -> Self {
        Self {
            resumption: Resumption::new(),
            pace: Pace::new(schema.len() as u32),
            command: None,
        }
    }

    /// Connects and serves until the server has a [`Command`], which is then to be
    /// [taken](Self::take_command). Tells [`Event::Connecting`] and what follows of it, but not how it
    /// ended.
    ///
    /// Can be dropped at any time: samples that were not acknowledged stay in the queue, and a wish
    /// stays here.
    ///
    /// # Errors
    ///
    /// The connection did not come about, or broke. Try again later.
    pub async fn run<P: Platform>(
        &mut self,
        context: &Context<'_, P>,
        credentials: Credentials<'_>,
        library: tls::Library<'_>,
    ) -> Result<(), CloudError> {
        let end = self.connect(context, credentials, library).await;
        if let Err(CloudError::Refused { .. }) = end {
            // A server may look at certificates only in a full handshake: ThingsBoard creates
            // devices there, and a device that it learned to accept meanwhile, or forgot, would go
            // on being refused. (thingsboard/thingsboard, `MqttSslHandlerProvider.java`,
            // `checkClientTrusted`, commit dfe65d5abc3aa959aaa853952d74943fbd6867bd)
            self.forget_session();
        }
        end
    }

    /// Who connects, or who is trusted, is another from now on: there is nothing to resume.
    pub fn forget_session(&mut self) {
        self.resumption = Resumption::new();
    }

    /// Whether the next connection is to be made at once; once.
    pub fn is_to_reconnect(&mut self) -> bool {
        let reconnect = |command: &mut Command| *command == Command::Reconnect;
        self.command.take_if(reconnect).is_some()
    }

    /// What the server commanded, once.
    pub fn take_command(&mut self) -> Option<Command> {
        self.command.take()
    }

    async fn connect<P: Platform>(
        &mut self,
        context: &Context<'_, P>,
        credentials: Credentials<'_>,
        library: tls::Library<'_>,
    ) -> Result<(), CloudError> {
        let settings = &context.settings;
        let broker = &settings.broker;
        context.tell(&Event::Connecting {
            host: broker.host.clone(),
            port: broker.port,
            attempt: context.state().attempt(),
        });
        let stack = context.network.stack();
        let address = match broker.address() {
            Some(address) => address,
            None => resolve(stack, &broker.host).await?,
        };
        let remote = SocketAddr::new(address, broker.port);
        let socket = with_timeout(TCP_TIMEOUT, stack.connect(remote))
            .await
            .map_err(|_| CloudError::TimedOut(Phase::Tcp))?
            .map_err(|error| CloudError::Unreachable(embedded_io_async::Error::kind(&error)))?;

        let client = tls::Client {
            library,
            credentials,
            server_name: &settings.server_name,
            unix_s: context.clock.now_unix_ms().unwrap_or(0) / 1_000,
        };
        let handshake = Stream::connect(socket, client, &mut self.resumption);
        let mut stream = with_timeout(TLS_TIMEOUT, handshake)
            .await
            .map_err(|_| CloudError::TimedOut(Phase::Tls))?
            .map_err(CloudError::Tls)?;
        if !stream.resumed() {
            context.clock.raise(stream.valid_from_unix_s());
            context.clock.prove();
        }
        context.tell(&Event::TlsEstablished {
            version: stream.version(),
            resumed: stream.resumed(),
        });

        let pace = &mut self.pace;
        let result = speak(
            context,
            credentials,
            settings.keep_alive_s,
            &mut stream,
            pace,
        )
        .await;
        let result = match result {
            Ok(command) => {
                self.command = Some(command);
                Ok(())
            }
            Err(Failure::Known(error)) => Err(error),
            Err(Failure::Transport { error, online }) => {
                Err(explain(&mut stream, error, online).await)
            }
        };
        // So that the server need not find out by itself.
        let _ = with_timeout(FAREWELL_TIMEOUT, stream.close()).await;
        result
    }
}

/// The largest packet that the device takes. The broker is told; what it sends all the same is passed over.
fn most_packet<D: Device>(device: &D) -> u32 {
    // Only who can be updated has room for chunks.
    let ready = device.updates().is_some_and(|updates| updates.is_ready());
    (if ready { PACKET_BYTES } else { RX_BYTES }) as u32
}

/// Speaks MQTT until the connection ends.
async fn speak<'a, D: Device, IO: Read + Write>(
    device: &D,
    certified: impl Into<Certified<'a>>,
    keep_alive_s: u16,
    io: IO,
    pace: &mut Pace,
) -> Result<Command, Failure<IO::Error>> {
    let certified = certified.into();
    let most = most_packet(device);
    let mut rx = vec![0; most as usize];
    let mut tx = vec![0; TX_BYTES];
    let config = ConfigBuilder::new(Buffers::new(&mut rx, &mut tx))
        .client_id(certified.name)
        // The name has at most 64 bytes, as the client id may have.
        .map_err(|_| Failure::Known(CloudError::Bug))?
        .keepalive_interval(keep_alive_s)
        .autodowngrade_qos();
    let mut session = Session::new(config);
    let state = WireState::default();
    let connecting = session.connect(Wire::new(io, most, &state));
    let connection = with_timeout(MQTT_TIMEOUT, connecting)
        .await
        .map_err(|_| Failure::Known(CloudError::TimedOut(Phase::Mqtt)))?
        .map_err(|error| Failure::from_minimq(error, &state, serve::Stage::Connect))?;
    device.tell(&Event::Online {
        session_present: connection.connect_event() == minimq::ConnectEvent::Reconnected,
    });
    serve(device, certified, connection, &state, pace).await
}

/// Speaks MQTT over a stream as after the TLS handshake, to a broker that may do anything. For the
/// fuzz targets.
///
/// # Errors
///
/// Why the connection ended, if not as the server commanded.
#[cfg(feature = "fuzzing")]
pub async fn speak_in_the_clear<P: Platform, IO: Read + Write>(
    context: &Context<'_, P>,
    name: &str,
    io: IO,
) -> Result<Command, CloudError> {
    let mut pace = Pace::new(context.product.schema.len() as u32);
    match speak(context, name, context.settings.keep_alive_s, io, &mut pace).await {
        Ok(end) => Ok(end),
        Err(Failure::Known(error)) => Err(error),
        Err(Failure::Transport { error, .. }) => {
            Err(CloudError::Lost(embedded_io_async::Error::kind(&error)))
        }
    }
}

async fn resolve<S: Dns>(stack: &S, host: &str) -> Result<IpAddr, CloudError> {
    let lookup = async {
        // IPv4 first: few access points for things have working IPv6, and names like localhost
        // have both.
        match stack.get_host_by_name(host, AddrType::IPv4).await {
            Ok(address) => Ok(address),
            Err(_) => stack.get_host_by_name(host, AddrType::IPv6).await,
        }
    };
    with_timeout(DNS_TIMEOUT, lookup)
        .await
        .map_err(|_| CloudError::TimedOut(Phase::Dns))?
        .map_err(|_| CloudError::NameNotResolved)
}

/// Why reading or writing failed.
///
/// A server of TLS 1.3 that refuses the device's certificate sends its alert after the handshake
/// and hangs up; it depends on timing whether the device reads it, or fails to write first.
async fn explain<IO: Read<Error = TlsError>>(
    stream: &mut IO,
    error: TlsError,
    online: bool,
) -> CloudError {
    let mut error = error;
    if let (TlsError::Broken(_), false) = (error, online) {
        let mut buffer = [0];
        if let Ok(Err(last_words)) = with_timeout(FAREWELL_TIMEOUT, stream.read(&mut buffer)).await
        {
            error = last_words;
        }
    }
    match (error, online) {
        (TlsError::Broken(_), false) => CloudError::HungUp,
        (TlsError::Broken(kind), true) => CloudError::Lost(kind),
        (TlsError::Violation(Violation::NoRecord), true) => {
            CloudError::Lost(ErrorKind::InvalidData)
        }
        (error, _) => CloudError::Tls(error),
    }
}

/// Text for events, cut where it is too long.
fn cut<const N: usize>(characters: impl Iterator<Item = char>) -> String<N> {
    let mut text = String::new();
    for character in characters {
        if text.push(character).is_err() {
            break;
        }
    }
    text
}
