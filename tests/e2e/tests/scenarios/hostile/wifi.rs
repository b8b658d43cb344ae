//! Networks that a phone chooses and that the device cannot join, each for a reason of its own.

use device::event::Event;
use device::platform::{AuthMode, JoinError};
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, Phone, scenario};
use provisioner::{FailReason, Outcome};
use simulator::Simulator;
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
        scenario(refused(77, move |network| network.seen.auth = auth, why, 1));
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

/// How long joining took, in milliseconds, until the last event.
fn took_ms(diary: &Diary) -> u64 {
    let at = |name: &str| {
        let mut read = diary.read.iter().rev();
        read.find(|(_, event)| event.name() == name)
            .expect("it happened")
            .0
    };
    at("wifi.joined") - at("wifi.joining")
}

/// The bytes of NVS.
fn nvs(board: &Simulator) -> Vec<u8> {
    board.flash.to_bytes()[0x9000..0xd000].to_vec()
}

/// The access point of last time is found without a look at all channels, as long as it is where it was;
/// flash is written when the network moved, and then alone.
#[test]
fn a_network_is_found_where_it_was_and_elsewhere_once_it_moved() {
    /// A look at all channels takes 1,560 ms, one at a single channel 120 ms; both and more on a busy
    /// computer.
    const QUICK_MS: u64 = 1_000;
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-78", server.mqtt_addr().port(), ""), 78);
        let mut diary = Diary::of(&board);
        let online = async |diary: &mut Diary| {
            tokio::select! {
                _ = board.live() => panic!("the device restarted"),
                _ = diary.until_named("cloud.online") => {}
            }
        };
        // The first life keeps where the network was when the phone chose it.
        let provisioned = async {
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B4E").await;
            phone.send(NETWORK, PASSPHRASE).await;
            diary.until_named("cloud.online").await;
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = provisioned => {}
        }
        let kept = nvs(&board);
        for _ in 0..3 {
            online(&mut diary).await;
            assert!(took_ms(&diary) < QUICK_MS, "{}", took_ms(&diary));
        }
        assert!(nvs(&board) == kept, "flash wears without need");

        // The access point changes its channel, and then is replaced.
        let changes: [fn(&mut Network); 2] = [
            |network| network.seen.channel = network.seen.channel % 13 + 1,
            |network| network.seen.bssid.0[5] ^= 1,
        ];
        for change in changes {
            let kept = nvs(&board);
            desk.world.wifi.change(|networks| {
                let network = networks.iter_mut();
                network
                    .filter(|network| network.seen.ssid.as_bytes() == NETWORK.as_bytes())
                    .for_each(change);
            });
            online(&mut diary).await;
            assert!(took_ms(&diary) > QUICK_MS, "{}", took_ms(&diary));
            assert!(nvs(&board) != kept);
            online(&mut diary).await;
            assert!(took_ms(&diary) < QUICK_MS, "{}", took_ms(&diary));
        }

        // One that is heard badly is not held on to, for there may be a better one.
        let hear = |rssi| {
            desk.world.wifi.change(|networks| {
                let network = networks.iter_mut();
                network
                    .filter(|network| network.seen.ssid.as_bytes() == NETWORK.as_bytes())
                    .for_each(|network| network.seen.rssi = rssi);
            });
        };
        hear(-85);
        online(&mut diary).await;
        let forgotten = nvs(&board);
        online(&mut diary).await;
        assert!(took_ms(&diary) > QUICK_MS, "{}", took_ms(&diary));
        assert!(nvs(&board) == forgotten, "flash wears without need");
        hear(-50);
        online(&mut diary).await;
        online(&mut diary).await;
        assert!(took_ms(&diary) < QUICK_MS, "{}", took_ms(&diary));
    });
}
