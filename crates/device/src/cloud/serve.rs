//! Serving a connection that the broker accepted, until it ends.
//!
//! A loop of three steps: take note of what was acknowledged, send what is due, wait. Waiting is
//! dropped when something is to be sent, perhaps in the middle of reading or writing; both MQTT
//! and TLS can bear that (minimq 0.13.5, `Connection::poll`; [`crate::tls::Stream`]).

mod introduction;

use alloc::boxed::Box;

use embassy_futures::select::{Either4, select4};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use heapless::Deque;
use minimq::{Connection, Op, PeerError, PubError, Publication, QoS, ResourceError};
use thingsboard::FromDevice;
use thingsboard::json::BufferTooSmall;

use super::device::Device;
use super::inbound::{self, Answer, Wanted};
use super::outbound::{self, Changing};
use super::wire::{Wire, WireState};
use super::{CloudError, Command};
use crate::event::Event;

/// How long the broker may take to acknowledge, and the network to take a packet.
const ACK_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two telemetry messages: a live sample every second is never late.
const MESSAGE_PAUSE: Duration = Duration::from_millis(900);
/// The largest payload of telemetry.
const MOST_PAYLOAD: usize = 2048;
/// The smallest payload that takes one sample.
const LEAST_PAYLOAD: usize = 256;

/// How long samples that wait may still be sent when the server asked for a restart.
const DRAIN: Duration = Duration::from_secs(10);

/// How many replies wait for room; the server is told of no more.
const MOST_ANSWERS: usize = 4;

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before CONNACK.
    Connect,
    /// Before SUBACK.
    Subscribe,
    /// After it.
    Serve,
}

/// Why serving ended, if not as the server commanded.
#[derive(Debug, PartialEq)]
pub(super) enum Failure<E> {
    /// It is clear why.
    Known(CloudError),
    /// The stream broke, which TLS can explain.
    Transport {
        /// The stream's error.
        error: E,
        /// Whether the broker had accepted.
        online: bool,
    },
}

impl<E> Failure<E> {
    pub(super) fn from_minimq(error: minimq::Error<E>, state: &WireState, stage: Stage) -> Self {
        let known = match error {
            minimq::Error::Transport(error) => {
                let online = stage != Stage::Connect;
                return Self::Transport { error, online };
            }
            minimq::Error::Peer(PeerError::Rejected(code)) => {
                let reason = code.into();
                match stage {
                    // The library does not know all of them.
                    Stage::Connect => CloudError::Refused {
                        reason: state.connack.get().unwrap_or(reason),
                    },
                    Stage::Subscribe => CloudError::NotSubscribed { reason },
                    Stage::Serve => CloudError::NotTaken { reason },
                }
            }
            minimq::Error::Disconnected => match (state.disconnect.get(), stage) {
                (Some(reason), Stage::Connect) => CloudError::Refused { reason },
                (None, Stage::Connect) => CloudError::HungUp,
                (Some(reason), _) => CloudError::Kicked {
                    reason: Some(reason),
                },
                (None, _) if state.closed.get() => CloudError::Kicked { reason: None },
                // What is left is a ping without an answer.
                (None, _) => CloudError::Silent,
            },
            minimq::Error::WriteZero if state.stuck.get() => CloudError::Silent,
            minimq::Error::WriteZero => CloudError::Kicked { reason: None },
            minimq::Error::Peer(_) => CloudError::Protocol,
            minimq::Error::Resource(ResourceError::PacketTooLarge) => CloudError::PacketLimit,
            _ => CloudError::Bug,
        };
        Self::Known(known)
    }
}

/// Serves until the connection ends.
pub(super) async fn serve<D: Device, IO: Read + Write>(
    device: &D,
    name: &str,
    connection: Connection<'_, '_, Wire<'_, IO>>,
    state: &WireState,
) -> Result<Command, Failure<IO::Error>> {
    let mut serving = Serving {
        device,
        name,
        connection,
        state,
        subscribing: None,
        introduction: None,
        to_ask: false,
        wanted: Wanted::default(),
        told: None,
        batch: None,
        answers: Deque::new(),
        crowded: None,
        stalled: None,
        farewell: None,
        next_message: Instant::MIN,
        payload_limit: MOST_PAYLOAD,
    };
    serving.subscribe().await?;
    loop {
        serving.note_acknowledgements().await?;
        if let Some(command) = serving.command() {
            return Ok(command);
        }
        serving.ask().await?;
        serving.send_answers().await?;
        serving.tell_changes().await?;
        serving.send_telemetry().await?;
        if let Some(answer) = serving.wait().await? {
            serving.keep(answer);
        }
    }
}

/// Something sent that the broker has yet to acknowledge.
struct Sent {
    op: Op,
    at: Instant,
}

impl Sent {
    fn now(op: Op) -> Self {
        let at = Instant::now();
        Self { op, at }
    }
}

