//! Crashes, and flash without the partitions that the device wants.

use device::event::Event;
use device::platform::{BuildId, ResetReason};
use device::retained::PanicRecord;
use device::storage::StorageError;
use devserver::Datum;
use e2e::{Desk, Diary, beside, scenario};
use simulator::flash::Flash;

use super::play;

/// The flash with a partition of this name called otherwise.
fn without(flash: &Flash, name: &str) -> Flash {
    const TABLE: std::ops::Range<usize> = 0x8000..0x8c00;
    let mut bytes = flash.to_bytes();
    let entries = bytes[TABLE].chunks_exact_mut(32);
    let mut entries = entries.filter(|entry| entry[12..].starts_with(name.as_bytes()));
    let entry = entries.next().expect("a partition of that name");
    // Some are found by their name, others by their type: data of no kind is neither.
    (entry[3], entry[12]) = (0x06, b'_');
    Flash::from_bytes(bytes)
}

#[test]
fn a_panic_is_told_to_the_server_once_and_the_pause_before_the_next_life_grows() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash("SN-70", server.mqtt_addr().port(), "");
        let board = desk.board(flash, 70);
        play(&desk, &board, 70, async |diary| {
            diary.until_named("cloud.online").await;
        })
        .await;
        for number in 1..=3 {
            let message = format!("panic {number}");
            let record = PanicRecord::new(
                message,
                "src/main.rs:7:9",
                [0x4200_1234, 0x4200_5678],
                BuildId([0xb1; 8]),
            );
            board.chip.panic(record);
            let mut diary = Diary::of(&board);
            let booted = async { diary.until_named("boot").await };
            let booted = tokio::select! {
                _ = board.live() => panic!("the device restarted"),
                event = booted => event,
            };
            let Event::Booted { reset, .. } = booted else {
                unreachable!("{booted:?}")
            };
            assert_eq!(reset, ResetReason::Panic);
            let pauses = diary.read.iter().filter_map(|(_, event)| match event {
                Event::BootPaused { crashes, ms } => Some((*crashes, *ms)),
                _ => None,
            });
            let expected = match number {
                1 => vec![],
                2 => vec![(2, 1_000)],
                _ => vec![(3, 2_000)],
            };
            assert_eq!(pauses.collect::<Vec<_>>(), expected);
        }
        // It went before anybody heard of it; the next life tells.
        board.chip.restart();
        let mut diary = Diary::of(&board);
        let mut events = server.events();
        let story = async {
            diary.until_named("cloud.online").await;
            loop {
                let attributes = server.client_attributes("SN-70").await.expect("attributes");
                if let Some(panic) = attributes.get("panic") {
                    let text = |text: &str| Datum::Text(text.into());
                    assert_eq!(*panic, text("panic 3"));
                    assert_eq!(attributes["panic_at"], text("src/main.rs:7:9"));
                    let backtrace = text("0x42001234 0x42005678");
                    assert_eq!(attributes["panic_backtrace"], backtrace);
                    assert_eq!(attributes["panic_build"], text("b1b1b1b1b1b1b1b1"));
                    return;
                }
                events.next().await.expect("the server lives");
            }
        };
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            () = story => {}
        }
    });
}

#[test]
fn without_an_nvs_partition_the_device_lives_until_it_is_restarted() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash("SN-71", server.mqtt_addr().port(), "");
        let board = desk.board(without(&flash, "nvs"), 71);
        play(&desk, &board, 71, async |diary| {
            diary.until_named("cloud.online").await;
            let told = |wanted: &Event| diary.read.iter().any(|(_, event)| event == wanted);
            let missing = StorageError::NoPartition("nvs");
            assert!(told(&Event::StorageFailed(missing)), "at the start");
            assert!(told(&Event::KeptInMemory(missing)), "when provisioned");
        })
        .await;
    });
}

#[test]
fn without_a_spiffs_partition_the_device_can_be_provisioned_and_says_what_is_missing() {
    scenario(async {
        let desk = Desk::set().await;
        let flash = desk.flash("SN-72", 1, "");
        let board = desk.board(without(&flash, "spiffs"), 72);
        let mut diary = Diary::of(&board);
        let story = async {
            diary.until_named("provisioning.started").await;
            let refused = |event: &&(u64, Event)| matches!(event.1, Event::CredentialsRefused(_));
            assert_eq!(diary.read.iter().filter(refused).count(), 1);
        };
        beside(&board, story).await;
    });
}
