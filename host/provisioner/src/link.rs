//! What carries requests to a device: each goes to a named endpoint and has one reply.

use crate::ble::{Ble, Writes};
use crate::http::Http;
use crate::link_error::LinkError;
use crate::system::System;

/// A way to a device.
pub(crate) enum Link {
    Ble(Ble),
    System(System),
    Http(Http),
}

impl Link {
    /// Sends a request to an endpoint and waits for the reply.
    pub(crate) async fn exchange(
        &mut self,
        endpoint: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        match self {
            Self::Ble(ble) => ble.exchange(endpoint, request, Writes::AsNeeded).await,
            Self::System(system) => system.exchange(endpoint, request).await,
            Self::Http(http) => http.exchange(endpoint, request).await,
        }
    }
}
