//! What the server says: RPCs, and changes of the shared attributes.

use alloc::boxed::Box;
use core::fmt::{self, Write};

use embassy_time::Instant;
use heapless::String;
use thingsboard::json::{Json, Object};
use thingsboard::limits::SessionLimits;
use thingsboard::{FromServer, RequestId, Value, attributes, rpc, time};

use super::certified::Certified;
use super::cut;
use super::device::Device;
use super::most_packet;
use super::pace::Pace;
use crate::errands::{Answer, Command, Errand, REPLY_BYTES};
use crate::event::Event;
use crate::firmware::Updating;
use crate::renewal::{ASKED, NOTICES, Renewing};
use crate::settings::{INTERVAL_ATTRIBUTE, LEAST_INTERVAL_MS, MOST_INTERVAL_MS};

/// The number of the call that asks for the server's limits; there is only one in a connection.
pub(super) const LIMITS_CALL: RequestId = RequestId::wrapping(1);
/// The number of the call that asks for the time; there is only one at a time.
pub(super) const TIME_CALL: RequestId = RequestId::wrapping(2);

/// What the server wants of the device, as far as it told on this connection.
#[derive(Default)]
pub(super) struct Wanted {
    shared_interval: SharedInterval,
    /// Whether shared attributes were told while the product was busy with others.
    pub(super) missed: bool,
    /// The last thing that it wanted and cannot have.
    pub(super) refused: Option<Refused>,
    /// Whether it has no chunk that was asked for: then it ends the connection.
    pub(super) no_chunks: bool,
}

impl Wanted {
    /// Takes note of what came of a shared attribute of the product.
    pub(super) fn note(&mut self, key: &'static str, refused: Option<product::Refused>) {
        match refused {
            Some(why) => self.refused = Some(Refused::Attribute { key, why }),
            None => {
                let of_key = |refused: &mut Refused| match refused {
                    Refused::Attribute { key: of, .. } => *of == key,
                    _ => false,
                };
                self.refused.take_if(of_key);
            }
        }
    }
}

/// The shared attribute that sets the telemetry interval.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum SharedInterval {
    /// The server has not answered yet.
    #[default]
    Unknown,
    /// It is not set, or to no interval.
    Absent,
    /// Its milliseconds.
    Set(u32),
}

/// Something that the server wanted and cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A telemetry interval that is none.
    Interval,
    /// A shared attribute of the product.
    Attribute {
        /// Its key.
        key: &'static str,
        /// Why.
        why: product::Refused,
    },
    /// A message that is larger than the device takes.
    TooLarge {
        /// How large the packet was.
        bytes: u32,
        /// The largest that the device takes.
        most: u32,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval => write!(
                f,
                "{INTERVAL_ATTRIBUTE}: set a number from {LEAST_INTERVAL_MS} to {MOST_INTERVAL_MS}"
            ),
            Self::Attribute { key, why } => write!(f, "{key}: {why}"),
            Self::TooLarge { bytes, most } => {
                write!(f, "a message of {bytes} bytes: this device takes {most}")
            }
        }
    }
}

