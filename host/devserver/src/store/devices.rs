//! Devices and who may be one.

use rusqlite::{OptionalExtension, Row, params};

use super::{Db, StoreError};
use crate::event::Refusal;
use crate::identity::ClientChain;
use crate::profiles::Known;

/// Row of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceId(pub(super) i64);

impl DeviceId {
    /// The number of its row.
    pub(crate) fn row(self) -> i64 {
        self.0
    }
}

/// A device as stored.
#[derive(Clone, Debug)]
pub(crate) struct DeviceRow {
    pub(crate) id: DeviceId,
    pub(crate) name: String,
    pub(crate) created_ms: i64,
    pub(crate) last_seen_ms: Option<i64>,
    /// Whether it proves itself by certificate; by access token otherwise.
    pub(crate) x509: bool,
}

/// A device that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) device: DeviceId,
    pub(crate) name: String,
    /// It did not exist before.
    pub(crate) created: bool,
    /// It existed with another certificate, which this one replaces.
    pub(crate) replaced: bool,
}

const COLUMNS: &str =
    "SELECT id, name, created_ms, last_seen_ms, certificate IS NOT NULL FROM devices";

impl Db {
    /// Finds the device of a certificate chain, or makes it, as ThingsBoard does.
    ///
    /// Source: thingsboard/thingsboard, `DefaultTransportApiService.validateOrCreateDeviceX509Certificate`
    /// and `DeviceProvisionServiceImpl.provisionDeviceViaX509Chain`, commit
    /// dfe65d5abc3aa959aaa853952d74943fbd6867bd. There the first runs during the TLS handshake
    /// (`MqttSslHandlerProvider.checkClientTrusted`), which a resumed session skips, and CONNECT
    /// looks for the leaf alone. Here both run on CONNECT, with the same outcome.
    pub(crate) fn admit_chain(
        &mut self,
        chain: &ClientChain,
        profiles: &[Known],
        now_ms: i64,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        let considered = if chain.resumed() { 1 } else { usize::MAX };
        let certificates = chain.certificates().iter().take(considered);
        for (index, certificate) in certificates.enumerate() {
            if let Some((device, name)) = self.device_of_certificate(certificate)? {
                // The certificate of another device in place of a CA lets nobody in.
                let known = Admission {
                    device,
                    name,
                    created: false,
                    replaced: false,
                };
                return Ok(if index == 0 {
                    Ok(known)
                } else {
                    Err(chain.unknown())
                });
            }
            let known = profiles.iter().find(|one| one.profile.ca == *certificate);
            if let Some(known) = known.filter(|_| !chain.resumed()) {
                return self.provision(chain, known, now_ms);
            }
        }
        Ok(Err(chain.unknown()))
    }

    fn provision(
        &mut self,
        chain: &ClientChain,
        known: &Known,
        now_ms: i64,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        let profile = &known.profile;
        let name = match profile.device_name(chain.common_name()) {
            Ok(name) => name,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let leaf: &[u8] = chain.leaf();
        match self.device(&name)? {
            Some(DeviceRow { x509: false, .. }) => Ok(Err(Refusal::NameTaken { name })),
            // `DeviceProvisionServiceImpl.provisionDeviceViaX509Chain`
            Some(DeviceRow { id, .. }) if self.profile_of(id)? != known.row => {
                Ok(Err(Refusal::OtherProfile { name }))
            }
            Some(DeviceRow { id, .. }) => {
                self.conn
                    .prepare_cached("UPDATE devices SET certificate = ?2 WHERE id = ?1")?
                    .execute(params![id.0, leaf])?;
                Ok(Ok(Admission {
                    device: id,
                    name,
                    created: false,
                    replaced: true,
                }))
            }
            None if profile.allow_create => {
                self.conn
                    .prepare_cached(
                        "INSERT INTO devices (name, created_ms, certificate) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![name, now_ms, leaf])?;
                let device = DeviceId(self.conn.last_insert_rowid());
                self.set_profile(device, known.row)?;
                Ok(Ok(Admission {
                    device,
                    name,
                    created: true,
                    replaced: false,
                }))
            }
            None => Ok(Err(Refusal::CreationNotAllowed { name })),
        }
    }

    fn device_of_certificate(&self, der: &[u8]) -> Result<Option<(DeviceId, String)>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT id, name FROM devices WHERE certificate = ?1")?
            .query_row([der], |row| Ok((DeviceId(row.get(0)?), row.get(1)?)))
            .optional()?)
    }

