//! `DashboardController`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::documents::{self, put, replaced, shown};
use super::{DASHBOARD, Fault, Page, PageLink, bad, missing, row};
use crate::store::Kind;

pub(super) async fn list(
    State(page): State<Page>,
    Query(link): Query<PageLink>,
) -> Result<Json<Value>, Fault> {
    let all = documents::all(&page, Kind::Dashboard).await?;
    Ok(Json(link.page(all, |one| {
        let mut info = shown(DASHBOARD, one);
        // `DashboardInfo`
        if let Some(info) = info.as_object_mut() {
            info.remove("configuration");
        }
        info
    })))
}

pub(super) async fn one(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let found = documents::find(&page, Kind::Dashboard, DASHBOARD, &id).await?;
    Ok(Json(shown(DASHBOARD, found)))
}

pub(super) async fn save(
    State(page): State<Page>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(mut body) = body?;
    let replaces = replaced(DASHBOARD, &mut body)?;
    if body
        .get("title")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
    {
        return Err(bad("Dashboard title should be specified!"));
    }
    let body = Value::Object(body);
    let saved = page
        .hub
        .store
        .submit(move |db| put(db, Kind::Dashboard, replaces, &body));
    let saved = saved.await?.ok_or_else(|| bad("Dashboard is not found!"))?;
    Ok(Json(shown(DASHBOARD, saved)))
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let row = row(DASHBOARD, &id)?;
    match page
        .hub
        .store
        .submit(move |db| db.delete_document(Kind::Dashboard, row))
        .await?
    {
        true => Ok(StatusCode::OK),
        false => Err(missing(DASHBOARD, &id)),
    }
}
