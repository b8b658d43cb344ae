//! A device's lives at the desk, polled by hand so that its own work can be told from the rest's.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bodykit::Wiring;
use bodykit::flash::Flash;
use bodykit::sensor::Dht11;
use bodykit::sockets::Gate;
use bodykit::system::{BUILT_AT_UNIX_S, Chip};
use bodykit::tls;
use device::event::Event;
use device::tls::Library;
use e2e::Line;
use e2e::{Desk, NETWORK, PASSPHRASE, PROOF, Phone};
use flashimage::FlashImage;
use pki::{KeyAlgorithm, Profile};
use simulator::internet::Internet;

use crate::body::body;

/// The station's address.
const MAC: [u8; 6] = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, 7];

/// A desk with a device on it.
pub struct Lives {
    desk: Desk,
    server: devserver::Server,
    line: Option<Line>,
    flash: Flash,
    chip: Chip,
    library: Library<'static>,
}

impl Lives {
    /// A blank device whose key is of this kind, and that takes a sample every so many
    /// milliseconds.
    ///
    /// # Panics
    ///
    /// If the desk cannot be set.
    pub async fn begin(algorithm: KeyAlgorithm, interval_ms: u32) -> Self {
        Self::set(algorithm, interval_ms, 2, None).await
    }

    /// The same, once a second, with a session security of 1 or 2 and a line to the server that
    /// can be taken away.
    ///
    /// # Panics
    ///
    /// If the desk cannot be set.
    pub async fn begin_on_a_line(algorithm: KeyAlgorithm, security: u8) -> Self {
        let line = Line::lay(&Internet::of_host()).await.expect("a free port");
        Self::set(algorithm, 1_000, security, Some(line)).await
    }

    async fn set(
        algorithm: KeyAlgorithm,
        interval_ms: u32,
        security: u8,
        line: Option<Line>,
    ) -> Self {
        hosttime::set_rate(1);
        let desk = Desk::set().await;
        let server = desk.server().await;
        let profile = Profile {
            algorithm,
            ..Profile::default()
        };
        let identity = desk.pki.device_with("BENCH-1", &profile);
        let identity = identity.expect("a certificate");
        let port = line
            .as_ref()
            .map_or(server.mqtt_addr().port(), |line| line.port);
        let settings = format!(
            r#"{{"broker":"mqtts://127.0.0.1:{port}","server_name":"localhost",
                "sntp_server":"{}","provisioning":{{"security":{security},"pop":"{PROOF}"}},
                "telemetry_interval_ms":{interval_ms}}}"#,
            desk.time.address(),
        );
        let image = FlashImage::builder()
            .file("device.crt", identity.chain_pem())
            .file("device.key", identity.key_pem())
            .file("server_chain.pem", identity.trust_pem())
            .file("settings.json", settings)
            .build();
        let lives = Self {
            desk,
            server,
            line,
            flash: Flash::from_bytes(image.expect("a flash image")),
            chip: Chip::new(BUILT_AT_UNIX_S),
            library: tls::library(),
        };
        lives.reconnect();
        lives
    }

    /// Breaks the connection to the server; the next one comes about.
    pub fn cut(&self) {
        if let Some(line) = &self.line {
            line.cut();
        }
    }

    /// Takes the server away.
    pub fn disconnect(&self) {
        if let Some(line) = &self.line {
            line.lead_to(None);
            line.cut();
        }
    }

    /// Brings it back.
    pub fn reconnect(&self) {
        if let Some(line) = &self.line {
            line.lead_to(Some(self.server.mqtt_addr().port()));
        }
    }

    /// Lives until `messages` messages of telemetry were acknowledged. The rest as
    /// [`live_until`](Self::live_until).
    ///
    /// # Panics
    ///
    /// If the device restarts.
    pub async fn live(
        &self,
        messages: u32,
        gate: Gate,
        told: impl Fn(&Event),
        poll: impl FnMut(&mut dyn FnMut(&mut Context<'_>) -> Poll<()>, &mut Context<'_>) -> Poll<()>,
    ) {
        let left = Cell::new(messages);
        let told = |event: &Event| {
            told(event);
            if let Event::Acknowledged { .. } = event {
                left.set(left.get().saturating_sub(1));
            }
            left.get() == 0
        };
        self.live_until(gate, told, poll).await;
    }

    /// Lives until `told`, which takes notice of all events, says that it is enough, after being
    /// provisioned by a phone if the flash is blank. `poll` polls the device.
    ///
    /// # Panics
    ///
    /// If the device restarts.
    pub async fn live_until(
        &self,
        gate: Gate,
        told: impl Fn(&Event) -> bool,
        mut poll: impl FnMut(&mut dyn FnMut(&mut Context<'_>) -> Poll<()>, &mut Context<'_>) -> Poll<()>,
    ) {
        let enough = Cell::new(false);
        let name = RefCell::new(None);
        let watch = |event: &Event| {
            enough.set(told(event));
            if let Event::ProvisioningStarted { name: ours, .. } = event {
                name.replace(Some(ours.as_str().to_owned()));
            }
        };
        let (flash, chip) = (self.flash.clone(), self.chip.clone());
        let body = body(&self.desk.world, MAC, flash, chip, gate, watch);
        let mut device = pin!(device::run(body, Dht11::default().product(), self.library));
        let device = poll_fn(|context| {
            let mut one = |context: &mut Context<'_>| {
                let polled = device.as_mut().poll(context);
                polled.map(|why| panic!("the device restarts: {why:?}"))
            };
            match poll(&mut one, context) {
                Poll::Pending if enough.get() => Poll::Ready(()),
                other => other,
            }
        });
        let phone = async {
            loop {
                if let Some(name) = name.take() {
                    let mut phone = Phone::paired_with(&self.desk, &name).await;
                    phone.send(NETWORK, PASSPHRASE).await;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = device => {}
            () = phone => {}
        }
        self.chip.restart();
    }

    /// Bytes of the future that is the device: static memory on a chip.
    #[must_use]
    pub fn future_bytes(&self) -> usize {
        let (flash, chip) = (self.flash.clone(), self.chip.clone());
        let body = body(
            &self.desk.world,
            MAC,
            flash,
            chip,
            Gate::default(),
            |_: &Event| {},
        );
        size_of_val(&device::run(body, Dht11::default().product(), self.library))
    }
}

/// Runs something on the one thread where devices can live.
///
/// # Panics
///
/// If the operating system gives no runtime.
pub fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(tokio::task::LocalSet::new().run_until(work))
}

/// Notices whether a poll woke its own task, and wakes the task behind.
pub struct Alarm {
    rang: AtomicBool,
    behind: Waker,
}

impl Alarm {
    /// Of a task.
    #[must_use]
    pub fn new(behind: &Waker) -> Arc<Self> {
        let (rang, behind) = (AtomicBool::new(false), behind.clone());
        Arc::new(Self { rang, behind })
    }

    /// Polls until nothing wakes the task any more.
    pub fn settle<T>(
        self: &Arc<Self>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = Waker::from(self.clone());
        loop {
            self.rang.store(false, Ordering::Relaxed);
            let polled = poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || !self.rang.load(Ordering::Relaxed) {
                return polled;
            }
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::Relaxed);
        self.behind.wake_by_ref();
    }
}
