//! Packages of firmware, and which device has one of its own.

use std::sync::Arc;

use rusqlite::{Row, params};

use super::{Db, DeviceId, DeviceRow, Kind, StoreError};
use crate::packages::{Firmware, Package};
use crate::profiles;

impl Db {
    /// Stores a package, whose number it does not have yet; none if there is one of that title and version
    /// for a profile.
    pub(crate) fn add_package(&mut self, package: &Package) -> Result<Option<i64>, StoreError> {
        let data = package.firmware.as_ref().map(|firmware| &firmware.data);
        let added = self.conn.execute(
            "INSERT OR IGNORE INTO packages (created_ms, profile, title, version, tag, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                package.created_ms,
                package.profile,
                package.title,
                package.version,
                package.tag,
                data
            ],
        )?;
        Ok((added == 1).then(|| self.conn.last_insert_rowid()))
    }

    /// Stores the bytes of a package.
    pub(crate) fn give_package(&mut self, row: i64, data: &[u8]) -> Result<(), StoreError> {
        let sql = "UPDATE packages SET data = ?2 WHERE id = ?1";
        self.conn.execute(sql, params![row, data])?;
        Ok(())
    }

    pub(crate) fn remove_package(&mut self, row: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM packages WHERE id = ?1";
        self.conn.execute(sql, [row])?;
        Ok(())
    }

    /// All packages, oldest first.
    pub(crate) fn packages(&mut self) -> Result<Vec<Package>, StoreError> {
        let sql =
            "SELECT id, created_ms, profile, title, version, tag, data FROM packages ORDER BY id";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([], package)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Says which package a device has of its own, or none; what nobody has any more and is of no profile
    /// goes away.
    pub(crate) fn set_own_package(
        &mut self,
        device: DeviceId,
        package: Option<i64>,
    ) -> Result<(), StoreError> {
        match package {
            Some(package) => self.conn.execute(
                "INSERT OR REPLACE INTO assigned (device, package) VALUES (?1, ?2)",
                params![device.0, package],
            )?,
            None => self
                .conn
                .execute("DELETE FROM assigned WHERE device = ?1", [device.0])?,
        };
        self.conn.execute(
            "DELETE FROM packages WHERE profile IS NULL AND id NOT IN (SELECT package FROM assigned)",
            [],
        )?;
        Ok(())
    }

    /// Which devices have which packages of their own.
    pub(crate) fn own_packages(&mut self) -> Result<Vec<(DeviceId, i64)>, StoreError> {
        let mut statement = self.conn.prepare("SELECT device, package FROM assigned")?;
        let rows = statement.query_map([], |row| Ok((DeviceId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The package of a device's profile, if that has one.
    pub(crate) fn package_of_profile(
        &mut self,
        device: DeviceId,
    ) -> Result<Option<i64>, StoreError> {
        let profile = self.profile_of(device)?;
        let profile = self.document(Kind::Profile, profile)?;
        Ok(profile.and_then(|profile| profiles::package(&profile.body)))
    }

    /// The devices of a profile that have no package of their own.
    pub(crate) fn followers(&mut self, profile: i64) -> Result<Vec<DeviceRow>, StoreError> {
        let own: Vec<_> = self.own_packages()?;
        let mut followers = Vec::new();
        for device in self.devices()? {
            let follows = own.iter().all(|(owner, _)| *owner != device.id);
            if follows && self.profile_of(device.id)? == profile {
                followers.push(device);
            }
        }
        Ok(followers)
    }
}

fn package(row: &Row<'_>) -> rusqlite::Result<Package> {
    let (title, version): (String, String) = (row.get(3)?, row.get(4)?);
    let tag: Option<String> = row.get(5)?;
    let firmware = row.get::<_, Option<Vec<u8>>>(6)?.map(|data| Firmware {
        title: title.clone(),
        version: version.clone(),
        tag: tag.clone(),
        data,
    });
    Ok(Package {
        row: row.get(0)?,
        created_ms: row.get(1)?,
        profile: row.get(2)?,
        title,
        version,
        tag,
        firmware: firmware.map(Arc::new),
    })
}
