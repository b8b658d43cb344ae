//! Of `TelemetryController` what concerns attributes: shared ones are set and deleted, and what devices told
//! is read.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::devices::find;
use super::{Fault, Page, bad, not_found};
use crate::api;
use crate::error::CallError;
use crate::store::Scope;

const SHARED: &str = "SHARED_SCOPE";

fn scope(name: &str) -> Result<Scope, Fault> {
    match name {
        SHARED => Ok(Scope::Shared),
        "CLIENT_SCOPE" => Ok(Scope::Client),
        _ => Err(bad(format!(
            "esptb serve keeps no attributes of the scope {name}"
        ))),
    }
}

/// Whoever asks may change what the server itself sets.
fn is_shared(name: &str) -> Result<(), Fault> {
    match scope(name)? {
        Scope::Shared => Ok(()),
        Scope::Client => Err(bad("what a device told is for the device to change")),
    }
}

/// `saveEntityAttributesV2`
pub(super) async fn save(
    State(page): State<Page>,
    Path((id, scope)): Path<(String, String)>,
    values: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<StatusCode, Fault> {
    is_shared(&scope)?;
    let Json(values) = values?;
    if values.is_empty() {
        return Err(bad("No attributes data found in request body!"));
    }
    share(&page, &id, values).await
}

async fn share(page: &Page, id: &str, values: Map<String, Value>) -> Result<StatusCode, Fault> {
    let device = find(&page.hub, id).await?;
    match api::share(&page.hub, &device.name, values).await {
        Ok(()) => Ok(StatusCode::OK),
        Err(CallError::NotJson) => Err(bad("a value is nested deeper than a device could read")),
        Err(_) => Err(not_found("Device", id)),
    }
}

#[derive(Deserialize)]
pub(super) struct Keys {
    keys: Option<String>,
}

/// `deleteEntityAttributes`
pub(super) async fn delete(
    State(page): State<Page>,
    Path((id, scope)): Path<(String, String)>,
    Query(keys): Query<Keys>,
) -> Result<StatusCode, Fault> {
    is_shared(&scope)?;
    let keys = keys.keys.unwrap_or_default();
    let keys = keys.split(',').filter(|key| !key.is_empty());
    let deleted: Map<_, _> = keys.map(|key| (key.to_owned(), Value::Null)).collect();
    if deleted.is_empty() {
        return Err(bad("Empty keys: "));
    }
    share(&page, &id, deleted).await
}

/// `getAttributesByScope`
pub(super) async fn values(
    State(page): State<Page>,
    Path((id, name)): Path<(String, String)>,
    Query(keys): Query<Keys>,
) -> Result<Json<Value>, Fault> {
    let (device, scope) = (find(&page.hub, &id).await?.id, scope(&name)?);
    let found = page
        .hub
        .store
        .submit(move |db| db.dated_attributes(device, scope));
    let wanted: Option<Vec<_>> = keys.keys.as_deref().map(|keys| keys.split(',').collect());
    let mut found: Vec<_> = found.await?.into_iter().collect();
    found.retain(|(key, _)| {
        wanted
            .as_ref()
            .is_none_or(|keys| keys.contains(&key.as_str()))
    });
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let shown = found
        .into_iter()
        .map(|(key, (at_ms, value))| json!({ "lastUpdateTs": at_ms, "key": key, "value": value }));
    Ok(Json(shown.collect()))
}
