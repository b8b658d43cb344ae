//! The JSON API; the README lists it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Page;
use crate::api::{self, DeviceInfo};
use crate::error::CallError;
use crate::firmware;
use crate::packages::Firmware;
use crate::store::StoreError;
use crate::value::Datum;

/// What the page has to know of the server.
#[derive(Serialize)]
pub(super) struct About {
    pub(super) mqtt: String,
    pub(super) profile: bool,
    pub(super) version: &'static str,
}

/// An error, as a status and `{"error":"…"}`.
pub(super) struct Failure(StatusCode, String);

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let status = match error {
            CallError::NoSuchDevice => StatusCode::NOT_FOUND,
            // As ThingsBoard answers all three.
            CallError::Offline | CallError::NotSubscribed | CallError::Timeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
            CallError::NotJson => StatusCode::BAD_GATEWAY,
            CallError::Store(StoreError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
            CallError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        CallError::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

pub(super) async fn about(State(page): State<Page>) -> Json<Value> {
    Json(json!(*page.about))
}

pub(super) async fn devices(State(page): State<Page>) -> Result<Json<Vec<DeviceInfo>>, Failure> {
    Ok(Json(api::devices(&page.hub).await?))
}

/// A device with what is known of it.
#[derive(Serialize)]
pub(super) struct Details {
    #[serde(flatten)]
    info: DeviceInfo,
    client: BTreeMap<String, Datum>,
    shared: BTreeMap<String, Datum>,
    latest: BTreeMap<String, crate::Point>,
}

pub(super) async fn device(
    State(page): State<Page>,
    Path(name): Path<String>,
) -> Result<Json<Details>, Failure> {
    let info = api::device(&page.hub, &name).await?;
    let (client, shared) = api::attributes(&page.hub, &name).await?;
    let latest = api::latest(&page.hub, &name).await?;
    Ok(Json(Details {
        info,
        client,
        shared,
        latest,
    }))
}

#[derive(Deserialize)]
pub(super) struct NewDevice {
    name: String,
}

pub(super) async fn create(
    State(page): State<Page>,
    Json(new): Json<NewDevice>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 255 {
        let error = "a device name has 1 to 255 characters".to_owned();
        return Err(Failure(StatusCode::BAD_REQUEST, error));
    }
    match api::create(&page.hub, name, None).await? {
        Some(token) => Ok((
            StatusCode::CREATED,
            Json(json!({ "name": name, "token": token })),
        )),
        None => {
            let error = format!("there is a device \"{name}\" already");
            Err(Failure(StatusCode::CONFLICT, error))
        }
    }
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    api::delete(&page.hub, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct Window {
    key: String,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    limit: Option<u32>,
}

pub(super) async fn series(
    State(page): State<Page>,
    Path(name): Path<String>,
    Query(window): Query<Window>,
) -> Result<Json<Vec<crate::Point>>, Failure> {
    let Window {
        key,
        from_ms,
        to_ms,
        limit,
    } = window;
    let range = from_ms.unwrap_or(i64::MIN)..to_ms.unwrap_or(i64::MAX);
    let limit = limit.unwrap_or(1_000).min(100_000);
    Ok(Json(
        api::series(&page.hub, &name, &key, range, limit).await?,
    ))
}

pub(super) async fn share(
    State(page): State<Page>,
    Path(name): Path<String>,
    Json(values): Json<Map<String, Value>>,
) -> Result<StatusCode, Failure> {
    if values.is_empty() {
        let error =
            "name at least one attribute: {\"key\": value}, with null to delete it".to_owned();
        return Err(Failure(StatusCode::BAD_REQUEST, error));
    }
    match api::share(&page.hub, &name, values).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // Here it is not the device that answered.
        Err(CallError::NotJson) => {
            let error = "a value is nested deeper than a device could read".to_owned();
            Err(Failure(StatusCode::BAD_REQUEST, error))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct Call {
    method: String,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    one_way: bool,
    timeout_ms: Option<u64>,
}

pub(super) async fn rpc(
    State(page): State<Page>,
    Path(name): Path<String>,
    Json(call): Json<Call>,
) -> Result<Json<Value>, Failure> {
    let longest = Duration::from_secs(300);
    let wait = call
        .timeout_ms
        .map_or(crate::RPC_TIMEOUT, Duration::from_millis)
        .min(longest);
    let params = call.params.to_string();
    let called = page
        .hub
        .call(&name, &call.method, &params, wait, call.one_way);
    let answer = called.await?;
    Ok(Json(json!({ "answer": answer })))
}

#[derive(Deserialize)]
pub(super) struct NewFirmware {
    title: String,
    version: String,
    tag: Option<String>,
}

pub(super) async fn assign_firmware(
    State(page): State<Page>,
    Path(name): Path<String>,
    Query(new): Query<NewFirmware>,
    data: axum::body::Bytes,
) -> Result<StatusCode, Failure> {
    if data.is_empty() || new.title.is_empty() || new.version.is_empty() {
        let error = "a package has a title, a version and bytes".to_owned();
        return Err(Failure(StatusCode::BAD_REQUEST, error));
    }
    let firmware = Firmware {
        title: new.title,
        version: new.version,
        tag: new.tag,
        data: data.into(),
    };
    firmware::give(&page.hub, &name, firmware).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn take_firmware_away(
    State(page): State<Page>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    firmware::take_away(&page.hub, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
