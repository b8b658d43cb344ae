//! Flash that holds something else than it should.

use std::ops::Range;

use device::event::Event;
use e2e::{Desk, Diary, Dice, NETWORK, PASSPHRASE, Phone, beside, scenario};
use provisioner::Outcome;
use simulator::Simulator;
use simulator::flash::Flash;

use super::play;

const NVS: Range<usize> = 0x9000..0xd000;
const SPIFFS: Range<usize> = 0x29_0000..0x2d_0000;

/// How many seeds each test tries.
const SEEDS: u64 = 24;

/// Boots a board with this flash until it waits to be provisioned, or joins a network.
async fn boots(desk: &Desk, flash: Vec<u8>) -> Diary {
    let board = desk.board(Flash::from_bytes(flash), 50);
    let mut diary = Diary::of(&board);
    let settled = |event: &Event| {
        matches!(
            event,
            Event::ProvisioningStarted { .. } | Event::Joining { .. }
        )
    };
    tokio::select! {
        _ = board.live() => panic!("the device restarted"),
        _ = diary.until(settled) => {}
    }
    diary
}

/// A flash whose device was provisioned, and lived for a while.
async fn lived_in(desk: &Desk) -> Vec<u8> {
    let server = desk.server().await;
    let flash = desk.flash("SN-50", server.mqtt_addr().port(), "");
    let board = desk.board(flash.clone(), 50);
    play(desk, &board, 50, async |diary| {
        diary.until_named("cloud.online").await;
    })
    .await;
    flash.to_bytes()
}

/// What may have become of a range of flash.
fn spoilt(good: &[u8], range: &Range<usize>, seed: u64) -> Vec<u8> {
    let mut dice = Dice::from_seed(seed);
    let mut flash = good.to_vec();
    let part = &mut flash[range.clone()];
    match seed % 4 {
        // Noise.
        0 => part.copy_from_slice(&dice.bytes(range.len())),
        // Some bits have fallen.
        1 => {
            for _ in 0..dice.between(1, 40) {
                let at = dice.between(0, part.len() as u64 - 1) as usize;
                part[at] &= !(1 << dice.between(0, 7));
            }
        }
        // Written up to a point.
        2 => {
            let end = dice.between(0, part.len() as u64 - 1) as usize;
            part[end..].fill(0xff);
        }
        // Erased up to a sector, and the next one half erased: bits in between.
        _ => {
            let sector = dice.between(0, part.len() as u64 / 4096 - 1) as usize * 4096;
            part[..sector].fill(0xff);
            for byte in &mut part[sector..sector + 4096] {
                *byte |= dice.roll() as u8;
            }
        }
    }
    flash
}

#[test]
fn spoilt_nvs_never_keeps_the_device_from_being_provisioned() {
    scenario(async {
        let desk = Desk::set().await;
        let good = lived_in(&desk).await;
        for seed in 0..SEEDS {
            println!("seed {seed}");
            let flash = Flash::from_bytes(spoilt(&good, &NVS, seed));
            let board = desk.board(flash.clone(), 50);
            let mut diary = Diary::of(&board);
            let story = async {
                let settled = |event: &Event| {
                    matches!(
                        event,
                        Event::ProvisioningStarted { .. } | Event::Joining { .. }
                    )
                };
                if let Event::Joining { .. } = diary.until(settled).await {
                    board.chip.hold_button();
                    diary.until_named("provisioning.started").await;
                }
                let mut phone = Phone::paired_with(&desk, "PROV_1A2B32").await;
                phone.send(NETWORK, PASSPHRASE).await;
                diary.until_named("provisioning.done").await;
            };
            beside(&board, story).await;
            let told = diary.names().contains(&"storage.failed");
            assert!(told || seed % 4 != 0, "seed {seed}: noise is told");
            // And it lasts.
            let diary = boots(&desk, flash.to_bytes()).await;
            let names = diary.names();
            assert_eq!(
                names.last(),
                Some(&"wifi.joining"),
                "seed {seed}: {names:?}"
            );
        }
    });
}

