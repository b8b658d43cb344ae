//! A network behind the access point that does not do its part: names without an address, silent
//! DNS, connections into a black hole.

use device::cloud::{CloudError, Phase};
use device::event::{ClockError, ClockSource, Event};
use e2e::{Desk, Diary, scenario};
use simulator::network::Answers;

use super::{failure, play};

/// The next time that the clock could not be set: why.
async fn no_time(diary: &mut Diary) -> ClockError {
    match diary.until_named("clock.failed").await {
        Event::ClockFailed { error, .. } => error,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn names_that_have_no_address_or_get_no_answer_are_told_and_asked_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash_with_names("SN-91", server.mqtt_addr().port());
        let board = desk.board(flash, 91);
        let network = &board.network;
        network.names(Answers::No);
        play(&desk, &board, 91, async |diary| {
            assert_eq!(no_time(diary).await, ClockError::NameNotResolved);
            network.names(Answers::Never);
            assert_eq!(no_time(diary).await, ClockError::NameNotResolved);
            network.names(Answers::Well);
            let set = diary.until_named("clock.set").await;
            let sntp = ClockSource::Sntp;
            assert!(
                matches!(set, Event::ClockSet { source, .. } if source == sntp),
                "{set:?}"
            );
            diary.until_named("cloud.online").await;

            network.names(Answers::No);
            server.cut("SN-91").await.expect("the device is online");
            diary.until_named("cloud.failed").await;
            assert_eq!(failure(diary).await.0, CloudError::NameNotResolved);
            network.names(Answers::Never);
            let timed_out = CloudError::TimedOut(Phase::Dns);
            while failure(diary).await.0 != timed_out {}
            assert!(timed_out.to_string().contains("DNS"), "{timed_out}");
            network.names(Answers::Well);
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

#[test]
fn connections_into_a_black_hole_are_told_and_tried_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-92", server.mqtt_addr().port(), ""), 92);
        board.network.tcp(Answers::Never);
        play(&desk, &board, 92, async |diary| {
            for _ in 0..2 {
                let timed_out = CloudError::TimedOut(Phase::Tcp);
                assert_eq!(failure(diary).await.0, timed_out);
            }
            board.network.tcp(Answers::Well);
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

#[test]
fn without_a_socket_for_the_time_the_device_asks_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = desk.board(desk.flash("SN-93", server.mqtt_addr().port(), ""), 93);
        board.network.udp(Answers::No);
        play(&desk, &board, 93, async |diary| {
            assert_eq!(no_time(diary).await, ClockError::NoSocket);
            board.network.udp(Answers::Well);
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}