struct Serving<'a, 's, 'b, 'l, D, IO> {
    device: &'a D,
    name: &'a str,
    connection: Connection<'s, 'b, Wire<'l, IO>>,
    state: &'l WireState,
    subscribing: Option<Sent>,
    /// The client attributes, with which the last panic is reported.
    introduction: Option<Sent>,
    /// Whether the shared attribute is yet to be asked for.
    to_ask: bool,
    /// What the server wants.
    wanted: Wanted,
    /// Client attributes as the server knows them; none before the device was introduced.
    told: Option<Changing>,
    /// Samples under way, with the number after the last of them.
    batch: Option<(Sent, u64)>,
    /// Replies that wait for room.
    answers: Deque<Box<Answer>, MOST_ANSWERS>,
    /// Since when there has been none.
    crowded: Option<Instant>,
    /// Since when there has been no room for samples.
    stalled: Option<Instant>,
    /// The reply that has to arrive before the connection ends.
    farewell: Option<(Sent, Command)>,
    next_message: Instant,
    payload_limit: usize,
}

/// What came of an attempt to send.
enum Outcome {
    /// It is on its way.
    Sent(Op),
    /// There is no room until something else is acknowledged.
    NoRoom,
    /// The broker takes no packet of this size.
    TooLarge,
}

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, D, IO> {
    fn stage(&self) -> Stage {
        match self.subscribing {
            Some(_) => Stage::Subscribe,
            None => Stage::Serve,
        }
    }

    fn failure(&self, error: minimq::Error<IO::Error>) -> Failure<IO::Error> {
        Failure::from_minimq(error, self.state, self.stage())
    }

    /// Publishes what `write` writes into at most `limit` bytes, with QoS 1.
    async fn publish(
        &mut self,
        topic: FromDevice,
        limit: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall>,
    ) -> Result<Outcome, Failure<IO::Error>> {
        let topic = topic.topic();
        let payload = |buffer: &mut [u8]| {
            let room = buffer.len().min(limit);
            write(buffer.get_mut(..room).unwrap_or_default())
        };
        let publication = Publication::new(&topic, payload).qos(QoS::AtLeastOnce);
        let published = with_timeout(ACK_TIMEOUT, self.connection.publish(publication))
            .await
            .map_err(|_| Failure::Known(CloudError::Silent))?;
        match published {
            Ok(Some(op)) => Ok(Outcome::Sent(op)),
            // A broker that knows no QoS 1 acknowledges nothing, and samples would never leave.
            Ok(None) => Err(Failure::Known(CloudError::NotTaken {
                reason: minimq::ReasonCode::QoSNotSupported.into(),
            })),
            Err(PubError::Session(minimq::Error::Resource(ResourceError::PacketTooLarge))) => {
                Ok(Outcome::TooLarge)
            }
            Err(
                PubError::Payload(_)
                | PubError::Session(minimq::Error::Resource(_) | minimq::Error::NotReady),
            ) => Ok(Outcome::NoRoom),
            Err(PubError::Session(error)) => Err(self.failure(error)),
        }
    }

    /// Lets go of acknowledged samples, and introduces the device once it is subscribed.
    async fn note_acknowledgements(&mut self) -> Result<(), Failure<IO::Error>> {
        if let Some((sent, end)) = &self.batch
            && self.connection.is_complete(&sent.op)
        {
            let queue = self.device.queue();
            let samples = queue.acknowledge_below(*end);
            self.batch = None;
            self.device.tell(&Event::Acknowledged {
                samples: samples.try_into().unwrap_or(u16::MAX),
                backlog: queue.len().try_into().unwrap_or(u16::MAX),
            });
        }
        if let Some(sent) = &self.introduction
            && self.connection.is_complete(&sent.op)
        {
            self.introduction = None;
            self.device.forget_panic();
        }
        if let Some(sent) = &self.subscribing
            && self.connection.is_complete(&sent.op)
        {
            self.subscribing = None;
            self.introduce().await?;
        }
        Ok(())
    }

    /// What the server commanded, once it knows that it will come, and has what waited until then.
    fn command(&mut self) -> Option<Command> {
        let (sent, _) = self.farewell.as_ref()?;
        let drained = self.device.queue().is_empty() || sent.at.elapsed() >= DRAIN;
        if !drained || !self.connection.is_complete(&sent.op) {
            return None;
        }
        self.farewell.take().map(|(_, command)| command)
    }

    /// Whether samples wait for nothing but their time.
    fn may_send(&self) -> bool {
        self.subscribing.is_none() && self.batch.is_none()
    }

    /// Sends the oldest samples, if their time has come.
    async fn send_telemetry(&mut self) -> Result<(), Failure<IO::Error>> {
        let now = Instant::now();
        if !self.may_send() || self.device.queue().is_empty() || now < self.next_message {
            return Ok(());
        }
        let device = self.device;
        let mut batch = outbound::Batch::default();
        let write = |buffer: &mut [u8]| {
            let (length, written) = outbound::write_telemetry(device, buffer)?;
            batch = written;
            Ok(length)
        };
        match self
            .publish(FromDevice::Telemetry, self.payload_limit, write)
            .await?
        {
            Outcome::Sent(op) => {
                if let Some(boot_unix_ms) = batch.boot_unix_ms {
                    device.queue().note_sent(batch.end, boot_unix_ms);
                }
                self.batch = Some((Sent::now(op), batch.end));
                self.next_message = now + MESSAGE_PAUSE;
                self.stalled = None;
            }
            Outcome::TooLarge if self.payload_limit > LEAST_PAYLOAD => self.payload_limit /= 2,
            Outcome::TooLarge => return Err(Failure::Known(CloudError::PacketLimit)),
            // Replies are in the way, whose acknowledgements make room.
            Outcome::NoRoom if !self.connection.session().is_publish_quiescent() => {
                self.next_message = now + MESSAGE_PAUSE;
                self.stalled.get_or_insert(now);
            }
            Outcome::NoRoom => return Err(Failure::Known(CloudError::PacketLimit)),
        }
        Ok(())
    }

    /// Waits until something was received or acknowledged, or is to be sent. Returns an answer
    /// that is to be given.
    async fn wait(&mut self) -> Result<Option<Answer>, Failure<IO::Error>> {
        let queue = self.device.queue();
        let may_send = self.may_send();
        let next_message = self.next_message;
        let samples_due = async {
            if !may_send {
                return core::future::pending().await;
            }
            if queue.is_empty() {
                queue.arrival().await;
            }
            Timer::at(next_message).await;
        };
        let awaited = [
            self.subscribing.as_ref(),
            self.introduction.as_ref(),
            self.batch.as_ref().map(|(sent, _)| sent),
            self.farewell.as_ref().map(|(sent, _)| sent),
        ];
        let overdue = awaited.into_iter().flatten().map(|sent| sent.at);
        let overdue = overdue.chain(self.crowded).chain(self.stalled).min();
        let drained = match &self.farewell {
            Some((sent, _)) if sent.at.elapsed() < DRAIN => sent.at + DRAIN,
            _ => Instant::MAX,
        };
        let (state, stage, device) = (self.state, self.stage(), self.device);
        // What is awaited comes after a message that is being passed over.
        let occupied = state.occupied.get();
        let overdue = async {
            match overdue.max(occupied.filter(|_| overdue.is_some())) {
                Some(since) => Timer::at(since + ACK_TIMEOUT).await,
                None => core::future::pending().await,
            }
        };
        let drained = Timer::at(drained);
        match select4(self.connection.poll(), samples_due, drained, overdue).await {
            Either4::First(Ok(None)) | Either4::Second(()) | Either4::Third(()) => Ok(None),
            Either4::First(Ok(Some(message))) => Ok(inbound::take(
                device,
                &mut self.wanted,
                message.topic(),
                message.payload(),
                state.shortened.get(),
            )),
            Either4::First(Err(error)) => Err(Failure::from_minimq(error, state, stage)),
            Either4::Fourth(()) if state.occupied.get() > occupied => Ok(None),
            Either4::Fourth(()) => Err(Failure::Known(CloudError::Silent)),
        }
    }

    /// Keeps an answer until there is room to send it.
    fn keep(&mut self, answer: Answer) {
        if let Err(answer) = self.answers.push_back(Box::new(answer)) {
            self.drop_answer(&answer);
        }
    }

    /// More calls than replies fit. The server sees no reply and may ask again, so a restart must
    /// not happen either.
    fn drop_answer(&self, answer: &Answer) {
        let method = answer.method.clone();
        self.device.tell(&Event::RpcDropped { method });
    }

    /// Sends the answers that wait, as far as there is room.
    async fn send_answers(&mut self) -> Result<(), Failure<IO::Error>> {
        while let Some(answer) = self.answers.pop_front() {
            let length = answer.length;
            let reply = answer.payload.get(..length).unwrap_or_default();
            let write = |buffer: &mut [u8]| {
                let room = buffer.get_mut(..length);
                let room = room.ok_or(BufferTooSmall { needed: length })?;
                room.copy_from_slice(reply);
                Ok(length)
            };
            match self
                .publish(FromDevice::RpcResponse(answer.id), length, write)
                .await?
            {
                Outcome::Sent(op) => {
                    let Answer {
                        method,
                        ok,
                        command,
                        ..
                    } = *answer;
                    self.device.tell(&Event::RpcAnswered { method, ok });
                    match (command, &mut self.farewell) {
                        // It restarts, too.
                        (Some(Command::FactoryReset), Some((_, command))) => {
                            *command = Command::FactoryReset
                        }
                        (Some(_), Some(_)) | (None, _) => {}
                        (Some(command), none) => *none = Some((Sent::now(op), command)),
                    }
                }
                // Acknowledgements of what is under way make room; if nothing is, none will come.
                Outcome::NoRoom if !self.connection.session().is_publish_quiescent() => {
                    // It has just been taken from there.
                    let _ = self.answers.push_front(answer);
                    self.crowded.get_or_insert(Instant::now());
                    return Ok(());
                }
                Outcome::NoRoom | Outcome::TooLarge => self.drop_answer(&answer),
            }
        }
        self.crowded = None;
        Ok(())
    }
}
