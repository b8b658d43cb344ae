//! Calls to devices, and who waits for their answers.

use std::collections::HashMap;
use std::time::Duration;

use mqtt_protocol_core::mqtt::packet::Qos;
use serde_json::value::RawValue;
use thingsboard::json::Json;
use thingsboard::{FromServer, RequestId, Topic};
use tokio::sync::oneshot;

use super::{Command, Hub, Live};
use crate::error::CallError;
use crate::event::Event;
use crate::store::{DeviceId, StoreError};

/// The calls to all devices.
#[derive(Default)]
pub(super) struct Calls {
    /// Those that wait for an answer. The numbers are the device's, not the connection's: as with
    /// ThingsBoard it may answer after it has connected anew.
    waiting: HashMap<(DeviceId, RequestId), Unanswered>,
    /// The server stops: no call waits any more.
    stopping: bool,
    next: HashMap<DeviceId, u32>,
}

/// A call that waits for its answer, or to be sent.
struct Unanswered {
    caller: Caller,
    call: Call,
    /// It has no answer: it is done when it is sent.
    one_way: bool,
    /// In the order of the calls.
    number: u32,
}

/// A call as it is sent.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) topic: Topic,
    pub(crate) payload: Vec<u8>,
}

/// Where the answer goes.
type Caller = oneshot::Sender<Result<Vec<u8>, CallError>>;

/// Takes a call out of those that wait, also if whoever waits for it has gone.
struct Waiting<'a> {
    hub: &'a Hub,
    call: (DeviceId, RequestId),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hub.live().calls.waiting.remove(&self.call);
    }
}

impl Calls {
    /// Fails the calls to a device that was deleted.
    pub(super) fn forget(&mut self, device: DeviceId) {
        self.next.remove(&device);
        let calls = self.waiting.extract_if(|(of, _), _| *of == device);
        for (_, unanswered) in calls {
            let _ = unanswered.caller.send(Err(CallError::NoSuchDevice));
        }
    }
}

impl Call {
    fn command(self, qos: Qos) -> Command {
        let Self { topic, payload } = self;
        Command::Publish {
            topic,
            payload,
            qos,
        }
    }
}

impl Live {
    /// The calls to a device that have no answer yet, oldest first, to be sent now.
    pub(super) fn unanswered(&mut self, device: DeviceId) -> Vec<Call> {
        let waiting = self.calls.waiting.iter();
        let mut waiting: Vec<_> = waiting.filter(|((of, _), _)| *of == device).collect();
        waiting.sort_by_key(|(_, unanswered)| unanswered.number);
        let calls = waiting.into_iter();
        let calls = calls
            .map(|(_, unanswered)| unanswered.call.clone())
            .collect();
        let waiting = &mut self.calls.waiting;
        let sent = waiting.extract_if(|(of, _), call| *of == device && call.one_way);
        for (_, unanswered) in sent {
            // Whoever made it may have given up in this moment.
            let _ = unanswered.caller.send(Ok(Vec::new()));
        }
        calls
    }

    /// Why a call was not answered in its time.
    fn blame(&self, device: DeviceId) -> CallError {
        match self.sessions.get(&device).map(|session| session.rpc) {
            None => CallError::Offline,
            Some(None) => CallError::NotSubscribed,
            Some(Some(_)) => CallError::Timeout,
        }
    }
}

impl Hub {
    /// Calls a device, and waits for its answer or, if it is called one way, until the call is sent.
    ///
    /// A device that is not there, or does not listen, may come within this time, as with ThingsBoard.
    pub(crate) async fn call(
        &self,
        name: &str,
        method: &str,
        params: &str,
        wait: Duration,
        one_way: bool,
    ) -> Result<Option<Box<RawValue>>, CallError> {
        let device = self.device(name).await?;
        let method_json = serde_json::to_string(method).unwrap_or_default();
        let payload = format!("{{\"method\":{method_json},\"params\":{params}}}").into_bytes();
        let (caller, received) = oneshot::channel();
        let id = self.send(device, payload, caller, one_way)?;
        let call = (device, id);
        let _waiting = Waiting { hub: self, call };
        let sent = Event::RpcSent {
            device: name.to_owned(),
            id: id.number(),
            method: method.to_owned(),
        };
        self.emit(sent);
        let answer = match tokio::time::timeout(wait, received).await {
            Err(_) => return Err(self.live().blame(device)),
            Ok(Err(_)) => return Err(StoreError::Closed.into()),
            Ok(Ok(payload)) => payload?,
        };
        if one_way {
            return Ok(None);
        }
        // An empty answer is none, and no mistake.
        let answer = if answer.is_empty() {
            b"null"
        } else {
            answer.as_slice()
        };
        Ok(Some(json_of(answer).ok_or(CallError::NotJson)?))
    }

