//! What serves, on whichever runtime: MQTT, the page, and the end of all calls when it stops.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::mqtt_url;
use crate::assigned::Assigned;
use crate::config::Config;
use crate::error::Error;
use crate::hub::{Hub, now_ms};
use crate::store::{Place, Store};
use crate::{http, mqtt, tls};

/// All that a server needs besides its listeners.
pub(super) struct Serving {
    pub(super) hub: Arc<Hub>,
    tls: Option<Arc<ServerConfig>>,
    http_names: Vec<String>,
    stopped: watch::Receiver<bool>,
}

impl Serving {
    /// Opens the database. The sender tells it to stop, by a word or by being dropped.
    pub(super) async fn prepare(
        config: Config,
        place: Place,
    ) -> Result<(Self, watch::Sender<bool>), Error> {
        let tls = config.tls.map(tls::server_config).transpose()?;
        let store = Store::open(&config.database, place)?;
        let profile = config.profile;
        let known = store.submit(move |db| db.prepare_profiles(profile.as_ref(), now_ms()));
        let known = known.await?;
        let firmware = store.submit(Assigned::load).await?;
        let hub = Arc::new(Hub::new(store, known, firmware, config.limits));
        let (stop, stopped) = watch::channel(false);
        let serving = Self {
            hub,
            tls,
            http_names: config.http_names,
            stopped,
        };
        Ok((serving, stop))
    }

    pub(super) fn encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves until told to stop, then closes the database. `address` is where clients of MQTT come to.
    pub(super) async fn serve(
        self,
        mqtt: impl Listener<Addr = SocketAddr>,
        http: impl Listener<Addr = SocketAddr>,
        address: SocketAddr,
    ) {
        let url = mqtt_url(address, self.encrypted());
        let Self {
            hub,
            tls,
            http_names,
            stopped,
        } = self;
        let mut stopping = stopped.clone();
        let end_calls = async {
            // An error means that the handle is gone, which is the same.
            let _ = stopping.changed().await;
            hub.end_calls();
        };
        tokio::join!(
            mqtt::serve(mqtt, tls, hub.clone(), stopped.clone()),
            http::serve(http, hub.clone(), http_names, url, stopped),
            end_calls,
        );
        hub.store.close();
    }
}
