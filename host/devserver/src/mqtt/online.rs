//! A device that is online: its messages, subscriptions and commands.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, PubackReasonCode};
use thingsboard::{Topic, topic};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::in_flight::{InFlight, Settled, Work as InFlightWork, front};
use super::packets::{Incoming, Publish, Replies};
use super::publish::{Device, Work};
use super::wire::Wire;
use crate::event::Event;
use crate::hub::{Call, Command, Hub, Subscriptions, now_ms};
use crate::limits::Cost;
use crate::store::StoreError;

/// How many messages of one device may be on their way to the disk; the rest wait in its socket.
const IN_FLIGHT: usize = 64;

/// What a device subscribes to in order to be called.
const RPC: &str = topic::SUBSCRIBE_RPC_REQUESTS;

/// The topic filters that a device may subscribe to. ThingsBoard knows these by name too, and
/// no others (`MqttTransportHandler.processSubscribe`, thingsboard/thingsboard, commit
/// dfe65d5abc3aa959aaa853952d74943fbd6867bd); its gateway and short forms are not served here.
const FILTERS: [&str; 8] = [
    topic::ATTRIBUTES,
    topic::SUBSCRIBE_ATTRIBUTES_RESPONSES,
    RPC,
    topic::SUBSCRIBE_RPC_RESPONSES,
    topic::SUBSCRIBE_FIRMWARE,
    topic::FIRMWARE_ERROR,
    "v2/sw/response/+/chunk/+",
    "v2/sw/error",
];

/// A connection that was let in.
pub(super) struct Online<S> {
    wire: Wire<S>,
    replies: Replies,
    device: Device,
    hub: Arc<Hub>,
    /// In the order received, for that is the order of the acknowledgements.
    in_flight: VecDeque<InFlight>,
    filters: HashMap<String, Qos>,
}

/// How a connection ended.
pub(super) struct End {
    pub(super) clean: bool,
    cut: bool,
    pub(super) reason: String,
    /// What to tell a client of MQTT 5.
    disconnect: Option<DisconnectReasonCode>,
}

impl End {
    fn broken(reason: String) -> Self {
        Self {
            clean: false,
            cut: false,
            reason,
            disconnect: None,
        }
    }

    /// By command.
    fn closed(code: DisconnectReasonCode) -> Self {
        Self::by_server("the server ended the connection", code)
    }

