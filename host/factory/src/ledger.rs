//! Who got which serial number, and how far each board is: a SQLite file.
//!
//! Each call is one transaction, which is on the disk when it returns. Several processes may work on
//! one file: SQLite lets one of them write at a time. Nothing in it is secret.

mod account;
mod schema;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::{Identity, Series, shown_mac};
pub use account::Account;

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the ledger failed: {0}; is its disk full, or its folder not yours to write?")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is of a later version.
    #[error(
        "the ledger has format {0}, which this version does not know: take the esptb that made it"
    )]
    Format(i64),
    /// The series would begin after the next number, and numbers be left out.
    #[error(
        "the series goes on with {next}, and to begin with {first} would leave numbers out: give \
         {next}, or another prefix for another series"
    )]
    LeavesOut {
        /// The next serial number of the series.
        next: String,
        /// The one that was asked for.
        first: String,
    },
    /// No number of so many digits is left.
    #[error("the series {0} has no number left: begin another, with more digits")]
    Full(String),
    /// Somebody else gave that number to a device.
    #[error(
        "{0} is the next number, and a device of that name was made already, not for a board in \
         this ledger: begin after it (with another prefix), or move its folder away if it was never shipped"
    )]
    Taken(String),
    /// The board was taken out of the series.
    #[error("this board was {serial}, and was scrapped: {reason}")]
    Scrapped {
        /// What it was.
        serial: String,
        /// Why it was taken out.
        reason: String,
    },
    /// No board has this serial number or address.
    #[error("no board {0} is in the ledger: `esptb factory list` shows all")]
    Unknown(String),
}

/// How far a board is. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It has a serial number.
    Assigned,
    /// It has a certificate.
    Certified,
    /// Its flash was written and verified.
    Written,
    /// It was seen to start, and to advertise.
    Started,
    /// It has its label.
    Done,
    /// It was taken out of the series.
    Scrapped,
}

const STAGES: [(Stage, &str); 6] = [
    (Stage::Assigned, "assigned"),
    (Stage::Certified, "certified"),
    (Stage::Written, "written"),
    (Stage::Started, "started"),
    (Stage::Done, "done"),
    (Stage::Scrapped, "scrapped"),
];

impl Stage {
    /// Its word.
    pub fn name(self) -> &'static str {
        let found = STAGES.iter().find(|(stage, _)| *stage == self);
        found.map_or("", |(_, name)| name)
    }

    fn of(name: &str) -> rusqlite::Result<Self> {
        let found = STAGES.iter().find(|(_, known)| *known == name);
        found.map(|(stage, _)| *stage).ok_or_else(|| {
            let error = format!("a stage called {name}");
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })
    }
}

/// A board of the series. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Its serial number.
    pub serial: String,
    /// Its address, as `24:0A:C4:1A:2B:3C`.
    pub mac: String,
    /// Its chip.
    pub chip: String,
    /// How far it is.
    pub stage: Stage,
    /// What was written: the app's version.
    pub firmware: Option<String>,
    /// SHA-256 of its certificate.
    pub certificate: Option<String>,
    /// What went wrong last, or why it was scrapped; none once all went well.
    pub fault: Option<String>,
    /// When it got its serial number.
    pub assigned_ms: i64,
    /// When this line changed last.
    pub changed_ms: i64,
}

/// One board on one port, from when it was found until it was done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial(i64);

/// A trial that is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Visit {
    /// At which port.
    pub port: String,
    /// Which board; none if it did not say.
    pub serial: Option<String>,
    /// When it was found, in milliseconds since 1970.
    pub begun_ms: i64,
    /// How it ended; none while it goes on, or if this program was ended meanwhile.
    pub outcome: Option<String>,
}

/// The open file.
pub struct Ledger {
    connection: Connection,
    now_ms: fn() -> i64,
}

impl Ledger {
    /// Opens it, making it if it is not there. `now_ms` is the time in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Format`].
    pub fn open(path: &Path, now_ms: fn() -> i64) -> Result<Self, LedgerError> {
        let mut connection = Connection::open(path)?;
        schema::prepare(&mut connection)?;
        Ok(Self { connection, now_ms })
    }

