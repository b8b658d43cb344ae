//! Keys that are sealed for one board's chip: it goes online with its own, flash alone has no key in it, and
//! another board does not open it.
//!
//! The chip's HMAC is a stand-in. `emulated_sealed.rs` is about the emulated board.

use device::credentials::{Fault, File};
use device::event::Event;
use e2e::{Desk, Diary, chip_key, holds, scenario, sealed_key, traces};
use pki::Identity;
use seal::{Block, Key};
use simulator::Simulator;

const SERIAL: &str = "SN-700001";

/// The same key once more, for another board.
fn copy(key: &Key) -> Key {
    Key::new(key.block(), *key.expose())
}

/// A board with this flash, and this key in its chip.
fn board(desk: &Desk, identity: &Identity, key: &[u8], port: u16, chip: Option<Key>) -> Simulator {
    let mut board = desk.board(desk.flash_with_sealed_key(identity, key, port), 70);
    if let Some(chip) = chip {
        board.chip = board.chip.clone().with_key(chip);
    }
    board
}

/// Lives until an event of this name.
async fn until(board: &Simulator, name: &str) -> Event {
    let mut diary = Diary::of(board);
    tokio::select! {
        never = board.live_on() => match never {},
        event = diary.until_named(name) => event,
    }
}

#[test]
fn a_board_goes_online_with_its_sealed_key_and_its_flash_alone_has_none() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let (port, identity, chip) = (
            server.mqtt_addr().port(),
            desk.device_identity(SERIAL),
            chip_key(2),
        );
        let key = sealed_key(&identity, &chip);
        let board = board(&desk, &identity, &key, port, Some(copy(&chip)));
        until(&board, "telemetry.acknowledged").await;
        let traces = traces(identity.key_pem());
        let flash = board.flash.to_bytes();
        for trace in &traces {
            assert!(!holds(&flash, trace), "the key is in flash");
        }
        // Where it is not sealed they are found.
        let plain = desk.flash_of_provisioned(&identity, identity.trust_pem(), port);
        let plain = plain.to_bytes();
        assert!(holds(&plain, &traces[0]));
    });
}

#[test]
fn an_image_that_was_moved_to_another_board_is_refused_and_who_must_act_is_told() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let (port, identity, own) = (
            server.mqtt_addr().port(),
            desk.device_identity(SERIAL),
            chip_key(1),
        );
        let key = sealed_key(&identity, &own);
        let mut damaged = key.clone();
        damaged.pop();
        let mut later = key.clone();
        later[8] = 2;
        let other = chip_key(1);
        let elsewhere = Key::new(Block::ALL[4], *own.expose());
        for (key, chip, fault, told) in [
            (
                &key,
                Some(other),
                seal::Fault::Another,
                "make this board its own",
            ),
            (
                &key,
                Some(elsewhere),
                seal::Fault::NoKey(Block::ALL[1]),
                "BLOCK_KEY1, and this chip has none there",
            ),
            (
                &key,
                None,
                seal::Fault::NoKey(Block::ALL[1]),
                "`esptb factory run --seal`",
            ),
            (
                &damaged,
                Some(copy(&own)),
                seal::Fault::Damaged,
                "write the board's files anew",
            ),
            (
                &later,
                Some(copy(&own)),
                seal::Fault::Version(2),
                "write a later firmware",
            ),
        ] {
            let board = board(&desk, &identity, key, port, chip);
            let refused = until(&board, "credentials.refused").await;
            let expected = File::Key.has(Fault::Seal(fault));
            assert_eq!(refused, Event::CredentialsRefused(expected));
            assert!(refused.to_string().contains(told), "{refused}");
        }
    });
}
