//! A board with a sealed key: the keys that it makes are sealed in its flash as well.

use device::credentials::{Fault, File};
use device::event::Event;
use device::renewal::{IDENTITY, Keeping, Kept};
use device::storage::Storage;
use e2e::{Desk, Diary, Operator, beside, chain_der, chip_key, holds, scenario, sealed_key};
use seal::{Key, Sealed};
use simulator::Simulator;
use simulator::flash::Flash;

use super::{SERIAL, renew};

/// What renewals have in a flash whose certificate by cable is this (PEM).
fn kept(flash: &Flash, chain: &str) -> Kept {
    let leaf = certfile::file::certificates(chain.as_bytes())
        .next()
        .and_then(|leaf| leaf.decode().ok());
    let origin = renewal::digest(&leaf.expect("a certificate"));
    let (storage, _) = Storage::open(Flash::from_bytes(flash.to_bytes()));
    Keeping::new(&storage, &IDENTITY, origin)
        .find()
        .expect("NVS that can be read")
}

/// What is kept begins with a key that this chip opens, and that is nowhere in flash.
fn check_key(kept: &[u8], chip: &Key, flash: &Flash) {
    let (sealed, _) = Sealed::first(kept).expect("it is sealed");
    let key = sealed.open(chip).expect("it is this chip's").to_vec();
    assert!(!holds(&flash.to_bytes(), &key));
}

#[test]
fn a_renewed_key_is_sealed_as_the_first_one_was() {
    scenario(async {
        let desk = Desk::set().await;
        let operator = Operator::of(desk.server().await, SERIAL);
        let identity = desk.device_identity(SERIAL);
        let chip = chip_key(3);
        let key = sealed_key(&identity, &chip);
        let flash = desk.flash_with_sealed_key(&identity, &key, operator.port());
        let of_chip = |chip: &Key| Key::new(chip.block(), *chip.expose());
        let with = |flash: Flash, chip: Key| -> Simulator {
            let mut board = desk.board(flash, 80);
            board.chip = board.chip.clone().with_key(chip);
            board
        };
        let board = with(flash, of_chip(&chip));
        let chain = identity.chain_pem();
        let mut diary = Diary::of(&board);
        let issued = std::cell::RefCell::new(None);
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            operator.request().await;
            let waiting = kept(&board.flash, &chain).candidate;
            check_key(&waiting.expect("a key waits"), &chip, &board.flash);
            issued.replace(Some(renew(&desk, &operator, &mut diary).await));
        })
        .await;
        let proven = kept(&board.flash, &chain).proven.expect("it is renewed");
        check_key(&proven, &chip, &board.flash);
        let issued = issued.take().expect("a certificate");
        assert!(proven.ends_with(&issued.chain_der()));
        assert!(!proven.ends_with(&chain_der(&chain)));
        // A life later it opens it again.
        board.chip.power_cycle();
        operator.cut().await;
        let mut diary = Diary::of(&board);
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator
                .until("certificate_serial", issued.serial_hex())
                .await;
        })
        .await;
        // Another board's chip does not, neither the renewed one nor the first.
        let flash = Flash::from_bytes(board.flash.to_bytes());
        let other = with(flash, chip_key(3));
        let mut diary = Diary::of(&other);
        beside(&other, async {
            let refused = diary.until_named("credentials.refused").await;
            let expected = File::Key.has(Fault::Seal(seal::Fault::Another));
            assert_eq!(refused, Event::CredentialsRefused(expected));
            let told = diary
                .read
                .iter()
                .find(|(_, event)| event.name() == "renewal.failed");
            let told = told.map(|(_, event)| event.to_string()).unwrap_or_default();
            assert!(told.contains("sealed with another chip's key"), "{told}");
        })
        .await;
    });
}
