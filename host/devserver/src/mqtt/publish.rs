//! What a device publishes, and what becomes of it.

use std::sync::{Arc, Mutex, PoisonError};

use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, PubackReasonCode};
use thingsboard::json::{Json, Object};
use thingsboard::{FromDevice, FromServer, RequestId, Topic, time};

use crate::event::Event;
use crate::firmware::Downloads;
use crate::hub::{Hub, now_ms};
use crate::lenient;
use crate::limits::Cost;
use crate::store::{DeviceId, Pending, Scope, StoreError};
use crate::value::{Datum, Record, parse_attributes, parse_telemetry};

/// How long a claim lasts if the device does not say, in milliseconds
/// (`SECURITY_CLAIM_DURATION` in `thingsboard.yml`).
const CLAIM_MS: i64 = 86_400_000;

/// What begins the topics that end in a number; with anything else there they are a format error.
const NUMBERED: [&str; 3] = [
    "v1/devices/me/attributes/request/",
    "v1/devices/me/rpc/request/",
    "v1/devices/me/rpc/response/",
];
/// Topics of gateways, of which ThingsBoard says nothing at all to a device that is none.
const GATEWAY: &str = "v1/gateway/";
/// What a device asks the server itself for, not its rules.
const SESSION_LIMITS: &str = thingsboard::limits::METHOD;

/// What is to be done with a message.
pub(super) enum Work {
    /// It is being stored; acknowledge when that is done.
    Store(Pending<Done>),
    /// It is done; acknowledge, then send the reply if there is one.
    Done(Option<(Topic, Vec<u8>)>),
    /// It is not acknowledged: after this message the connection ends.
    End(Topic, Vec<u8>, &'static str),
    /// It cannot be taken.
    Refuse(PubackReasonCode, String),
    /// It cannot be taken, and nothing is said of it.
    Ignore(String),
    /// It is too much or too strange: the connection ends with this code, and it is not acknowledged.
    Cut(DisconnectReasonCode, String),
}

/// Why a message is not taken.
enum Trouble {
    /// It is not ThingsBoard's format.
    Format(String),
    /// It is more than the device may send.
    Limit(String),
    /// ThingsBoard stumbles over it. Any exception that its handler does not expect ends in
    /// `MqttTransportHandler.exceptionCaught`, which says that the server shuts down.
    Stumble(&'static str),
    /// ThingsBoard never answers it.
    Silence(&'static str),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Format(reason)
    }
}

impl From<Trouble> for Work {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Format(reason) => Self::Refuse(PubackReasonCode::PayloadFormatInvalid, reason),
            Trouble::Limit(reason) => {
                Self::Cut(DisconnectReasonCode::ImplementationSpecificError, reason)
            }
            Trouble::Stumble(reason) => {
                Self::Cut(DisconnectReasonCode::ServerShuttingDown, reason.to_owned())
            }
            Trouble::Silence(reason) => Self::Ignore(reason.to_owned()),
        }
    }
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
    /// Nobody replies.
    Silence,
}

/// The device at the other end.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) name: String,
    /// Number of the connection.
    pub(super) session: u64,
    pub(super) downloads: Arc<Mutex<Downloads>>,
}

impl Device {
    /// Starts on a message.
    pub(super) fn publish(&self, hub: &Hub, topic: &str, payload: Vec<u8>) -> Work {
        let now = now_ms();
        hub.heard(self.id, now);
        let Some(kind) = FromDevice::parse(topic) else {
            if topic.starts_with(GATEWAY) {
                return Work::Ignore("this device is no gateway".to_owned());
            }
            if NUMBERED.iter().any(|prefix| topic.starts_with(prefix)) {
                return Trouble::Format("the topic has to end in a number".to_owned()).into();
            }
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
            FromDevice::RpcResponse(id) => self.charge(hub, Cost::Message).map(|()| {
                hub.answered(self.id, &self.name, id, payload);
                Work::Done(None)
            }),
            FromDevice::RpcRequest(id) => {
                self.rpc_request(hub, &payload, FromServer::RpcResponse(id).topic())
            }
            FromDevice::Claim => self.claim(hub, &payload, now),
            FromDevice::FirmwareRequest { request, chunk } => {
                self.firmware(hub, &payload, request, chunk)
            }
        };
        started.unwrap_or_else(Work::from)
    }

