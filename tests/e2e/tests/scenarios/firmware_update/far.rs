//! A server that is far away.

use device::event::Event;
use e2e::{Desk, Diary, Line, Weather, beside, scenario};
use simulator::image::Image;

use super::bench_at;

/// How long each way takes, in milliseconds: half of a round trip.
const ONE_WAY_MS: u32 = 25;

/// The image, in bytes.
const IMAGE: usize = 1 << 20;

/// The most that it may take, from its first chunk asked for until it is proven, in milliseconds.
const MOST_MS: u64 = 20_000;

/// Chunk after chunk it would be 256 round trips, and the time between them.
#[test]
fn a_mebibyte_at_a_round_trip_of_50_ms_comes_in_20_s() {
    scenario(async {
        let desk = Desk::set().await;
        let line = Line::lay(&desk.world.internet).await.expect("a line");
        let server = desk.server().await;
        line.lead_to(Some(server.mqtt_addr().port()));
        line.be(Weather::Slow(ONE_WAY_MS));
        let (vendor, board, mut diary, _) = bench_at(desk, server, line.port);
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            let image = Image {
                len: IMAGE,
                ..Image::of("1.1.0")
            };
            vendor.assign(&image).await;
            diary.until_named("firmware.fetching").await;
            let acknowledged = |diary: &Diary| {
                let told = |(_, event): &&(u64, Event)| matches!(event, Event::Acknowledged { .. });
                diary.read.iter().filter(told).count()
            };
            let before = acknowledged(&diary);
            diary.until_named("firmware.installed").await;
            let at = |name| {
                let mut told = diary.read.iter();
                let (at, _) = told
                    .find(|(_, event)| event.name() == name)
                    .expect("it was told");
                *at
            };
            let took_ms = at("firmware.installed") - at("firmware.fetching");
            println!("{IMAGE} bytes in {took_ms} ms");
            assert!(took_ms <= MOST_MS, "{took_ms} ms");
            // Four chunks at a time, so many round trips at least.
            let round_trips = (IMAGE / 4096 / 4) as u64;
            let least_ms = round_trips * 2 * u64::from(ONE_WAY_MS);
            assert!(took_ms >= least_ms, "the line was not slow: {took_ms} ms");
            assert!(acknowledged(&diary) > before, "telemetry did not go on");
        })
        .await;
    });
}
