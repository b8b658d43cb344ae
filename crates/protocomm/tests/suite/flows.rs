//! Whole provisionings: this crate's client against this crate's device.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::bench::{self, Bench, PHONE, PROOF, USERNAME, air, securities};
use protocomm::client::{Client, Error, Login, Progress, Reply, Request};
use protocomm::device::{Command, Config, Event, SessionId, Station};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refusal;
use protocomm::security::{IvMode, ProofDigest, Salt, Security, SrpVerifier};
use protocomm::wifi::{Connected, FailReason};
use protocomm::wire::config::{self, SetConfig, StationState};
use protocomm::wire::session::Handshake;
use protocomm::wire::version::{self, Version};
use protocomm::wire::{Status, control, scan};

fn config(security: Security) -> Config {
    Config {
        custom_endpoints: 2,
        ..Config::new(security)
    }
}

fn set(passphrase: &[u8]) -> Request<'_> {
    Request::Config(config::Request::Set(SetConfig {
        ssid: b"net 0",
        passphrase,
        bssid: &[],
        channel: 0,
    }))
}

const APPLY: Request<'_> = Request::Config(config::Request::Apply);
const STATUS: Request<'_> = Request::Config(config::Request::Status);

fn success(reply: Reply<'_>) {
    assert_eq!(reply.status(), Some(Status::Success));
}

