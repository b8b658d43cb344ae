//! `DeviceProfileController`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::documents::{self, put, replaced, shown};
use super::{DEVICE_PROFILE, Fault, Page, PageLink, bad, missing, packages, row};
use crate::firmware;
use crate::profiles;
use crate::store::{Document, Kind};

pub(super) async fn list(
    State(page): State<Page>,
    Query(link): Query<PageLink>,
) -> Result<Json<Value>, Fault> {
    let all = documents::all(&page, Kind::Profile).await?;
    Ok(Json(link.page(all, |one| shown(DEVICE_PROFILE, one))))
}

pub(super) async fn one(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let found = documents::find(&page, Kind::Profile, DEVICE_PROFILE, &id).await?;
    Ok(Json(shown(DEVICE_PROFILE, found)))
}

pub(super) async fn save(
    State(page): State<Page>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(mut body) = body?;
    let replaces = replaced(DEVICE_PROFILE, &mut body)?;
    let mut body = Value::Object(body);
    profiles::normal(&mut body).map_err(bad)?;
    // Of a profile that is not there yet there are no packages.
    packages::wanted(&page.hub, &body["firmwareId"], replaces.unwrap_or(0))?;
    let saved = page.hub.store.submit(move |db| {
        let all = db.documents(Kind::Profile)?;
        let others = all.iter().filter(|one| Some(one.row) != replaces);
        if let Some(fault) = conflict(&body, others) {
            return Ok(Err(bad(fault)));
        }
        if let Some(row) = replaces {
            let Some(before) = all.iter().find(|one| one.row == row) else {
                return Ok(Err(bad("Device profile is not found!")));
            };
            // `DeviceProfileDataValidator.validateUpdate`
            if before.body["transportType"] != body["transportType"] && db.has_devices(row)? {
                let fault =
                    "Can't change device profile transport type because devices referenced it!";
                return Ok(Err(bad(fault)));
            }
        }
        let before = all.iter().find(|one| Some(one.row) == replaces);
        let before = before.and_then(|one| profiles::package(&one.body));
        let is_another = before != profiles::package(&body);
        let saved = put(db, Kind::Profile, replaces, &body)?;
        Ok(Ok((saved, db.known_profiles()?, is_another)))
    });
    let (saved, known, is_another) = saved.await??;
    page.hub.set_profiles(known);
    let saved = saved.ok_or_else(|| bad("Device profile is not found!"))?;
    if is_another {
        let told = firmware::follow_all(&page.hub, saved.row).await;
        told.map_err(|error| Fault(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    }
    Ok(Json(shown(DEVICE_PROFILE, saved)))
}

/// What two profiles may not have in common (`DeviceProfileServiceImpl.saveDeviceProfile`).
fn conflict<'a>(
    body: &Value,
    mut others: impl Iterator<Item = &'a Document> + Clone,
) -> Option<&'static str> {
    let secret = |body: &Value| {
        let known = profiles::read(0, body).ok().flatten()?;
        Some(known.profile.ca)
    };
    if others
        .clone()
        .any(|other| other.body["name"] == body["name"])
    {
        return Some("Device profile with such name already exists!");
    }
    let own = secret(body)?;
    others
        .any(|other| secret(&other.body).is_some_and(|other| other == own))
        .then_some("Device profile with such certificate already exists!")
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let row = row(DEVICE_PROFILE, &id)?;
    let deleted = page.hub.store.submit(move |db| {
        let Some(there) = db.document(Kind::Profile, row)? else {
            return Ok(Err(missing(DEVICE_PROFILE, &id)));
        };
        // `DeviceProfileServiceImpl.deleteDeviceProfile`
        if there.body["default"] == true {
            let fault = "Deletion of Default Device Profile is prohibited!";
            return Ok(Err(bad(fault)));
        }
        if db.has_devices(row)? {
            let fault = "The device profile referenced by the devices cannot be deleted!";
            return Ok(Err(bad(fault)));
        }
        db.delete_document(Kind::Profile, row)?;
        Ok(Ok(db.known_profiles()?))
    });
    page.hub.set_profiles(deleted.await??);
    Ok(StatusCode::OK)
}
