//! `DeviceController`, and of `TelemetryController` the latest values.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    CUSTOMER, DEVICE, DEVICE_PROFILE, Fault, Page, TENANT, bad, id, not_found, packages, row,
};
use crate::api;
use crate::error::CallError;
use crate::hub::{Hub, now_ms};
use crate::store::{DeviceRow, Kind};

/// However long a caller would wait.
const LONGEST_CALL: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    device_name: String,
}

pub(super) async fn by_name(
    State(page): State<Page>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Fault> {
    let name = named.device_name;
    let found = page.hub.store.submit(move |db| db.device(&name)).await?;
    let missing = || {
        Fault(
            StatusCode::NOT_FOUND,
            "Requested item wasn't found!".to_owned(),
        )
    };
    shown(&page.hub, found.ok_or_else(missing)?).await
}

pub(super) async fn one(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    shown(&page.hub, find(&page.hub, &id).await?).await
}

pub(super) async fn find(hub: &Hub, id: &str) -> Result<DeviceRow, Fault> {
    let row = row(DEVICE, id)?;
    let found = hub.store.submit(move |db| db.device_at(row)).await?;
    found.ok_or_else(|| not_found("Device", id))
}

pub(super) async fn shown(hub: &Hub, device: DeviceRow) -> Result<Json<Value>, Fault> {
    let profile = hub.store.submit(move |db| {
        let row = db.profile_of(device.id)?;
        Ok((
            row,
            db.document(Kind::Profile, row)?,
            db.is_owned(device.id)?,
        ))
    });
    let (row, profile, owned) = profile.await?;
    let kind = profile.map(|profile| profile.body["name"].clone());
    Ok(Json(json!({
        "id": id(DEVICE, device.id.row()), "createdTime": device.created_ms, "tenantId": id(TENANT, 1),
        "name": device.name, "type": kind, "label": null, "deviceProfileId": id(DEVICE_PROFILE, row),
        "customerId": id(CUSTOMER, i64::from(owned)),
        "firmwareId": hub.assigned.own(device.id).map(|row| id(packages::OTA_PACKAGE, row)),
    })))
}

pub(super) async fn create(
    State(page): State<Page>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(body) = body?;
    let name = body
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if name.is_empty() {
        return Err(bad("Device name should be specified!"));
    }
    if let Some(id) = body.get("id").and_then(|id| id["id"].as_str()) {
        return change(&page.hub, id, &name, body.get("firmwareId")).await;
    }
    if api::create(&page.hub, &name, None).await?.is_none() {
        return Err(bad("Device with such name already exists!"));
    }
    by_name(State(page), Query(Named { device_name: name })).await
}

/// A device as it is saved: of all that it has, another firmware may be assigned.
async fn change(
    hub: &Hub,
    id: &str,
    name: &str,
    firmware: Option<&Value>,
) -> Result<Json<Value>, Fault> {
    let device = find(hub, id).await?;
    if device.name != name {
        return Err(bad("esptb serve gives a device no other name"));
    }
    let row = device.id;
    let profile = hub.store.submit(move |db| db.profile_of(row)).await?;
    let firmware = firmware.unwrap_or(&Value::Null);
    packages::assign(hub, (device.id, name), profile, firmware).await?;
    shown(hub, device).await
}

/// The names of its series.
pub(super) async fn series(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Vec<String>>, Fault> {
    let device = find(&page.hub, &id).await?.id;
    let latest = page.hub.store.submit(move |db| db.latest(device)).await?;
    Ok(Json(latest.into_iter().map(|(name, _)| name).collect()))
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let device = find(&page.hub, &id).await?;
    let deleted = api::delete(&page.hub, &device.name).await;
    deleted.map_err(|_| not_found("Device", &id))?;
    Ok(StatusCode::OK)
}

/// Without the secret, which is nobody's business here.
pub(super) async fn credentials(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let device = find(&page.hub, &id).await?;
    let kind = match device.x509 {
        true => "X509_CERTIFICATE",
        false => "ACCESS_TOKEN",
    };
    Ok(Json(
        json!({ "deviceId": super::id(DEVICE, device.id.row()), "credentialsType": kind }),
    ))
}

#[derive(Deserialize)]
pub(super) struct Keys {
    keys: String,
}

/// Values as text; a series that is not there has a null of this moment.
pub(super) async fn latest(
    State(page): State<Page>,
    Path(id): Path<String>,
    Query(keys): Query<Keys>,
) -> Result<Json<Value>, Fault> {
    let device = find(&page.hub, &id).await?.id;
    let latest = page.hub.store.submit(move |db| db.latest(device)).await?;
    let mut answer = Map::new();
    for key in keys.keys.split(',') {
        let point = latest.iter().find(|(name, _)| name == key);
        let (ts, value) = match point {
            Some((_, point)) => (point.ts_ms, Value::from(point.value.text())),
            None => (now_ms(), Value::Null),
        };
        answer.insert(key.to_owned(), json!([{ "ts": ts, "value": value }]));
    }
    Ok(Json(Value::Object(answer)))
}

#[derive(Deserialize)]
pub(super) struct Call {
    method: String,
    #[serde(default)]
    params: Value,
    timeout: Option<u64>,
}

/// `RpcV2Controller`: a device that does not answer is a 504 without a body.
pub(super) async fn call(
    State(page): State<Page>,
    Path(id): Path<String>,
    call: Result<Json<Call>, JsonRejection>,
) -> Result<Response, Fault> {
    let device = find(&page.hub, &id).await?;
    let Json(call) = call?;
    let wait = call
        .timeout
        .map_or(crate::RPC_TIMEOUT, Duration::from_millis);
    let params = call.params.to_string();
    let called = page.hub.call(
        &device.name,
        &call.method,
        &params,
        wait.min(LONGEST_CALL),
        false,
    );
    Ok(match called.await {
        Ok(answer) => Json(json!(answer)).into_response(),
        Err(CallError::NoSuchDevice) => return Err(not_found("Device", &id)),
        Err(CallError::NotJson) => StatusCode::NOT_ACCEPTABLE.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    })
}
