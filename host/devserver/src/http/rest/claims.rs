//! Of `DeviceController` what customers ask: making devices theirs, and giving them back.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Fault, Page, bad, devices};
use crate::hub::now_ms;
use crate::store::{Claimed, DeviceRow};

async fn find(page: &Page, name: String) -> Result<DeviceRow, Fault> {
    let found = page.hub.store.submit(move |db| db.device(&name)).await?;
    let missing = || "Requested item wasn't found!".to_owned();
    found.ok_or_else(|| Fault(StatusCode::NOT_FOUND, missing()))
}

pub(super) async fn claim(
    State(page): State<Page>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let device = find(&page, name).await?;
    let id = device.id;
    // Nothing at all is taken where no secret has to be compared, and a server error where one has.
    let request = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?,
    };
    let secret = request["secretKey"].as_str().unwrap_or_default().to_owned();
    let taken = page
        .hub
        .store
        .submit(move |db| db.take(id, &secret, now_ms()));
    let told = match taken.await? {
        Claimed::Success => {
            let Json(device) = devices::shown(&page.hub, device).await?;
            let result = json!({ "device": device, "response": "SUCCESS" });
            return Ok(Json(result).into_response());
        }
        Claimed::Failure => "FAILURE",
        Claimed::Already => "CLAIMED",
    };
    Ok((StatusCode::BAD_REQUEST, Json(told)).into_response())
}

pub(super) async fn give_back(
    State(page): State<Page>,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    let id = find(&page, name).await?.id;
    page.hub.store.submit(move |db| db.give_back(id)).await?;
    Ok(StatusCode::OK)
}
