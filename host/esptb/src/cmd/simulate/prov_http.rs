//! Provisioning over HTTP, in front of the device's mailbox.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use demo::happening::Note;
use device::platform::Mailbox;
use simulator::http;
use tokio::net::TcpListener;

/// Serves as a task, as long as the program runs.
pub(super) async fn serve(address: SocketAddr, mailbox: Rc<Mailbox>) -> Result<Note> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve provisioning over HTTP at {address}: choose another port")
    })?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(http::serve(listener, mailbox));
    Ok(Note::plain(format!("provisioning over HTTP at {address}")))
}