/// Takes a message of the server, of which only the topic is left if it was `shortened` from so
/// many bytes. Returns an answer if it is a call.
pub(super) fn take<D: Device>(
    device: &D,
    certified: Certified<'_>,
    wanted: &mut Wanted,
    pace: &mut Pace,
    topic: &str,
    payload: &[u8],
    shortened: Option<u32>,
) -> Option<Box<Answer>> {
    let from = FromServer::parse(topic);
    if let Some(bytes) = shortened {
        let most = most_packet(device);
        device.tell(&Event::MessageSkipped { bytes, most });
        if let Some(FromServer::RpcRequest(id)) = from {
            return Some(Answer::too_large(id, bytes, most).into());
        }
        if let (Some(FromServer::AttributesResponse(id)), Some(renewals)) =
            (from, device.renewals())
        {
            renewals.piece_too_large(id);
        }
        wanted.refused = Some(Refused::TooLarge { bytes, most });
        return None;
    }
    match from {
        Some(FromServer::RpcRequest(id)) => answer(device, certified, wanted, id, payload),
        Some(FromServer::AttributesUpdate) => {
            match attributes::Update::parse(payload) {
                Ok(update) => {
                    if update.deleted().any(|name| name == *INTERVAL_ATTRIBUTE) {
                        wanted.shared_interval = SharedInterval::Absent;
                    }
                    set_interval(device, wanted, update.get(INTERVAL_ATTRIBUTE));
                    give_shared(device, wanted, update.as_json().as_raw(), false);
                    let gone = update.deleted().any(|name| name == *"fw_title");
                    offer(device, |updates| match gone {
                        true => updates.withdrawn(),
                        false => updates.shared(Object::parse(payload).ok(), false),
                    });
                    if let Some(renewals) = device.renewals() {
                        let deleted = |key: &&&str| update.deleted().any(|gone| gone == ***key);
                        for key in NOTICES.iter().filter(deleted) {
                            renewals.deleted(key);
                        }
                        let known = certified.known(device);
                        let shared = Object::parse(payload).ok();
                        if let Some(event) = renewals.shared(shared, false, &known) {
                            device.tell(&event);
                        }
                    }
                }
                Err(error) => log::warn!("shared attributes: {error}"),
            }
            None
        }
        Some(FromServer::AttributesResponse(id)) => {
            match attributes::Response::parse(payload) {
                Ok(response)
                    if device
                        .renewals()
                        .is_some_and(|renewals| renewals.piece(id, response.shared)) => {}
                Ok(response) => {
                    wanted.shared_interval = SharedInterval::Absent;
                    let shared = response.shared;
                    let value = shared.and_then(|s| s.get(INTERVAL_ATTRIBUTE));
                    set_interval(device, wanted, value);
                    let all = shared.map_or("{}", |shared| shared.as_json().as_raw());
                    give_shared(device, wanted, all, true);
                    offer(device, |updates| updates.shared(shared, true));
                    if let Some(renewals) = device.renewals() {
                        let known = certified.known(device);
                        if let Some(event) = renewals.shared(shared, true, &known) {
                            device.tell(&event);
                        }
                    }
                }
                Err(error) => log::warn!("shared attributes: {error}"),
            }
            None
        }
        Some(FromServer::RpcResponse(id)) if id == LIMITS_CALL => {
            match SessionLimits::parse(payload) {
                Ok(limits) => {
                    pace.learn(limits, Instant::now());
                    if let (Some(updates), Some(most)) = (device.updates(), limits.max_payload_size)
                    {
                        updates.limit(most);
                    }
                }
                Err(error) => log::warn!("the server's limits: {error}"),
            }
            None
        }
        // Where nobody answers it, comes an error that says so, a minute later: nothing to tell of.
        Some(FromServer::RpcResponse(id)) if id == TIME_CALL => {
            if let Some(unix_ms) = time::parse(payload) {
                device.hear_time(unix_ms);
            }
            None
        }
        Some(FromServer::FirmwareChunk { request, chunk }) => {
            offer(device, |updates| updates.chunk(request, chunk, payload));
            None
        }
        Some(FromServer::FirmwareError) => {
            let word = core::str::from_utf8(payload).unwrap_or_default();
            wanted.no_chunks = true;
            offer(device, |updates| updates.no_chunks(word));
            None
        }
        _ => {
            log::debug!("nothing is expected on {topic}");
            None
        }
    }
}

/// Tells the updates something, where there are any.
fn offer<D: Device>(device: &D, tell: impl FnOnce(&dyn Updating) -> Option<Event>) {
    if let Some(event) = device.updates().and_then(tell) {
        device.tell(&event);
    }
}

/// Obeys the shared attribute, if it is there.
fn set_interval<D: Device>(device: &D, wanted: &mut Wanted, value: Option<Json<'_>>) {
    let Some(value) = value else { return };
    match interval(Some(value)) {
        Some(ms) => {
            wanted.shared_interval = SharedInterval::Set(ms);
            wanted
                .refused
                .take_if(|refused| *refused == Refused::Interval);
            if !device.change_interval(ms) {
                log::warn!("the interval could not be kept in flash; it holds until a restart");
            }
        }
        None => {
            wanted.shared_interval = SharedInterval::Absent;
            wanted.refused = Some(Refused::Interval);
            device.tell(&Event::IntervalRefused);
        }
    }
}

fn interval(value: Option<Json<'_>>) -> Option<u32> {
    let ms = u32::try_from(value?.as_i64()?).ok()?;
    (LEAST_INTERVAL_MS..=MOST_INTERVAL_MS)
        .contains(&ms)
        .then_some(ms)
}

fn answer<D: Device>(
    device: &D,
    certified: Certified<'_>,
    wanted: &Wanted,
    id: RequestId,
    payload: &[u8],
) -> Option<Box<Answer>> {
    let mut answer = Box::new(Answer::to(id));
    let request = match rpc::Request::parse(payload) {
        Ok(request) => request,
        Err(_) => {
            answer.refuse("the call is no JSON object with a method");
            return Some(answer);
        }
    };
    answer.method = cut(request.method.chars());
    match request.method.as_plain() {
        Some("getStatus") => answer.status(device),
        Some("setInterval") => answer.set_interval(device, wanted, request.params),
        Some(ASKED) => match device.renewals() {
            Some(renewals) => answer.renew(device, renewals, certified),
            None => answer.refuse("this firmware was built without renewal"),
        },
        Some("reboot") => answer.command(Command::Restart),
        Some("factoryReset") => answer.command(Command::FactoryReset),
        method => match method.and_then(|name| device.product().method(name)) {
            Some(method) => return ask(device, answer, method, request.params),
            None => answer.refuse(&unknown(device)),
        },
    }
    Some(answer)
}

