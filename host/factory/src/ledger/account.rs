//! What the ledger tells: all boards, what happened at the ports, and whether it all adds up.

use rusqlite::params;
use serde::Serialize;

use super::{Board, Ledger, LedgerError, Stage, Visit, row, schema};

/// Every board accounted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Serial numbers that were given.
    pub boards: usize,
    /// Those that are done.
    pub done: usize,
    /// Those that were taken out.
    pub scrapped: usize,
    /// Those that are neither, by serial number: they are to be put on again, or scrapped.
    pub unfinished: Vec<String>,
    /// Numbers between the first and the last of a series that nobody has, as `PREFIX: how many`. There
    /// are none, unless somebody else wrote into the file.
    pub missing: Vec<String>,
    /// How often something answered at a port and did not say who it is.
    pub nameless: u32,
}

impl Ledger {
    /// All boards, in the order of their serial numbers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn boards(&self) -> Result<Vec<Board>, LedgerError> {
        let sql = format!(
            "SELECT {} FROM board ORDER BY prefix, digits, number",
            schema::BOARD
        );
        let mut all = self.connection.prepare(&sql)?;
        Ok(all.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// What happened at the ports, the latest first, so many.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn visits(&self, most: u32) -> Result<Vec<Visit>, LedgerError> {
        let mut all = self.connection.prepare(
            "SELECT port, serial, begun_ms, outcome FROM trial ORDER BY id DESC LIMIT ?1",
        )?;
        let visits = all.query_map(params![most], |row| {
            Ok(Visit {
                port: row.get(0)?,
                serial: row.get(1)?,
                begun_ms: row.get(2)?,
                outcome: row.get(3)?,
            })
        })?;
        Ok(visits.collect::<Result<_, _>>()?)
    }

    /// Whether it all adds up.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn account(&self) -> Result<Account, LedgerError> {
        let boards = self.boards()?;
        let at = |stage| boards.iter().filter(move |board| board.stage == stage);
        let unfinished = boards.iter().filter(|board| board.stage < Stage::Done);
        let mut gaps = self.connection.prepare(
            "SELECT prefix, max(number) - min(number) + 1 - count(*) AS gap FROM board
             GROUP BY prefix, digits HAVING gap > 0",
        )?;
        let missing = gaps.query_map([], |row| {
            Ok(format!(
                "{}: {}",
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?
            ))
        })?;
        let nameless = "SELECT count(*) FROM trial WHERE serial IS NULL AND outcome IS NOT NULL";
        Ok(Account {
            boards: boards.len(),
            done: at(Stage::Done).count(),
            scrapped: at(Stage::Scrapped).count(),
            unfinished: unfinished.map(|board| board.serial.clone()).collect(),
            missing: missing.collect::<Result<_, _>>()?,
            nameless: self.connection.query_row(nameless, [], |row| row.get(0))?,
        })
    }
}
