//! The life of one connection: CONNECT, the device behind it, its messages, its end.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::result_code::ConnectReasonCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::online::Online;
use super::packets::{Connect, Incoming, Replies};
use super::publish::Device;
use super::wire::Wire;
use super::{PATIENCE, admission};
use crate::event::Event;
use crate::hub::{Arrival, Hub, now_ms};
use crate::identity::Certificates;
use crate::limits::Cost;
use crate::store::{Admission, DeviceId};

/// Serves a connection to its end.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: String,
    certificates: Certificates,
    hub: Arc<Hub>,
    mut stop: watch::Receiver<bool>,
) {
    let mut wire = Wire::new(stream, hub.limits.max_payload);
    let introduced = tokio::select! {
        introduced = timeout(PATIENCE, introduction(&mut wire)) => introduced,
        _ = stop.changed() => return,
    };
    let (Ok(Some(connect)), Some(version)) = (introduced, wire.version()) else {
        log::debug!("{peer}: no CONNECT came");
        return wire.close().await;
    };
    let replies = Replies::new(version);
    match admission::admit(&hub, certificates, &connect).await {
        Ok(Ok(admission)) => {
            if let Err(limit) = hub.charge(admission.device, Cost::Message) {
                let device = admission.name;
                let topic = "CONNECT".to_owned();
                let reason = limit.clone();
                hub.emit(Event::Rejected {
                    device,
                    topic,
                    reason,
                });
                return refuse(wire, replies, ConnectReasonCode::ConnectionRateExceeded).await;
            }
            if let Some(wire) = accept(wire, replies, &connect).await {
                live(wire, replies, admission, hub, stop).await;
            }
        }
        Ok(Err((refusal, reason))) => {
            hub.emit(Event::Refused { peer, refusal });
            refuse(wire, replies, reason).await;
        }
        Err(error) => {
            log::error!("{peer}: {error}");
            refuse(wire, replies, ConnectReasonCode::ServerUnavailable).await;
        }
    }
}

/// Lets the client in; `None` if it has gone.
async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    replies: Replies,
    connect: &Connect,
) -> Option<Wire<S>> {
    // ThingsBoard says that the session is present whenever the client asks for its old one, and
    // yet keeps none (`MqttTransportHandler.createMqttConnAckMsg`): a device has to ask for a
    // clean start or subscribe again in any case. It is better to learn that here.
    wire.send(&replies.accept(!connect.clean).ok()?);
    wire.flush().await.is_ok().then_some(wire)
}

/// The device is online, until its connection ends.
async fn live<S: AsyncRead + AsyncWrite + Unpin>(
    wire: Wire<S>,
    replies: Replies,
    admission: Admission,
    hub: Arc<Hub>,
    stop: watch::Receiver<bool>,
) {
    let arrival = Arrival {
        name: admission.name.clone(),
        protocol: replies.protocol(),
    };
    let (session, commands) = hub.enter(admission.device, arrival);
    let device = Device {
        id: admission.device,
        name: admission.name.clone(),
        session,
        downloads: Arc::default(),
    };
    let _entered = Entered {
        hub: hub.clone(),
        device: device.id,
        session,
    };
    hub.emit(Event::Connected {
        device: admission.name,
        protocol: replies.protocol(),
    });

    let mut connection = Online::new(wire, replies, device.clone(), hub.clone());
    let end = connection.serve(commands, stop).await;
    connection.drain().await;
    let replaced = hub.leave(device.id, session);
    // The end of a session is a message too, and nobody is told if it is too much.
    let _ = hub.charge(device.id, Cost::Message);
    let id = device.id;
    hub.store.submit(move |db| db.seen(id, now_ms()));
    connection.close(&end).await;
    hub.emit(Event::Disconnected {
        device: device.name.clone(),
        clean: end.clean,
        reason: end.reason,
        replaced,
    });
}

/// Waits for the CONNECT; `None` if something else comes, or nothing.
async fn introduction<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Option<Connect> {
    loop {
        if let Some(packet) = wire.take() {
            return match packet {
                Incoming::Connect(connect) => Some(connect),
                _ => None,
            };
        }
        if wire.fault().is_some() || !matches!(wire.receive().await, Ok(true)) {
            return None;
        }
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    replies: Replies,
    reason: ConnectReasonCode,
) {
    if let Ok(packet) = replies.refuse(reason) {
        wire.send(&packet);
        wire.send_bytes(&replies.disconnect_after(reason));
    }
    wire.close().await;
}

/// Makes sure that a device does not stay online if its task fails.
struct Entered {
    hub: Arc<Hub>,
    device: DeviceId,
    session: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.hub.leave(self.device, self.session);
    }
}