/// Has the product carry out a call. Returns the answer if it cannot now.
fn ask<D: Device>(
    device: &D,
    answer: Box<Answer>,
    method: &'static str,
    params: Option<Json<'_>>,
) -> Option<Box<Answer>> {
    let errand = Errand::Call {
        answer,
        method,
        params: params.map(|params| params.as_raw().into()),
        connection: device.errands().connection(),
    };
    match device.errands().give(errand) {
        Err(Errand::Call { mut answer, .. }) => {
            answer.refuse("the device is busy with other calls: call again");
            Some(answer)
        }
        _ => None,
    }
}

/// Says which calls are known.
fn unknown<D: Device>(device: &D) -> String<320> {
    let mut error = String::new();
    // What does not fit is cut.
    let _ = error.push_str("unknown method: ");
    device.product().methods(&mut |method| {
        let _ = write!(error, "{method}, ");
    });
    let _ = error.push_str("getStatus, setInterval, ");
    if device.renewals().is_some() {
        let _ = write!(error, "{ASKED}, ");
    }
    let _ = error.push_str("reboot and factoryReset are known");
    error
}

/// Has the product set shared attributes, if it has some.
fn give_shared<D: Device>(device: &D, wanted: &mut Wanted, json: &str, all: bool) {
    let mut any = false;
    device.product().shared(&mut |_, _| any = true);
    if !any {
        return;
    }
    let json = json.into();
    let given = device.errands().give(Errand::Shared { json, all });
    wanted.missed |= given.is_err();
}

impl Answer {
    fn to(id: RequestId) -> Self {
        Self {
            id,
            method: String::new(),
            ok: false,
            payload: [0; REPLY_BYTES],
            length: 0,
            command: None,
        }
    }

    /// To a call of which nothing is left but its number.
    fn too_large(id: RequestId, bytes: u32, most: u32) -> Self {
        let mut answer = Self::to(id);
        answer.method = cut("?".chars());
        let mut error = String::<96>::new();
        // It fits with ten digits.
        let _ = write!(
            error,
            "the call has {bytes} bytes, and this device takes {most}: shorten its params"
        );
        answer.refuse(&error);
        answer
    }

    fn status<D: Device>(&mut self, device: &D) {
        let identity = device.identity();
        let queue = device.queue();
        let heap = device.heap();
        let uptime_ms = device.uptime_ms();
        let int = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let values: heapless::Vec<(&str, Value<'_>), 13> = [
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
            ("heap_largest", device.heap_largest().map(Value::from)),
            ("chip", Some(identity.chip.into())),
            ("firmware_version", Some(device.product().version.into())),
            ("reset_reason", Some(device.reset_reason().name().into())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        self.reply(true, &values);
    }

    /// `params` is the number, or an object with `ms`. The reply says how long it holds: the shared
    /// attribute is asked for on each connection, and obeyed.
    fn set_interval<D: Device>(&mut self, device: &D, wanted: &Wanted, params: Option<Json<'_>>) {
        let value = match params.and_then(Json::as_object) {
            Some(object) => object.get("ms"),
            None => params,
        };
        let Some(ms) = interval(value) else {
            return self.refuse("params: {\"ms\": a number from 100 to 3600000}");
        };
        let in_flash = device.change_interval(ms);
        let mut until = String::<128>::new();
        let kept = match wanted.shared_interval {
            SharedInterval::Set(shared) if shared != ms => {
                // It fits with seven digits.
                let _ = write!(
                    until,
                    "the next connection: then the shared attribute {INTERVAL_ATTRIBUTE} holds \
                     again, which is {shared}"
                );
                false
            }
            SharedInterval::Unknown => {
                let _ = write!(
                    until,
                    "the server tells a shared attribute {INTERVAL_ATTRIBUTE}, which it has not yet"
                );
                in_flash
            }
            _ => in_flash,
        };
        let values: heapless::Vec<(&str, Value<'_>), 4> = [
            ("ok", Some(true.into())),
            ("telemetry_interval_ms", Some(ms.into())),
            ("kept", Some(kept.into())),
            ("until", (!until.is_empty()).then(|| until.as_str().into())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        self.reply(true, &values);
    }

    /// Begins a renewal, or tells how the one is that has begun.
    fn renew<D: Device>(&mut self, device: &D, renewals: &dyn Renewing, certified: Certified<'_>) {
        let (event, answer) = renewals.ask(&certified.known(device));
        if let Some(event) = event {
            device.tell(&event);
        }
        match answer {
            Ok(state) => self.reply(true, &[("ok", true.into()), ("state", state.into())]),
            Err(why) => self.refuse(&why),
        }
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
