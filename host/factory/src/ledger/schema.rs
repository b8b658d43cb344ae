//! The ledger's tables.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::LedgerError;

/// The columns of a board, in the order in which they are read.
pub(super) const BOARD: &str =
    "serial, mac, chip, stage, firmware, certificate, fault, assigned_ms, changed_ms";

/// The format of the file, in its `user_version`.
const FORMAT: i64 = 1;

/// How long another process may take to write a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// Neither number nor address twice: the database itself refuses it.
const TABLES: &str = "
CREATE TABLE board (
    serial TEXT PRIMARY KEY,
    prefix TEXT NOT NULL,
    digits INTEGER NOT NULL,
    number INTEGER NOT NULL,
    mac TEXT NOT NULL UNIQUE,
    chip TEXT NOT NULL,
    stage TEXT NOT NULL,
    firmware TEXT,
    certificate TEXT,
    fault TEXT,
    assigned_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    UNIQUE (prefix, digits, number)
) STRICT;
CREATE TABLE trial (
    id INTEGER PRIMARY KEY,
    port TEXT NOT NULL,
    serial TEXT REFERENCES board (serial),
    begun_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX trial_open ON trial (port) WHERE outcome IS NULL;
PRAGMA user_version = 1;
";

/// Makes the tables where there are none, and sets what holds for a connection.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), LedgerError> {
    connection.busy_timeout(PATIENCE)?;
    // A line that was told of stays after a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS the disk keeps what it was given to itself until it is told this.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match format {
        0 => transaction.execute_batch(TABLES)?,
        FORMAT => {}
        other => return Err(LedgerError::Format(other)),
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_keeps_nothing_to_itself() {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection).unwrap();
        let is_on = |row: &rusqlite::Row| row.get(0);
        assert_eq!(
            connection.pragma_query_value(None, "fullfsync", is_on),
            Ok(true)
        );
    }
}
