//! Whose devices are, and who may make one his.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/src/main/java/org/thingsboard/server/service/device/ClaimDevicesServiceImpl.java`.

use rusqlite::{OptionalExtension, params};

use super::{Db, DeviceId, StoreError};

/// `ClaimResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is the customer's now.
    Success,
    /// It may not be claimed, not by this secret, or not any more; by a wrong secret nor after it.
    Failure,
    /// It is somebody's.
    Already,
}

impl Db {
    /// Notes that whoever knows the secret may take the device over. What was noted before stays, even if
    /// its time is over, until somebody tried (`persistInCache`); of a device that is somebody's nothing
    /// is noted.
    pub(crate) fn claim(
        &mut self,
        id: DeviceId,
        secret: &str,
        expires_ms: i64,
    ) -> Result<(), StoreError> {
        if !self.is_owned(id)? {
            self.conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO claims (device, secret, expires_ms) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![id.0, secret, expires_ms])?;
        }
        Ok(())
    }

    /// Until when that may be; it may have been.
    pub(crate) fn claimable_until(&self, id: DeviceId) -> Result<Option<i64>, StoreError> {
        let mut found = self
            .conn
            .prepare_cached("SELECT expires_ms FROM claims WHERE device = ?1")?;
        Ok(found.query_row([id.0], |row| row.get(0)).optional()?)
    }

    /// Whether a device is the customer's.
    pub(crate) fn is_owned(&mut self, id: DeviceId) -> Result<bool, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT 1 FROM owned WHERE device = ?1")?
            .exists([id.0])?)
    }

    /// The customer claims a device; whatever comes of it, what the device allowed is used up.
    pub(crate) fn take(
        &mut self,
        id: DeviceId,
        secret: &str,
        now_ms: i64,
    ) -> Result<Claimed, StoreError> {
        let allowed: Option<(String, i64)> = self
            .conn
            .prepare_cached("DELETE FROM claims WHERE device = ?1 RETURNING secret, expires_ms")?
            .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let owned = self.is_owned(id)?;
        Ok(match allowed {
            Some((right, expires_ms)) if now_ms > expires_ms || right != secret => Claimed::Failure,
            None if !owned => Claimed::Failure,
            _ if owned => Claimed::Already,
            _ => {
                self.conn
                    .execute("INSERT INTO owned (device) VALUES (?1)", [id.0])?;
                Claimed::Success
            }
        })
    }

    /// The customer gives a device back.
    pub(crate) fn give_back(&mut self, id: DeviceId) -> Result<(), StoreError> {
        for table in ["claims", "owned"] {
            let delete = format!("DELETE FROM {table} WHERE device = ?1");
            self.conn.execute(&delete, [id.0])?;
        }
        Ok(())
    }
}
