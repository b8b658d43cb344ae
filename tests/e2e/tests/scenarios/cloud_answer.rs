//! The cloud's answer reaches the client: whether the device got online, and if not why, before
//! Bluetooth goes.

use std::time::Duration;

use device::event::{ClockSource, Event};
use devserver::Server;
use e2e::{Desk, Diary, NETWORK, PASSPHRASE, PROOF, Phone, scenario, with_phone};
use pki::{Identity, Options, Pki};
use provisioner::{OnTheWay, Outcome, Stage, Verdict};
use simulator::Simulator;
use simulator::wifi::Network;
use tokio::time::sleep;

/// Longer than the device lets a client wait.
const LONG: Duration = Duration::from_secs(200);

/// A blank board with this number, that is to connect to a port of this computer.
fn board(desk: &Desk, number: u8, broker_port: u16) -> Simulator {
    let serial = format!("SN-ANSWER-{number}");
    desk.board(desk.flash(&serial, broker_port, ""), number)
}

/// The same, that holds "connected" back for this long.
fn board_that_holds_back(desk: &Desk, number: u8, broker_port: u16, seconds: u16) -> Simulator {
    let identity = desk.device_identity(&format!("SN-ANSWER-{number}"));
    let provisioning = format!(r#","provisioning":{{"pop":"{PROOF}","await_broker_s":{seconds}}}"#);
    let settings = desk.settings(broker_port, &provisioning);
    desk.board(desk.flash_with(&identity, &settings), number)
}

/// A broker that is not there yet.
struct Away {
    port: u16,
    identity: Identity,
}

impl Away {
    /// A port that was free a moment ago, and what the broker will prove itself by.
    async fn from(desk: &Desk) -> Self {
        let server = desk.server().await;
        Self {
            port: server.mqtt_addr().port(),
            identity: desk.server_identity(),
        }
    }

    /// It comes.
    async fn back(&self, desk: &Desk) -> Server {
        desk.server_at(self.port, &self.identity).await
    }
}

/// Asks, and then gives the network.
async fn join(phone: &mut Phone) {
    let news = phone.0.ask_online().await.expect("an answer");
    let stage = news.expect("the device tells").stage;
    assert_eq!(stage, Stage::Waiting);
    let outcome = phone.send(NETWORK, PASSPHRASE).await;
    assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
}

async fn wait(phone: &mut Phone) -> Verdict {
    phone.0.wait_online(LONG).await.expect("a verdict")
}

fn online(number: u8, broker_port: u16) -> Verdict {
    Verdict::Online {
        name: format!("SN-ANSWER-{number}"),
        broker: format!("127.0.0.1:{broker_port}"),
    }
}

/// In which order these events came, of those that were read so far.
fn order(diary: &Diary, names: &[&str]) -> Vec<&'static str> {
    let told = diary.names().into_iter();
    told.filter(|name| names.contains(name)).collect()
}

const LINK: [&str; 4] = [
    "provisioning.awaited",
    "cloud.tls",
    "cloud.online",
    "bluetooth.stopped",
];

#[test]
fn a_client_that_asks_hears_that_the_device_is_online() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let port = server.mqtt_addr().port();
        let board = board(&desk, 201, port);
        with_phone(&desk, &board, 201, async |diary, mut phone| {
            join(&mut phone).await;
            assert_eq!(wait(&mut phone).await, online(201, port));
            diary.until_named("bluetooth.stopped").await;
            assert_eq!(order(diary, &LINK), LINK);
            diary.until_named("telemetry.acknowledged").await;
        })
        .await;
    });
}

/// Before Bluetooth goes after joining there is a second for it.
#[test]
fn a_client_may_ask_after_the_device_has_joined() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let port = server.mqtt_addr().port();
        let board = board(&desk, 202, port);
        with_phone(&desk, &board, 202, async |diary, mut phone| {
            phone.send(NETWORK, PASSPHRASE).await;
            assert_eq!(wait(&mut phone).await, online(202, port));
            diary.until_named("bluetooth.stopped").await;
            assert_eq!(order(diary, &LINK), LINK);
        })
        .await;
    });
}

#[test]
fn for_a_client_that_never_asks_bluetooth_goes_before_tls_comes() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = board(&desk, 203, server.mqtt_addr().port());
        with_phone(&desk, &board, 203, async |diary, mut phone| {
            phone.send(NETWORK, PASSPHRASE).await;
            diary.until_named("cloud.online").await;
            let stock = ["bluetooth.stopped", "cloud.tls", "cloud.online"];
            assert_eq!(order(diary, &LINK), stock);
        })
        .await;
    });
}

#[test]
fn a_failure_arrives_in_the_devices_words_and_after_mending_it_is_online() {
    scenario(async {
        let desk = Desk::set().await;
        let strangers = Pki::new(&Options::default()).expect("another PKI");
        let wrong = strangers.server(&["localhost"]).expect("a certificate");
        let right = desk.server_identity();
        let server = desk.server_at(0, &wrong).await;
        let port = server.mqtt_addr().port();
        let board = board(&desk, 204, port);
        with_phone(&desk, &board, 204, async |diary, mut phone| {
            join(&mut phone).await;
            let told = diary.until_named("cloud.failed").await;
            let news = phone.0.ask_online().await.expect("an answer");
            let OnTheWay { stage, failure, .. } = news.expect("the device tells");
            assert_eq!((stage, &failure), (Stage::Connecting, &told.to_string()));
            assert!(failure.contains("server_chain.pem"), "{failure}");
            server.stop().await;
            let _mended = desk.server_at(port, &right).await;
            assert_eq!(wait(&mut phone).await, online(204, port));
            diary.until_named("bluetooth.stopped").await;
        })
        .await;
    });
}

