//! The activity of being provisioned: which code to show, what to keep.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use embassy_time::{Duration, Timer, with_timeout};
use protocomm::gatt::device_name;
use protocomm::qr::{Payload, Transport};
use protocomm::security::{IvMode, ProofDigest, Salt, SrpVerifier};
use zeroize::Zeroizing;

use super::joining;
use crate::context::{Context, KeptVerifier};
use crate::event::Event;
use crate::platform::{Bluetooth, Mailbox, Observer, Platform, Wifi};
use crate::proof::proof;
use crate::provisioning::{self, Proven, Service};
use crate::settings::Security;

/// How long to wait before a controller that did not start is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a controller may take to power up.
const START: Duration = Duration::from_secs(30);

/// Offers provisioning until a client has told a network that works, or for as long as `window` and
/// until a client that is in the middle of it is done. Ends by telling that Bluetooth has stopped.
pub(super) async fn offer<P: Platform>(
    context: &Context<'_, P>,
    bluetooth: &mut P::Bluetooth,
    mailbox: Option<&Rc<Mailbox>>,
    window: Option<Duration>,
) {
    serve(context, bluetooth, mailbox, window).await;
    context.tell(&Event::BluetoothStopped);
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
        context.tell(&Event::Provisioned {
            ssid: proven.credentials.ssid.clone(),
        });
    };
    let service = Service::new(
        security,
        &context.clients,
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

/// The verifier of this proof, worked out once in a life: it takes a chip a second.
fn verifier<P: Platform>(context: &Context<'_, P>, proof: &str) -> SrpVerifier {
    let mut kept = context.verifier.borrow_mut();
    match kept.as_deref() {
        Some(kept) if kept.proof.as_str() == proof => kept.verifier.clone(),
        _ => {
            let verifier = SrpVerifier::generate(
                context.settings.provisioning.username.as_bytes(),
                proof.as_bytes(),
                Salt::random(&mut context.entropy()),
            );
            *kept = Some(Box::new(KeptVerifier {
                proof: Zeroizing::new(proof.into()),
                verifier: verifier.clone(),
            }));
            verifier
        }
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
