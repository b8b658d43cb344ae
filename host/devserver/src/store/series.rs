//! Time series: one value for each device, key and time; the last one written counts.
//!
//! Source of that rule: thingsboard/thingsboard, `dao/src/main/java/org/thingsboard/server/dao/sqlts/insert/`
//! (`ON CONFLICT (entity_id, key, ts) DO UPDATE`), commit dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, ToSql, params};
use serde::Serialize;

use super::{Db, DeviceId, StoreError};
use crate::value::{Datum, Record};

/// One value of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When, in milliseconds since 1970.
    pub ts_ms: i64,
    /// What it was.
    pub value: Datum,
}

impl Db {
    /// Stores telemetry.
    pub(crate) fn insert(
        &mut self,
        device: DeviceId,
        records: &[Record],
    ) -> Result<(), StoreError> {
        for record in records {
            for (name, value) in &record.values {
                let key = self.key(name)?;
                let row = params![device.0, key, record.ts_ms, value.kind(), value];
                self.conn
                    .prepare_cached(
                        "INSERT INTO series (device, key, ts_ms, kind, value) VALUES (?1, ?2, ?3, ?4, ?5) \
                         ON CONFLICT DO UPDATE SET kind = excluded.kind, value = excluded.value",
                    )?
                    .execute(row)?;
                self.conn
                    .prepare_cached(
                        "INSERT INTO latest (device, key, ts_ms, kind, value) VALUES (?1, ?2, ?3, ?4, ?5) \
                         ON CONFLICT DO UPDATE SET ts_ms = excluded.ts_ms, kind = excluded.kind, \
                         value = excluded.value WHERE excluded.ts_ms >= ts_ms",
                    )?
                    .execute(row)?;
            }
        }
        Ok(())
    }

    fn key(&mut self, name: &str) -> Result<i64, StoreError> {
        if let Some(&key) = self.keys.get(name) {
            return Ok(key);
        }
        self.conn.execute(
            "INSERT INTO keys (name) VALUES (?1) ON CONFLICT DO NOTHING",
            [name],
        )?;
        let key = self
            .conn
            .query_row("SELECT id FROM keys WHERE name = ?1", [name], |row| {
                row.get(0)
            })?;
        self.keys.insert(name.to_owned(), key);
        Ok(key)
    }

    /// The newest value of each key of a device, by name.
    pub(crate) fn latest(&mut self, device: DeviceId) -> Result<Vec<(String, Point)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT ts_ms, kind, value, name FROM latest JOIN keys ON keys.id = key \
             WHERE device = ?1 ORDER BY name",
        )?;
        let rows = statement.query_map([device.0], |row| Ok((row.get(3)?, point(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many moments of devices there are values for.
    pub(crate) fn samples(&mut self) -> Result<u64, StoreError> {
        let count: i64 = self.conn.query_row(
            "SELECT COUNT(*) FROM (SELECT DISTINCT device, ts_ms FROM series)",
            [],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// The newest `limit` values of a key from `from_ms` to before `to_ms`, oldest first.
    pub(crate) fn series(
        &mut self,
        device: DeviceId,
        name: &str,
        from_ms: i64,
        to_ms: i64,
        limit: u32,
    ) -> Result<Vec<Point>, StoreError> {
        let key: Option<i64> = self
            .conn
            .prepare_cached("SELECT id FROM keys WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT ts_ms, kind, value FROM series WHERE device = ?1 AND key = ?2 \
             AND ts_ms >= ?3 AND ts_ms < ?4 ORDER BY ts_ms DESC LIMIT ?5",
        )?;
        let rows = statement.query_map(params![device.0, key, from_ms, to_ms, limit], point)?;
        let mut points = rows.collect::<Result<Vec<_>, _>>()?;
        points.reverse();
        Ok(points)
    }
}

fn point(row: &Row<'_>) -> rusqlite::Result<Point> {
    Ok(Point {
        ts_ms: row.get(0)?,
        value: datum(row, 1)?,
    })
}

/// Reads a value from the column `kind` and the one behind it.
pub(super) fn datum(row: &Row<'_>, kind: usize) -> rusqlite::Result<Datum> {
    let value = kind + 1;
    Ok(match row.get(kind)? {
        0i64 => Datum::Long(row.get(value)?),
        1 => Datum::Double(row.get(value)?),
        2 => Datum::Bool(row.get(value)?),
        4 => Datum::Json(row.get(value)?),
        _ => Datum::Text(row.get(value)?),
    })
}

impl Datum {
    pub(super) fn kind(&self) -> i64 {
        match self {
            Self::Long(_) => 0,
            Self::Double(_) => 1,
            Self::Bool(_) => 2,
            Self::Text(_) => 3,
            Self::Json(_) => 4,
        }
    }
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Long(n) => ValueRef::Integer(*n),
            Self::Double(n) => ValueRef::Real(*n),
            Self::Bool(b) => ValueRef::Integer((*b).into()),
            Self::Text(text) | Self::Json(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
