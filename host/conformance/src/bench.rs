//! What a case has at hand: the link, sessions, and a way to say what was seen.

use std::time::Duration;

use embassy_time::Timer;
use protocomm::client::{self, Client, Login, Progress, Request};
use protocomm::refusal::Refused;
use protocomm::wire::session::Handshake;
use protocomm::wire::version::{self, Version};
use protocomm::wire::{Status, config, control};
use vhci::ControllerConfig;

use crate::asked::{Options, Target};
use crate::fault::Fault;
use provisioner::{Error, Found, LARGEST_MTU, LinkError, Provisioner, Secrets, Survey, Writes};

/// How long the device is looked for.
const FIND: Duration = Duration::from_secs(15);
/// How often a link is set up that does not come about: the device has to notice first that the
/// one before is gone.
const TRIES: u32 = 3;
/// Room for any message of a handshake.
const MESSAGE: usize = 1024;

/// What the device said at `proto-ver`.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) scheme: u8,
    pub(super) patch: u8,
    pub(super) capabilities: Vec<String>,
}

impl Told {
    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }
}

/// The bench on which the device lies.
pub(super) struct Bench {
    target: Target,
    pub(super) options: Options,
    pub(super) phone: Provisioner,
    mtu: usize,
    device: Option<Found>,
    told: Option<Told>,
    /// Whether anything ever answered over HTTP.
    answered: bool,
    /// Whether the secrets ever opened a session: then it is not they that are wrong.
    proven: bool,
}

