//! What all parts of the server share: who is online, the database, and what happens.

mod calls;

pub(crate) use calls::Call;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use rand::distr::{Alphanumeric, SampleString as _};
use thingsboard::FromServer;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use crate::assigned::Assigned;
use crate::error::CallError;
use crate::event::{Event, Events};
use crate::limits::{Allowance, Cost, Limits};
use crate::packages::{Package, Packages};
use crate::profiles::Known;
use crate::recent::Recent;
use crate::store::{DeviceId, Scope, Store, StoreError};
use crate::value::Datum;

/// How many events a slow reader may lag behind.
const EVENTS: usize = 16 * 1024;
/// How many messages may wait for a slow device.
const COMMANDS: usize = 256;

/// Tells the time, in milliseconds since 1970.
pub(crate) type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// The state that the tasks share.
pub(crate) struct Hub {
    pub(crate) store: Store,
    profiles: RwLock<Arc<[Known]>>,
    /// What a request of the REST interface shows to be logged in.
    pub(crate) token: String,
    /// The same of the customer's user, who claims devices.
    pub(crate) customer_token: String,
    pub(crate) limits: Limits,
    pub(crate) assigned: Assigned,
    pub(crate) packages: Packages,
    /// What tells the time when devices ask, whatever their rule chain; none if that decides.
    clock: RwLock<Option<Clock>>,
    events: broadcast::Sender<Arc<Event>>,
    pub(crate) recent: Recent,
    live: Mutex<Live>,
    /// Telemetry messages stored since the start.
    pub(crate) messages: AtomicU64,
}

#[derive(Default)]
struct Live {
    sessions: HashMap<DeviceId, Session>,
    /// When each device was last heard, since the start.
    heard: HashMap<DeviceId, i64>,
    /// When each device came last, and when it left, since the start.
    came_and_left: HashMap<DeviceId, (i64, Option<i64>)>,
    next_session: u64,
    /// What each device has left of its limits; ThingsBoard counts across connections too.
    allowances: HashMap<DeviceId, Allowance>,
    calls: calls::Calls,
}

/// A connected device.
struct Session {
    number: u64,
    name: String,
    protocol: &'static str,
    commands: mpsc::Sender<Command>,
    rpc: Option<Qos>,
    attributes: Option<Qos>,
}

/// A device that connects.
pub(crate) struct Arrival {
    pub(crate) name: String,
    pub(crate) protocol: &'static str,
}

/// What a connection is told to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send a message.
    Publish {
        topic: thingsboard::Topic,
        payload: Vec<u8>,
        qos: Qos,
    },
    /// End the connection.
    Close(DisconnectReasonCode),
    /// End it without a word, as if the network had gone.
    Cut,
}

/// What a device has subscribed to that the server sends of its own accord.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) rpc: Option<Qos>,
    pub(crate) attributes: Option<Qos>,
}

