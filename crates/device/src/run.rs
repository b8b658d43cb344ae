//! Living: performs what the lifecycle decides, until the device is to restart.
//!
//! Decisions are in [`lifecycle`](crate::lifecycle); this module only does one activity at a
//! time, beside the steady sampling and the button. An activity ends by telling what happened,
//! which brings the next action; an action that comes while an activity is under way ends it.

mod activities;
mod provision;
mod sampling;
mod timekeeping;
mod watching;

use embassy_futures::select::{Either, Either5, select, select5};

use crate::clock::Clock;
use crate::event::{Event, RestartReason};
use crate::life::Life;
use crate::lifecycle::Action;
use crate::platform::{ANYWHERE, Body, Platform, System, Wifi};
use crate::settings::{Settings, SettingsError};
use crate::storage::{FileError, Storage};
use crate::tls;
use activities::Activities;

/// The most that `settings.json` may have, in bytes.
const SETTINGS_LIMIT: u32 = 4096;

/// Lives one life in `body`, from boot to restart.
///
/// On return the body is to restart the device: a chip resets, a simulator calls `run` again with
/// the same flash.
pub async fn run<P: Platform>(body: Body<P>, tls: tls::Library<'_>) -> RestartReason {
    let Body {
        mut bluetooth,
        mailbox,
        wifi,
        network,
        flash,
        mut sensor,
        system,
        observer,
    } = body;
    let clock = Clock::since(system.started());
    let (storage, faults) = Storage::open(flash);
    let (settings, refused) = match storage.read_file("settings.json", SETTINGS_LIMIT) {
        Ok(file) => match Settings::parse(&file) {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error)),
        },
        // Without a volume there are no certificates either, which tell the same.
        Err(FileError::Missing | FileError::NoVolume | FileError::NoPartition(_)) => {
            (Settings::default(), None)
        }
        Err(error) => (Settings::default(), Some(SettingsError::Unreadable(error))),
    };
    let country = settings.country.unwrap_or(ANYWHERE);
    let country_known = wifi.set_country(country);
    let life = Life::<P>::begin(
        &wifi, &network, &system, &observer, &storage, settings, clock,
    );
    for fault in faults {
        life.tell(&Event::StorageFailed(fault));
    }
    let provisioned = match storage.wifi() {
        Ok(network) => network.is_some(),
        // There may well be one: joining reads it again, and opens provisioning if it never can.
        Err(error) => {
            life.tell(&Event::StorageFailed(error));
            true
        }
    };
    life.tell(&Event::Booted {
        reset: system.reset_reason(),
        provisioned,
    });
    if let Some(error) = refused {
        life.tell(&Event::SettingsRefused(error));
    }
    if !country_known {
        life.tell(&Event::CountryRefused { country });
    }

    let mut activities = Activities::new(&life, &mut bluetooth, mailbox, tls);
    match select5(
        follow(&life, &mut activities),
        sampling::sample_steadily(&life, &mut sensor),
        timekeeping::keep_clock(&life),
        button(&life),
        watching::watch(&life),
    )
    .await
    {
        Either5::First(why) => why,
        Either5::Second(never)
        | Either5::Third(never)
        | Either5::Fourth(never)
        | Either5::Fifth(never) => match never {},
    }
}

/// Performs one action after the other.
async fn follow<P: Platform>(
    life: &Life<'_, P>,
    activities: &mut Activities<'_, '_, P>,
) -> RestartReason {
    let mut action = life.next_action().await;
    loop {
        match action {
            Action::Restart(why) => return why,
            Action::EraseAndRestart => {
                let Err(error) = life.storage.erase_wifi() else {
                    let why = RestartReason::FactoryReset;
                    life.tell(&Event::Restarting { why });
                    return why;
                };
                life.tell(&Event::EraseFailed(error));
                action = life.next_action().await;
            }
            _ => {
                action = match select(life.next_action(), activities.perform(action)).await {
                    Either::First(action) => action,
                    Either::Second(()) => life.next_action().await,
                }
            }
        }
    }
}

/// Tells of a factory reset when the button was held.
async fn button<P: Platform>(life: &Life<'_, P>) -> core::convert::Infallible {
    loop {
        life.system.button_held().await;
        life.tell(&Event::FactoryReset);
    }
}
