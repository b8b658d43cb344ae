//! Living: performs what the lifecycle decides, until the device is to restart.
//!
//! Decisions are in [`lifecycle`](crate::lifecycle); this module only does one activity at a
//! time, beside the product and the button. An activity ends by telling what happened,
//! which brings the next action; an action that comes while an activity is under way ends it.
//! Only a provisioning client may be served beside what follows, see [`provision`].

mod activities;
mod carrying;
mod joining;
pub(crate) mod provision;
mod sampling;
mod timekeeping;
mod watching;

use embassy_futures::select::{Either, Either5, select, select5};
use embassy_time::{Duration, with_timeout};
use product::{Card, Product};

use crate::clock::Clock;
use crate::context::{Context, Parts};
use crate::event::{Event, RestartReason};
use crate::files;
use crate::lifecycle::Action;
use crate::platform::{ANYWHERE, Body, Platform, Press, System, Wifi};
use crate::storage::Storage;
use crate::tls;
use activities::Activities;

/// How long the product may take to get into its safe state before a restart.
const SAFE: Duration = Duration::from_secs(10);

/// How long leaving the network may take before a restart.
const LEAVING: Duration = Duration::from_secs(3);

/// Lives one life in `body`, from boot to restart, for `product`.
///
/// At its end the device leaves its network and asks the body to [restart](System::restart), while
/// all of the body is as it was; on a chip that is the end. Where it returns, whoever called calls
/// again with the same flash, as a simulator does.
pub async fn run<P: Platform, Q: Product>(
    body: Body<P>,
    mut product: Q,
    tls: tls::Library<'_>,
) -> RestartReason {
    let Body {
        mut bluetooth,
        mailbox,
        wifi,
        network,
        flash,
        system,
        observer,
    } = body;
    let clock = Clock::since(system.started());
    let (storage, faults) = Storage::open(flash);
    let (settings, refused) = files::settings(&storage);
    let country = settings.country.unwrap_or(ANYWHERE);
    let country_known = wifi.set_country(country);
    let parts = Parts {
        wifi: &wifi,
        network: &network,
        system: &system,
        observer: &observer,
        storage: &storage,
    };
    let context = Context::<P>::begin(parts, Card::of::<Q>(), settings, clock);
    for fault in faults {
        context.tell(&Event::StorageFailed(fault));
    }
    let provisioned = match storage.wifi() {
        Ok(network) => network.is_some(),
        // There may well be one: joining reads it again, and opens provisioning if it never can.
        Err(error) => {
            context.tell(&Event::StorageFailed(error));
            true
        }
    };
    context.tell(&Event::Booted {
        reset: system.reset_reason(),
        provisioned,
    });
    if let Some(error) = refused {
        context.tell(&Event::SettingsRefused(error));
    }
    if !country_known {
        context.tell(&Event::CountryRefused { country });
    }

    let counter = provision::Counter::default();
    let mut activities = Activities::new(&context, &counter, tls);
    let why = match select5(
        select(
            follow(&context, &mut activities),
            provision::attend(&context, &mut bluetooth, mailbox, &counter),
        ),
        carrying::carry(&context, &mut product),
        timekeeping::keep_clock(&context),
        button(&context),
        watching::watch(&context),
    )
    .await
    {
        Either5::First(Either::First(why)) => why,
        Either5::First(Either::Second(never))
        | Either5::Second(never)
        | Either5::Third(never)
        | Either5::Fourth(never)
        | Either5::Fifth(never) => match never {},
    };
    context.keep_samples(usize::MAX);
    let _ = with_timeout(SAFE, product.restarting()).await;
    // An access point that is not told takes the station that comes back for an impostor of the one
    // it still knows, where frames of management are protected (IEEE 802.11w), and makes it wait.
    let _ = with_timeout(LEAVING, wifi.leave()).await;
    system.restart();
    why
}

/// Performs one action after the other.
async fn follow<P: Platform>(
    context: &Context<'_, P>,
    activities: &mut Activities<'_, '_, P>,
) -> RestartReason {
    let mut action = context.next_action().await;
    loop {
        match action {
            Action::Restart(why) => return why,
            Action::EraseAndRestart => {
                let Err(error) = context.storage.erase_wifi() else {
                    let why = RestartReason::FactoryReset;
                    context.tell(&Event::Restarting { why });
                    return why;
                };
                context.tell(&Event::EraseFailed(error));
                action = context.next_action().await;
            }
            _ => {
                action = match select(context.next_action(), activities.perform(action)).await {
                    Either::First(action) => action,
                    Either::Second(()) => context.next_action().await,
                }
            }
        }
    }
}

/// Tells of a factory reset when the button was held, and lets the device be claimed when it was pressed.
async fn button<P: Platform>(context: &Context<'_, P>) -> core::convert::Infallible {
    loop {
        match context.system.button().await {
            Press::Long => context.tell(&Event::FactoryReset),
            Press::Short => context.allow_claim(),
        }
    }
}
