//! Listening: a task for each connection, until the server stops and a little longer.

use std::future::Future;
use std::time::Duration;

use axum::serve::Listener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// How long connections may take to end once the server stops. What hangs then is dropped: a
/// client that does not read must not keep the server from stopping.
const GRACE: Duration = Duration::from_secs(2);

/// Serves each connection in a task of its own, until told to stop.
pub(crate) async fn serve<L, F>(
    mut listener: L,
    mut stop: watch::Receiver<bool>,
    mut connection: impl FnMut(L::Io, L::Addr) -> F,
) where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = listener.accept() => {
                connections.spawn(connection(stream, peer));
            }
            Some(ended) = connections.join_next() => report(ended),
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    let ending = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(GRACE, ending).await.is_err() {
        log::debug!("{} connections hang and are dropped", connections.len());
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        log::error!("the task of a connection failed, this is a bug of devserver: {error}");
    }
}
