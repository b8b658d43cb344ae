//! A scenario is the same each time: what happens, and when, to the millisecond, whatever else the computer does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use e2e::{Desk, Diary, Line, Weather, beside, scenario};
use embassy_time::Timer;

/// Milliseconds since boot, and the name of what happened then.
type Told = Vec<(u64, &'static str)>;

/// An hour of a device whose randomness comes from this seed, with outages of all kinds.
fn an_hour(seed: u64) -> Told {
    let (tell, told) = mpsc::channel();
    scenario(async move {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let line = Line::lay(&desk.world.internet).await.expect("a line");
        line.lead_to(Some(server.mqtt_addr().port()));
        let identity = desk.device_identity("SN-96");
        let flash = desk.flash_of_provisioned(&identity, identity.trust_pem(), line.port);
        let mut board = desk.board(flash, 96);
        board.chip = board.chip.with_seed(seed);
        let mut diary = Diary::of(&board);
        let hour = async {
            for weather in [Weather::Refusing, Weather::Silent, Weather::Slow(700)] {
                Timer::after_secs(600).await;
                line.be(weather);
                Timer::after_secs(300).await;
                line.be(Weather::Fair);
                line.cut();
            }
            board.chip.power_cycle();
            Timer::after_secs(900).await;
        };
        beside(&board, hour).await;
        diary.catch_up(|_| false);
        let told = diary.read.iter().map(|(at, event)| (*at, event.name()));
        tell.send(told.collect::<Told>()).expect("somebody listens");
    });
    told.recv().expect("an hour's events")
}

#[test]
fn the_same_seed_gives_the_same_hour_with_busy_loops_beside_it() {
    let alone = an_hour(7);
    assert!(alone.len() > 3_600, "{} events", alone.len());
    let over = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let busy = an_hour(7);
        over.store(true, Ordering::Relaxed);
        busy
    });
    let differs = alone.iter().zip(&busy).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(alone.len(), busy.len());
    // The pauses between tries are drawn from another seed.
    assert_ne!(an_hour(8), alone);
}
