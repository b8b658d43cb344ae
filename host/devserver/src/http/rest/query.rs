//! `EntityQueryController.findEntityDataByQuery`: many devices with some values of each.
//!
//! Of its filters there are two, of its orders one: by name.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{DEVICE, Fault, Page, PageLink, id};
use crate::hub::{Presence, now_ms};
use crate::store::{Db, DeviceRow, Kind, Scope, StoreError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataQuery {
    entity_filter: Filter,
    #[serde(default)]
    entity_fields: Vec<Key>,
    #[serde(default)]
    latest_values: Vec<Key>,
    page_link: PageLink,
}

#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Filter {
    DeviceType {
        device_types: Vec<String>,
        #[serde(default)]
        device_name_filter: String,
    },
    EntityName {
        #[serde(default)]
        entity_name_filter: String,
    },
}

#[derive(Clone, Deserialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    key: String,
}

pub(super) async fn find(
    State(page): State<Page>,
    query: Result<Json<DataQuery>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(query) = query?;
    let DataQuery {
        entity_filter,
        entity_fields,
        latest_values,
        page_link,
    } = query;
    let hub = page.hub.clone();
    let found = page.hub.store.submit(move |db| {
        let all = matching(db, &entity_filter)?;
        let size = page_link.page_size.max(1);
        let begin = page_link.page.saturating_mul(size);
        let mut values = HashMap::new();
        for (device, kind) in all.iter().skip(begin).take(size) {
            let presence = hub.presence(device.id);
            let all_keys = entity_fields.iter().chain(&latest_values);
            values.insert(device.id, latest(db, device, kind, presence, all_keys)?);
        }
        Ok(page_link.page(all, |(device, _)| {
            json!({
                "entityId": id(DEVICE, device.id.row()), "latest": values.get(&device.id), "timeseries": {},
                "aggLatest": {},
            })
        }))
    });
    Ok(Json(found.await?))
}

/// The devices that a filter lets through, with the names of their profiles.
fn matching(db: &mut Db, filter: &Filter) -> Result<Vec<(DeviceRow, String)>, StoreError> {
    let profiles = db.documents(Kind::Profile)?;
    let names: HashMap<_, _> = profiles
        .into_iter()
        .map(|one| {
            (
                one.row,
                one.body["name"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let (types, name) = match filter {
        Filter::DeviceType {
            device_types,
            device_name_filter,
        } => (Some(device_types), device_name_filter),
        Filter::EntityName { entity_name_filter } => (None, entity_name_filter),
    };
    let mut found = Vec::new();
    for device in db.devices()? {
        let profile = db.profile_of(device.id)?;
        let kind = names.get(&profile).cloned().unwrap_or_default();
        if types.is_none_or(|types| types.contains(&kind)) && begins(&device.name, name) {
            found.push((device, kind));
        }
    }
    Ok(found)
}

/// Whether a name is like a filter, in which `%` is any text and case does not matter
/// (`DefaultEntityQueryRepository`: `ilike` with a `%` put behind).
fn begins(name: &str, filter: &str) -> bool {
    let (name, filter) = (name.to_lowercase(), filter.to_lowercase());
    let mut parts = filter.split('%');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// What was asked for of one device, as text, and empty with the time 0 where there is nothing.
fn latest<'a>(
    db: &mut Db,
    device: &DeviceRow,
    kind: &str,
    presence: Presence,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<Value, StoreError> {
    let client = db.dated_attributes(device.id, Scope::Client)?;
    let shared = db.dated_attributes(device.id, Scope::Shared)?;
    let series: HashMap<_, _> = db.latest(device.id)?.into_iter().collect();
    let heard = presence.heard_ms.or(device.last_seen_ms);
    let mut latest = Map::new();
    for Key { kind: source, key } in keys {
        let now = now_ms();
        let number = |value: Option<i64>| value.map(|ms| (ms, ms.to_string()));
        let found = match (source.as_str(), key.as_str()) {
            ("ENTITY_FIELD", "name") => Some((now, device.name.clone())),
            ("ENTITY_FIELD", "type") => Some((now, kind.to_owned())),
            ("ENTITY_FIELD", "createdTime") => Some((now, device.created_ms.to_string())),
            ("SERVER_ATTRIBUTE" | "ATTRIBUTE", "active") => {
                Some((now, presence.protocol.is_some().to_string()))
            }
            ("SERVER_ATTRIBUTE", "lastConnectTime") => number(presence.came_ms),
            ("SERVER_ATTRIBUTE", "lastDisconnectTime") => number(presence.left_ms),
            ("SERVER_ATTRIBUTE", "lastActivityTime") => number(heard),
            ("CLIENT_ATTRIBUTE", key) => client.get(key).map(|(at, value)| (*at, value.text())),
            ("SHARED_ATTRIBUTE", key) => shared.get(key).map(|(at, value)| (*at, value.text())),
            ("TIME_SERIES", key) => series
                .get(key)
                .map(|point| (point.ts_ms, point.value.text())),
            _ => None,
        };
        let (ts, value) = found.unwrap_or_default();
        let group = latest.entry(source.clone()).or_insert_with(|| json!({}));
        group[key] = json!({ "ts": ts, "value": value });
    }
    Ok(Value::Object(latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_the_beginning_of_a_name() {
        for (filter, is) in [
            ("", true),
            ("sn-", true),
            ("SN-1", true),
            ("%01", true),
            ("%9", false),
            ("N-", false),
        ] {
            assert_eq!(begins("SN-1001", filter), is, "{filter}");
        }
    }
}
