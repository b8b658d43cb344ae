//! A connection as the device makes it, by its own TLS and credentials, and what it asks first.

use std::net::SocketAddr;
use std::time::Duration;

use device::cloud::{CloudError, Phase};
use device::credentials::{Bundle, Credentials};
use device::event::TlsVersion;
use device::platform::Network as _;
use device::settings::Settings;
use device::tls::{CertificateFault, Client, Library, Resumption, Stream, TlsError};
use embedded_nal_async::TcpConnect as _;
use simulator::network::{self, Sockets};
use thingsboard::{FromDevice, RequestId, topic};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::mqtt::{Mqtt, Refusal};
use crate::{Check, Finding, Who, clock, limits};

/// As long as the device waits for the handshake, and longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that sends something and goes.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// MbedTLS. All of it lives on one thread.
    pub library: Library<'a>,
    /// Who connects.
    pub credentials: Credentials<'a>,
    /// Where.
    pub address: SocketAddr,
    /// The name that the server's certificate must carry.
    pub server_name: &'a str,
    /// The time, in seconds since 1970.
    pub unix_s: u64,
}

type Connected<'a> = Mqtt<Stream<'a, network::Stream>>;

/// What was agreed upon.
struct Agreed {
    version: TlsVersion,
}

impl<'a> Trial<'a> {
    async fn connect(
        &self,
        sockets: &Sockets,
        resumption: &'a mut Resumption,
    ) -> Result<(Agreed, Stream<'a, network::Stream>), CloudError> {
        let socket = timeout(PATIENCE, sockets.stack().connect(self.address)).await;
        let socket = socket
            .map_err(|_| CloudError::TimedOut(Phase::Tcp))?
            .map_err(|error| CloudError::Unreachable(embedded_io_async::Error::kind(&error)))?;
        let client = Client {
            library: self.library,
            credentials: self.credentials,
            server_name: self.server_name,
            unix_s: self.unix_s,
        };
        let stream = timeout(PATIENCE, Stream::connect(socket, client, resumption)).await;
        let stream = stream
            .map_err(|_| CloudError::TimedOut(Phase::Tls))?
            .map_err(CloudError::Tls)?;
        let version = stream.version();
        Ok((Agreed { version }, stream))
    }

    async fn greet(
        &self,
        stream: Stream<'a, network::Stream>,
    ) -> Result<Connected<'a>, CloudError> {
        let name = self.credentials.bundle().common_name();
        let greeted = Mqtt::connect(stream, name).await;
        greeted.map_err(|refusal| explain(refusal, |reason| CloudError::Refused { reason }))
    }

    /// Connects, publishes this as telemetry, and goes.
    ///
    /// # Errors
    ///
    /// [`CloudError`], in whose words the device would tell it.
    pub async fn send(
        &self,
        telemetry: &[u8],
        resumption: &'a mut Resumption,
    ) -> Result<(), CloudError> {
        let (_joined, link) = watch::channel(true);
        let sockets = Sockets::new(link);
        let (_, stream) = self.connect(&sockets, resumption).await?;
        let mut mqtt = self.greet(stream).await?;
        let sent = mqtt.publish(topic::TELEMETRY, telemetry).await;
        mqtt.leave().await.close().await;
        sent.map_err(|refusal| explain(refusal, |reason| CloudError::NotTaken { reason }))
    }
}

fn explain(refusal: Refusal<TlsError>, reason: impl FnOnce(u8) -> CloudError) -> CloudError {
    match refusal {
        Refusal::Reason(code) => reason(code),
        Refusal::HungUp => CloudError::HungUp,
        Refusal::Silent => CloudError::TimedOut(Phase::Mqtt),
        Refusal::Protocol => CloudError::Protocol,
        Refusal::Stream(error) => CloudError::Tls(error),
    }
}

/// Who has to act.
fn who(error: CloudError) -> Who {
    match error {
        CloudError::Tls(TlsError::DeviceCertificate(_)) => Who::Maker,
        CloudError::Tls(TlsError::ServerCertificate(
            CertificateFault::NotTrusted | CertificateFault::WrongName,
        )) => Who::Maker,
        CloudError::Refused { .. }
        | CloudError::NotTaken { .. }
        | CloudError::NotSubscribed { .. } => Who::Tenant,
        _ => Who::Server,
    }
}

