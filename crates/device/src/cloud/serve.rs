//! Serving a connection that the broker accepted, until it ends.
//!
//! A loop of three steps: take note of what was acknowledged, send what is due, wait. Waiting is
//! dropped when something is to be sent, perhaps in the middle of reading or writing; both MQTT
//! and TLS can bear that (minimq 0.13.5, `Connection::poll`; [`crate::tls::Stream`]).

mod answers;
mod claim;
mod firmware;
mod introduction;
mod renewal;
mod telemetry;

use answers::MOST_ANSWERS;
use introduction::Asking;
use telemetry::MOST_BATCHES;

use alloc::boxed::Box;
use alloc::string::String;

use embassy_futures::select::{Either5, select5};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use heapless::Deque;
use minimq::{Connection, Op, PeerError, PubError, Publication, QoS, ResourceError};
use thingsboard::FromDevice;
use thingsboard::json::BufferTooSmall;

use super::certified::Certified;
use super::device::Device;
use super::inbound::{self, Wanted};
use super::outbound::{self, Changing};
use super::pace::Pace;
use super::wire::{Wire, WireState};
use crate::broker::{self, CloudError};
use crate::clock::Clock;
use crate::errands::{Answer, Command, Outcome as Done};
use crate::renewal::Renewing;

/// How long the broker may take to acknowledge, and the network to take a packet.
const ACK_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest payload of what the device sends on its own.
const MOST_PAYLOAD: usize = 2048;

