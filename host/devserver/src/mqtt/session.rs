//! The life of one connection: CONNECT, the device behind it, its messages, its end.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::result_code::ConnectReasonCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::online::Online;
use super::packets::{self, Connect, Incoming, Replies, Will};
use super::publish::{Device, Work};
use super::wire::Wire;
use super::{PATIENCE, admission};
use crate::event::Event;
use crate::hub::{Arrival, Hub, now_ms};
use crate::identity::Certificates;
use crate::store::{Admission, DeviceId};

/// Serves a connection to its end.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: String,
    certificates: Certificates,
    hub: Arc<Hub>,
    mut stop: watch::Receiver<bool>,
) {
    let mut wire = Wire::new(stream);
    let introduced = tokio::select! {
        introduced = timeout(PATIENCE, introduction(&mut wire)) => introduced,
        _ = stop.changed() => return,
    };
    let Ok(Some(connect)) = introduced else {
        log::debug!("{peer}: no CONNECT came");
        return wire.close().await;
    };
    let replies = Replies::new(wire.version());
    match admission::admit(&hub, certificates, &connect).await {
        Ok(Ok(admission)) => {
            if let Some(wire) = accept(wire, replies, &connect, &admission.name).await {
                live(wire, replies, connect, admission, hub, stop).await;
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
    name: &str,
) -> Option<Wire<S>> {
    // ThingsBoard says that the session is present whenever the client asks for its old one, and
    // yet keeps none (`MqttTransportHandler.createMqttConnAckMsg`): a device has to ask for a
    // clean start or subscribe again in any case. It is better to learn that here.
    let assigned = connect.client_id.is_empty().then_some(name);
    let accepted = replies
        .accept(!connect.clean, assigned)
        .is_ok_and(|packet| wire.send(packet));
    (accepted && wire.flush().await.is_ok()).then_some(wire)
}

/// The device is online, until its connection ends.
async fn live<S: AsyncRead + AsyncWrite + Unpin>(
    wire: Wire<S>,
    replies: Replies,
    connect: Connect,
    admission: Admission,
    hub: Arc<Hub>,
    stop: watch::Receiver<bool>,
) {
    let arrival = Arrival {
        name: admission.name.clone(),
        protocol: replies.protocol(),
        largest: connect.largest,
    };
    let (session, commands) = hub.enter(admission.device, arrival);
    let device = Device {
        id: admission.device,
        name: admission.name.clone(),
        session,
        largest: connect.largest,
    };
    let _entered = Entered {
        hub: hub.clone(),
        device: device.id,
        session,
    };
    tell_arrival(&hub, admission, replies.protocol());

    let mut connection = Online::new(wire, replies, device.clone(), hub.clone());
    let end = connection.serve(commands, stop).await;
    connection.drain().await;
    let replaced = hub.leave(device.id, session);
    let id = device.id;
    hub.store.submit(move |db| db.seen(id, now_ms()));
    connection.close(&end).await;
    hub.emit(Event::Disconnected {
        device: device.name.clone(),
        clean: end.clean,
        reason: end.reason,
        replaced,
    });
    if let Some(will) = connect.will.filter(|_| end.will) {
        publish_will(&device, &hub, will).await;
    }
}

fn tell_arrival(hub: &Hub, admission: Admission, protocol: &'static str) {
    let Admission {
        name,
        created,
        replaced,
        ..
    } = admission;
    if created {
        let device = name.clone();
        hub.emit(Event::Created { device });
    }
    if replaced {
        let device = name.clone();
        hub.emit(Event::CertificateReplaced { device });
    }
    let device = name;
    hub.emit(Event::Connected { device, protocol });
}

/// Waits for the CONNECT; `None` if something else comes, or nothing.
async fn introduction<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Option<Connect> {
    loop {
        if let Some(packet) = wire.take() {
            return match packets::read(&packet) {
                Incoming::Connect(connect) => Some(connect),
                _ => None,
            };
        }
        if wire.closing().is_some() || !matches!(wire.receive().await, Ok(true)) {
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
        wire.send(packet);
    }
    wire.close().await;
}

async fn publish_will(device: &Device, hub: &Hub, will: Will) {
    let told = match device.publish(hub, &will.topic, will.payload) {
        Work::Store(stored) => device
            .settle(hub, stored.await)
            .map(drop)
            .map_err(|e| e.to_string()),
        Work::Done(_) | Work::End(..) => Ok(()),
        Work::Refuse(_, reason) => Err(reason),
    };
    if let Err(reason) = told {
        let (device, topic) = (device.name.clone(), will.topic);
        hub.emit(Event::Rejected {
            device,
            topic,
            reason: format!("the last will: {reason}"),
        });
    }
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