/// Connects as the device does, and asks what it asks.
pub(crate) async fn examine(
    library: Library<'_>,
    bundle: &Bundle,
    settings: &Settings,
    address: SocketAddr,
    unix_s: u64,
) -> Vec<Finding> {
    let Ok(credentials) = bundle.at(unix_s) else {
        // It was told before.
        return Vec::new();
    };
    let trial = Trial {
        library,
        credentials,
        address,
        server_name: &settings.server_name,
        unix_s,
    };
    let (_joined, link) = watch::channel(true);
    let sockets = Sockets::new(link);
    let mut resumption = Resumption::new();
    let (agreed, stream) = match trial.connect(&sockets, &mut resumption).await {
        Ok(connected) => connected,
        Err(error) => return vec![Finding::of_error(Check::Tls, error, who(error))],
    };
    let mut mqtt = match trial.greet(stream).await {
        Ok(mqtt) => mqtt,
        Err(error) => {
            let check = match error {
                CloudError::Tls(_) => Check::Tls,
                _ => Check::Mqtt,
            };
            return vec![Finding::of_error(check, error, who(error))];
        }
    };
    let mut findings = vec![
        Finding::good(
            Check::Tls,
            format!(
                "{} by the device's own TLS, with its certificate",
                version(agreed.version)
            ),
        ),
        Finding::good(
            Check::Mqtt,
            format!("the server lets {} in", bundle.common_name()),
        ),
    ];
    match ask(&mut mqtt).await {
        Ok(Some(answer)) => findings.extend(limits::examine(&answer, settings)),
        Ok(None) => findings.push(Finding::note(
            Check::Limits,
            "the server does not say how much it takes",
            Who::Server,
            "look up the limits of the tenant's profile; ThingsBoard tells its devices from 3.9 on",
        )),
        Err(error) => {
            findings.push(Finding::of_error(Check::Mqtt, error, who(error)));
            mqtt.leave().await.close().await;
            return findings;
        }
    }
    match ask_time(&mut mqtt).await {
        Ok(told) => {
            let certificate = bundle.valid_from_unix_s()..bundle.expires_unix_s();
            findings.push(clock::of_server(told, unix_s, certificate));
        }
        Err(error) => findings.push(Finding::of_error(Check::Mqtt, error, who(error))),
    }
    mqtt.leave().await.close().await;
    findings
}

fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    }
}

/// Subscribes as the device does, and asks for the limits; none if there is no answer.
async fn ask(mqtt: &mut Connected<'_>) -> Result<Option<Vec<u8>>, CloudError> {
    for filter in [
        topic::SUBSCRIBE_RPC_REQUESTS,
        topic::ATTRIBUTES,
        topic::SUBSCRIBE_ATTRIBUTES_RESPONSES,
        topic::SUBSCRIBE_RPC_RESPONSES,
    ] {
        let subscribed = mqtt.subscribe(filter).await;
        subscribed
            .map_err(|refusal| explain(refusal, |reason| CloudError::NotSubscribed { reason }))?;
    }
    call(mqtt, 1, thingsboard::limits::METHOD).await?;
    answer(mqtt, Some).await
}

/// Asks what time it is, in seconds since 1970; none if there is no answer.
async fn ask_time(mqtt: &mut Connected<'_>) -> Result<Option<u64>, CloudError> {
    call(mqtt, 2, thingsboard::time::METHOD).await?;
    let unix_ms = answer(mqtt, |answer| thingsboard::time::parse(&answer)).await?;
    Ok(unix_ms.map(|unix_ms| unix_ms / 1_000))
}

/// Calls the server.
async fn call(mqtt: &mut Connected<'_>, number: u32, method: &str) -> Result<(), CloudError> {
    let mut call = [0; 128];
    let length = thingsboard::rpc::write_request(&mut call, method, &[]);
    let length = length.map_or(0, <[u8]>::len);
    let to = FromDevice::RpcRequest(RequestId::wrapping(number)).topic();
    let asked = mqtt
        .publish(&to, call.get(..length).unwrap_or_default())
        .await;
    asked.map_err(|refusal| explain(refusal, |reason| CloudError::NotTaken { reason }))
}

/// The first message that is the answer; none if it does not come soon.
async fn answer<T>(
    mqtt: &mut Connected<'_>,
    read: impl Fn(Vec<u8>) -> Option<T>,
) -> Result<Option<T>, CloudError> {
    let reading = async {
        loop {
            let message = mqtt.message().await.map_err(|refusal| {
                explain(refusal, |reason| CloudError::Kicked {
                    reason: Some(reason),
                })
            })?;
            if let Some(answer) = read(message) {
                return Ok(Some(answer));
            }
        }
    };
    timeout(Duration::from_secs(5), reading)
        .await
        .unwrap_or(Ok(None))
}
