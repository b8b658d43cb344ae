//! A device's lives at the desk, polled by hand so that its own work can be told from the rest's.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use device::event::Event;
use device::tls::Library;
use e2e::{Desk, NETWORK, PASSPHRASE, Phone};
use pki::{KeyAlgorithm, Profile};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use simulator::flash::Flash;
use simulator::system::Chip;

use crate::{Bench, Gate};

/// Some time that is certainly past: 2026-01-01.
const BUILT_AT_UNIX_S: u64 = 1_767_225_600;

/// The station's address.
const MAC: [u8; 6] = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, 7];

/// A desk with a device on it.
pub struct Lives {
    desk: Desk,
    _server: devserver::Server,
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
        hosttime::set_rate(1);
        let desk = Desk::set().await;
        let server = desk.server().await;
        let profile = Profile {
            algorithm,
            ..Profile::default()
        };
        let identity = desk.pki.device_with("BENCH-1", &profile);
        let settings = format!(r#","telemetry_interval_ms":{interval_ms}"#);
        let identity = identity.expect("a certificate");
        let flash = desk.flash_of(&identity, server.mqtt_addr().port(), &settings);
        let random = Box::leak(Box::new(UnwrapErr(SysRng)));
        Self {
            desk,
            _server: server,
            flash,
            chip: Chip::new(BUILT_AT_UNIX_S),
            library: Library::install(random).expect("the only one"),
        }
    }

    /// Lives until `messages` messages of telemetry were acknowledged, after being provisioned by
    /// a phone if the flash is blank. `told` takes notice of all events, and `poll` polls the
    /// device.
    ///
    /// # Panics
    ///
    /// If the device restarts.
    pub async fn live(
        &self,
        messages: u32,
        gate: Gate,
        told: impl Fn(&Event),
        mut poll: impl FnMut(&mut dyn FnMut(&mut Context<'_>) -> Poll<()>, &mut Context<'_>) -> Poll<()>,
    ) {
        let left = Cell::new(messages);
        let name = RefCell::new(None);
        let watch = |event: &Event| {
            told(event);
            match event {
                Event::Acknowledged { .. } => left.set(left.get().saturating_sub(1)),
                Event::ProvisioningStarted { name: ours, .. } => {
                    name.replace(Some(ours.as_str().to_owned()));
                }
                _ => {}
            }
        };
        let (flash, chip) = (self.flash.clone(), self.chip.clone());
        let body = Bench::body(&self.desk.world, MAC, flash, chip, gate, watch);
        let mut device = pin!(device::run(body, self.library));
        let device = poll_fn(|context| {
            let mut one = |context: &mut Context<'_>| {
                let polled = device.as_mut().poll(context);
                polled.map(|why| panic!("the device restarts: {why:?}"))
            };
            match poll(&mut one, context) {
                Poll::Pending if left.get() == 0 => Poll::Ready(()),
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
        let body = Bench::body(
            &self.desk.world,
            MAC,
            flash,
            chip,
            Gate::default(),
            |_: &Event| {},
        );
        size_of_val(&device::run(body, self.library))
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
