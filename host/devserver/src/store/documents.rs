//! Device profiles, dashboards and rule chains, whose inside is JSON, and which device is of which profile.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::{Admission, Db, DeviceId, StoreError};
use crate::chains;
use crate::config::Profile;
use crate::event::Refusal;
use crate::profiles::{self, Known};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A device profile.
    Profile,
    /// A dashboard.
    Dashboard,
    /// A rule chain, with its metadata.
    RuleChain,
}

/// A document as stored.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) row: i64,
    pub(crate) created_ms: i64,
    pub(crate) version: i64,
    pub(crate) body: Value,
}

/// The row of the profile that devices have unless another one let them in.
const DEFAULT_ROW: i64 = 1;

impl Kind {
    fn number(self) -> i64 {
        match self {
            Self::Profile => 0,
            Self::Dashboard => 1,
            Self::RuleChain => 2,
        }
    }
}

impl Db {
    /// Makes sure that the root rule chain is there, and the default profile, which has the provisioning that the server was started
    /// with; returns all by which devices come.
    pub(crate) fn prepare_profiles(
        &mut self,
        profile: Option<&Profile>,
        now_ms: i64,
    ) -> Result<Vec<Known>, StoreError> {
        match self.document(Kind::Profile, DEFAULT_ROW)? {
            Some(mut there) => {
                profiles::provision(&mut there.body, profile);
                self.change_document(DEFAULT_ROW, &there.body)?;
            }
            None => {
                let body = profiles::default_document(profile);
                self.add_document(Kind::Profile, &body, now_ms)?;
            }
        }
        if self.documents(Kind::RuleChain)?.is_empty() {
            self.add_document(Kind::RuleChain, &chains::root(), now_ms)?;
        }
        self.known_profiles()
    }

    /// Whether the rule chain of this device tells it the time: its profile's, or else the root.
    pub(crate) fn tells_time(&mut self, device: DeviceId) -> Result<bool, StoreError> {
        let profile = self.profile_of(device)?;
        let profile = self.document(Kind::Profile, profile)?;
        let chosen = profile.and_then(|one| chains::of_profile(&one.body));
        let chosen = match chosen {
            Some(row) => self.document(Kind::RuleChain, row)?,
            None => {
                let all = self.documents(Kind::RuleChain)?;
                all.into_iter().find(|one| one.body["root"] == true)
            }
        };
        Ok(chosen.is_some_and(|chain| chains::tells_time(&chain.body)))
    }

    /// The profiles by which devices come.
    pub(crate) fn known_profiles(&mut self) -> Result<Vec<Known>, StoreError> {
        let all = self.documents(Kind::Profile)?;
        let known = |one: Document| profiles::read(one.row, &one.body).ok().flatten();
        Ok(all.into_iter().filter_map(known).collect())
    }

    /// Stores a document; returns its row.
    pub(crate) fn add_document(
        &mut self,
        kind: Kind,
        body: &Value,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        self.conn.execute(
            "INSERT INTO documents (kind, created_ms, version, body) VALUES (?1, ?2, 1, ?3)",
            params![kind.number(), now_ms, body.to_string()],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Stores another state of a document; `false` if it is not there.
    pub(crate) fn change_document(&mut self, row: i64, body: &Value) -> Result<bool, StoreError> {
        let changed = self.conn.execute(
            "UPDATE documents SET body = ?2, version = version + 1 WHERE id = ?1",
            params![row, body.to_string()],
        )?;
        Ok(changed == 1)
    }

    /// Deletes a document; `false` if it is not there.
    pub(crate) fn delete_document(&mut self, kind: Kind, row: i64) -> Result<bool, StoreError> {
        let deleted = self.conn.execute(
            "DELETE FROM documents WHERE id = ?1 AND kind = ?2",
            params![row, kind.number()],
        )?;
        Ok(deleted == 1)
    }

    /// One document.
    pub(crate) fn document(
        &mut self,
        kind: Kind,
        row: i64,
    ) -> Result<Option<Document>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, created_ms, version, body FROM documents WHERE id = ?1 AND kind = ?2",
        )?;
        Ok(statement
            .query_row(params![row, kind.number()], document)
            .optional()?)
    }

    /// All documents of a kind, oldest first.
    pub(crate) fn documents(&mut self, kind: Kind) -> Result<Vec<Document>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, created_ms, version, body FROM documents WHERE kind = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([kind.number()], document)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The profile of a device.
    pub(crate) fn profile_of(&mut self, device: DeviceId) -> Result<i64, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT profile FROM memberships WHERE device = ?1")?;
        let found = statement
            .query_row([device.0], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(DEFAULT_ROW))
    }

    /// Notes which profile let a device in.
    pub(super) fn set_profile(&mut self, device: DeviceId, profile: i64) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR REPLACE INTO memberships (device, profile) VALUES (?1, ?2)",
            params![device.0, profile],
        )?;
        Ok(())
    }

    /// Why a device that was let in may not speak MQTT all the same.
    pub(crate) fn refuses_mqtt(
        &mut self,
        admission: &Admission,
        profiles: &[Known],
    ) -> Result<Option<Refusal>, StoreError> {
        let row = self.profile_of(admission.device)?;
        let refuses = profiles.iter().any(|one| one.row == row && !one.takes_mqtt);
        let name = admission.name.clone();
        Ok(refuses.then_some(Refusal::NotForMqtt { name }))
    }

    /// Whether a profile has devices.
    pub(crate) fn has_devices(&mut self, profile: i64) -> Result<bool, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT 1 FROM memberships WHERE profile = ?1")?
            .exists([profile])?)
    }
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let body: String = row.get(3)?;
    Ok(Document {
        row: row.get(0)?,
        created_ms: row.get(1)?,
        version: row.get(2)?,
        // It was written by `Value`.
        body: serde_json::from_str(&body).unwrap_or_default(),
    })
}
