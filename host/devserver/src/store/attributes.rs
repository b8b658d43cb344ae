//! Attributes, client and shared.

use std::collections::HashMap;

use rusqlite::params;

use super::series::datum;
use super::{Db, DeviceId, StoreError};
use crate::value::Datum;

/// Who sets an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The device.
    Client,
    /// The server.
    Shared,
}

impl Scope {
    fn number(self) -> i64 {
        match self {
            Self::Client => 0,
            Self::Shared => 1,
        }
    }
}

impl Db {
    /// Sets attributes.
    pub(crate) fn set_attributes(
        &mut self,
        device: DeviceId,
        scope: Scope,
        values: &[(String, Datum)],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "INSERT INTO attributes (device, scope, key, updated_ms, kind, value) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \
             updated_ms = excluded.updated_ms, kind = excluded.kind, value = excluded.value",
        )?;
        for (key, value) in values {
            statement.execute(params![
                device.0,
                scope.number(),
                key,
                now_ms,
                value.kind(),
                value
            ])?;
        }
        Ok(())
    }

    /// Deletes an attribute; `false` if there was none.
    pub(crate) fn delete_attribute(
        &mut self,
        device: DeviceId,
        scope: Scope,
        key: &str,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .conn
            .prepare_cached("DELETE FROM attributes WHERE device = ?1 AND scope = ?2 AND key = ?3")?
            .execute(params![device.0, scope.number(), key])?;
        Ok(deleted == 1)
    }

    /// The attributes of a device, by name, and when each was set.
    pub(crate) fn dated_attributes(
        &mut self,
        device: DeviceId,
        scope: Scope,
    ) -> Result<HashMap<String, (i64, Datum)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT key, updated_ms, kind, value FROM attributes WHERE device = ?1 AND scope = ?2",
        )?;
        let rows = statement.query_map([device.0, scope.number()], |row| {
            Ok((row.get(0)?, (row.get(1)?, datum(row, 2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The attributes of a device, by name.
    pub(crate) fn attributes(
        &mut self,
        device: DeviceId,
        scope: Scope,
    ) -> Result<Vec<(String, Datum)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT key, kind, value FROM attributes WHERE device = ?1 AND scope = ?2 ORDER BY key",
        )?;
        let rows = statement.query_map([device.0, scope.number()], |row| {
            Ok((row.get(0)?, datum(row, 1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
