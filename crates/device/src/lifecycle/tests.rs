use super::*;
use crate::event::{ClockError, ClockSource};
use crate::platform::{ResetReason, Ssid};
use crate::storage::StorageError;
use core::net::Ipv4Addr;

fn at(s: u64) -> Instant {
    Instant::from_secs(s)
}

fn booted(provisioned: bool) -> Event {
    Event::Booted {
        reset: ResetReason::PowerOn,
        provisioned,
    }
}

fn joined() -> Event {
    Event::Joined {
        address: Ipv4Addr::LOCALHOST,
        rssi_dbm: None,
    }
}

fn clock_set() -> Event {
    Event::ClockSet {
        unix_ms: 1,
        source: ClockSource::Sntp,
    }
}

fn refused() -> Event {
    Event::JoinFailed {
        error: JoinError::WrongPassphrase,
        retry_ms: 500,
    }
}

fn cut_off() -> Event {
    Event::ConnectionFailed {
        error: crate::cloud::CloudError::NameNotResolved,
        retry_ms: 700,
    }
}

fn ssid() -> Ssid {
    Ssid::new(b"home").unwrap()
}

/// Feeds events a second apart and returns the last state and the actions on the way.
fn live(events: &[Event]) -> (State, alloc::vec::Vec<Action>) {
    let mut state = State::Starting;
    let mut actions = alloc::vec::Vec::new();
    for (second, event) in events.iter().enumerate() {
        let (next, action) = state.step(event, at(second as u64));
        state = next;
        actions.extend(action);
    }
    (state, actions)
}

#[test]
fn a_first_life_goes_from_blank_to_online() {
    let (state, actions) = live(&[
        booted(false),
        Event::ClientConnected,
        Event::NetworkChosen { ssid: ssid() },
        Event::Provisioned { ssid: ssid() },
        Event::BluetoothStopped,
        clock_set(),
        Event::Online {
            session_present: false,
        },
    ]);
    let now = Duration::from_ticks(0);
    assert_eq!(
        state,
        State::Online {
            since: at(6),
            attempt: 1
        }
    );
    assert_eq!(
        actions,
        [
            Action::Provision { window: None },
            Action::SetClock {
                after: now,
                floor: false
            },
            Action::Connect { after: now },
        ]
    );
}

#[test]
fn a_client_that_waits_for_the_answer_has_the_device_go_on_with_bluetooth_up() {
    let (state, actions) = live(&[
        booted(false),
        Event::Provisioned { ssid: ssid() },
        Event::AnswerAwaited,
        clock_set(),
        Event::BluetoothStopped,
        cut_off(),
        Event::AnswerAwaited,
    ]);
    assert_eq!(state, State::Connecting { attempt: 2 });
    assert_eq!(actions.len(), 4, "{actions:?}");
    // Before a network is proven nobody waits.
    let (state, _) = live(&[booted(false), Event::AnswerAwaited]);
    assert!(matches!(state, State::Provisioning { proven: false, .. }));
}

#[test]
fn a_second_life_joins_at_once() {
    let (state, actions) = live(&[booted(true), joined()]);
    assert_eq!(state, State::SettingClock { attempt: 1 });
    assert_eq!(
        actions[0],
        Action::Join {
            after: Duration::from_ticks(0)
        }
    );
}

#[test]
fn a_network_that_refuses_five_times_opens_provisioning_for_a_while() {
    let mut events = alloc::vec![booted(true)];
    events.extend((0..REFUSALS).map(|_| refused()));
    let (state, actions) = live(&events);
    assert_eq!(
        state,
        State::Provisioning {
            proven: false,
            rescue: true
        }
    );
    assert_eq!(
        actions.last(),
        Some(&Action::Provision {
            window: Some(RESCUE_WINDOW)
        })
    );
    // Nobody came.
    let (state, action) = state.step(&Event::BluetoothStopped, at(400));
    assert_eq!(
        state,
        State::Joining {
            attempt: 1,
            refusals: 0
        }
    );
    assert_eq!(
        action,
        Some(Action::Join {
            after: Duration::from_ticks(0)
        })
    );
}

