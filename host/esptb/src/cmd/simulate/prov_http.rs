//! Provisioning over HTTP, in front of the device's mailbox.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use device::platform::Mailbox;
use protocomm::refusal::Refusal;
use provisioner::http_server::{self, Endpoints};
use tokio::net::TcpListener;

use crate::demo::happening::Note;

struct Device(Rc<Mailbox>);

impl Endpoints for Device {
    async fn request(
        &self,
        fresh: bool,
        endpoint: &str,
        body: Vec<u8>,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        self.0.request(fresh, endpoint, body).await.ok()
    }
}

/// Serves as a task, as long as the program runs.
pub(super) async fn serve(address: SocketAddr, mailbox: Rc<Mailbox>) -> Result<Note> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve provisioning over HTTP at {address}: choose another port")
    })?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(http_server::serve(listener, Device(mailbox)));
    Ok(Note::plain(format!("provisioning over HTTP at {address}")))
}
