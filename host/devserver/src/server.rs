//! Starting a server, and the handle to it.

mod serving;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use crate::api::{self, Attributes, DeviceInfo};
use crate::config::{Config, RPC_TIMEOUT};
use crate::error::{CallError, Error};
use crate::event::Events;
use crate::firmware;
use crate::hub::{Command, Hub, now_ms};
use crate::packages::Firmware;
use crate::store::{Claimed, Place, Point, StoreError};
use serving::Serving;

/// A running server.
///
/// It runs on threads of its own, or in a runtime of the caller's, and its methods may be awaited on any executor.
/// Dropping the handle tells it to stop without waiting for it; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct Server {
    mqtt: SocketAddr,
    http: SocketAddr,
    encrypted: bool,
    hub: SharedHub,
    runtime: Handle,
    stop: watch::Sender<bool>,
    running: Option<Running>,
}

/// What serves.
#[derive(Debug)]
enum Running {
    Thread(std::thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

#[derive(Clone)]
struct SharedHub(Arc<Hub>);

impl std::fmt::Debug for SharedHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}

impl Server {
    /// Opens the database and both ports, and serves from then on, on a thread of its own.
    ///
    /// # Errors
    /// [`Error`], by who has to act: the configuration, a port in use, the database.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (mqtt, http) = (config.mqtt, config.http);
        let (serving, stop) = Serving::prepare(config, Place::Thread).await?;
        let (encrypted, hub) = (serving.encrypted(), serving.hub.clone());
        let (ready, started) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name("devserver".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let listening = async {
                        let (mqtt, http) =
                            (listen(mqtt, "MQTT").await?, listen(http, "the page").await?);
                        Ok(((mqtt.local_addr()?, http.local_addr()?), mqtt, http))
                    };
                    match listening.await {
                        Ok((addresses, mqtt, http)) => {
                            // If nobody waits for it any more, `serve` is told so at once.
                            let _ = ready.send(Ok(addresses));
                            // Messages are small and wait for their acknowledgement: no gathering.
                            let mqtt = mqtt.tap_io(|stream| {
                                if let Err(error) = stream.set_nodelay(true) {
                                    log::debug!("a connection: {error}");
                                }
                            });
                            serving.serve(mqtt, http, addresses.0).await;
                        }
                        Err(error) => {
                            let _ = ready.send(Err::<_, Error>(error));
                        }
                    }
                });
            })?;
        let (mqtt, http) = started.await.map_err(|_| StoreError::Closed)??;
        Ok(Self {
            mqtt,
            http,
            encrypted,
            hub: SharedHub(hub),
            runtime: handle,
            stop,
            running: Some(Running::Thread(thread)),
        })
    }

    /// Opens the database and serves whoever comes to these listeners, as tasks of the present runtime, where the
    /// database is as well: with the clock of tokio paused, no time passes while the server works. The addresses of the
    /// configuration are not used.
    ///
    /// # Errors
    /// [`Error`], by who has to act: the configuration, the database.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start_on(
        config: Config,
        mqtt: impl Listener<Addr = SocketAddr>,
        http: impl Listener<Addr = SocketAddr>,
    ) -> Result<Self, Error> {
        let addresses = (mqtt.local_addr()?, http.local_addr()?);
        let (serving, stop) = Serving::prepare(config, Place::Here).await?;
        let (encrypted, hub) = (serving.encrypted(), serving.hub.clone());
        let task = tokio::spawn(serving.serve(mqtt, http, addresses.0));
        Ok(Self {
            mqtt: addresses.0,
            http: addresses.1,
            encrypted,
            hub: SharedHub(hub),
            runtime: Handle::current(),
            stop,
            running: Some(Running::Task(task)),
        })
    }

    /// Where MQTT is served.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where MQTT is served, as a URL: `mqtts://…` or `mqtt://…`.
    pub fn mqtt_url(&self) -> String {
        mqtt_url(self.mqtt, self.encrypted)
    }

    /// Where the page is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where the page is served, as a URL.
    pub fn http_url(&self) -> String {
        format!("http://{}/", self.http)
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        self.hub.0.events()
    }

    /// All devices, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the database failed.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, StoreError> {
        api::devices(&self.hub.0).await
    }

    /// Tells devices this time, in milliseconds since 1970, when they ask for it (`getCurrentTime`), whatever their rule
    /// chain: as a server does whose clock is wrong, or one in a test whose time runs faster.
    pub fn tell_time(&self, clock: impl Fn() -> i64 + Send + Sync + 'static) {
        self.hub.0.set_clock(Some(Box::new(clock)));
    }

    /// One device.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn device(&self, name: &str) -> Result<DeviceInfo, CallError> {
        api::device(&self.hub.0, name).await
    }

    /// The device's own attributes.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn client_attributes(&self, device: &str) -> Result<Attributes, CallError> {
        Ok(api::attributes(&self.hub.0, device).await?.0)
    }

    /// The attributes that the server sets.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn shared_attributes(&self, device: &str) -> Result<Attributes, CallError> {
        Ok(api::attributes(&self.hub.0, device).await?.1)
    }

    /// The newest value of each series of a device.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn latest(
        &self,
        device: &str,
    ) -> Result<std::collections::BTreeMap<String, Point>, CallError> {
        api::latest(&self.hub.0, device).await
    }

    /// The newest `limit` values of a series within a range of milliseconds since 1970, oldest first.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn series(
        &self,
        device: &str,
        key: &str,
        range_ms: Range<i64>,
        limit: u32,
    ) -> Result<Vec<Point>, CallError> {
        api::series(&self.hub.0, device, key, range_ms, limit).await
    }

    /// How many samples are stored: moments of a device for which it sent values. What a device sent
    /// twice counts once.
    ///
    /// # Errors
    /// [`StoreError`] if the database failed.
    pub async fn samples(&self) -> Result<u64, StoreError> {
        self.hub.0.store.submit(|db| db.samples()).await
    }

    /// Makes a device that logs in with an access token as its MQTT user name: this one, or a
    /// random one. Returns the token; `None` if the name or the token is taken.
    ///
    /// # Errors
    /// [`StoreError`] if the database failed.
    pub async fn create_device(
        &self,
        name: &str,
        token: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        api::create(&self.hub.0, name, token).await
    }

    /// Deletes a device with all its data, and ends its connection. One that comes by
    /// certificate is created anew in its next full handshake.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn delete_device(&self, name: &str) -> Result<(), CallError> {
        api::delete(&self.hub.0, name).await
    }

    /// Sets a shared attribute, or deletes it if the value is `null`; a device that has
    /// subscribed is told.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`]; [`CallError::NotJson`] if it is nested too deep, and nothing is
    /// set; or the database failed.
    pub async fn set_shared_attribute(
        &self,
        device: &str,
        key: &str,
        value: serde_json::Value,
    ) -> Result<(), CallError> {
        let values = std::iter::once((key.to_owned(), value)).collect();
        api::share(&self.hub.0, device, values).await
    }

    /// Assigns a package to a device: its shared attributes offer it, and a device that has subscribed to
    /// them is told. It stays assigned, also when the server ends.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn assign_firmware(&self, device: &str, firmware: Firmware) -> Result<(), CallError> {
        firmware::give(&self.hub.0, device, firmware).await
    }

    /// Takes away the package that is assigned to a device.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn take_firmware_away(&self, device: &str) -> Result<(), CallError> {
        firmware::take_away(&self.hub.0, device).await
    }

    /// The customer claims a device by this secret, as with the "Claim device" of ThingsBoard's page; whether
    /// it is his now. A wrong secret cancels what the device allowed.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn claim(&self, device: &str, secret: &str) -> Result<bool, CallError> {
        let (id, secret) = (self.hub.0.device(device).await?, secret.to_owned());
        let store = &self.hub.0.store;
        let taken = store.submit(move |db| db.take(id, &secret, now_ms()));
        Ok(taken.await? == Claimed::Success)
    }

    /// Calls a device and waits for its answer, [`RPC_TIMEOUT`] at most. A device that is not
    /// connected is called when it has come and subscribed, if that is within this time.
    ///
    /// # Errors
    /// [`CallError`] says why there is no answer.
    pub async fn send_rpc(
        &self,
        device: &str,
        method: &str,
        params: serde_json::Value,
    ) -> Result<Box<RawValue>, CallError> {
        self.send_rpc_for(device, method, params, RPC_TIMEOUT).await
    }

    /// The same with a time of the caller's: until it is over, the call comes again whenever the
    /// device subscribes to calls without having answered it.
    ///
    /// # Errors
    /// [`CallError`] says why there is no answer.
    pub async fn send_rpc_for(
        &self,
        device: &str,
        method: &str,
        params: serde_json::Value,
        wait: Duration,
    ) -> Result<Box<RawValue>, CallError> {
        let answer = self.call(device, method, params, wait, false).await?;
        answer.ok_or(CallError::NotJson)
    }

    /// Calls a device without waiting for an answer, only until the call is sent: [`RPC_TIMEOUT`]
    /// at most.
    ///
    /// # Errors
    /// [`CallError`] says why it could not be sent.
    pub async fn send_one_way_rpc(
        &self,
        device: &str,
        method: &str,
        params: serde_json::Value,
    ) -> Result<(), CallError> {
        let sent = self.call(device, method, params, RPC_TIMEOUT, true).await;
        sent.map(drop)
    }

    async fn call(
        &self,
        device: &str,
        method: &str,
        params: serde_json::Value,
        wait: Duration,
        one_way: bool,
    ) -> Result<Option<Box<RawValue>>, CallError> {
        let (hub, device, method) = (self.hub.0.clone(), device.to_owned(), method.to_owned());
        // On the server's runtime, for the caller's may have no timer.
        let call = async move {
            let params = params.to_string();
            hub.call(&device, &method, &params, wait, one_way).await
        };
        self.runtime
            .spawn(call)
            .await
            .unwrap_or(Err(CallError::Store(StoreError::Closed)))
    }

    /// Cuts a device's connection without a word, as a failing network would; `false` if it has none.
    ///
    /// # Errors
    /// [`CallError::NoSuchDevice`], or the database failed.
    pub async fn cut(&self, device: &str) -> Result<bool, CallError> {
        let id = self.hub.0.device(device).await?;
        Ok(self.hub.0.end(id, Command::Cut))
    }

    /// Ends all connections and calls, finishes what is being stored and closes the database. A
    /// connection that hangs is dropped after two seconds.
    ///
    /// Not cancel-safe: dropped early, the server still stops, but nobody waits for it.
    pub async fn stop(mut self) {
        // The receivers are gone if it has stopped already.
        let _ = self.stop.send(true);
        let ended = match self.running.take() {
            None => true,
            Some(Running::Task(task)) => task.await.is_ok(),
            Some(Running::Thread(thread)) => {
                let (done, ended) = oneshot::channel();
                std::thread::spawn(move || {
                    let _ = done.send(thread.join().is_ok());
                });
                ended.await.unwrap_or(true)
            }
        };
        if !ended {
            log::error!("the server panicked: this is a bug of devserver");
        }
    }
}

async fn listen(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen {
            address,
            purpose,
            source,
        })
}

fn mqtt_url(address: SocketAddr, encrypted: bool) -> String {
    format!("{}://{address}", if encrypted { "mqtts" } else { "mqtt" })
}