#[test]
fn refusals_count_only_in_a_row() {
    let elsewhere = Event::JoinFailed {
        error: JoinError::NetworkNotFound,
        retry_ms: 1,
    };
    let (state, _) = live(&[
        booted(true),
        refused(),
        refused(),
        refused(),
        refused(),
        elsewhere,
        refused(),
    ]);
    assert_eq!(
        state,
        State::Joining {
            attempt: 7,
            refusals: 1
        }
    );
}

#[test]
fn silent_time_servers_are_asked_again_and_then_the_floor_will_do() {
    let silent = Event::ClockFailed {
        error: ClockError::Silent,
        retry_ms: 9,
    };
    let (_, actions) = live(&[booted(true), joined(), silent.clone(), silent]);
    let after = Duration::from_millis(9);
    assert_eq!(
        actions[2],
        Action::SetClock {
            after,
            floor: false
        }
    );
    assert_eq!(actions[3], Action::SetClock { after, floor: true });
}

#[test]
fn losing_the_network_anywhere_leads_back_to_joining() {
    for state in [
        State::SettingClock { attempt: 2 },
        State::Connecting { attempt: 9 },
        State::Online {
            since: at(0),
            attempt: 1,
        },
    ] {
        assert_eq!(state.step(&Event::WifiLost, at(1)), join_afresh());
    }
}

#[test]
fn a_brief_connection_counts_as_a_failure_and_a_steady_one_does_not() {
    let online = State::Online {
        since: at(100),
        attempt: 4,
    };
    assert_eq!(
        online.step(&cut_off(), at(159)).0,
        State::Connecting { attempt: 5 }
    );
    assert_eq!(
        online.step(&cut_off(), at(160)).0,
        State::Connecting { attempt: 1 }
    );
    assert!(online.retry_ms(at(159), u32::MAX) > online.retry_ms(at(160), u32::MAX));
}

#[test]
fn a_server_that_changes_its_keys_is_come_back_to_at_once_but_not_without_end() {
    let online = State::Online {
        since: at(100),
        attempt: 4,
    };
    let error = crate::cloud::CloudError::Tls(crate::tls::TlsError::KeyUpdate);
    let changed = |retry_ms| Event::ConnectionFailed { error, retry_ms };
    assert!(online.resumes_at_once(error, at(110)));
    let connect = Some(Action::Connect {
        after: Duration::from_ticks(0),
    });
    let fresh = State::Connecting { attempt: 1 };
    assert_eq!(online.step(&changed(0), at(110)), (fresh, connect));
    // As any other that cuts off soon.
    assert!(!online.resumes_at_once(error, at(109)));
    let (next, _) = online.step(&changed(700), at(109));
    assert_eq!(next, State::Connecting { attempt: 5 });
    assert!(!fresh.resumes_at_once(error, at(1_000)));
    let lost = crate::cloud::CloudError::Silent;
    assert!(!online.resumes_at_once(lost, at(150)));
}

#[test]
fn pauses_grow_are_random_and_stay_between_their_bounds() {
    let pause = |attempt, random| State::Connecting { attempt }.retry_ms(at(0), random);
    assert_eq!(pause(1, 0), 250);
    assert_eq!(pause(1, u32::MAX), 1_000);
    assert_eq!(pause(4, u32::MAX), 8_000);
    assert_eq!(pause(7, u32::MAX), 60_000);
    assert_eq!(pause(u32::MAX, u32::MAX), 60_000);
    assert_eq!(pause(u32::MAX, 0), 250);
}