/// How a device is connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    /// The protocol, if it is online.
    pub(crate) protocol: Option<&'static str>,
    /// When it was last heard since the start.
    pub(crate) heard_ms: Option<i64>,
    /// When it came last, since the start.
    pub(crate) came_ms: Option<i64>,
    /// When it left last, since the start.
    pub(crate) left_ms: Option<i64>,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Hub {
    pub(crate) fn new(
        store: Store,
        profiles: Vec<Known>,
        (assigned, there): (Assigned, Vec<Package>),
        limits: Limits,
    ) -> Self {
        let packages = Packages::default();
        for package in there {
            packages.put(package);
        }
        Self {
            store,
            profiles: RwLock::new(profiles.into()),
            token: Alphanumeric.sample_string(&mut rand::rng(), 40),
            customer_token: Alphanumeric.sample_string(&mut rand::rng(), 40),
            limits,
            assigned,
            packages,
            clock: RwLock::default(),
            events: broadcast::channel(EVENTS).0,
            recent: Recent::default(),
            live: Mutex::default(),
            messages: AtomicU64::new(0),
        }
    }

    /// The profiles by which devices come.
    pub(crate) fn profiles(&self) -> Arc<[Known]> {
        let profiles = self.profiles.read().unwrap_or_else(PoisonError::into_inner);
        profiles.clone()
    }

    /// They have changed.
    pub(crate) fn set_profiles(&self, profiles: Vec<Known>) {
        *self
            .profiles
            .write()
            .unwrap_or_else(PoisonError::into_inner) = profiles.into();
    }

    /// Devices are told this time from now on.
    pub(crate) fn set_clock(&self, clock: Option<Clock>) {
        *self.clock.write().unwrap_or_else(PoisonError::into_inner) = clock;
    }

    /// The time that devices are told, if it is another than this computer's.
    pub(crate) fn clock_ms(&self) -> Option<i64> {
        let clock = self.clock.read().unwrap_or_else(PoisonError::into_inner);
        clock.as_ref().map(|clock| clock())
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn events(&self) -> Events {
        Events {
            receiver: self.events.subscribe(),
        }
    }

    pub(crate) fn emit(&self, event: Event) {
        match &event {
            Event::HandshakeFailed { .. } | Event::Refused { .. } | Event::Rejected { .. } => {
                log::warn!("{event:?}");
            }
            Event::Telemetry { .. } => log::trace!("{event:?}"),
            _ => log::info!("{event:?}"),
        }
        let event = Arc::new(event);
        self.recent.add(now_ms(), &event);
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Tells of stored telemetry.
    pub(crate) fn emit_telemetry(&self, device: &str, records: Vec<crate::value::Record>) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        if self.events.receiver_count() > 0 {
            self.emit(Event::Telemetry {
                device: device.to_owned(),
                records,
            });
        }
    }

    /// Enters a connection; an older one of the same device is ended, as with ThingsBoard's
    /// default of one session for each device (`max_concurrent_sessions_per_device`).
    pub(crate) fn enter(
        &self,
        device: DeviceId,
        arrival: Arrival,
    ) -> (u64, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let mut live = self.live();
        live.next_session += 1;
        let number = live.next_session;
        let session = Session {
            number,
            name: arrival.name,
            protocol: arrival.protocol,
            commands,
            rpc: None,
            attributes: None,
        };
        if let Some(old) = live.sessions.insert(device, session) {
            // A full queue means a dead peer: dropping the sender ends it as well.
            let _ = old
                .commands
                .try_send(Command::Close(DisconnectReasonCode::SessionTakenOver));
        }
        let now = now_ms();
        live.heard.insert(device, now);
        let left = live.came_and_left.get(&device).and_then(|(_, left)| *left);
        live.came_and_left.insert(device, (now, left));
        (number, receiver)
    }

    /// Removes a connection; `true` if another one has taken its place already.
    pub(crate) fn leave(&self, device: DeviceId, number: u64) -> bool {
        let mut live = self.live();
        let replaced = live
            .sessions
            .get(&device)
            .is_some_and(|session| session.number != number);
        if !replaced {
            live.sessions.remove(&device);
            if let Some((_, left)) = live.came_and_left.get_mut(&device) {
                *left = Some(now_ms());
            }
        }
        replaced
    }

    /// Takes what a message costs from what a device may send.
    ///
    /// # Errors
    /// The limit that it is too much for, in words.
    pub(crate) fn charge(&self, device: DeviceId, cost: Cost) -> Result<(), String> {
        let now = Instant::now();
        let mut live = self.live();
        let allowance = live.allowances.entry(device);
        let allowance = allowance.or_insert_with(|| Allowance::new(&self.limits, now));
        allowance.take(cost, now)
    }

    pub(crate) fn heard(&self, device: DeviceId, at_ms: i64) {
        self.live().heard.insert(device, at_ms);
    }

    /// Notes what a connection has subscribed to; the calls that wait come back if it has asked
    /// `for_calls` in this moment.
    pub(crate) fn subscribed(
        &self,
        device: DeviceId,
        number: u64,
        now: Subscriptions,
        for_calls: bool,
    ) -> Vec<Call> {
        let mut live = self.live();
        match live.sessions.get_mut(&device) {
            Some(session) if session.number == number => {
                session.rpc = now.rpc;
                session.attributes = now.attributes;
            }
            _ => return Vec::new(),
        }
        if for_calls {
            live.unanswered(device)
        } else {
            Vec::new()
        }
    }

    pub(crate) fn presence(&self, device: DeviceId) -> Presence {
        let live = self.live();
        Presence {
            protocol: live.sessions.get(&device).map(|session| session.protocol),
            heard_ms: live.heard.get(&device).copied(),
            came_ms: live.came_and_left.get(&device).map(|(came, _)| *came),
            left_ms: live.came_and_left.get(&device).and_then(|(_, left)| *left),
        }
    }

    pub(crate) fn online(&self) -> usize {
        self.live().sessions.len()
    }

    /// Names of the devices heard at or after `since_ms`, with the time, `most` at most.
    pub(crate) fn heard_since(&self, since_ms: i64, most: usize) -> Vec<(String, i64)> {
        let live = self.live();
        let heard = live.sessions.iter().filter_map(|(id, session)| {
            let at = *live.heard.get(id)?;
            (at >= since_ms).then(|| (session.name.clone(), at))
        });
        heard.take(most).collect()
    }

    /// Forgets a device that was deleted: its connection ends, and its calls fail.
    pub(crate) fn forget(&self, device: DeviceId) {
        self.end(
            device,
            Command::Close(DisconnectReasonCode::AdministrativeAction),
        );
        let mut live = self.live();
        live.heard.remove(&device);
        live.came_and_left.remove(&device);
        live.allowances.remove(&device);
        live.calls.forget(device);
        self.assigned.forget(device);
    }

    /// Ends the connection of a device; `false` if it has none.
    pub(crate) fn end(&self, device: DeviceId, command: Command) -> bool {
        let live = self.live();
        live.sessions
            .get(&device)
            .is_some_and(|session| session.commands.try_send(command).is_ok())
    }

    pub(crate) async fn device(&self, name: &str) -> Result<DeviceId, CallError> {
        let name = name.to_owned();
        let found = self.store.submit(move |db| db.device(&name)).await?;
        found.map(|row| row.id).ok_or(CallError::NoSuchDevice)
    }

    /// Sets and deletes shared attributes, and tells the device if it has subscribed.
    pub(crate) async fn share(
        &self,
        name: &str,
        values: Vec<(String, Datum)>,
        deleted: Vec<String>,
    ) -> Result<(), CallError> {
        let device = self.device(name).await?;
        // `JsonConverter.toJson(AttributeUpdateNotificationMsg)`: values, and the deleted by name.
        let mut message = serde_json::Map::new();
        for (key, value) in &values {
            message.insert(key.clone(), serde_json::to_value(value).unwrap_or_default());
        }
        if !deleted.is_empty() {
            message.insert("deleted".to_owned(), deleted.clone().into());
        }
        let topic = FromServer::AttributesUpdate.topic();
        let payload = serde_json::Value::Object(message).to_string().into_bytes();
        let (stored, gone) = (values.clone(), deleted.clone());
        self.store
            .submit(move |db| {
                db.require(device)?;
                db.set_attributes(device, Scope::Shared, &stored, now_ms())?;
                for key in &gone {
                    db.delete_attribute(device, Scope::Shared, key)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        if let Some(session) = self.live().sessions.get(&device)
            && let Some(qos) = session.attributes
        {
            // If its queue is full the device is as good as gone; it asks when it is back.
            let _ = session.commands.try_send(Command::Publish {
                topic,
                payload,
                qos,
            });
        }
        self.emit(Event::SharedAttributes {
            device: name.to_owned(),
            values,
            deleted,
        });
        Ok(())
    }
}
