//! Networks that a phone chooses and that the device cannot join, each for a reason of its own.

use device::event::Event;
use device::platform::{AuthMode, JoinError};
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone, scenario};
use provisioner::{FailReason, Outcome};
use simulator::wifi::Network;

/// The network that does not work.
const DEAD_END: &str = "dead end";

/// What the driver says of a station for which the access point has no room (IEEE 802.11-2020,
/// table 9-49, reason 5).
const TOO_MANY_STATIONS: u16 = 5;

/// A phone chooses a network with this fault, and then, in the same session, one that works. The
/// device tries the first so many times, and says why it does not work.
async fn refused(number: u8, fault: impl FnOnce(&mut Network), why: JoinError, tries: usize) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let mut network = Network::new(DEAD_END, "no way through", -40);
    fault(&mut network);
    desk.world.wifi.change(|networks| networks.push(network));
    let flash = desk.flash("SN-77", server.mqtt_addr().port(), "");
    let board = desk.board(flash, number);
    let mut diary = Diary::of(&board);
    let story = async {
        diary.until_named("provisioning.started").await;
        let mut phone = Phone::paired_with(&desk, &format!("PROV_1A2B{number:02X}")).await;
        // The protocol has no other word for a network that refuses.
        let outcome = phone.send(DEAD_END, "no way through").await;
        assert_eq!(outcome, Outcome::Refused(FailReason::AuthError));
        let outcome = phone.send(NETWORK, PASSPHRASE).await;
        assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
        diary.until_named("cloud.online").await;
    };
    tokio::select! {
        _ = board.live() => panic!("the device restarted"),
        () = story => {}
    }
    let told = diary.read.iter().filter_map(|(_, event)| match event {
        Event::NetworkRefused { error } => Some(*error),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), vec![why; tries]);
    let sessions = diary.names().into_iter();
    assert_eq!(
        sessions
            .filter(|name| *name == "provisioning.session")
            .count(),
        1
    );
}

#[test]
fn security_that_the_device_cannot_do_is_told_at_once() {
    for auth in [AuthMode::Wpa3Psk, AuthMode::Wpa2Enterprise, AuthMode::Wep] {
        let why = JoinError::Unsupported(auth);
        scenario(refused(77, |network| network.seen.auth = auth, why, 1));
    }
}

#[test]
fn a_refusal_of_another_kind_is_told_with_the_drivers_reason() {
    let why = JoinError::Other(TOO_MANY_STATIONS);
    scenario(refused(
        78,
        |network| network.refuses = Some(TOO_MANY_STATIONS),
        why,
        2,
    ));
}

#[test]
fn a_network_without_dhcp_is_told_for_what_it_is() {
    scenario(refused(
        79,
        |network| network.dhcp = false,
        JoinError::NoAddress,
        2,
    ));
}