    fn by_server(reason: &str, code: DisconnectReasonCode) -> Self {
        Self {
            disconnect: Some(code),
            ..Self::broken(reason.to_owned())
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Online<S> {
    pub(super) fn new(wire: Wire<S>, replies: Replies, device: Device, hub: Arc<Hub>) -> Self {
        Self {
            wire,
            replies,
            device,
            hub,
            in_flight: VecDeque::new(),
            filters: HashMap::new(),
        }
    }

    /// Takes what comes, until the connection has to end.
    pub(super) async fn serve(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
    ) -> End {
        loop {
            while let Some(packet) = self.wire.take() {
                if let Err(end) = self.incoming(packet) {
                    return end;
                }
            }
            if let Err(error) = self.wire.flush().await {
                return End::broken(format!("sending failed: {error}"));
            }
            if let Some(fault) = self.wire.fault() {
                // Whatever netty's codec cannot read, a packet that is too large among it.
                let reason = format!("the device broke the protocol: {fault:?}");
                return End::by_server(&reason, DisconnectReasonCode::MalformedPacket);
            }
            let silence_ends = self.wire.silence_ends();
            tokio::select! {
                received = self.wire.receive(), if self.in_flight.len() < IN_FLIGHT => match received {
                    Ok(true) => {}
                    Ok(false) => return End::broken("the device closed the connection without a word".to_owned()),
                    Err(error) => return End::broken(format!("the connection broke: {error}")),
                },
                (packet_id, work) = front(&mut self.in_flight) => {
                    if let Err(end) = self.settled(packet_id, work) {
                        return end;
                    }
                }
                command = commands.recv() => match command {
                    Some(Command::Publish { topic, payload, qos }) => self.publish(&topic, &payload, qos),
                    Some(Command::Cut) => {
                        return End { cut: true, ..End::broken("the server cut the connection".to_owned()) };
                    }
                    Some(Command::Close(code)) => return End::closed(code),
                    None => {
                        let code = DisconnectReasonCode::SessionTakenOver;
                        return End::by_server("the device connected again", code);
                    }
                },
                () = sleep_until(silence_ends) => {
                    let code = DisconnectReasonCode::MaximumConnectTime;
                    return End::by_server("the device was silent for ten minutes", code);
                }
                _ = stop.changed() => {
                    let code = DisconnectReasonCode::ServerShuttingDown;
                    return End::by_server("the server stops", code);
                }
            }
        }
    }

    fn incoming(&mut self, packet: Incoming) -> Result<(), End> {
        let reply = match packet {
            Incoming::Publish(message) => return self.received(message),
            Incoming::Subscribe { packet_id, filters } => {
                let asked: Vec<_> = filters.iter().map(|(filter, _)| filter.clone()).collect();
                let granted: Vec<_> = filters
                    .into_iter()
                    .map(|(filter, qos)| self.subscribe(filter, qos))
                    .collect();
                let calls = self.tell_subscriptions(asked.iter().any(|f| f == RPC));
                for (filter, _) in asked
                    .into_iter()
                    .zip(&granted)
                    .filter(|(_, qos)| qos.is_some())
                {
                    let device = self.device.name.clone();
                    self.hub.emit(Event::Subscribed { device, filter });
                }
                let suback = self.replies.suback(packet_id, &granted);
                if let Ok(packet) = suback {
                    self.wire.send(&packet);
                    self.call_again(calls);
                    return Ok(());
                }
                suback
            }
            Incoming::Unsubscribe { packet_id, filters } => {
                let existed: Vec<_> = filters
                    .iter()
                    .map(|filter| self.filters.remove(filter).is_some())
                    .collect();
                self.tell_subscriptions(false);
                self.replies.unsuback(packet_id, &existed)
            }
            Incoming::Ping => {
                self.hub.heard(self.device.id, now_ms());
                self.replies.pong()
            }
            Incoming::Ignored => return Ok(()),
            Incoming::Disconnect => {
                let code = DisconnectReasonCode::NormalDisconnection;
                return Err(End {
                    clean: true,
                    ..End::by_server("the device said goodbye", code)
                });
            }
            // ThingsBoard takes it for the first one.
            Incoming::Connect(connect) => self.replies.accept(!connect.clean),
        };
        match reply {
            Ok(packet) => {
                self.wire.send(&packet);
                Ok(())
            }
            Err(error) => Err(End::broken(format!(
                "a reply could not be built: {error:?}"
            ))),
        }
    }

    fn subscribe(&mut self, filter: String, qos: Qos) -> Option<Qos> {
        if !FILTERS.contains(&filter.as_str()) {
            let reason = "ThingsBoard has no such topic filter for devices".to_owned();
            self.reject(&filter, reason);
            return None;
        }
        let granted = if qos == Qos::AtMostOnce {
            qos
        } else {
            Qos::AtLeastOnce
        };
        self.filters.insert(filter, granted);
        Some(granted)
    }

    /// Tells what the device has subscribed to; the calls that wait come back if it has asked for
    /// calls in this moment.
    ///
    /// Where a limit has no room for it, ThingsBoard grants the subscription and sends nothing.
    fn tell_subscriptions(&self, for_calls: bool) -> Vec<Call> {
        if let Err(reason) = self.hub.charge(self.device.id, Cost::Message) {
            self.reject("SUBSCRIBE", reason);
            return Vec::new();
        }
        let of = |filter| self.filters.get(filter).copied();
        let now = Subscriptions {
            rpc: of(RPC),
            attributes: of(topic::ATTRIBUTES),
        };
        self.hub
            .subscribed(self.device.id, self.device.session, now, for_calls)
    }

    /// Sends calls that were not answered once more, as ThingsBoard does whenever a device
    /// subscribes to them (`DeviceActorMessageProcessor.sendPendingRequests`, thingsboard/thingsboard,
    /// commit dfe65d5abc3aa959aaa853952d74943fbd6867bd).
    fn call_again(&mut self, calls: Vec<Call>) {
        for Call { topic, payload } in calls {
            self.reply(&topic, &payload);
        }
    }

    fn received(&mut self, message: Publish) -> Result<(), End> {
        let Publish {
            topic,
            payload,
            packet_id,
        } = message;
        let work = match self.device.publish(&self.hub, &topic, payload) {
            Work::Store(stored) => InFlightWork::Storing(stored),
            Work::Done(reply) => InFlightWork::Settled(PubackReasonCode::Success, reply),
            Work::End(topic, payload, reason) => {
                self.reply(&topic, &payload);
                let code = DisconnectReasonCode::ImplementationSpecificError;
                return Err(End::by_server(reason, code));
            }
            Work::Ignore(reason) => {
                self.reject(&topic, reason);
                return Ok(());
            }
            Work::Cut(code, reason) => {
                self.reject(&topic, reason.clone());
                return Err(End::by_server(&reason, code));
            }
            Work::Refuse(code, reason) => {
                self.reject(&topic, reason);
                // `sendResponseForAdaptorErrorOrCloseContext`: only MQTT 5 has a word for it.
                let told = code == PubackReasonCode::TopicNameInvalid
                    || (self.replies.is_v5() && packet_id.is_some());
                if !told {
                    return Err(End::by_server(
                        "the device published something that is not ThingsBoard's format",
                        DisconnectReasonCode::PayloadFormatInvalid,
                    ));
                }
                InFlightWork::Settled(code, None)
            }
        };
        self.in_flight.push_back(InFlight { packet_id, work });
        Ok(())
    }

    fn settled(&mut self, packet_id: Option<u16>, work: Settled) -> Result<(), End> {
        let (code, reply) = match work {
            Err(settled) => settled,
            Ok(stored) => match self.device.settle(&self.hub, stored) {
                Ok(reply) => (PubackReasonCode::Success, reply),
                Err(StoreError::NoDevice) => {
                    return Err(End::closed(DisconnectReasonCode::AdministrativeAction));
                }
                // Not acknowledged, so the device sends it again.
                Err(error) => {
                    let code = DisconnectReasonCode::ImplementationSpecificError;
                    return Err(End::by_server(&format!("storing failed: {error}"), code));
                }
            },
        };
        if let Some(packet_id) = packet_id
            && let Ok(packet) = self.replies.puback(packet_id, code)
        {
            self.wire.send(&packet);
        }
        if let Some((topic, payload)) = reply {
            self.reply(&topic, &payload);
        }
        Ok(())
    }

    fn reject(&self, topic: &str, reason: String) {
        self.hub.emit(Event::Rejected {
            device: self.device.name.clone(),
            topic: topic.to_owned(),
            reason,
        });
    }

    /// Sends with the QoS that the device's subscription was granted, and 1 without one
    /// (`MqttDeviceAwareSessionContext.getQoSForTopic`, thingsboard/thingsboard, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd).
    fn reply(&mut self, topic: &Topic, payload: &[u8]) {
        let mut granted = self
            .filters
            .iter()
            .filter(|(filter, _)| covers(filter, topic));
        let qos = granted.next().map_or(Qos::AtLeastOnce, |(_, &qos)| qos);
        self.publish(topic, payload, qos);
    }

    /// Sends a message, however large: ThingsBoard ignores a client's Maximum Packet Size.
    fn publish(&mut self, topic: &Topic, payload: &[u8], qos: Qos) {
        let packet_id = (qos != Qos::AtMostOnce).then(|| self.wire.packet_id());
        match self.replies.publish(topic, payload, packet_id) {
            Ok(packet) => self.wire.send(&packet),
            Err(error) => {
                let device = &self.device.name;
                log::warn!("{device}: a message on {topic} could not be built: {error:?}");
            }
        }
    }

    /// Waits for what is on its way to the disk, so that it is told before the end is.
    pub(super) async fn drain(&mut self) {
        while !self.in_flight.is_empty() {
            let (packet_id, work) = front(&mut self.in_flight).await;
            if self.settled(packet_id, work).is_err() {
                break;
            }
        }
    }

    /// Tells the client of the end and closes the stream.
    pub(super) async fn close(mut self, end: &End) {
        if let Some(reason) = end.disconnect {
            self.wire.send_bytes(&self.replies.disconnect(reason));
        }
        if !end.cut {
            self.wire.close().await;
        }
    }
}

/// Whether a filter, one of [`FILTERS`], covers a topic.
fn covers(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    filter.split('/').all(|wanted| {
        let level = levels.next();
        level.is_some() && (wanted == "+" || level == Some(wanted))
    }) && levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_covers_topics_level_by_level() {
        for (filter, topic, expected) in [
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a//c", true),
            ("a/+/c", "a/b/d", false),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/b", "a/b", true),
        ] {
            assert_eq!(covers(filter, topic), expected, "{filter} {topic}");
        }
    }
}