impl Bench {
    pub(super) async fn open(target: Target, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            phone: phone(&target, LARGEST_MTU).await?,
            target,
            options: options.clone(),
            mtu: LARGEST_MTU,
            device: None,
            told: None,
            answered: false,
            proven: false,
        })
    }

    /// A new link without a session, with the largest MTU.
    pub(super) async fn fresh(&mut self) -> Result<(), Fault> {
        self.fresh_with_mtu(LARGEST_MTU).await
    }

    pub(super) async fn fresh_with_mtu(&mut self, mtu: usize) -> Result<(), Fault> {
        self.phone.disconnect().await;
        let Target::Bluetooth { name, .. } = &self.target else {
            return self.listens().await;
        };
        let name = name.clone();
        if mtu != self.mtu {
            self.phone = phone(&self.target, mtu).await?;
            self.mtu = mtu;
        }
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.connect(name.as_deref()).await {
                Ok(()) => return Ok(()),
                Err(Error::Link(LinkError::Unreachable | LinkError::Lost)) if tries > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether there is anything at the HTTP address at all.
    async fn listens(&mut self) -> Result<(), Fault> {
        if self.answered {
            return Ok(());
        }
        match self.post("proto-ver", version::REQUEST).await {
            Err(error @ LinkError::Http { .. }) => Err(Fault::Operator(error.into())),
            // What it answers is for the cases to judge.
            _ => {
                self.phone.disconnect().await;
                self.answered = true;
                Ok(())
            }
        }
    }

    async fn connect(&mut self, name: Option<&str>) -> Result<(), Error> {
        let device = match &self.device {
            Some(device) => device.clone(),
            None => self.phone.find(name, FIND).await?,
        };
        self.phone.connect(&device).await?;
        self.device = Some(device);
        Ok(())
    }

    pub(super) async fn hang_up(&mut self) {
        self.phone.disconnect().await;
    }

    /// What was heard of the device.
    pub(super) async fn heard(&mut self) -> Result<Found, Fault> {
        self.over_bluetooth()?;
        self.device
            .clone()
            .ok_or_else(|| Fault::failed("the device was not heard"))
    }

    pub(super) fn over_bluetooth(&self) -> Result<(), Fault> {
        match self.target {
            Target::Bluetooth { .. } => Ok(()),
            Target::Http(_) => Err(Fault::not_applicable("this is about Bluetooth")),
        }
    }

    pub(super) fn over_http(&self) -> Result<&str, Fault> {
        match &self.target {
            Target::Http(address) => Ok(address),
            Target::Bluetooth { .. } => Err(Fault::not_applicable("this is about HTTP")),
        }
    }

    /// What the provisioning service looks like.
    pub(super) async fn survey(&mut self) -> Result<Survey, Fault> {
        self.over_bluetooth()?;
        let survey = self.phone.survey().await;
        Ok(survey.ok_or_else(about_packets)??)
    }

    /// A request as it is, and the reply.
    pub(super) async fn post(
        &mut self,
        endpoint: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        self.phone.post(endpoint, bytes).await
    }

    /// As [`Bench::post`], written in another way.
    pub(super) async fn post_as(
        &mut self,
        endpoint: &str,
        bytes: &[u8],
        writes: Writes,
    ) -> Result<Vec<u8>, Fault> {
        let reply = self.phone.post_as(endpoint, bytes, writes).await;
        Ok(reply.ok_or_else(about_packets)??)
    }

    /// What the device says at `proto-ver`, asked once.
    pub(super) async fn told(&mut self) -> Result<Told, Fault> {
        if let Some(told) = &self.told {
            return Ok(told.clone());
        }
        let reply = self.post("proto-ver", version::REQUEST).await?;
        let text = String::from_utf8_lossy(&reply).into_owned();
        let version = Version::decode(&reply)
            .map_err(|_| Fault::failed(format!("proto-ver answers {}", text.escape_debug())))?;
        let told = Told {
            scheme: version.scheme,
            patch: version.patch,
            capabilities: version.capabilities().map(str::to_owned).collect(),
            text,
        };
        self.told = Some(told.clone());
        Ok(told)
    }

    /// The scheme, if it has a secret that can be wrong.
    pub(super) async fn secret_scheme(&mut self) -> Result<u8, Fault> {
        let told = self.told().await?;
        match told.scheme {
            0 => Err(Fault::not_applicable("security 0 has no secret")),
            1 if told.has(version::NO_PROOF) => Err(Fault::not_applicable(
                "the device wants no proof of possession",
            )),
            scheme => Ok(scheme),
        }
    }

    /// Opens a session; waits once where the device wants to be left alone.
    pub(super) async fn login(&mut self) -> Result<(), Fault> {
        let secrets = self.options.secrets.clone();
        let mut opened = self.phone.open_session(&secrets).await;
        if let Err(Error::Session(client::Error::CoolingDown(time))) = opened {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Timer::after_millis(millis).await;
            opened = self.phone.open_session(&secrets).await;
        }
        match opened {
            Err(error @ Error::Session(client::Error::WrongProof)) if !self.proven => {
                Err(Fault::Operator(error))
            }
            opened => {
                opened?;
                self.proven = true;
                Ok(())
            }
        }
    }

    /// A session, and no failure of credentials before.
    pub(super) async fn ready(&mut self) -> Result<(), Fault> {
        self.login().await?;
        // Answered with an error where there was no failure; a device of old has no such endpoint.
        match self.control(control::Request::Reset).await {
            Ok(_) | Err(Error::Link(LinkError::NoEndpoint(_))) => {}
            Err(error) => return Err(error.into()),
        }
        if !self.phone.has_session() {
            self.login().await?;
        }
        Ok(())
    }

    /// Whether the device is there, lets us in, and answers.
    pub(super) async fn alive(&mut self) -> Result<(), Fault> {
        let alive = async {
            self.fresh().await?;
            self.login().await?;
            self.status().await?;
            Ok(())
        };
        alive.await.map_err(|fault| match fault {
            Fault::Failed(seen) => Fault::failed(format!("afterwards: {seen}")),
            other => other,
        })
    }

    pub(super) async fn config(
        &mut self,
        request: config::Request<'_>,
    ) -> Result<config::Response, Error> {
        self.phone.request_config(request).await
    }

    pub(super) async fn control(
        &mut self,
        request: control::Request,
    ) -> Result<Option<Status>, Error> {
        let request = Request::Control(request);
        self.phone
            .request(&request, |reply| Ok(reply.status()))
            .await
    }

    /// How joining goes.
    pub(super) async fn status(&mut self) -> Result<config::StationState, Error> {
        match self.config(config::Request::Status).await? {
            config::Response::Status {
                status: Status::Success,
                station,
            } => Ok(station),
            _ => Err(Error::Unexpected),
        }
    }

    /// The first message of a handshake with these secrets.
    pub(super) async fn begin(&mut self, secrets: &Secrets) -> Result<(Client, Vec<u8>), Fault> {
        let told = self.told().await?;
        let username = secrets.username.as_bytes();
        let mut message = vec![0; MESSAGE];
        let version = Version::decode(told.text.as_bytes()).map_err(|_| Error::Version)?;
        let login =
            Login::for_device(&version, username, secrets.proof.as_bytes()).map_err(Error::from)?;
        let (client, length) =
            Client::start(login, &mut rand::rng(), &mut message).map_err(Error::from)?;
        message.truncate(length);
        Ok((client, message))
    }

    /// Sends the first message of a handshake, and makes the second.
    pub(super) async fn second(
        &mut self,
        client: &mut Client,
        first: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let reply = self.post("prov-session", first).await?;
        let mut message = vec![0; MESSAGE];
        match client
            .handshake(&reply, &mut message)
            .map_err(Error::from)?
        {
            Progress::Send(length) => {
                message.truncate(length);
                Ok(message)
            }
            Progress::Established => Err(Fault::not_applicable("the handshake has one step")),
        }
    }

    /// Whether a request in the clear is refused, as it must be without a session.
    pub(super) async fn is_locked(&mut self) -> Result<(), Fault> {
        let mut message = [0; 16];
        let length = config::Request::Status
            .encode(&mut message)
            .map_err(|_| Error::Unexpected)?;
        let request = message.get(..length).unwrap_or_default();
        match refused(self.post("prov-config", request).await) {
            Ok(_) => Ok(()),
            Err(seen) => Err(Fault::failed(format!(
                "prov-config answers without a session: {seen}"
            ))),
        }
    }
}

fn about_packets() -> Fault {
    Fault::not_applicable("this is about Bluetooth packets")
}

async fn phone(target: &Target, mtu: usize) -> Result<Provisioner, Error> {
    match target {
        Target::Http(address) => Ok(Provisioner::http(address)),
        Target::Bluetooth { hci, air, .. } => {
            let opened = hci.open(air, ControllerConfig::default()).await;
            let transport = opened.map_err(|error| LinkError::Stack(error.to_string()))?;
            Ok(Provisioner::ble_with_mtu(transport, mtu))
        }
    }
}

/// How a request was refused; or what came instead.
pub(super) fn refused(result: Result<Vec<u8>, LinkError>) -> Result<String, String> {
    match result {
        Ok(reply) => Err(format!("a reply of {} bytes", reply.len())),
        Err(LinkError::Refused {
            refused: Refused::CoolingDown(_),
            reason,
            ..
        }) => Ok(format!("refused for a while ({reason})")),
        Err(LinkError::Refused { reason, .. }) => Ok(format!("refused ({reason})")),
        // ESP-IDF's HTTP server closes the connection where it refuses.
        Err(LinkError::Lost) => Ok("refused (the connection was closed)".into()),
        Err(other) => Err(other.to_string()),
    }
}

/// As [`refused`], for a handshake, whose replies have a status of their own.
pub(super) fn handshake_refused(result: Result<Vec<u8>, LinkError>) -> Result<String, Fault> {
    let reply = match result {
        Ok(reply) => reply,
        refusal => return refused(refusal).map_err(Fault::Failed),
    };
    let status = match Handshake::decode(&reply) {
        Ok(
            Handshake::Sec0Response { status }
            | Handshake::Sec1Response0 { status, .. }
            | Handshake::Sec1Response1 { status, .. }
            | Handshake::Sec2Response0 { status, .. }
            | Handshake::Sec2Response1 { status, .. },
        ) => status,
        _ => {
            let seen = format!("a reply of {} bytes that is no handshake's", reply.len());
            return Err(Fault::Failed(seen));
        }
    };
    match status {
        Status::Success => Err(Fault::failed("the device answers with success")),
        status => Ok(format!("refused ({status:?})")),
    }
}