#[test]
fn bad_credentials_halt_and_a_reset_gets_out_of_everything() {
    let (state, action) = State::Connecting { attempt: 1 }.step(
        &Event::CredentialsRefused(
            crate::credentials::File::Key.has(crate::credentials::Fault::Missing),
        ),
        at(1),
    );
    let look_again = Some(Action::Connect { after: REMINDER });
    assert_eq!((state, action), (State::Halted, look_again));
    // Somebody has flashed others in the meantime.
    let connecting = Event::Connecting {
        host: Default::default(),
        port: 1,
        attempt: 1,
    };
    assert_eq!(
        state.step(&connecting, at(70)),
        (State::Connecting { attempt: 1 }, None)
    );
    assert!(matches!(
        state.step(&Event::WifiLost, at(70)),
        (State::Joining { attempt: 1, .. }, Some(Action::Join { .. }))
    ));
    let (state, action) = state.step(&Event::FactoryReset, at(2));
    assert_eq!(
        (state, action),
        (State::Restarting, Some(Action::EraseAndRestart))
    );
    // Too late for anything else.
    assert_eq!(state.step(&joined(), at(3)), (State::Restarting, None));
}

#[test]
fn a_date_that_does_not_fit_makes_the_device_ask_for_the_time_again() {
    use crate::credentials::{Fault, File};
    use crate::tls::{CertificateFault, TlsError};
    let doubt = |after| {
        let floor = false;
        let action = Action::SetClock { after, floor };
        (State::SettingClock { attempt: 1 }, Some(action))
    };
    let expired = File::Certificate.has(Fault::Expired {
        number: 1,
        to_unix_s: 1,
        now_unix_s: 2,
    });
    let connecting = State::Connecting { attempt: 3 };
    assert_eq!(
        connecting.step(&Event::CredentialsRefused(expired), at(1)),
        doubt(DOUBT)
    );
    let error = TlsError::ServerCertificate(CertificateFault::NotYetValid);
    let failed = Event::ConnectionFailed {
        error: crate::cloud::CloudError::Tls(error),
        retry_ms: 5,
    };
    let soon = Duration::from_millis(5);
    assert_eq!(connecting.step(&failed, at(1)), doubt(soon));
    assert_eq!(State::doubt_ms(0), 30_000);
    assert_eq!(State::doubt_ms(u32::MAX), 90_000);
}

#[test]
fn a_network_that_leads_nowhere_is_joined_anew() {
    let mut state = State::Connecting { attempt: 1 };
    for _ in 1..REJOIN {
        let (next, action) = state.step(&cut_off(), at(1));
        assert!(matches!(action, Some(Action::Connect { .. })));
        state = next;
    }
    let after = Duration::from_millis(700);
    let joining = State::Joining {
        attempt: 1,
        refusals: 0,
    };
    let rejoin = (joining, Some(Action::Join { after }));
    assert_eq!(state.step(&cut_off(), at(1)), rejoin);
    // One that is answered does lead somewhere.
    let refused = Event::ConnectionFailed {
        error: crate::cloud::CloudError::HungUp,
        retry_ms: 700,
    };
    let connect = Some(Action::Connect { after });
    assert_eq!(state.step(&refused, at(1)).1, connect);
}

#[test]
fn a_network_that_cannot_be_read_opens_provisioning_in_the_end() {
    let unreadable = Event::NetworkUnreadable {
        error: StorageError::FlashFailed,
        retry_ms: 9,
    };
    let mut events = alloc::vec![booted(true)];
    events.extend((0..REFUSALS).map(|_| unreadable.clone()));
    let (state, actions) = live(&events);
    assert!(matches!(state, State::Provisioning { rescue: true, .. }));
    let after = Duration::from_millis(9);
    assert_eq!(actions[1], Action::Join { after });
}

#[test]
fn a_network_that_cannot_be_erased_does_not_keep_provisioning_shut() {
    let (state, _) = live(&[booted(true), Event::FactoryReset]);
    let failed = Event::EraseFailed(StorageError::FlashFailed);
    let open = Some(Action::Provision { window: None });
    assert_eq!(state.step(&failed, at(3)).1, open);
}