#[test]
fn a_client_waits_a_minute_for_a_broker_that_is_not_there() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board(&desk, 205, broker.port);
        with_phone(&desk, &board, 205, async |diary, mut phone| {
            join(&mut phone).await;
            let Verdict::NotOnline { failure } = wait(&mut phone).await else {
                panic!("online without a broker");
            };
            assert!(
                failure.contains("check broker in settings.json"),
                "{failure}"
            );
            diary.until_named("bluetooth.stopped").await;
            let at = |wanted: &str| {
                let found = diary.read.iter().rfind(|(_, event)| event.name() == wanted);
                found.expect("it was told").0
            };
            let waited_ms = at("bluetooth.stopped") - at("provisioning.awaited");
            assert!((60_000..65_000).contains(&waited_ms), "{waited_ms}");
            // And the device tries on.
            diary.until_named("cloud.failed").await;
        })
        .await;
    });
}

#[test]
fn a_client_that_vanishes_takes_bluetooth_with_it_and_nothing_else() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board(&desk, 206, broker.port);
        with_phone(&desk, &board, 206, async |diary, mut phone| {
            join(&mut phone).await;
            diary.until_named("cloud.failed").await;
            drop(phone);
            diary.until_named("bluetooth.stopped").await;
            let _server = broker.back(&desk).await;
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}

#[test]
fn a_network_that_is_lost_and_a_reset_amid_the_waiting_leave_nothing_behind() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board(&desk, 207, broker.port);
        with_phone(&desk, &board, 207, async |diary, mut phone| {
            join(&mut phone).await;
            diary.until_named("cloud.failed").await;
            desk.world.wifi.change(|air| drop(air.remove(0)));
            diary.until_named("wifi.lost").await;
            let news = phone.0.ask_online().await.expect("an answer");
            assert_eq!(news.expect("the device tells").stage, Stage::Joining);
            let back = Network::new(NETWORK, PASSPHRASE, -48);
            desk.world.wifi.change(|air| air.insert(0, back));
            diary.until_named("cloud.failed").await;
            board.chip.hold_button();
            diary.until_named("restart").await;
            drop(phone);
            diary.until_named("provisioning.started").await;
            let _server = broker.back(&desk).await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2BCF").await;
            join(&mut phone).await;
            assert_eq!(wait(&mut phone).await, online(207, broker.port));
        })
        .await;
    });
}

#[test]
fn power_that_goes_amid_the_waiting_finds_the_network_kept() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board(&desk, 208, broker.port);
        with_phone(&desk, &board, 208, async |diary, mut phone| {
            join(&mut phone).await;
            diary.until_named("cloud.failed").await;
        })
        .await;
        let _server = broker.back(&desk).await;
        let mut diary = Diary::of(&board);
        tokio::select! {
            never = board.live_on() => match never {},
            _ = diary.until_named("cloud.online") => {}
        }
        assert!(!diary.names().contains(&"provisioning.started"));
    });
}

#[test]
fn with_the_setting_every_client_is_told_connected_once_the_broker_has_accepted() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board_that_holds_back(&desk, 209, broker.port, 60);
        with_phone(&desk, &board, 209, async |diary, mut phone| {
            let mended = async {
                for _ in 0..2 {
                    diary.until_named("cloud.failed").await;
                }
                let server = broker.back(&desk).await;
                diary.until_named("cloud.online").await;
                server
            };
            // As a client of ESP-IDF's: it asks how joining goes, and nothing else.
            let (outcome, _server) = tokio::join!(phone.send(NETWORK, PASSPHRASE), mended);
            assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
            diary.until_named("bluetooth.stopped").await;
            assert_eq!(order(diary, &LINK), LINK);
        })
        .await;
    });
}

#[test]
fn with_the_setting_and_no_broker_bluetooth_goes_when_its_time_is_over() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = Away::from(&desk).await;
        let board = board_that_holds_back(&desk, 210, broker.port, 20);
        with_phone(&desk, &board, 210, async |diary, mut phone| {
            let told = phone.0.provision(NETWORK, PASSPHRASE).await;
            told.expect_err("the link ends while it is connecting");
            diary.until_named("bluetooth.stopped").await;
            assert!(!diary.names().contains(&"cloud.online"));
            diary.until_named("cloud.failed").await;
        })
        .await;
    });
}

#[test]
fn where_no_time_server_answers_the_clients_time_will_do() {
    scenario(async {
        let desk = Desk::set().await;
        desk.time.be_silent(true);
        let server = desk.server().await;
        let port = server.mqtt_addr().port();
        let board = board(&desk, 211, port);
        with_phone(&desk, &board, 211, async |diary, mut phone| {
            join(&mut phone).await;
            let set = diary.until_named("clock.set").await;
            let Event::ClockSet { unix_ms, source } = set else {
                unreachable!();
            };
            assert_eq!(source, ClockSource::Client);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now_ms = now.expect("after 1970").as_millis() as u64;
            // Device time runs faster than ours.
            assert!(unix_ms.abs_diff(now_ms) < 600_000, "{unix_ms} at {now_ms}");
            assert_eq!(wait(&mut phone).await, online(211, port));
            // A time server that comes goes before it.
            desk.time.be_silent(false);
            loop {
                let set = diary.until_named("clock.set").await;
                if matches!(
                    set,
                    Event::ClockSet {
                        source: ClockSource::Sntp,
                        ..
                    }
                ) {
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    });
}