    /// Sends a call on its way, now or when the device next asks for calls, and notes who waits.
    fn send(
        &self,
        device: DeviceId,
        payload: Vec<u8>,
        caller: Caller,
        one_way: bool,
    ) -> Result<RequestId, CallError> {
        let mut live = self.live();
        if live.calls.stopping {
            return Err(StoreError::Closed.into());
        }
        let next = live.calls.next.entry(device).or_default();
        let number = *next;
        *next = number.wrapping_add(1);
        let id = RequestId::wrapping(number);
        let topic = FromServer::RpcRequest(id).topic();
        let call = Call { topic, payload };
        let session = live.sessions.get(&device);
        let sent = match session.and_then(|session| Some((session, session.rpc?))) {
            // If its queue is full the device is as good as gone.
            Some((session, qos)) => {
                let queued = session.commands.try_send(call.clone().command(qos));
                queued.map_err(|_| CallError::Offline)?;
                true
            }
            None => false,
        };
        if sent && one_way {
            // It is waited for right now.
            let _ = caller.send(Ok(Vec::new()));
        } else {
            let unanswered = Unanswered {
                caller,
                call,
                one_way,
                number,
            };
            live.calls.waiting.insert((device, id), unanswered);
        }
        Ok(id)
    }

    /// Fails the calls that wait for an answer, for the server stops.
    pub(crate) fn end_calls(&self) {
        let mut live = self.live();
        live.calls.stopping = true;
        live.calls.waiting.clear();
    }

    /// Takes the answer to a call.
    pub(crate) fn answered(&self, device: DeviceId, name: &str, id: RequestId, payload: Vec<u8>) {
        let waiting = self.live().calls.waiting.remove(&(device, id));
        let answer = json_of(&payload);
        self.emit(Event::RpcAnswered {
            device: name.to_owned(),
            id: id.number(),
            answer,
        });
        if let Some(waiting) = waiting {
            // The caller may have given up in this moment.
            let _ = waiting.caller.send(Ok(payload));
        }
    }
}

fn json_of(payload: &[u8]) -> Option<Box<RawValue>> {
    let json = Json::parse(payload).ok()?;
    RawValue::from_string(json.as_raw().to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assigned::Assigned;
    use crate::config::Database;
    use crate::hub::{Arrival, Subscriptions};
    use crate::limits::Limits;
    use crate::store::{Place, Store};

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_any_more_is_forgotten() {
        let store = Store::open(&Database::Memory, Place::Thread).unwrap();
        let firmware = store.submit(Assigned::load).await.unwrap();
        let hub = Hub::new(store, Vec::new(), firmware, Limits::default());
        let made = hub
            .store
            .submit(|db| db.create_with_token("bench", "token", 0));
        assert!(made.await.unwrap());
        let device = hub.device("bench").await.unwrap();
        let arrival = Arrival {
            name: "bench".to_owned(),
            protocol: "MQTT 5",
        };
        let (number, mut commands) = hub.enter(device, arrival);
        let rpc = Some(Qos::AtLeastOnce);
        let attributes = None;
        hub.subscribed(device, number, Subscriptions { rpc, attributes }, true);
        let wait = Duration::from_secs(300);
        tokio::select! {
            answer = hub.call("bench", "getStatus", "null", wait, false) => panic!("{answer:?}"),
            command = commands.recv() => assert!(command.is_some()),
        }
        assert!(hub.live().calls.waiting.is_empty());
        hub.store.close();
    }
}
