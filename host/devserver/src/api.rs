//! What may be asked of a running server, by its handle and by the JSON API alike.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::{Map, Value};
use thingsboard::json::Json;

use crate::error::CallError;
use crate::event::Event;
use crate::firmware;
use crate::hub::{Hub, now_ms};
use crate::store::{DeviceRow, Point, Scope, StoreError};
use crate::value::Datum;

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// Whether it is connected.
    pub online: bool,
    /// `MQTT 3.1.1` or `MQTT 5` while it is connected.
    pub protocol: Option<&'static str>,
    /// How it proves itself: `x509` or `access_token`.
    pub credentials: &'static str,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen_ms: Option<i64>,
}

pub(crate) fn info(hub: &Hub, row: DeviceRow) -> DeviceInfo {
    let presence = hub.presence(row.id);
    DeviceInfo {
        name: row.name,
        online: presence.protocol.is_some(),
        protocol: presence.protocol,
        credentials: if row.x509 { "x509" } else { "access_token" },
        created_ms: row.created_ms,
        last_seen_ms: presence.heard_ms.or(row.last_seen_ms),
    }
}

pub(crate) async fn devices(hub: &Hub) -> Result<Vec<DeviceInfo>, StoreError> {
    let rows = hub.store.submit(|db| db.devices()).await?;
    Ok(rows.into_iter().map(|row| info(hub, row)).collect())
}

pub(crate) async fn device(hub: &Hub, name: &str) -> Result<DeviceInfo, CallError> {
    let name = name.to_owned();
    let row = hub.store.submit(move |db| db.device(&name)).await?;
    Ok(info(hub, row.ok_or(CallError::NoSuchDevice)?))
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, Datum>;

pub(crate) async fn attributes(
    hub: &Hub,
    name: &str,
) -> Result<(BTreeMap<String, Datum>, BTreeMap<String, Datum>), CallError> {
    let device = hub.device(name).await?;
    let read = hub.store.submit(move |db| {
        Ok((
            db.attributes(device, Scope::Client)?,
            db.attributes(device, Scope::Shared)?,
        ))
    });
    let (client, shared) = read.await?;
    Ok((client.into_iter().collect(), shared.into_iter().collect()))
}

pub(crate) async fn latest(hub: &Hub, name: &str) -> Result<BTreeMap<String, Point>, CallError> {
    let device = hub.device(name).await?;
    let latest = hub.store.submit(move |db| db.latest(device)).await?;
    Ok(latest.into_iter().collect())
}

pub(crate) async fn series(
    hub: &Hub,
    name: &str,
    key: &str,
    range: Range<i64>,
    limit: u32,
) -> Result<Vec<Point>, CallError> {
    let device = hub.device(name).await?;
    let key = key.to_owned();
    let points = hub
        .store
        .submit(move |db| db.series(device, &key, range.start, range.end, limit));
    Ok(points.await?)
}

/// Makes a device with this access token or one of its own; `None` if the name or the token is taken.
pub(crate) async fn create(
    hub: &Hub,
    name: &str,
    token: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let token = token.map_or_else(random_token, str::to_owned);
    let (row_name, row_token) = (name.to_owned(), token.clone());
    let made = hub
        .store
        .submit(move |db| db.create_with_token(&row_name, &row_token, now_ms()));
    if !made.await? {
        return Ok(None);
    }
    hub.emit(Event::Created {
        device: name.to_owned(),
    });
    if let Ok(device) = hub.device(name).await {
        // It is deleted again already, or the database failed, which whatever comes next finds, too.
        let _ = firmware::follow(hub, name, device).await;
    }
    Ok(Some(token))
}

/// 20 letters and digits, as ThingsBoard makes them (`StringUtils.randomAlphanumeric(20)`).
fn random_token() -> String {
    use rand::distr::{Alphanumeric, SampleString as _};
    Alphanumeric.sample_string(&mut rand::rng(), 20)
}

pub(crate) async fn delete(hub: &Hub, name: &str) -> Result<(), CallError> {
    let device = hub.device(name).await?;
    hub.store.submit(move |db| db.delete_device(device)).await?;
    hub.forget(device);
    hub.emit(Event::Deleted {
        device: name.to_owned(),
    });
    Ok(())
}

/// Sets shared attributes, and deletes those whose value is `null`.
pub(crate) async fn share(
    hub: &Hub,
    name: &str,
    values: Map<String, Value>,
) -> Result<(), CallError> {
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    for (key, value) in values {
        let datum = match &value {
            // Text is text, also where it looks like a number (`TelemetryController.extractRequestAttributes`).
            Value::String(text) => Some(Datum::Text(text.clone())),
            value => Json::parse(value.to_string().as_bytes())
                .ok()
                .and_then(Datum::from_json),
        };
        match datum {
            Some(datum) => set.push((key, datum)),
            None if value.is_null() => deleted.push(key),
            // Nested deeper than the device could read.
            None => return Err(CallError::NotJson),
        }
    }
    hub.share(name, set, deleted).await
}
