//! The workers as their parent sees them.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::protocol::{Order, Told};
use super::tally;

/// The subcommand that makes a worker of this program.
pub const WORKER: &str = "fleet-worker";

/// The worker processes. They end when this is dropped.
pub(super) struct Crew {
    workers: Vec<Worker>,
    told: UnboundedReceiver<(usize, Result<Told>)>,
}

struct Worker {
    orders: ChildStdin,
    _process: Child,
}

impl Crew {
    /// Starts so many of them.
    ///
    /// # Errors
    ///
    /// If the system does not let this program start itself.
    pub(super) fn start(count: usize) -> Result<Self> {
        let (sender, told) = unbounded_channel();
        let workers = (0..count).map(|index| Worker::start(index, sender.clone()));
        Ok(Self {
            workers: workers.collect::<Result<_>>()?,
            told,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// Says something to one of them.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub(super) async fn order(&mut self, index: usize, order: &Order) -> Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let Some(worker) = self.workers.get_mut(index) else {
            bail!("there is no worker {index}: this is a bug");
        };
        worker
            .orders
            .write_all(line.as_bytes())
            .await
            .context("a worker has ended: what it said is above")
    }

    /// Says something to all of them.
    ///
    /// # Errors
    ///
    /// As [`order`](Self::order).
    pub(super) async fn order_all(&mut self, order: &Order) -> Result<()> {
        for index in 0..self.len() {
            self.order(index, order).await?;
        }
        Ok(())
    }

    /// What one of them says next, and which. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If one cannot go on, or has ended.
    pub(super) async fn next(&mut self) -> Result<(usize, Told)> {
        match self.told.recv().await {
            Some((_, Ok(Told::Failed { reason }))) => bail!("{reason}"),
            Some((index, told)) => Ok((index, told?)),
            None => bail!("all workers have ended: what they said is above"),
        }
    }
}

impl Worker {
    fn start(index: usize, sender: UnboundedSender<(usize, Result<Told>)>) -> Result<Self> {
        let program = std::env::current_exe().context("where this program is, is not known")?;
        let mut command = Command::new(program);
        command
            .arg(WORKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is the parent's affair, who lets the samples under way arrive.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn().context("a worker cannot be started")?;
        let (Some(orders), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("a worker has no pipes: this is a bug");
        };
        tokio::task::spawn_local(listen(index, output, sender));
        Ok(Self {
            orders,
            _process: process,
        })
    }
}

async fn listen(index: usize, output: ChildStdout, sender: UnboundedSender<(usize, Result<Told>)>) {
    let mut lines = BufReader::new(output).lines();
    loop {
        let told = match lines.next_line().await {
            Ok(Some(line)) => tally::parse(&line),
            Ok(None) => Err(anyhow::anyhow!("a worker ended: what it said is above")),
            Err(error) => Err(error.into()),
        };
        let over = told.is_err();
        if sender.send((index, told)).is_err() || over {
            return;
        }
    }
}