    fn charge(&self, hub: &Hub, cost: Cost) -> Result<(), Trouble> {
        hub.charge(self.id, cost).map_err(Trouble::Limit)
    }

    fn telemetry(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, Trouble> {
        let json = json(payload)?;
        let records = parse_telemetry(json.as_bytes(), now).map_err(|error| error.to_string())?;
        let points = records.iter().map(|record| record.values.len()).sum();
        self.charge(hub, Cost::DataPoints(points))?;
        if records.is_empty() {
            return Err(Trouble::Silence("ThingsBoard never answers an empty list"));
        }
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            db.seen(id, now)?;
            db.insert(id, &records)?;
            Ok(Done::Telemetry(records))
        })))
    }

    fn attributes(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, Trouble> {
        let json = json(payload)?;
        let values = parse_attributes(json.as_bytes()).map_err(|error| error.to_string())?;
        self.charge(hub, Cost::DataPoints(values.len()))?;
        let id = self.id;
        Ok(Work::Store(hub.store.submit(move |db| {
            db.seen(id, now)?;
            db.set_attributes(id, Scope::Client, &values, now)?;
            Ok(Done::Attributes(values))
        })))
    }

    /// As ThingsBoard answers (`MqttTransportHandler.getOtaPackageCallback`, thingsboard/thingsboard, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd).
    fn firmware(
        &self,
        hub: &Hub,
        payload: &[u8],
        request: RequestId,
        chunk: u32,
    ) -> Result<Work, Trouble> {
        let size = String::from_utf8_lossy(payload);
        let size = if size.is_empty() {
            Ok(0)
        } else {
            size.parse::<i32>()
        };
        let size = size.map_err(|_| Trouble::Stumble("the size of a chunk has to be a number"))?;
        let request_number = request.number();
        let mut downloads = self
            .downloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let size = downloads.size(request_number, usize::try_from(size).unwrap_or(0));
        let end = |error: &[u8], reason| {
            let topic = FromServer::FirmwareError.topic();
            Ok(Work::End(topic, error.to_vec(), reason))
        };
        if size > hub.limits.max_payload as usize {
            let reason = "the device asked for larger chunks than a payload may be";
            return end(b"PAYLOAD_TOO_LARGE", reason);
        }
        self.charge(hub, Cost::Message)?;
        match downloads.chunk(hub, self.id, request_number, chunk) {
            Some(bytes) => {
                let topic = FromServer::FirmwareChunk { request, chunk }.topic();
                Ok(Work::Done(Some((topic, bytes))))
            }
            None => {
                let reason = "the device asked for firmware, and there is none";
                end(b"NOT_FOUND", reason)
            }
        }
    }

    /// Source of which attributes are sent: thingsboard/thingsboard,
    /// `DeviceActorMessageProcessor.getAttributesKvEntries`, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd: no keys at all means all, keys of one scope
    /// mean none of the other.
    fn attributes_request(&self, hub: &Hub, payload: &[u8], topic: Topic) -> Result<Work, Trouble> {
        let json = json(payload)?;
        let object = Object::parse(json.as_bytes()).map_err(|error| error.to_string())?;
        let keys = |name| -> Result<Vec<String>, String> {
            let Some(list) = object.get(name) else {
                return Ok(Vec::new());
            };
            let list = as_string(list)
                .ok_or_else(|| format!("\"{name}\" has to be text: keys with commas between"))?;
            let list = list.trim_end_matches(',');
            Ok(list.split(',').map(str::to_owned).collect())
        };
        let (client, shared) = (keys("clientKeys")?, keys("sharedKeys")?);
        self.charge(hub, Cost::Message)?;
        if client.iter().chain(&shared).any(String::is_empty) {
            hub.emit(Event::Rejected {
                device: self.name.clone(),
                topic: topic.to_string(),
                reason: "ThingsBoard never answers a request with an empty key".to_owned(),
            });
            return Ok(Work::Done(None));
        }
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

    fn rpc_request(&self, hub: &Hub, payload: &[u8], topic: Topic) -> Result<Work, Trouble> {
        let json = json(payload)?;
        let object = Object::parse(json.as_bytes()).map_err(|error| error.to_string())?;
        let method = object.get("method").and_then(as_string);
        let method = method.ok_or(Trouble::Stumble("a call has to have a \"method\""))?;
        if method != SESSION_LIMITS {
            self.charge(hub, Cost::Message)?;
        }
        let device = self.name.clone();
        let work = match method.as_str() {
            SESSION_LIMITS => {
                Work::Done(Some((topic, hub.limits.answer().to_string().into_bytes())))
            }
            time::METHOD => self.time_request(hub, topic),
            _ => Work::Done(None),
        };
        hub.emit(Event::RpcReceived { device, method });
        Ok(work)
    }

    /// What the device's rule chain replies to the question for the time. Where there is no reply, ThingsBoard says so a
    /// minute later (`transport.client_side_rpc.timeout`), which this server does not.
    fn time_request(&self, hub: &Hub, topic: Topic) -> Work {
        let reply = move |unix_ms: i64| (topic, unix_ms.to_string().into_bytes());
        if let Some(unix_ms) = hub.clock_ms() {
            return Work::Done(Some(reply(unix_ms)));
        }
        let id = self.id;
        Work::Store(hub.store.submit(move |db| {
            if !db.tells_time(id)? {
                return Ok(Done::Silence);
            }
            let (topic, payload) = reply(now_ms());
            Ok(Done::Reply(topic, payload))
        }))
    }

    fn claim(&self, hub: &Hub, payload: &[u8], now: i64) -> Result<Work, Trouble> {
        let (mut secret, mut duration_ms) = (String::new(), 0);
        if !payload.is_empty() {
            let json = json(payload)?;
            let object = Object::parse(json.as_bytes()).map_err(|error| error.to_string())?;
            if let Some(key) = object.get("secretKey") {
                secret = as_string(key).ok_or(Trouble::Stumble("\"secretKey\" has to be text"))?;
            }
            if let Some(duration) = object.get("durationMs") {
                let number = duration
                    .as_i64()
                    .or_else(|| as_string(duration)?.parse().ok());
                let fault = Trouble::Stumble("\"durationMs\" has to be a whole number");
                duration_ms = number.ok_or(fault)?;
            }
        }
        self.charge(hub, Cost::Message)?;
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
            Done::Silence => {}
        }
        Ok(None)
    }
}

/// A payload as JSON.
fn json(payload: &[u8]) -> Result<std::borrow::Cow<'_, str>, String> {
    let fault = || match Json::parse(payload) {
        Err(error) => error.to_string(),
        Ok(_) => "this is no JSON".to_owned(),
    };
    lenient::json(payload).ok_or_else(fault)
}

/// A value as Gson's `getAsString` makes it text: a list of one is taken for what is in it.
fn as_string(json: Json<'_>) -> Option<String> {
    let mut json = json;
    while let Some(mut elements) = json.as_array() {
        match (elements.next(), elements.next()) {
            (Some(only), None) => json = only,
            _ => return None,
        }
    }
    match json.as_text() {
        Some(text) => Some(text.to_string()),
        None if json.is_null() || json.as_object().is_some() => None,
        None => Some(json.as_raw().to_owned()),
    }
}
