//! The SQLite file and the one thread that owns it, or a place without threads.
//!
//! Work is submitted as closures. The thread takes whatever is waiting into one transaction
//! and answers only after the commit, so an answer means that the data is on the disk, and
//! a thousand devices share one `fsync`. What the tables mean is in the files beside.

mod attributes;
mod claims;
mod devices;
mod documents;
mod packages;
mod series;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::config::Database;
pub(crate) use attributes::Scope;
pub(crate) use claims::Claimed;
pub(crate) use devices::{Admission, DeviceId, DeviceRow};
pub(crate) use documents::{Document, Kind};
pub use series::Point;

/// How many jobs may share a transaction.
const BATCH: usize = 1024;

/// A failure of the database.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The server is stopping.
    #[error("the server has stopped")]
    Closed,
    /// The device was deleted in the meantime.
    #[error("the device was deleted")]
    NoDevice,
    /// The file was written by a later version.
    #[error(
        "the database has format {found}, this version knows {known}: take a newer server or another file"
    )]
    Format {
        /// What the file says.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// SQLite refused: most often the disk is full or the file is not writable.
    #[error("the database failed: {0}")]
    Sqlite(Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

/// The open database, as the jobs see it.
pub(crate) struct Db {
    conn: Connection,
    /// Row of each series key, so that a key costs one look-up in its life.
    keys: HashMap<String, i64>,
}

/// Where the jobs are done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a thread of the store's own.
    Thread,
    /// Where they are submitted, before that returns: each in a transaction of its own.
    Here,
}

/// A handle to the thread, or what it would have.
pub(crate) enum Store {
    /// In a thread of its own.
    Thread {
        jobs: mpsc::Sender<Message>,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    /// Here, until it is closed.
    Here(Mutex<Option<Db>>),
}

pub(crate) enum Message {
    Job(Box<dyn Job>),
    Stop,
}

pub(crate) trait Job: Send {
    fn run(&mut self, db: &mut Db) -> Result<(), StoreError>;
    fn settle(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Call<T, F> {
    work: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F> Job for Call<T, F>
where
    F: FnOnce(&mut Db) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &mut Db) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(db)?);
        }
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // Nobody waits if the connection has gone: the data is stored all the same.
        let _ = reply.send(outcome.and_then(|()| result.ok_or(StoreError::Closed)));
    }
}

/// The answer to a job, once it is committed.
pub(crate) struct Pending<T> {
    reply: oneshot::Receiver<Result<T, StoreError>>,
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.reply)
            .poll(cx)
            .map(|reply| reply.unwrap_or(Err(StoreError::Closed)))
    }
}

impl Store {
    /// Opens the database, making it if it is not there, and starts its thread if it is to have one.
    pub(crate) fn open(database: &Database, place: Place) -> Result<Self, StoreError> {
        let conn = match database {
            Database::Memory => Connection::open_in_memory()?,
            Database::File(path) => {
                keep_private(path);
                Connection::open(path)?
            }
        };
        let mut db = Db {
            conn,
            keys: HashMap::new(),
        };
        db.prepare()?;
        if place == Place::Here {
            return Ok(Self::Here(Mutex::new(Some(db))));
        }
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("devserver-store".to_owned())
            .spawn(move || serve(&mut db, &queue))
            .map_err(|_| StoreError::Closed)?;
        Ok(Self::Thread {
            jobs,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Puts a job in line, at once; the answer may be awaited or not.
    pub(crate) fn submit<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, reply) = oneshot::channel();
        let call = Call {
            work: Some(work),
            result: None,
            reply: sender,
        };
        // If the thread has ended, or the database is closed, the sender is dropped, and the answer is `Closed`.
        match self {
            Self::Thread { jobs, .. } => drop(jobs.send(Message::Job(Box::new(call)))),
            Self::Here(db) => {
                if let Some(db) = db.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    batch(db, Box::new(call), || None);
                }
            }
        }
        Pending { reply }
    }

    /// Lets the jobs in line finish, and closes the database.
    pub(crate) fn close(&self) {
        let (jobs, thread) = match self {
            Self::Thread { jobs, thread } => (jobs, thread),
            Self::Here(db) => {
                return drop(db.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
        };
        let _ = jobs.send(Message::Stop);
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the database thread panicked: this is a bug of devserver");
        }
    }
}

/// Makes the file, or an older one, readable for its owner only: it holds access tokens. SQLite
/// gives the files beside it the same mode.
#[cfg(unix)]
fn keep_private(path: &Path) {
    use std::fs::{OpenOptions, Permissions};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    // What stands in the way is told by SQLite, which opens the same file next.
    let Ok(file) = options.open(path) else { return };
    if let Err(error) = file.set_permissions(Permissions::from_mode(0o600)) {
        log::warn!("{} can be read by others: {error}", path.display());
    }
}

#[cfg(not(unix))]
fn keep_private(_: &Path) {}

fn serve(db: &mut Db, queue: &mpsc::Receiver<Message>) {
    let mut stop = false;
    while !stop {
        let Ok(Message::Job(first)) = queue.recv() else {
            return;
        };
        batch(db, first, || match queue.try_recv() {
            Ok(Message::Job(job)) => Some(job),
            Ok(Message::Stop) => {
                stop = true;
                None
            }
            Err(_) => None,
        });
    }
}

/// Does a job and those that wait with it in one transaction, and answers after the commit.
fn batch(db: &mut Db, first: Box<dyn Job>, mut waiting: impl FnMut() -> Option<Box<dyn Job>>) {
    let mut batch = Vec::new();
    let mut next = Some(first);
    let outcome = db.transaction(|db| {
        while let Some(mut job) = next.take() {
            let ran = db.savepoint(|db| job.run(db))?;
            batch.push((job, ran));
            if batch.len() < BATCH {
                next = waiting();
            }
        }
        Ok(())
    });
    if let Err(error) = &outcome {
        log::error!("{error}");
    }
    for (job, ran) in batch {
        job.settle(outcome.clone().and(ran));
    }
}

impl Db {
    fn prepare(&mut self) -> Result<(), StoreError> {
        const FORMAT: i64 = 1;
        let found = self
            .conn
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > FORMAT {
            return Err(StoreError::Format {
                found,
                known: FORMAT,
            });
        }
        self.conn.pragma_update(None, "journal_mode", "wal")?;
        // Acknowledged means on the disk, also when the power fails.
        self.conn.pragma_update(None, "synchronous", "full")?;
        // On macOS the disk keeps what it was given to itself until it is told this.
        self.conn.pragma_update(None, "fullfsync", true)?;
        self.conn.execute_batch(concat!(
            include_str!("schema.sql"),
            "PRAGMA user_version = 1;"
        ))?;
        self.conn.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = work(self).and_then(|value| {
            self.conn.execute_batch("COMMIT")?;
            Ok(value)
        });
        if outcome.is_err() {
            self.keys.clear();
            if !self.conn.is_autocommit() {
                self.conn.execute_batch("ROLLBACK")?;
            }
        }
        outcome
    }

    /// Runs one job so that its failure leaves nothing of it, and the others alone.
    fn savepoint(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<Result<(), StoreError>, StoreError> {
        self.conn.prepare_cached("SAVEPOINT job")?.execute([])?;
        let ran = work(self);
        if ran.is_err() {
            self.keys.clear();
            self.conn.execute_batch("ROLLBACK TO job")?;
        }
        self.conn.prepare_cached("RELEASE job")?.execute([])?;
        Ok(ran)
    }
}

#[cfg(test)]
mod tests;