    /// Finds the device of an access token.
    pub(crate) fn admit_token(
        &mut self,
        token: &str,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        let found = self
            .conn
            .prepare_cached("SELECT id, name FROM devices WHERE token = ?1")?
            .query_row([token], |row| {
                let (device, name) = (DeviceId(row.get(0)?), row.get(1)?);
                Ok(Admission {
                    device,
                    name,
                    created: false,
                    replaced: false,
                })
            })
            .optional()?;
        Ok(found.ok_or(Refusal::UnknownToken))
    }

    /// Makes a device with an access token; `false` if the name or the token is taken.
    pub(crate) fn create_with_token(
        &mut self,
        name: &str,
        token: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let made = self
            .conn
            .prepare_cached(
                "INSERT INTO devices (name, created_ms, token) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![name, now_ms, token])?;
        Ok(made == 1)
    }

    /// All devices, by name.
    pub(crate) fn devices(&mut self) -> Result<Vec<DeviceRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{COLUMNS} ORDER BY name"))?;
        let rows = statement.query_map([], device_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The device of that name.
    pub(crate) fn device(&mut self, name: &str) -> Result<Option<DeviceRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{COLUMNS} WHERE name = ?1"))?;
        Ok(statement.query_row([name], device_row).optional()?)
    }

    /// The device of that row.
    pub(crate) fn device_at(&mut self, row: i64) -> Result<Option<DeviceRow>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        Ok(statement.query_row([row], device_row).optional()?)
    }

    /// Deletes a device with all its data; `false` if there is none.
    pub(crate) fn delete_device(&mut self, id: DeviceId) -> Result<bool, StoreError> {
        for table in [
            "series",
            "latest",
            "attributes",
            "claims",
            "memberships",
            "owned",
            "assigned",
        ] {
            self.conn
                .execute(&format!("DELETE FROM {table} WHERE device = ?1"), [id.0])?;
        }
        Ok(self
            .conn
            .execute("DELETE FROM devices WHERE id = ?1", [id.0])?
            == 1)
    }

    /// Notes that a device was heard.
    ///
    /// # Errors
    /// [`StoreError::NoDevice`] if it was deleted: nothing may be stored of it any more.
    pub(crate) fn seen(&mut self, id: DeviceId, now_ms: i64) -> Result<(), StoreError> {
        let seen = self
            .conn
            .prepare_cached("UPDATE devices SET last_seen_ms = ?2 WHERE id = ?1")?
            .execute([id.0, now_ms])?;
        if seen == 1 {
            Ok(())
        } else {
            Err(StoreError::NoDevice)
        }
    }

    /// Makes sure that a device is still there.
    ///
    /// # Errors
    /// [`StoreError::NoDevice`] if it was deleted.
    pub(crate) fn require(&self, id: DeviceId) -> Result<(), StoreError> {
        let there = self
            .conn
            .prepare_cached("SELECT 1 FROM devices WHERE id = ?1")?
            .exists([id.0])?;
        if there {
            Ok(())
        } else {
            Err(StoreError::NoDevice)
        }
    }
}

fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        id: DeviceId(row.get(0)?),
        name: row.get(1)?,
        created_ms: row.get(2)?,
        last_seen_ms: row.get(3)?,
        x509: row.get(4)?,
    })
}
