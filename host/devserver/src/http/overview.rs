//! Several devices at a glance: what the page shows of each beside its measurements.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::Page;
use super::api::Failure;
use crate::api::{self, DeviceInfo};
use crate::hub::{Hub, now_ms};
use crate::store::{Db, DeviceRow, Scope, StoreError};

/// So many devices are shown at once; a filter finds the others.
const MOST: usize = 200;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Only those whose name holds this.
    #[serde(default)]
    name: String,
    /// Only the one that is called so.
    device: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Overview {
    /// How many there are of those.
    found: usize,
    devices: Vec<Glance>,
}

/// A device at a glance; what it did not tell is not there.
#[derive(Serialize)]
struct Glance {
    #[serde(flatten)]
    info: DeviceInfo,
    chip: Option<String>,
    /// The version that it runs, and the one that it is to run.
    firmware: Option<String>,
    firmware_target: Option<String>,
    /// `fw_state`, and why it failed.
    update: Option<String>,
    update_error: Option<String>,
    certificate_expires_ms: Option<i64>,
    /// How far it is with a new one, and why it failed.
    renewal: Option<String>,
    renewal_error: Option<String>,
    /// Which limit it keeps to.
    limit: Option<String>,
    /// What it was told and cannot do.
    refused: Option<String>,
    dropped: Option<i64>,
    crash: Option<String>,
    /// Until when somebody may claim it, and whether somebody has.
    claimable_until_ms: Option<i64>,
    owned: bool,
}

pub(super) async fn overview(
    State(page): State<Page>,
    Query(asked): Query<Asked>,
) -> Result<Json<Overview>, Failure> {
    let (hub, wanted) = (page.hub.clone(), asked.name.to_lowercase());
    let read = page.hub.store.submit(move |db| {
        let mut rows = db.devices()?;
        rows.retain(|row| match &asked.device {
            Some(name) => row.name == *name,
            None => row.name.to_lowercase().contains(&wanted),
        });
        let found = rows.len();
        rows.truncate(MOST);
        let devices = rows.into_iter().map(|row| glance(&hub, db, row));
        Ok(Overview {
            found,
            devices: devices.collect::<Result<_, _>>()?,
        })
    });
    Ok(Json(read.await?))
}

fn glance(hub: &Arc<Hub>, db: &mut Db, row: DeviceRow) -> Result<Glance, StoreError> {
    let id = row.id;
    let client: HashMap<_, _> = db.attributes(id, Scope::Client)?.into_iter().collect();
    let series: HashMap<_, _> = db.latest(id)?.into_iter().collect();
    let told = |key| client.get(key).map(|value| value.text());
    let sent = |key| series.get(key).map(|point| point.value.text());
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let update = some(sent("fw_state"));
    let failed = update.as_deref() == Some("FAILED");
    Ok(Glance {
        info: api::info(hub, row),
        chip: some(told("chip")),
        firmware: some(sent("current_fw_version")).or_else(|| some(told("firmware_version"))),
        firmware_target: some(sent("target_fw_version")),
        update,
        update_error: some(sent("fw_error")).filter(|_| failed),
        certificate_expires_ms: told("certificate_expires_ms").and_then(|ms| ms.parse().ok()),
        renewal: some(told("certificate_renewal")),
        renewal_error: some(told("certificate_renewal_error")),
        limit: some(told("telemetry_limit")),
        refused: some(told("refused")),
        dropped: sent("dropped").and_then(|count| count.parse().ok()),
        crash: some(told("panic")),
        owned: db.is_owned(id)?,
        claimable_until_ms: db.claimable_until(id)?.filter(|&end| end > now_ms()),
    })
}
