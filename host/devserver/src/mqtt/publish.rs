//! What a device publishes, and what becomes of it.

use mqtt_protocol_core::mqtt::result_code::PubackReasonCode;
use thingsboard::json::Object;
use thingsboard::{FromDevice, FromServer, Topic, rpc};

use crate::event::Event;
use crate::hub::{Hub, now_ms};
use crate::store::{DeviceId, Pending, Scope, StoreError};
use crate::value::{Datum, Record, parse_attributes, parse_telemetry};

/// How long a claim lasts if the device does not say, in milliseconds
/// (`SECURITY_CLAIM_DURATION` in `thingsboard.yml`).
const CLAIM_MS: i64 = 86_400_000;

/// What is to be done with a message.
pub(super) enum Work {
    /// It is being stored; acknowledge when that is done.
    Store(Pending<Done>),
    /// It is done; acknowledge, after sending a reply if there is one.
    Done(Option<(Topic, Vec<u8>)>),
    /// It is not acknowledged: after this message the connection ends.
    End(Topic, Vec<u8>, &'static str),
    /// It cannot be taken.
    Refuse(PubackReasonCode, String),
}

/// What was stored, to be told.
pub(super) enum Done {
    Telemetry(Vec<Record>),
    Attributes(Vec<(String, Datum)>),
    Claim {
        expires_ms: i64,
    },
    /// Not stored but read: a reply.
    Reply(Topic, Vec<u8>),
}

/// The device at the other end.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) name: String,
    /// Number of the connection.
    pub(super) session: u64,
    /// The largest packet that it takes, in bytes, if it said so.
    pub(super) largest: Option<usize>,
}

impl Device {
    /// Starts on a message.
    pub(super) fn publish(&self, hub: &Hub, topic: &str, payload: Vec<u8>) -> Work {
        let now = now_ms();
        hub.heard(self.id, now);
        let Some(kind) = FromDevice::parse(topic) else {
            let reason =
                "this server has no such topic; see its README for those it has".to_owned();
            return Work::Refuse(PubackReasonCode::TopicNameInvalid, reason);
        };
        let started = match kind {
            FromDevice::Telemetry => self.telemetry(hub, &payload, now),
            FromDevice::Attributes => self.attributes(hub, &payload, now),
            FromDevice::AttributesRequest(id) => {
                self.attributes_request(hub, &payload, FromServer::AttributesResponse(id).topic())
            }
            FromDevice::RpcResponse(id) => {
                hub.answered(self.id, &self.name, id, payload);
                Ok(Work::Done(None))
            }
            FromDevice::RpcRequest(id) => {
                self.rpc_request(hub, &payload, FromServer::RpcResponse(id).topic())
            }
            FromDevice::Claim => self.claim(hub, &payload, now),
            // As ThingsBoard answers if no firmware is assigned to the device
            // (`MqttTransportHandler.sendOtaPackageError`, thingsboard/thingsboard, commit
            // dfe65d5abc3aa959aaa853952d74943fbd6867bd).
            FromDevice::FirmwareRequest { .. } => Ok(Work::End(
                FromServer::FirmwareError.topic(),
                b"NOT_FOUND".to_vec(),
                "the device asked for firmware, and there is none",
            )),
        };
        started.unwrap_or_else(|error| Work::Refuse(PubackReasonCode::PayloadFormatInvalid, error))
    }

    fn telemetry(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, String> {
        let records = parse_telemetry(payload, now).map_err(|error| error.to_string())?;
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            db.seen(id, now)?;
            db.insert(id, &records)?;
            Ok(Done::Telemetry(records))
        })))
    }

    fn attributes(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, String> {
        let values = parse_attributes(payload).map_err(|error| error.to_string())?;
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            db.seen(id, now)?;
            db.set_attributes(id, Scope::Client, &values, now)?;
            Ok(Done::Attributes(values))
        })))
    }

    /// Source of which attributes are sent: thingsboard/thingsboard,
    /// `DeviceActorMessageProcessor.getAttributesKvEntries`, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd: no keys at all means all, keys of one scope
    /// mean none of the other.
    fn attributes_request(&self, hub: &Hub, payload: &[u8], topic: Topic) -> Result<Work, String> {
        let object = Object::parse(payload).map_err(|error| error.to_string())?;
        let keys = |name| -> Result<Vec<String>, String> {
            let Some(list) = object.get(name) else {
                return Ok(Vec::new());
            };
            let list = list
                .as_text()
                .ok_or_else(|| format!("\"{name}\" has to be text: keys with commas between"))?;
            Ok(list.to_string().split(',').map(str::to_owned).collect())
        };
        let (client, shared) = (keys("clientKeys")?, keys("sharedKeys")?);
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            let all = client.is_empty() && shared.is_empty();
            let mut response = serde_json::Map::new();
            for (name, scope, keys) in [
                ("client", Scope::Client, client),
                ("shared", Scope::Shared, shared),
            ] {
                let mut values = db.attributes(id, scope)?;
                values.retain(|(key, _)| all || keys.contains(key));
                if !values.is_empty() {
                    let values = values
                        .into_iter()
                        .map(|(key, value)| (key, serde_json::to_value(value).unwrap_or_default()));
                    response.insert(name.to_owned(), values.collect());
                }
            }
            let payload = serde_json::Value::Object(response).to_string().into_bytes();
            Ok(Done::Reply(topic, payload))
        })))
    }

    fn rpc_request(&self, hub: &Hub, payload: &[u8], topic: Topic) -> Result<Work, String> {
        let request = rpc::Request::parse(payload).map_err(|error| error.to_string())?;
        let method = request.method.to_string();
        let error = format!("this server has no rule engine, so nothing answers \"{method}\"");
        hub.emit(Event::RpcReceived {
            device: self.name.clone(),
            method,
        });
        let reply = serde_json::json!({ "error": error })
            .to_string()
            .into_bytes();
        Ok(Work::Done(Some((topic, reply))))
    }

    fn claim(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, String> {
        let (mut secret, mut duration_ms) = (String::new(), 0);
        if !payload.is_empty() {
            let object = Object::parse(payload).map_err(|error| error.to_string())?;
            if let Some(key) = object.get("secretKey") {
                secret = key
                    .as_text()
                    .ok_or("\"secretKey\" has to be text")?
                    .to_string();
            }
            if let Some(duration) = object.get("durationMs") {
                duration_ms = duration
                    .as_i64()
                    .ok_or("\"durationMs\" has to be a whole number")?;
            }
        }
        let duration_ms = if duration_ms > 0 {
            duration_ms
        } else {
            CLAIM_MS
        };
        let expires_ms = now.saturating_add(duration_ms);
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            db.seen(id, now)?;
            db.claim(id, &secret, expires_ms)?;
            Ok(Done::Claim { expires_ms })
        })))
    }

    /// Tells what was stored; a reply comes back, to be sent.
    pub(super) fn settle(
        &self,
        hub: &Hub,
        stored: Result<Done, StoreError>,
    ) -> Result<Option<(Topic, Vec<u8>)>, StoreError> {
        let device = self.name.clone();
        match stored? {
            Done::Telemetry(records) => hub.emit_telemetry(&device, records),
            Done::Attributes(values) => hub.emit(Event::ClientAttributes { device, values }),
            Done::Claim { expires_ms } => hub.emit(Event::Claimable { device, expires_ms }),
            Done::Reply(topic, payload) => return Ok(Some((topic, payload))),
        }
        Ok(None)
    }
}
