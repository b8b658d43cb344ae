//! What a campaign has done: a SQLite file, from which it goes on after an interruption.
//!
//! Each call is one transaction, which is on the disk when it returns. Nothing in it is secret.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::Goal;
use super::member::{Member, Stage};
use crate::LedgerError;

/// The format of the file, in its `user_version`.
const FORMAT: i64 = 2;
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
    forgiven INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE device (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    place INTEGER NOT NULL,
    stage TEXT NOT NULL,
    wave INTEGER,
    version_before TEXT,
    crash_ms INTEGER,
    state_ms INTEGER,
    assigned_ms INTEGER,
    updated_ms INTEGER,
    mark_ms INTEGER,
    settled_ms INTEGER,
    fault TEXT,
    round INTEGER NOT NULL DEFAULT 0,
    request TEXT,
    serial TEXT,
    chain BLOB
) STRICT;
PRAGMA user_version = 2;
";

/// What makes the present format of the one before it.
const FROM_1: &str = "
ALTER TABLE campaign ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN request TEXT;
ALTER TABLE device ADD COLUMN serial TEXT;
ALTER TABLE device ADD COLUMN chain BLOB;
PRAGMA user_version = 2;
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
    /// How often it began anew.
    pub(super) round: i64,
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
        // On macOS the disk keeps what it was given to itself until it is told this.
        connection.pragma_update(None, "fullfsync", true)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match format {
            0 => transaction.execute_batch(TABLES)?,
            1 => transaction.execute_batch(FROM_1)?,
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
        let sql = "SELECT begun_ms, ended_ms, halted, forgiven, round FROM campaign";
        let standing = self.0.query_row(sql, [], |row| {
            Ok(Standing {
                begun_ms: row.get(0)?,
                ended_ms: row.get(1)?,
                halted: row.get(2)?,
                forgiven: row.get::<_, i64>(3)?.try_into().unwrap_or(0),
                round: row.get(4)?,
            })
        });
        Ok(standing?)
    }

    pub(super) fn stand(&mut self, standing: &Standing) -> Result<(), LedgerError> {
        self.0.execute(
            "UPDATE campaign SET begun_ms = ?1, ended_ms = ?2, halted = ?3, forgiven = ?4, round = ?5",
            params![
                standing.begun_ms,
                standing.ended_ms,
                standing.halted,
                standing.forgiven as i64,
                standing.round
            ],
        )?;
        Ok(())
    }

    /// All devices of this round, in their order.
    pub(super) fn members(&self) -> Result<Vec<Member>, LedgerError> {
        let sql =
            "SELECT id, name, place, stage, wave, version_before, crash_ms, state_ms, assigned_ms,
                    updated_ms, mark_ms, settled_ms, fault, request, serial, chain FROM device
             WHERE round = (SELECT round FROM campaign) ORDER BY place";
        let mut all = self.0.prepare(sql)?;
        Ok(all.query_map([], member)?.collect::<Result<_, _>>()?)
    }

    /// Those that failed when they were tried last, in this round or in one before.
    pub(super) fn failed(&self) -> Result<HashSet<String>, LedgerError> {
        let mut failed = self
            .0
            .prepare("SELECT id FROM device WHERE stage = 'failed'")?;
        let failed = failed.query_map([], |row| row.get(0))?;
        Ok(failed.collect::<Result<_, _>>()?)
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
         state_ms, assigned_ms, updated_ms, mark_ms, settled_ms, fault, request, serial, chain, round)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                 (SELECT round FROM campaign))",
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
        member.request,
        member.serial,
        member.chain,
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
        request: row.get(13)?,
        serial: row.get(14)?,
        chain: row.get(15)?,
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
        member.chain = Some(vec![0x30, 0x82]);
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
        let fully = ledger
            .0
            .pragma_query_value(None, "fullfsync", |row| row.get(0));
        assert_eq!(fully, Ok(true), "on macOS, too");
        assert_eq!(
            ledger.members().unwrap(),
            [member, Member::new("id-0", "SN-0", 1)]
        );
        assert_eq!(ledger.standing().unwrap(), standing);
        ledger.begin(&goal("2"), 7).unwrap();
        assert_eq!(ledger.standing().unwrap().begun_ms, 5);
        let another = ledger.begin(&goal("3"), 7).unwrap_err();
        assert!(another.to_string().contains("climate 2"), "{another}");

        let mut standing = ledger.standing().unwrap();
        standing.round += 1;
        ledger.stand(&standing).unwrap();
        assert_eq!(ledger.members().unwrap(), [], "another round");
        assert!(ledger.failed().unwrap().contains("id-1"), "it is known");
        ledger.write([&Member::new("id-1", "SN-1", 0)]).unwrap();
        assert_eq!(ledger.members().unwrap().len(), 1);
        assert!(ledger.failed().unwrap().is_empty());
    }

    #[test]
    fn a_file_of_the_first_format_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campaign.sqlite");
        // As that format was.
        let old = TABLES
            .replace("NULL DEFAULT 0,\n    round INTEGER NOT NULL DEFAULT 0", "NULL DEFAULT 0")
            .replace(
                "fault TEXT,\n    round INTEGER NOT NULL DEFAULT 0,\n    request TEXT,\n    serial TEXT,\n    chain BLOB",
                "fault TEXT",
            )
            .replace("user_version = 2", "user_version = 1");
        assert!(!old.contains("round"));
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&old).unwrap();
        connection
            .execute_batch(
                "INSERT INTO campaign (id, title, version, sha256, server, begun_ms)
                 VALUES (1, 'climate', '2', '00112233445566', 'http://127.0.0.1', 5);
                 INSERT INTO device (id, name, place, stage) VALUES ('id-1', 'SN-1', 0, 'passed');",
            )
            .unwrap();
        drop(connection);
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.begin(&goal("2"), 7).unwrap();
        assert_eq!(ledger.standing().unwrap().begun_ms, 5);
        let mut member = Member::new("id-1", "SN-1", 0);
        member.stage = Stage::Passed;
        assert_eq!(ledger.members().unwrap(), [member]);
        Ledger::open(&path).unwrap();
    }
}