    fn write(&mut self) -> Result<Transaction<'_>, LedgerError> {
        // At once, so that what is read in it is still so when it is written.
        let behaviour = TransactionBehavior::Immediate;
        Ok(self.connection.transaction_with_behavior(behaviour)?)
    }

    /// Something answers at this port. What was begun there and did not end was interrupted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn arrived(&mut self, port: &str) -> Result<Trial, LedgerError> {
        let now = (self.now_ms)();
        let transaction = self.write()?;
        transaction.execute(
            "UPDATE trial SET outcome = 'interrupted', ended_ms = ?2 WHERE port = ?1 AND outcome IS NULL",
            params![port, now],
        )?;
        transaction.execute(
            "INSERT INTO trial (port, begun_ms) VALUES (?1, ?2)",
            params![port, now],
        )?;
        let trial = Trial(transaction.last_insert_rowid());
        transaction.commit()?;
        Ok(trial)
    }

    /// The board says who it is: gives it the serial number that it has, or else the next of the
    /// series. `is_taken` tells of numbers that were given elsewhere.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: nothing was given then.
    pub fn identified(
        &mut self,
        trial: Trial,
        identity: &Identity,
        series: &Series,
        is_taken: &dyn Fn(&str) -> bool,
    ) -> Result<Board, LedgerError> {
        let (now, mac) = ((self.now_ms)(), shown_mac(&identity.mac));
        let transaction = self.write()?;
        let known = board(&transaction, &mac)?;
        let serial = match known {
            Some(board) if board.stage == Stage::Scrapped => {
                return Err(LedgerError::Scrapped {
                    serial: board.serial,
                    reason: board.fault.unwrap_or_default(),
                });
            }
            Some(board) => board.serial,
            None => {
                let (number, serial) = next(&transaction, series)?;
                if is_taken(&serial) {
                    return Err(LedgerError::Taken(serial));
                }
                transaction.execute(
                    "INSERT INTO board (serial, prefix, digits, number, mac, chip, stage, assigned_ms, changed_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'assigned', ?7, ?7)",
                    params![serial, series.prefix(), series.digits() as i64, number, mac, identity.chip, now],
                )?;
                serial
            }
        };
        transaction.execute(
            "UPDATE trial SET serial = ?2 WHERE id = ?1",
            params![trial.0, serial],
        )?;
        let known = board(&transaction, &mac)?;
        transaction.commit()?;
        known.ok_or(LedgerError::Unknown(serial))
    }

    /// The board got so far; further than it was, or again.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Unknown`].
    pub fn reached(&mut self, serial: &str, stage: Stage) -> Result<(), LedgerError> {
        let now = (self.now_ms)();
        self.changed(
            serial,
            "UPDATE board SET stage = ?2, changed_ms = ?3, fault = NULL WHERE serial = ?1",
            params![serial, stage.name(), now],
        )
    }

    /// The certificate's SHA-256, and the version of what is written.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Unknown`].
    pub fn has(
        &mut self,
        serial: &str,
        certificate: Option<&str>,
        firmware: Option<&str>,
    ) -> Result<(), LedgerError> {
        self.changed(
            serial,
            "UPDATE board SET certificate = coalesce(?2, certificate), firmware = coalesce(?3, firmware) WHERE serial = ?1",
            params![serial, certificate, firmware],
        )
    }

    /// The trial is over: `fault` is what went wrong.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn ended(&mut self, trial: Trial, fault: Option<&str>) -> Result<(), LedgerError> {
        let now = (self.now_ms)();
        let transaction = self.write()?;
        transaction.execute(
            "UPDATE trial SET outcome = ?2, ended_ms = ?3 WHERE id = ?1",
            params![trial.0, fault.unwrap_or("done"), now],
        )?;
        if let Some(fault) = fault {
            transaction.execute(
                "UPDATE board SET fault = ?2, changed_ms = ?3
                 WHERE stage <> 'scrapped' AND serial = (SELECT serial FROM trial WHERE id = ?1)",
                params![trial.0, fault, now],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Takes a board out of the series for good. Its number is not given again.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Unknown`].
    pub fn scrap(&mut self, board: &str, reason: &str) -> Result<Board, LedgerError> {
        let serial = self.board(board)?.serial;
        let now = (self.now_ms)();
        self.changed(
            &serial,
            "UPDATE board SET stage = 'scrapped', fault = ?2, changed_ms = ?3 WHERE serial = ?1",
            params![serial, reason, now],
        )?;
        self.board(&serial)
    }

    fn changed(
        &mut self,
        serial: &str,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<(), LedgerError> {
        match self.connection.execute(sql, values)? {
            0 => Err(LedgerError::Unknown(serial.to_owned())),
            _ => Ok(()),
        }
    }

    /// The board of this serial number or address.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Unknown`].
    pub fn board(&self, named: &str) -> Result<Board, LedgerError> {
        board(&self.connection, named)?.ok_or_else(|| LedgerError::Unknown(named.to_owned()))
    }
}

/// The board of this serial number or address.
fn board(connection: &Connection, named: &str) -> Result<Option<Board>, LedgerError> {
    let mac = named.to_ascii_uppercase().replace('-', ":");
    let mut found = connection.prepare_cached(&format!(
        "SELECT {} FROM board WHERE serial = ?1 OR mac = ?2",
        schema::BOARD
    ))?;
    Ok(found.query_row(params![named, mac], row).optional()?)
}

fn row(row: &Row<'_>) -> rusqlite::Result<Board> {
    Ok(Board {
        serial: row.get(0)?,
        mac: row.get(1)?,
        chip: row.get(2)?,
        stage: Stage::of(&row.get::<_, String>(3)?)?,
        firmware: row.get(4)?,
        certificate: row.get(5)?,
        fault: row.get(6)?,
        assigned_ms: row.get(7)?,
        changed_ms: row.get(8)?,
    })
}

/// The next number of a series, and its serial number.
fn next(transaction: &Transaction<'_>, series: &Series) -> Result<(u32, String), LedgerError> {
    let last: Option<u32> = transaction.query_row(
        "SELECT max(number) FROM board WHERE prefix = ?1 AND digits = ?2",
        params![series.prefix(), series.digits() as i64],
        |row| row.get(0),
    )?;
    let number = last.map_or(series.first(), |last| last.saturating_add(1));
    let full = || LedgerError::Full(series.prefix().to_owned());
    let serial = series.serial(number).ok_or_else(full)?;
    if series.first() > number {
        let first = series.serial(series.first()).ok_or_else(full)?;
        return Err(LedgerError::LeavesOut {
            next: serial,
            first,
        });
    }
    Ok((number, serial))
}
