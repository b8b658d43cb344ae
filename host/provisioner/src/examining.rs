//! What an examiner of devices asks of a client beyond what a phone does: bytes as they are, written as he likes,
//! and what the service looks like.
//!
//! Nothing here is for provisioning: it can leave the session in a state of which neither end knows.

use protocomm::client::{Client, Reply, Request};
use protocomm::wire::config;

use crate::ble::{Survey, Writes};
use crate::link::Link;
use crate::{Error, LinkError, Outcome, Provisioner};

impl Provisioner {
    /// Sends bytes as they are to an endpoint, and returns the reply.
    ///
    /// # Errors
    ///
    /// How it was refused, or the link failed.
    pub async fn post(&mut self, endpoint: &str, bytes: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.link.exchange(endpoint, bytes).await
    }

    /// The same over Bluetooth, written in this way. None where packets are not the client's to choose: over
    /// this computer's own Bluetooth, and over HTTP.
    pub async fn post_as(
        &mut self,
        endpoint: &str,
        bytes: &[u8],
        writes: Writes,
    ) -> Option<Result<Vec<u8>, LinkError>> {
        match &self.link {
            Link::Ble(ble) => Some(ble.exchange(endpoint, bytes, writes).await),
            Link::Http(_) | Link::System(_) => None,
        }
    }

    /// What the service of the connected device looks like. None where that is not shown, as in
    /// [`post_as`](Self::post_as).
    pub async fn survey(&self) -> Option<Result<Survey, LinkError>> {
        match &self.link {
            Link::Ble(ble) => Some(ble.survey().await),
            Link::Http(_) | Link::System(_) => None,
        }
    }

    /// Whether there is a session.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.client.is_some()
    }

    /// Takes the session, whose messages its new owner makes himself.
    pub fn take_session(&mut self) -> Option<Client> {
        self.client.take()
    }

    /// Forgets that the last credentials did not work: a phone would tell the device before it sends others.
    pub fn forget_failure(&mut self) {
        self.failed = false;
    }

    /// Asks how joining goes until it is over, of whoever set it off.
    ///
    /// # Errors
    ///
    /// As [`provision`](Self::provision).
    pub async fn joining(&mut self) -> Result<Outcome, Error> {
        self.follow().await
    }

    /// Sends a request of the session, whichever, and has its reply read.
    ///
    /// # Errors
    ///
    /// [`Error::NoSession`], [`Error::Session`], [`Error::Link`], or what `read` says.
    pub async fn request<R>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(Reply<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.ask(request, read).await
    }

    /// Sends a request about the network, and returns the reply.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request); [`Error::Unexpected`] where it is answered with something else.
    pub async fn request_config(
        &mut self,
        request: config::Request<'_>,
    ) -> Result<config::Response, Error> {
        self.config(request, Ok).await
    }
}