fn any(_: Reply<'_>) {}

fn station(reply: Reply<'_>) -> StationState {
    match reply {
        Reply::Config(config::Response::Status { station, .. }) => station,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mistake_and_then_success_with_every_security() {
    for (security, _) in securities() {
        let mut bench = Bench::new(config(security));

        // The client needs to know nothing but the secrets.
        let reply = bench
            .send(PHONE, Endpoint::Version, version::REQUEST)
            .unwrap();
        let version = Version::decode(&reply).unwrap();
        let proof = match version.has(version::NO_PROOF) {
            true => &b""[..],
            false => PROOF,
        };
        let login = Login::for_device(&version, USERNAME, proof).unwrap();
        let mut client = bench.login(PHONE, login).unwrap();
        assert_eq!(
            bench.device.poll_event(),
            Some(Event::SessionEstablished(PHONE))
        );

        let start = scan::Start {
            blocking: true,
            ..scan::Start::default()
        };
        let request = Request::Scan(scan::Request::Start(start));
        bench.request(&mut client, &request, success).unwrap();
        let request = Request::Scan(scan::Request::Status);
        let count = bench
            .request(&mut client, &request, |reply| match reply {
                Reply::Scan(scan::Response::Status {
                    finished: true,
                    count,
                    ..
                }) => count,
                other => panic!("{other:?}"),
            })
            .unwrap();
        assert_eq!(count, 16);
        let mut found = Vec::new();
        while found.len() < count as usize {
            let request = Request::Scan(scan::Request::Results {
                start_index: found.len() as u32,
                count: (count - found.len() as u32).min(5),
            });
            let page = bench.request(&mut client, &request, |reply| match reply {
                Reply::Scan(scan::Response::Results { status, entries }) => {
                    assert_eq!(status, Status::Success);
                    entries.iter().collect::<Vec<_>>()
                }
                other => panic!("{other:?}"),
            });
            found.extend(page.unwrap());
        }
        assert!(found.iter().cloned().eq(air().take(16)));

        for (passphrase, works) in [(&b"wrong"[..], false), (b"right", true)] {
            bench
                .request(&mut client, &set(passphrase), success)
                .unwrap();
            bench.request(&mut client, &APPLY, success).unwrap();
            let joined = bench
                .commands()
                .into_iter()
                .find_map(|command| match command {
                    Command::Join(credentials) => Some(credentials),
                    _ => None,
                });
            assert_eq!(joined.unwrap().passphrase.as_bytes(), passphrase);
            assert_eq!(
                bench.request(&mut client, &STATUS, station).unwrap(),
                StationState::Connecting {
                    attempts_remaining: None
                }
            );
            let network = air().next().unwrap();
            let connected = Connected {
                ip4: Ipv4Addr::new(192, 168, 1, 20),
                ssid: network.ssid,
                bssid: network.bssid,
                channel: network.channel,
                auth: network.auth,
            };
            let (news, expected) = if works {
                (
                    Station::Connected(connected.clone()),
                    StationState::Connected(connected),
                )
            } else {
                let reason = FailReason::AuthError;
                (Station::Failed(reason), StationState::Failed(reason))
            };
            bench.device.station(bench.now, news);
            assert_eq!(
                bench.request(&mut client, &STATUS, station).unwrap(),
                expected
            );
        }

        let request = Request::Custom {
            index: 1,
            data: b"abc",
        };
        bench
            .request(&mut client, &request, |reply| {
                assert_eq!(reply, Reply::Custom(b"cba"));
            })
            .unwrap();
        bench
            .device
            .handle_timeout(bench.now + Duration::from_secs(1));
        assert!(matches!(bench.commands()[..], [Command::Finish]));
    }
}

#[test]
fn control_over_the_wire() {
    for (security, login) in securities() {
        let mut bench = Bench::new(Config {
            auto_stop: false,
            ..config(security)
        });
        let mut client = bench.login(PHONE, login).unwrap();
        let reset = Request::Control(control::Request::Reset);
        let reprovision = Request::Control(control::Request::Reprovision);
        let status = bench.request(&mut client, &reset, |reply| reply.status());
        assert_eq!(status, Ok(Some(Status::Success)));
        assert!(bench.commands().is_empty());
        bench.request(&mut client, &set(b"x"), success).unwrap();
        bench.request(&mut client, &APPLY, success).unwrap();
        bench
            .device
            .station(bench.now, Station::Failed(FailReason::NetworkNotFound));
        bench.request(&mut client, &reset, success).unwrap();
        bench.request(&mut client, &reprovision, success).unwrap();
        // Whatever was still to be done is included in leaving the network.
        assert!(matches!(bench.commands()[..], [Command::Reprovision]));
    }
}

#[test]
fn wrong_proofs_are_told_until_the_device_cools_down() {
    for (security, login) in securities().into_iter().skip(2) {
        let wrong = match &security {
            Security::Security2 { iv_mode, .. } => {
                Login::security2(USERNAME, b"abcd1235", *iv_mode).unwrap()
            }
            _ => Login::security1(b"abcd1235"),
        };
        let mut bench = Bench::new(config(security));
        // A right one in between starts the count again.
        for _ in 0..4 {
            let error = bench.login(PHONE, wrong.clone()).err();
            assert_eq!(error, Some(Error::WrongProof));
        }
        assert!(bench.login(PHONE, login.clone()).is_ok());
        for _ in 0..5 {
            let error = bench.login(PHONE, wrong.clone()).err();
            assert_eq!(error, Some(Error::WrongProof));
        }
        bench.now = bench.now + Duration::from_millis(100);
        assert_eq!(
            bench.login(PHONE, login.clone()).err(),
            Some(Error::CoolingDown(Duration::from_secs(60)))
        );
        bench.now = bench.now + Duration::from_secs(60);
        assert!(bench.login(PHONE, login).is_ok());
    }
}

#[test]
fn a_client_without_a_proof_meets_a_device_with_one() {
    let mut bench = Bench::new(config(Security::Security1(ProofDigest::new(PROOF))));
    assert_eq!(
        bench.login(PHONE, Login::security1(b"")).err(),
        Some(Error::WrongProof)
    );
    let login = Login::security2(USERNAME, PROOF, IvMode::Counter).unwrap();
    assert_eq!(
        bench.login(PHONE, login).err(),
        Some(Error::HandshakeRefused)
    );
}

#[test]
fn ends_that_disagree_on_the_nonce_notice_it() {
    for device_mode in [IvMode::Fixed, IvMode::Counter] {
        let client_mode = match device_mode {
            IvMode::Fixed => IvMode::Counter,
            IvMode::Counter => IvMode::Fixed,
        };
        let salt = Salt::new(&[7; 16]).unwrap();
        let mut bench = Bench::new(config(Security::Security2 {
            verifier: SrpVerifier::generate(USERNAME, PROOF, salt),
            iv_mode: device_mode,
        }));
        let login = Login::security2(USERNAME, PROOF, client_mode).unwrap();
        match device_mode {
            // Sixteen bytes are no counting nonce.
            IvMode::Fixed => {
                assert_eq!(bench.login(PHONE, login).err(), Some(Error::Malformed));
            }
            // The first message passes, the first reply does not.
            IvMode::Counter => {
                let mut client = bench.login(PHONE, login).unwrap();
                assert_eq!(
                    bench.request(&mut client, &STATUS, any).err(),
                    Some(Error::Undecryptable)
                );
                assert_eq!(
                    bench.request(&mut client, &STATUS, any).err(),
                    Some(Error::OutOfOrder)
                );
            }
        }
    }
}

#[test]
fn a_second_client_is_told_to_wait() {
    for (security, login) in securities() {
        let mut bench = Bench::new(config(security));
        let mut client = bench.login(PHONE, login.clone()).unwrap();
        assert_eq!(
            bench.login(SessionId(2), login.clone()).err(),
            Some(Error::Busy)
        );
        bench.request(&mut client, &STATUS, any).unwrap();
        bench.device.disconnected(PHONE);
        assert!(bench.login(SessionId(2), login).is_ok());
    }
}

#[test]
fn a_lost_connection_is_made_again_and_provisioning_goes_on() {
    for (security, login) in securities() {
        let mut bench = Bench::new(config(security));
        let mut client = bench.login(PHONE, login.clone()).unwrap();
        bench.request(&mut client, &set(b"x"), success).unwrap();
        bench.device.disconnected(PHONE);
        let mut client = bench.login(PHONE, login).unwrap();
        bench.request(&mut client, &APPLY, success).unwrap();
        assert!(matches!(bench.commands()[..], [Command::Join(_)]));
    }
}

#[test]
fn replays_and_messages_of_an_older_session_are_refused() {
    for (security, login) in securities().into_iter().skip(4) {
        let mut bench = Bench::new(config(security));
        let mut client = bench.login(PHONE, login.clone()).unwrap();
        let mut message = [0; 64];
        let len = client.request(&APPLY, &mut message).unwrap();
        let mut reply = bench
            .send(PHONE, Endpoint::Config, &message[..len])
            .unwrap();
        client.reply(&mut reply).unwrap();
        let refused = Err(Refusal::Undecryptable);
        assert_eq!(
            bench.send(PHONE, Endpoint::Config, &message[..len]),
            refused
        );
        // The session goes on, for nothing has happened.
        bench.request(&mut client, &STATUS, any).unwrap();
        let _ = bench.login(PHONE, login).unwrap();
        assert_eq!(
            bench.send(PHONE, Endpoint::Config, &message[..len]),
            refused
        );
    }
}

/// What the client says to the last of these replies to its handshake.
fn forged(login: &Login, replies: &[Handshake<'_>]) -> Result<Progress, Error> {
    let mut message = [0; 512];
    let mut reply = [0; 512];
    let (mut client, _) = Client::start(login.clone(), &mut bench::noise(1), &mut message).unwrap();
    let mut progress = Ok(Progress::Established);
    for forged in replies {
        let len = forged.encode(&mut reply).unwrap();
        progress = client.handshake(&reply[..len], &mut message);
    }
    progress
}

#[test]
fn a_device_that_does_not_know_the_proof_is_found_out() {
    let status = Status::Success;
    let security1 = Login::security1(PROOF);
    let security2 = Login::security2(USERNAME, PROOF, IvMode::Counter).unwrap();
    let key1 = Handshake::Sec1Response0 {
        status,
        device_key: &[9; 32],
        device_random: &[9; 16],
    };
    let proof1 = Handshake::Sec1Response1 {
        status,
        device_verify: &[9; 32],
    };
    let key2 = Handshake::Sec2Response0 {
        status,
        device_key: &[9; 384],
        salt: &[9; 16],
    };
    let proof2 = Handshake::Sec2Response1 {
        status,
        device_proof: &[9; 64],
        nonce: &[9; 12],
    };
    let not_proven = Err(Error::DeviceNotProven);
    assert_eq!(forged(&security1, &[key1, proof1]), not_proven);
    assert_eq!(forged(&security2, &[key2, proof2]), not_proven);
    // Answers of the wrong kind end the session, so does one of the wrong length.
    let malformed = Err(Error::Malformed);
    assert_eq!(forged(&security1, &[key2]), malformed);
    assert_eq!(forged(&security2, &[proof2]), malformed);
    assert_eq!(forged(&security2, &[key1, key2]), Err(Error::OutOfOrder));
    for device_key in [&[0; 384][..], &[0xFF; 384], &[], &[1; 385]] {
        let key2 = Handshake::Sec2Response0 {
            status,
            device_key,
            salt: &[9; 16],
        };
        assert_eq!(forged(&security2, &[key2]), malformed);
    }
}

#[test]
fn a_status_in_the_handshake_is_passed_on() {
    let refused = Handshake::Sec1Response0 {
        status: Status::TooManySessions,
        device_key: &[],
        device_random: &[],
    };
    assert_eq!(
        forged(&Login::security1(PROOF), &[refused]),
        Err(Error::HandshakeStatus(Status::TooManySessions))
    );
}

#[test]
fn a_client_keeps_the_order() {
    let (security, login) = securities().remove(4);
    let mut bench = Bench::new(config(security));
    let mut client = bench.login(PHONE, login).unwrap();
    let mut message = [0; 64];
    assert_eq!(
        client.reply(&mut [0; 32]).err(),
        Some(Error::OutOfOrder),
        "nothing is awaited"
    );
    assert!(matches!(
        client.request(&STATUS, &mut [0; 5]),
        Err(Error::Buffer(_))
    ));
    let len = client.request(&STATUS, &mut message).unwrap();
    assert_eq!(
        client.request(&STATUS, &mut [0; 64]).err(),
        Some(Error::OutOfOrder),
        "a reply is awaited"
    );
    let mut reply = bench
        .send(PHONE, Endpoint::Config, &message[..len])
        .unwrap();
    assert!(client.reply(&mut reply).is_ok());
}