/// How long samples that wait may still be sent when the server asked for a restart.
const DRAIN: Duration = Duration::from_secs(10);

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
    certified: Certified<'_>,
    connection: Connection<'_, '_, Wire<'_, IO>>,
    state: &WireState,
    pace: &mut Pace,
) -> Result<Command, Failure<IO::Error>> {
    pace.begin();
    device.errands().begin();
    if let Some(updates) = device.updates() {
        updates.connected();
    }
    if let Some(renewals) = device.renewals() {
        renewals.connected();
    }
    if let Some(clock) = device.clock() {
        clock.meet_server();
    }
    let mut serving = Serving {
        device,
        certified,
        connection,
        state,
        pace,
        subscribing: None,
        introduction: None,
        reporting: None,
        renewing: None,
        claiming: None,
        introducing: None,
        to_ask: Asking::default(),
        wanted: Wanted::default(),
        told: None,
        told_product: String::new(),
        batches: Deque::new(),
        kept: None,
        live_had_it: false,
        answers: Deque::new(),
        crowded: None,
        stalled: None,
        held_back: None,
        farewell: None,
        next_message: Instant::MIN,
        begun: false,
        payload_limit: MOST_PAYLOAD,
    };
    let end = serving.run().await;
    // What the server knows will come does come, whatever became of the connection.
    end.or_else(|failure| serving.promised().ok_or_else(|| serving.explain(failure)))
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

struct Serving<'a, 's, 'b, 'l, 'p, D, IO> {
    device: &'a D,
    certified: Certified<'a>,
    connection: Connection<'s, 'b, Wire<'l, IO>>,
    state: &'l WireState,
    pace: &'p mut Pace,
    subscribing: Option<Sent>,
    /// Client attributes under way, with which the last panic is reported.
    introduction: Option<Sent>,
    /// A report of an update under way.
    reporting: Option<Sent>,
    /// How a renewal is, under way.
    renewing: Option<Sent>,
    /// A wish to be claimable under way, with its number.
    claiming: Option<(Sent, u32)>,
    /// Which of them are yet to be sent, if not all have been.
    introducing: Option<usize>,
    /// What is yet to be asked for.
    to_ask: Asking,
    /// What the server wants.
    wanted: Wanted,
    /// Client attributes as the server knows them; none before the device was introduced.
    told: Option<Changing>,
    /// Client attributes of the product, likewise; nothing before they were told.
    told_product: String,
    /// Samples under way, the oldest first.
    batches: Deque<(Sent, outbound::Batch), MOST_BATCHES>,
    /// Samples from flash under way.
    kept: Option<(Sent, outbound::Batch)>,
    /// Whether live samples had the last message.
    live_had_it: bool,
    /// Replies that wait for room.
    answers: Deque<Box<Answer>, MOST_ANSWERS>,
    /// Since when there has been none.
    crowded: Option<Instant>,
    /// Since when there has been no room for samples.
    stalled: Option<Instant>,
    /// Until when something waits because of the server's limit on messages.
    held_back: Option<Instant>,
    /// The reply that has to arrive before the connection ends.
    farewell: Option<(Sent, Command)>,
    next_message: Instant,
    /// Whether telemetry was sent on this connection.
    begun: bool,
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

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    async fn run(&mut self) -> Result<Command, Failure<IO::Error>> {
        self.subscribe().await?;
        loop {
            self.note_acknowledgements();
            if let Some(command) = self.command() {
                return Ok(command);
            }
            self.held_back = None;
            self.introduce().await?;
            self.ask().await?;
            self.send_answers().await?;
            self.tell_changes().await?;
            self.tell_product().await?;
            self.send_telemetry().await?;
            self.send_kept().await?;
            self.update_firmware().await?;
            self.renew().await?;
            self.claim().await?;
            if let Some(answer) = self.wait().await? {
                self.keep(answer);
            }
        }
    }

    /// Names firmware that is gone, or a limit of the server, as the likely reason, if it is.
    fn explain(&mut self, failure: Failure<IO::Error>) -> Failure<IO::Error> {
        // ThingsBoard has the same reason code for this as for limits, and what is on its way then fails.
        if self.wanted.no_chunks {
            return Failure::Known(CloudError::NoFirmware);
        }
        let Failure::Known(
            CloudError::Kicked {
                reason: Some(reason),
            }
            | CloudError::NotTaken { reason },
        ) = failure
        else {
            return failure;
        };
        if !broker::is_limit(reason) {
            return failure;
        }
        // The server takes one message after the other, so it is the oldest.
        let under_way = self
            .batches
            .iter()
            .chain(&self.kept)
            .map(|(_, batch)| batch.samples);
        let samples = match self.introduction {
            Some(_) => 0,
            None => under_way.fold(0, u16::saturating_add),
        };
        if self.introduction.is_some() {
            self.pace.refused_attributes();
        }
        let next = self.pace.refused(samples, Instant::now());
        Failure::Known(CloudError::OverLimit {
            reason,
            samples,
            next,
        })
    }

    /// Whether something has to wait for the server's limits until `due`; then it is thought of
    /// again.
    fn is_held_back(&mut self, due: Instant) -> bool {
        if due <= Instant::now() {
            return false;
        }
        self.held_back = Some(self.held_back.map_or(due, |before| before.min(due)));
        true
    }

    fn stage(&self) -> Stage {
        match self.subscribing {
            Some(_) => Stage::Subscribe,
            None => Stage::Serve,
        }
    }

    fn failure(&self, error: minimq::Error<IO::Error>) -> Failure<IO::Error> {
        Failure::from_minimq(error, self.state, self.stage())
    }

    /// Publishes what `write` writes into at most `limit` bytes, with QoS 1. It is charged to the
    /// server's limits with so many data points, which telemetry and attributes have.
    ///
    /// Whatever is published goes through the same code: by a generic parameter MQTT's publishing would
    /// be in flash as often as there is something to publish.
    async fn publish(
        &mut self,
        to: FromDevice,
        data_points: u32,
        limit: usize,
        write: &mut dyn FnMut(&mut [u8]) -> Result<usize, BufferTooSmall>,
    ) -> Result<Outcome, Failure<IO::Error>> {
        let topic = to.topic();
        let limit = self.pace.payload(limit);
        let payload = |buffer: &mut [u8]| {
            let room = buffer.len().min(limit);
            write(buffer.get_mut(..room).unwrap_or_default())
        };
        let publication = Publication::new(&topic, payload).qos(QoS::AtLeastOnce);
        let published = with_timeout(ACK_TIMEOUT, self.connection.publish(publication))
            .await
            .map_err(|_| Failure::Known(CloudError::Silent))?;
        match published {
            Ok(Some(op)) => {
                let now = Instant::now();
                match to {
                    // Telemetry knows better when it has been written.
                    FromDevice::Telemetry => {}
                    FromDevice::Attributes => self.pace.sent_telemetry(data_points, now),
                    _ => self.pace.sent_messages(1, now),
                }
                Ok(Outcome::Sent(op))
            }
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

    /// Lets go of acknowledged samples, and goes on with the introduction.
    fn note_acknowledgements(&mut self) {
        self.note_telemetry();
        self.note_report();
        self.note_renewal();
        self.note_claim();
        if let Some(sent) = &self.introduction
            && self.connection.is_complete(&sent.op)
        {
            self.introduction = None;
            if self.introducing.is_none() {
                self.device.forget_panic();
            }
        }
        if let Some(sent) = &self.subscribing
            && self.connection.is_complete(&sent.op)
        {
            self.subscribing = None;
            self.introducing = Some(0);
        }
    }

    /// What the server commanded, once it knows that it will come, and has what waited until then.
    fn command(&mut self) -> Option<Command> {
        if self
            .device
            .updates()
            .is_some_and(|updates| updates.is_to_restart())
        {
            return Some(Command::Update);
        }
        let reconnects = |renewals: &dyn Renewing| renewals.is_to_reconnect();
        if self.farewell.is_none() && self.device.renewals().is_some_and(reconnects) {
            return Some(Command::Reconnect);
        }
        let (sent, _) = self.farewell.as_ref()?;
        let drained = self.device.queue().is_empty() || sent.at.elapsed() >= DRAIN;
        if drained { self.promised() } else { None }
    }

    /// What the server commanded, if it knows that it will come.
    fn promised(&mut self) -> Option<Command> {
        let known = |(sent, _): &mut (Sent, Command)| self.connection.is_complete(&sent.op);
        self.farewell.take_if(known).map(|(_, command)| command)
    }

    /// Waits until something was received or acknowledged, or is to be sent. Returns an answer
    /// that is to be given.
    async fn wait(&mut self) -> Result<Option<Box<Answer>>, Failure<IO::Error>> {
        let queue = self.device.queue();
        let may_send = self.may_send();
        let (next_message, next_number) = (self.next_message, self.next_number());
        let samples_due = async {
            if !may_send {
                return core::future::pending().await;
            }
            if queue.at(next_number).is_none() {
                queue.arrival().await;
            }
            Timer::at(next_message).await;
        };
        let awaited = [
            self.subscribing.as_ref(),
            self.introduction.as_ref(),
            self.reporting.as_ref(),
            self.renewing.as_ref(),
            self.claiming.as_ref().map(|(sent, _)| sent),
            self.batches.front().map(|(sent, _)| sent),
            self.kept.as_ref().map(|(sent, _)| sent),
            self.farewell.as_ref().map(|(sent, _)| sent),
        ];
        let overdue = awaited.into_iter().flatten().map(|sent| sent.at);
        let overdue = overdue.chain(self.crowded).chain(self.stalled).min();
        let drained = match &self.farewell {
            Some((sent, _)) if sent.at.elapsed() < DRAIN => sent.at + DRAIN,
            _ => Instant::MAX,
        };
        let chunks = self.device.updates().map(|updates| updates.due());
        let kept = match self.may_send_kept() {
            true => self.next_message,
            false => Instant::MAX,
        };
        let next_step = kept
            .min(drained)
            .min(self.held_back.unwrap_or(Instant::MAX));
        let next_step = next_step.min(chunks.unwrap_or(Instant::MAX));
        let renewals = self.device.renewals().map(|renewals| renewals.due());
        let next_step = next_step.min(renewals.unwrap_or(Instant::MAX));
        let question = self.device.clock().filter(|_| self.told.is_some());
        let question = question.map(Clock::question_due);
        let next_step = next_step.min(question.unwrap_or(Instant::MAX));
        let (state, stage, device) = (self.state, self.stage(), self.device);
        // What is awaited comes after a message that is being passed over.
        let occupied = state.occupied.get();
        let overdue = async {
            match overdue.max(occupied.filter(|_| overdue.is_some())) {
                Some(since) => Timer::at(since + ACK_TIMEOUT).await,
                None => core::future::pending().await,
            }
        };
        let next_step = Timer::at(next_step);
        let outcome = device.errands().outcome();
        match select5(
            self.connection.poll(),
            samples_due,
            next_step,
            overdue,
            outcome,
        )
        .await
        {
            Either5::First(Ok(None)) | Either5::Second(()) | Either5::Third(()) => Ok(None),
            Either5::First(Ok(Some(message))) => Ok(inbound::take(
                device,
                self.certified,
                &mut self.wanted,
                self.pace,
                message.topic(),
                message.payload(),
                state.shortened.get(),
            )),
            Either5::First(Err(error)) => Err(Failure::from_minimq(error, state, stage)),
            Either5::Fourth(()) if state.occupied.get() > occupied => Ok(None),
            Either5::Fourth(()) => Err(Failure::Known(CloudError::Silent)),
            Either5::Fifth(Done::Answered(answer)) => Ok(Some(answer)),
            Either5::Fifth(Done::Set { key, refused }) => {
                self.wanted.note(key, refused);
                Ok(None)
            }
            Either5::Fifth(Done::Changed) => Ok(None),
        }
    }
}
