//! What a campaign has done: a SQLite file, from which it goes on after an interruption.
//!
//! Each call is one transaction, which is on the disk when it returns. Nothing in it is secret.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::Goal;
use super::member::{Member, Stage};

/// Why the file does not serve.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the campaign's file failed: {0}; is its disk full, or its folder not yours to write?")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is of a later version.
    #[error(
        "the campaign's file has format {0}, which this version does not know: take the esptb that made it"
    )]
    Format(i64),
    /// It is another campaign's.
    #[error(
        "the file is of a campaign for {there} on {server}: go on with that one, or name another file by --state"
    )]
    Another {
        /// What that one brings.
        there: String,
        /// Where.
        server: String,
    },
}

/// The format of the file, in its `user_version`.
const FORMAT: i64 = 1;
/// How long another process may take to write a line.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    title TEXT NOT NULL,
    version TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    server TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    halted TEXT,
    forgiven INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE device (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    place INTEGER NOT NULL UNIQUE,
    stage TEXT NOT NULL,
    wave INTEGER,
    version_before TEXT,
    crash_ms INTEGER,
    state_ms INTEGER,
    assigned_ms INTEGER,
    updated_ms INTEGER,
    mark_ms INTEGER,
    settled_ms INTEGER,
    fault TEXT
) STRICT;
PRAGMA user_version = 1;
";

/// What holds for a campaign as a whole. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) begun_ms: i64,
    pub(super) ended_ms: Option<i64>,
    /// Why it was halted.
    pub(super) halted: Option<String>,
    /// Failures that do not count any more, for somebody let it go on.
    pub(super) forgiven: usize,
}

/// The open file.
pub struct Ledger(Connection);

impl Ledger {
    /// Opens it, making it if it is not there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`], [`LedgerError::Format`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        // What was written before a request stays after a power failure.
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match format {
            0 => transaction.execute_batch(TABLES)?,
            FORMAT => {}
            other => return Err(LedgerError::Format(other)),
        }
        transaction.commit()?;
        Ok(Self(connection))
    }

    /// What the campaign is for, if one was begun.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Sqlite`].
    pub fn goal(&self) -> Result<Option<Goal>, LedgerError> {
        let sql = "SELECT title, version, sha256, server FROM campaign";
        let goal = self.0.query_row(sql, [], |row| {
            Ok(Goal {
                title: row.get(0)?,
                version: row.get(1)?,
                sha256: row.get(2)?,
                server: row.get(3)?,
            })
        });
        Ok(goal.optional()?)
    }

    /// Begins a campaign, or goes on with it.
    pub(super) fn begin(&mut self, goal: &Goal, now_ms: i64) -> Result<(), LedgerError> {
        match self.goal()? {
            Some(there) if there == *goal => Ok(()),
            Some(there) => Err(LedgerError::Another {
                there: format!("{} {} ({:.8}…)", there.title, there.version, there.sha256),
                server: there.server,
            }),
            None => {
                self.0.execute(
                    "INSERT INTO campaign (id, title, version, sha256, server, begun_ms) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
                    params![goal.title, goal.version, goal.sha256, goal.server, now_ms],
                )?;
                Ok(())
            }
        }
    }

    pub(super) fn standing(&self) -> Result<Standing, LedgerError> {
        let sql = "SELECT begun_ms, ended_ms, halted, forgiven FROM campaign";
        let standing = self.0.query_row(sql, [], |row| {
            Ok(Standing {
                begun_ms: row.get(0)?,
                ended_ms: row.get(1)?,
                halted: row.get(2)?,
                forgiven: row.get::<_, i64>(3)?.try_into().unwrap_or(0),
            })
        });
        Ok(standing?)
    }

    pub(super) fn stand(&mut self, standing: &Standing) -> Result<(), LedgerError> {
        self.0.execute(
            "UPDATE campaign SET ended_ms = ?1, halted = ?2, forgiven = ?3",
            params![standing.ended_ms, standing.halted, standing.forgiven as i64],
        )?;
        Ok(())
    }

    /// All devices, in their order.
    pub(super) fn members(&self) -> Result<Vec<Member>, LedgerError> {
        let sql =
            "SELECT id, name, place, stage, wave, version_before, crash_ms, state_ms, assigned_ms,
                   updated_ms, mark_ms, settled_ms, fault FROM device ORDER BY place";
        let mut all = self.0.prepare(sql)?;
        Ok(all.query_map([], member)?.collect::<Result<_, _>>()?)
    }

    /// Writes these down as they are, all or none.
    pub(super) fn write<'a>(
        &mut self,
        members: impl IntoIterator<Item = &'a Member>,
    ) -> Result<(), LedgerError> {
        let transaction = self
            .0
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for member in members {
            write(&transaction, member)?;
        }
        Ok(transaction.commit()?)
    }
}

fn write(transaction: &Transaction<'_>, member: &Member) -> Result<(), LedgerError> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO device (id, name, place, stage, wave, version_before, crash_ms,
         state_ms, assigned_ms, updated_ms, mark_ms, settled_ms, fault)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    statement.execute(params![
        member.id,
        member.name,
        member.place as i64,
        member.stage.name(),
        member.wave.map(|wave| wave as i64),
        member.version_before,
        member.crash_ms,
        member.state_ms,
        member.assigned_ms,
        member.updated_ms,
        member.mark_ms,
        member.settled_ms,
        member.fault,
    ])?;
    Ok(())
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    let stage: String = row.get(3)?;
    let stage = Stage::of(&stage).ok_or_else(|| {
        let error = format!("a stage called {stage}");
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, error.into())
    })?;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok(Member {
        id: row.get(0)?,
        name: row.get(1)?,
        place: number(row.get(2)?),
        stage,
        wave: row.get::<_, Option<i64>>(4)?.map(number),
        version_before: row.get(5)?,
        crash_ms: row.get(6)?,
        state_ms: row.get(7)?,
        assigned_ms: row.get(8)?,
        updated_ms: row.get(9)?,
        mark_ms: row.get(10)?,
        settled_ms: row.get(11)?,
        fault: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(version: &str) -> Goal {
        Goal {
            title: "climate".into(),
            version: version.into(),
            sha256: "00112233445566".into(),
            server: "http://127.0.0.1".into(),
        }
    }

    #[test]
    fn all_is_there_again_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campaign.sqlite");
        let mut member = Member::new("id-1", "SN-1", 0);
        member.stage = Stage::Failed;
        member.wave = Some(2);
        member.fault = Some("it crashed".into());
        member.settled_ms = Some(99);
        let standing = {
            let mut ledger = Ledger::open(&path).unwrap();
            ledger.begin(&goal("2"), 5).unwrap();
            ledger
                .write([&member, &Member::new("id-0", "SN-0", 1)])
                .unwrap();
            let mut standing = ledger.standing().unwrap();
            standing.halted = Some("too many".into());
            standing.forgiven = 3;
            ledger.stand(&standing).unwrap();
            standing
        };
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(
            ledger.members().unwrap(),
            [member, Member::new("id-0", "SN-0", 1)]
        );
        assert_eq!(ledger.standing().unwrap(), standing);
        ledger.begin(&goal("2"), 7).unwrap();
        assert_eq!(ledger.standing().unwrap().begun_ms, 5);
        let another = ledger.begin(&goal("3"), 7).unwrap_err();
        assert!(another.to_string().contains("climate 2"), "{another}");
    }
}