#[test]
fn one_spoilt_bit_of_the_kept_passphrase_is_told() {
    scenario(async {
        let desk = Desk::set().await;
        let mut flash = lived_in(&desk).await;
        let kept = flash[NVS]
            .windows(PASSPHRASE.len())
            .rposition(|bytes| bytes == PASSPHRASE.as_bytes())
            .expect("the passphrase in NVS");
        flash[NVS.start + kept] ^= 1;
        let names = boots(&desk, flash).await.names();
        assert!(names.contains(&"storage.failed"), "{names:?}");
        assert_eq!(names.last(), Some(&"provisioning.started"));
    });
}

/// Provisions a board by the proof that it shows, and takes its power away. Returns its diary.
async fn provisioned_by_its_code(desk: &Desk, board: &Simulator) -> Diary {
    let mut diary = Diary::of(board);
    let story = async {
        diary.until_named("provisioning.started").await;
        let proof = diary.proof().to_owned();
        let mut phone = Phone::paired_by(desk, "PROV_1A2B33", &proof).await;
        let outcome = phone.send(NETWORK, PASSPHRASE).await;
        assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
        diary.until_named("provisioning.done").await;
    };
    tokio::select! {
        _ = board.live() => panic!("the device restarted"),
        () = story => {}
    }
    board.chip.power_cycle();
    diary
}

#[test]
fn a_spoilt_file_system_is_told_and_the_device_is_provisioned_by_its_code() {
    scenario(async {
        let desk = Desk::set().await;
        let good = desk.flash("SN-51", 1, "").to_bytes();
        let mut refused = 0;
        for seed in 0..SEEDS {
            println!("seed {seed}");
            let flash = Flash::from_bytes(spoilt(&good, &SPIFFS, seed));
            let board = desk.board(flash, 51);
            let diary = provisioned_by_its_code(&desk, &board).await;
            refused += u32::from(diary.names().contains(&"credentials.refused"));
            // It lasts, and so does what is on the label.
            let code = diary.code;
            let mut diary = Diary::of(&board);
            let story = async {
                diary.until_named("wifi.joining").await;
                board.chip.hold_button();
                diary.until_named("provisioning.started").await;
            };
            beside(&board, story).await;
            assert!(code.is_some() && code == diary.code, "seed {seed}");
        }
        // Where a few bits fell, or the end is missing, the files may be whole.
        assert!(refused >= SEEDS as u32 / 2, "{refused} of {SEEDS} told");
    });
}

#[test]
fn a_flash_that_does_not_answer_for_a_while_costs_no_network() {
    scenario(async {
        let desk = Desk::set().await;
        let flash = Flash::from_bytes(lived_in(&desk).await);
        let air = &desk.world.wifi;
        let mut gone = None;
        air.change(|networks| gone = Some(networks.remove(0)));
        let board = desk.board(flash.clone(), 50);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("wifi.failed").await;
            flash.lose_power_after(0);
            diary.until_named("wifi.unreadable").await;
            flash.restore_power();
            air.change(|networks| networks.extend(gone));
            diary.until_named("wifi.joined").await;
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
        assert!(!diary.names().contains(&"factory.reset"));
    });
}

#[test]
fn a_flash_full_of_noise_or_nothing_is_told_and_the_device_lives_on_memory() {
    scenario(async {
        let desk = Desk::set().await;
        let noise = Dice::from_seed(1).bytes(0x40_0000);
        for contents in [noise, vec![0xff; 0x40_0000], vec![0; 0x40_0000]] {
            let board = desk.board(Flash::from_bytes(contents), 51);
            let mut codes = Vec::new();
            // Nothing is kept: after the power was away all begins anew, with another proof.
            for _ in 0..2 {
                let diary = provisioned_by_its_code(&desk, &board).await;
                let names = diary.names();
                for told in ["storage.failed", "storage.memory", "credentials.refused"] {
                    assert!(names.contains(&told), "{told}: {names:?}");
                }
                codes.push(diary.code);
            }
            assert_ne!(codes[0], codes[1]);
        }
    });
}
