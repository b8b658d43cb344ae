//! What the server says: RPCs, and changes of the shared attributes.

use heapless::String;
use thingsboard::json::Json;
use thingsboard::{FromServer, RequestId, Value, attributes, rpc};

use super::Command;
use super::cut;
use super::device::Device;
use super::outbound::INTERVAL_ATTRIBUTE;
use crate::event::Event;
use crate::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS};

/// Room for the longest reply.
pub(super) const REPLY_BYTES: usize = 384;

/// An RPC that was carried out, or refused, with its reply.
pub(super) struct Answer {
    pub(super) id: RequestId,
    /// Its name, cut.
    pub(super) method: String<32>,
    /// Whether it was carried out.
    pub(super) ok: bool,
    /// The reply.
    pub(super) payload: [u8; REPLY_BYTES],
    pub(super) length: usize,
    /// What is to be done once the server has the reply.
    pub(super) command: Option<Command>,
}

/// Takes a message of the server. Returns an answer if it is a call.
pub(super) fn take<D: Device>(device: &D, topic: &str, payload: &[u8]) -> Option<Answer> {
    match FromServer::parse(topic) {
        Some(FromServer::RpcRequest(id)) => Some(answer(device, id, payload)),
        Some(FromServer::AttributesUpdate) => {
            match attributes::Update::parse(payload) {
                Ok(update) => set_interval(device, update.get(INTERVAL_ATTRIBUTE)),
                Err(error) => log::warn!("shared attributes: {error}"),
            }
            None
        }
        Some(FromServer::AttributesResponse(_)) => {
            match attributes::Response::parse(payload) {
                Ok(response) => {
                    let shared = response.shared;
                    set_interval(device, shared.and_then(|s| s.get(INTERVAL_ATTRIBUTE)));
                }
                Err(error) => log::warn!("shared attributes: {error}"),
            }
            None
        }
        _ => {
            log::debug!("nothing is expected on {topic}");
            None
        }
    }
}

/// Obeys the shared attribute, if it is there.
fn set_interval<D: Device>(device: &D, value: Option<Json<'_>>) {
    let Some(value) = value else { return };
    match interval(Some(value)) {
        Some(ms) => {
            if !device.change_interval(ms) {
                log::warn!("the interval could not be kept in flash; it holds until a restart");
            }
        }
        None => device.tell(&Event::IntervalRefused),
    }
}

fn interval(value: Option<Json<'_>>) -> Option<u32> {
    let ms = u32::try_from(value?.as_i64()?).ok()?;
    (LEAST_INTERVAL_MS..=MOST_INTERVAL_MS)
        .contains(&ms)
        .then_some(ms)
}

fn answer<D: Device>(device: &D, id: RequestId, payload: &[u8]) -> Answer {
    let mut answer = Answer {
        id,
        method: String::new(),
        ok: false,
        payload: [0; REPLY_BYTES],
        length: 0,
        command: None,
    };
    let request = match rpc::Request::parse(payload) {
        Ok(request) => request,
        Err(_) => {
            answer.refuse("the call is no JSON object with a method");
            return answer;
        }
    };
    answer.method = cut(request.method.chars());
    match request.method.as_plain() {
        Some("getStatus") => answer.status(device),
        Some("setInterval") => answer.set_interval(device, request.params),
        Some("reboot") => answer.command(Command::Restart),
        Some("factoryReset") => answer.command(Command::FactoryReset),
        _ => answer
            .refuse("unknown method: getStatus, setInterval, reboot and factoryReset are known"),
    }
    answer
}

impl Answer {
    fn status<D: Device>(&mut self, device: &D) {
        let identity = device.identity();
        let queue = device.queue();
        let heap = device.heap();
        let uptime_ms = device.uptime_ms();
        let int = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let values: heapless::Vec<(&str, Value<'_>), 12> = [
            ("ok", Some(true.into())),
            ("uptime_ms", Some(int(uptime_ms))),
            ("time_ms", device.stamp(uptime_ms).map(int)),
            ("telemetry_interval_ms", Some(device.interval_ms().into())),
            ("backlog", Some(int(queue.len() as u64))),
            ("dropped", Some(queue.dropped().into())),
            (
                "rssi",
                device.rssi_dbm().map(|rssi| Value::Int(rssi.into())),
            ),
            ("heap_free", heap.map(|heap| heap.free.into())),
            ("heap_least", heap.map(|heap| heap.least.into())),
            ("chip", Some(identity.chip.into())),
            ("firmware_version", Some(identity.firmware_version.into())),
            ("reset_reason", Some(device.reset_reason().name().into())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        self.reply(true, &values);
    }

    /// `params` is the number, or an object with `ms`.
    fn set_interval<D: Device>(&mut self, device: &D, params: Option<Json<'_>>) {
        let value = match params.and_then(Json::as_object) {
            Some(object) => object.get("ms"),
            None => params,
        };
        let Some(ms) = interval(value) else {
            return self.refuse("params: {\"ms\": a number from 100 to 3600000}");
        };
        let kept = device.change_interval(ms);
        self.reply(
            true,
            &[
                ("ok", true.into()),
                ("telemetry_interval_ms", ms.into()),
                ("kept", kept.into()),
            ],
        );
    }

    fn command(&mut self, command: Command) {
        self.command = Some(command);
        self.reply(true, &[("ok", true.into())]);
    }

    fn refuse(&mut self, error: &str) {
        self.reply(false, &[("ok", false.into()), ("error", error.into())]);
    }

    fn reply(&mut self, ok: bool, values: &[(&str, Value<'_>)]) {
        self.ok = ok;
        self.length = match rpc::write_response(&mut self.payload, Value::Object(values)) {
            Ok(written) => written.len(),
            // Only with very long names of chip and version; an empty reply is one, too.
            Err(_) => 0,
        };
    }
}
