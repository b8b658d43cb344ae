//! Many devices with some values of each, in one request.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Id, Page};
use crate::{Client, Error};

/// `query/EntityDataQuery`: a page of what a filter lets through.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataQuery<'a> {
    /// Which.
    pub entity_filter: EntityFilter<'a>,
    /// What every one has.
    pub entity_fields: &'a [Key<'a>],
    /// What they may have.
    pub latest_values: &'a [Key<'a>],
    /// Where in the list.
    pub page_link: PageLink<'a>,
}

/// `query/EntityFilter`.
#[derive(Clone, Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum EntityFilter<'a> {
    /// `query/DeviceTypeFilter`: devices of a profile.
    DeviceType {
        /// Names of profiles.
        device_types: &'a [&'a str],
        /// What the names begin with; `%` stands for any text.
        device_name_filter: &'a str,
    },
    /// `query/EntityNameFilter`: devices of any profile.
    EntityName {
        /// `DEVICE`
        entity_type: &'a str,
        /// As above.
        entity_name_filter: &'a str,
    },
}

/// `query/EntityDataPageLink`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageLink<'a> {
    /// Counted from 0.
    pub page: u32,
    /// How many at most.
    pub page_size: u32,
    /// By what they are in order.
    pub sort_order: SortOrder<'a>,
}

/// `query/EntityDataSortOrder`.
#[derive(Clone, Debug, Serialize)]
pub struct SortOrder<'a> {
    /// By what.
    pub key: Key<'a>,
    /// `ASC` or `DESC`.
    pub direction: &'static str,
}

/// `query/EntityKey`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Key<'a> {
    /// Where it is.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Its name.
    pub key: &'a str,
}

/// `query/EntityKeyType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyType {
    /// What the server knows of each.
    EntityField,
    /// What the device told of itself.
    ClientAttribute,
    /// What the server tells it.
    SharedAttribute,
    /// What the server notes of it.
    ServerAttribute,
    /// What it sent.
    TimeSeries,
}

/// `query/EntityData`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityData {
    /// Which.
    pub entity_id: Id,
    /// What was asked for.
    pub latest: HashMap<KeyType, HashMap<String, LatestValue>>,
}

/// `query/TsValue`: a value as text, empty with the time 0 where there is none.
#[derive(Clone, Debug, Deserialize)]
pub struct LatestValue {
    /// When it was set, in milliseconds since 1970.
    pub ts: i64,
    /// What it is.
    pub value: Option<String>,
}

impl EntityData {
    /// A value, if there is one.
    #[must_use]
    pub fn value(&self, kind: KeyType, key: &str) -> Option<&LatestValue> {
        let found = self.latest.get(&kind)?.get(key)?;
        (found.ts != 0 && found.value.is_some()).then_some(found)
    }

    /// Its text, unless it is empty.
    #[must_use]
    pub fn text(&self, kind: KeyType, key: &str) -> Option<&str> {
        let text = self.value(kind, key)?.value.as_deref()?;
        (!text.is_empty()).then_some(text)
    }

    /// It, if it is a number.
    #[must_use]
    pub fn number(&self, kind: KeyType, key: &str) -> Option<i64> {
        self.text(kind, key)?.parse().ok()
    }
}

impl Client {
    /// A page of devices with values of theirs (`EntityQueryController.findEntityDataByQuery`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn entities(&self, query: &DataQuery<'_>) -> Result<Page<EntityData>, Error> {
        self.post("/api/entitiesQuery/find", query)
    }
}
