//! The activity of being provisioned: which code to show, what to keep.
//!
//! It is attended to beside the other activities: a client that waits for the cloud's answer is served
//! while the device sets its clock and connects. What is served goes on until the client's business is
//! over or provisioning opens afresh, and is on the heap while it does.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::convert::Infallible;

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer, with_timeout};
use protocomm::gatt::device_name;
use protocomm::qr::{Payload, Transport};
use protocomm::security::{IvMode, ProofDigest};
use zeroize::Zeroizing;

use super::joining;
use crate::context::Context;
use crate::event::Event;
use crate::platform::{Bluetooth, Mailbox, Observer, Platform, System, Wifi};
use crate::proof::{proof, verifier};
use crate::provisioning::{self, Proven, Service};
use crate::settings::Security;

/// How long to wait before a controller that did not start is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a controller may take to power up.
const START: Duration = Duration::from_secs(30);

/// How much heap has to be free, in bytes, for a device to go online while Bluetooth is up. A full handshake
/// takes 40,000 with P-256 and 45,000 with RSA at most, and going online nothing more
/// (tests/e2e/tests/emulated/board.rs); the rest is for the radios, whose buffers come and go.
const ONLINE_HEAP: u32 = 64 * 1024;

/// How much of it has to be in one piece: the longest buffer for a record has 16 KiB, and some.
const ONLINE_BLOCK: u32 = 20 * 1024;

/// Where the action asks for provisioning, and who attends to it hears so.
#[derive(Default)]
pub(super) struct Counter(Opening);

struct Opening(Signal<NoopRawMutex, Option<Duration>>);

impl Default for Opening {
    fn default() -> Self {
        Self(Signal::new())
    }
}

impl Counter {
    /// Has provisioning open, for as long as `window` if there is one.
    pub(super) fn open(&self, window: Option<Duration>) {
        self.0.0.signal(window);
    }
}

/// For a whole life: whenever provisioning is to open, serves clients until one has told a network that
/// works and knows what it waits for, or for as long as the window and until a client that is in the
/// middle of it is done. Then tells that Bluetooth has stopped.
pub(super) async fn attend<P: Platform>(
    context: &Context<'_, P>,
    bluetooth: &mut P::Bluetooth,
    mailbox: Option<Rc<Mailbox>>,
    counter: &Counter,
) -> Infallible {
    let mut window = counter.0.0.wait().await;
    loop {
        context.answer.open();
        let service = Box::pin(serve(context, bluetooth, mailbox.as_ref(), window));
        window = match select(counter.0.0.wait(), service).await {
            // It opens while a client still waited: Bluetooth went, and starts anew.
            Either::First(again) => again,
            Either::Second(()) => {
                context.answer.close();
                context.tell(&Event::BluetoothStopped);
                counter.0.0.wait().await
            }
        };
    }
}

/// Whether there is memory to go online while Bluetooth is up; where nobody knows, there is.
fn has_room<P: Platform>(context: &Context<'_, P>) -> bool {
    let free = context.system.heap();
    let enough = free.is_none_or(|heap| heap.free >= ONLINE_HEAP);
    let largest = context.system.heap_largest();
    enough && largest.is_none_or(|block| block >= ONLINE_BLOCK)
}

async fn serve<P: Platform>(
    context: &Context<'_, P>,
    bluetooth: &mut P::Bluetooth,
    mailbox: Option<&Rc<Mailbox>>,
    window: Option<Duration>,
) {
    let proof = proof(context);
    let settings = &context.settings.provisioning;
    let name = device_name(&settings.name_prefix, &context.wifi.mac());
    let security = security(context, proof.as_deref().map_or("", String::as_str));

    let tell = |event: &Event| context.tell(event);
    let keep = |proven: &Proven| {
        if let Err(error) = context.storage.keep_wifi(&proven.credentials) {
            context.tell(&Event::KeptInMemory(error));
        }
        joining::keep_place(context, &proven.credentials.ssid);
        context.answer.set_room(has_room(context));
        context.tell(&Event::Provisioned {
            ssid: proven.credentials.ssid.clone(),
        });
    };
    let service = Service::new(
        security,
        &context.clients,
        &context.answer,
        context.wifi,
        context.entropy(),
        &tell,
        &keep,
    );
    let transport = match with_timeout(START, bluetooth.start()).await {
        Ok(Ok(transport)) => transport,
        Err(_) => {
            context.tell(&Event::BluetoothFailed);
            return Timer::after(PAUSE).await;
        }
        Ok(Err(error)) => {
            log::error!("the Bluetooth controller did not start: {error:?}");
            context.tell(&Event::BluetoothFailed);
            return Timer::after(PAUSE).await;
        }
    };
    let scheme = service.scheme();
    show_code(context, &name, scheme, proof.as_deref().map(String::as_str));
    let mailbox = mailbox.map(Rc::as_ref);
    let ended = provisioning::provision(transport, &name, &service, mailbox, window).await;
    if ended.is_err() {
        context.tell(&Event::BluetoothFailed);
        Timer::after(PAUSE).await;
    }
}

fn security<P: Platform>(context: &Context<'_, P>, proof: &str) -> protocomm::security::Security {
    let settings = &context.settings.provisioning;
    match settings.security {
        Security::None => protocomm::security::Security::Security0,
        Security::X25519 => {
            protocomm::security::Security::Security1(ProofDigest::new(proof.as_bytes()))
        }
        Security::Srp6a => protocomm::security::Security::Security2 {
            verifier: verifier(context, proof),
            iv_mode: IvMode::Counter,
        },
    }
}

fn show_code<P: Platform>(context: &Context<'_, P>, name: &str, scheme: u8, proof: Option<&str>) {
    let payload = Payload {
        name,
        username: (scheme == 2).then_some(&context.settings.provisioning.username),
        proof_of_possession: proof,
        transport: Transport::Ble,
        security: Some(scheme),
    };
    let mut text = Zeroizing::new([0; 320]);
    // The longest name, username and proof, all escaped, have room.
    if let Ok(length) = payload.encode(&mut *text)
        && let Ok(text) = core::str::from_utf8(&text[..length])
    {
        context.observer.show_provisioning_code(text);
    }
}
