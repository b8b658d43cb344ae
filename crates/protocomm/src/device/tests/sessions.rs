//! Who may talk, for how long, and what requests become of.

use super::*;

#[test]
fn a_second_connection_waits_or_takes_over() {
    let mut bench = Bench::new(plain());
    assert_eq!(bench.device.connected(at(0), PHONE), Ok(()));
    assert_eq!(bench.device.connected(at(1), OTHER), Err(Refusal::Busy));
    assert_eq!(
        bench.send(at(1), OTHER, Endpoint::Config, &[]),
        Err(Refusal::Busy)
    );
    // Everybody may ask for the version.
    assert!(bench.send(at(1), OTHER, Endpoint::Version, &[]).is_ok());
    bench.device.disconnected(OTHER);
    assert_eq!(bench.device.connected(at(1), OTHER), Err(Refusal::Busy));
    bench.device.disconnected(PHONE);
    assert_eq!(bench.device.connected(at(1), OTHER), Ok(()));

    let mut bench = Bench::new(Device::new(Config {
        second_session: SecondSession::Replace,
        ..Config::new(Security::Security0)
    }));
    assert_eq!(bench.device.connected(at(0), PHONE), Ok(()));
    assert_eq!(bench.device.connected(at(0), OTHER), Ok(()));
    assert_eq!(
        bench.device.poll_event(),
        Some(Event::SessionReplaced(PHONE))
    );
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::Disconnect(PHONE))
    ));
}

#[test]
fn a_silent_session_ends() {
    let mut bench = Bench::new(plain());
    assert_eq!(bench.device.next_deadline(), None);
    bench.device.connected(at(0), PHONE).unwrap();
    assert_eq!(bench.device.next_deadline(), Some(at(300)));
    bench.status(at(200));
    assert_eq!(bench.device.next_deadline(), Some(at(500)));
    // Another's requests do not keep it, nor do those that need no session.
    assert_eq!(
        bench.send(at(499), OTHER, Endpoint::Config, &[]),
        Err(Refusal::Busy)
    );
    assert!(bench.send(at(499), PHONE, Endpoint::Version, &[]).is_ok());
    bench.device.handle_timeout(at(500));
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::Disconnect(PHONE))
    ));
    assert_eq!(
        bench.device.poll_event(),
        Some(Event::SessionExpired(PHONE))
    );
    assert_eq!(bench.device.connected(at(500), OTHER), Ok(()));
}

#[test]
fn a_session_that_is_busy_ends_as_well() {
    let mut bench = Bench::new(plain());
    bench.device.connected(at(0), PHONE).unwrap();
    for secs in (0..1800).step_by(200) {
        bench.status(at(secs));
        assert_eq!(bench.device.poll_event(), None);
    }
    assert_eq!(bench.device.next_deadline(), Some(at(1800)));
    bench.device.handle_timeout(at(1800));
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::Disconnect(PHONE))
    ));
    assert_eq!(
        bench.device.poll_event(),
        Some(Event::SessionExpired(PHONE))
    );
    assert_eq!(bench.device.connected(at(1800), OTHER), Ok(()));
}

#[test]
fn a_handshake_cannot_go_on_for_ever() {
    let mut bench = Bench::new(protected());
    let mut message = [0; 64];
    let command = Handshake::Sec1Command0 {
        client_key: &[9; 32],
    };
    let len = command.encode(&mut message).unwrap();
    for secs in [0, 100, 200, 299] {
        assert!(
            bench
                .send(at(secs), PHONE, Endpoint::Session, &message[..len])
                .is_ok()
        );
    }
    assert_eq!(bench.device.next_deadline(), Some(at(300)));
    bench.device.handle_timeout(at(300));
    assert_eq!(
        bench.device.poll_event(),
        Some(Event::SessionExpired(PHONE))
    );
}

#[test]
fn protected_endpoints_need_a_session() {
    let mut bench = Bench::new(protected());
    for endpoint in [Endpoint::Config, Endpoint::Scan, Endpoint::Control] {
        assert_eq!(
            bench.send(at(0), PHONE, endpoint, &[]),
            Err(Refusal::NoSession)
        );
    }
    assert_eq!(
        bench.send(at(0), PHONE, Endpoint::Custom(0), &[]),
        Err(Refusal::UnknownEndpoint)
    );
}

#[test]
fn steps_of_the_handshake_cannot_be_skipped_or_mixed() {
    let mut message = [0; 512];
    let mut bench = Bench::new(protected());
    let proof = Handshake::Sec1Command1 {
        client_verify: &[0; 32],
    };
    let len = proof.encode(&mut message).unwrap();
    assert_eq!(
        bench.send(at(0), PHONE, Endpoint::Session, &message[..len]),
        Err(Refusal::NoSession)
    );
    for (other, expected) in [
        (Handshake::Sec0Command, Refusal::WrongScheme { expected: 1 }),
        (
            Handshake::Sec2Command1 { client_proof: &[] },
            Refusal::WrongScheme { expected: 1 },
        ),
        (
            Handshake::Sec1Response0 {
                status: Status::Success,
                device_key: &[1; 32],
                device_random: &[1; 16],
            },
            Refusal::Malformed,
        ),
        (
            Handshake::Sec1Command0 {
                client_key: &[1; 31],
            },
            Refusal::Malformed,
        ),
    ] {
        let len = other.encode(&mut message).unwrap();
        assert_eq!(
            bench.send(at(0), PHONE, Endpoint::Session, &message[..len]),
            Err(expected)
        );
    }
    assert_eq!(
        bench.send(at(0), PHONE, Endpoint::Session, &[0xFF]),
        Err(Refusal::Malformed)
    );
    assert_eq!(bench.device.poll_event(), None);
}

#[test]
fn wrong_proofs_run_out() {
    let salt = Salt::new(&[1; 16]).unwrap();
    let securities = [
        Security::Security1(ProofDigest::new(b"abcd1234")),
        Security::Security2 {
            verifier: SrpVerifier::generate(b"wifiprov", b"abcd1234", salt),
            iv_mode: IvMode::Counter,
        },
    ];
    for security in securities {
        let mut message = [0; 512];
        let (first, second) = match security {
            Security::Security1(_) => (
                Handshake::Sec1Command0 {
                    client_key: &[9; 32],
                },
                Handshake::Sec1Command1 {
                    client_verify: &[0; 32],
                },
            ),
            _ => (
                Handshake::Sec2Command0 {
                    username: b"wifiprov",
                    client_key: &[9; 384],
                },
                Handshake::Sec2Command1 {
                    client_proof: &[0; 64],
                },
            ),
        };
        let mut bench = Bench::new(Device::new(Config::new(security)));
        for attempts_left in (0..5).rev() {
            // Each attempt over a connection of its own: that does not help.
            let session = SessionId(u32::from(attempts_left));
            let len = first.encode(&mut message).unwrap();
            let reply = bench.send(at(0), session, Endpoint::Session, &message[..len]);
            assert!(matches!(reply, Ok(Some(_))));
            let len = second.encode(&mut message).unwrap();
            assert_eq!(
                bench.send(at(0), session, Endpoint::Session, &message[..len]),
                Err(Refusal::ProofMismatch { attempts_left })
            );
            // The proof was refused: a second guess needs a new handshake.
            let again = bench.send(at(0), session, Endpoint::Session, &message[..len]);
            assert!(matches!(
                again,
                Err(Refusal::NoSession | Refusal::CoolingDown { .. })
            ));
            assert_eq!(
                bench.device.poll_event(),
                Some(Event::ProofFailed { attempts_left })
            );
            bench.device.disconnected(session);
        }
        assert_eq!(
            bench.device.poll_event(),
            Some(Event::CoolDown(Duration::from_secs(60)))
        );
        let len = first.encode(&mut message).unwrap();
        assert_eq!(
            bench.send(at(20), PHONE, Endpoint::Session, &message[..len]),
            Err(Refusal::CoolingDown {
                remaining: Duration::from_secs(40)
            })
        );
        assert!(
            bench
                .send(at(60), PHONE, Endpoint::Session, &message[..len])
                .is_ok()
        );
    }
}

#[test]
fn a_service_that_opens_again_goes_on_counting() {
    let security = Security::Security1(ProofDigest::new(b"abcd1234"));
    let config = Config::new(security);
    let mut message = [0; 64];
    let mut guess = |device: Device, now: Instant| {
        let mut bench = Bench::new(device);
        let first = Handshake::Sec1Command0 {
            client_key: &[9; 32],
        };
        let len = first.encode(&mut message).unwrap();
        let begun = bench
            .send(now, PHONE, Endpoint::Session, &message[..len])
            .map(|_| ());
        let second = Handshake::Sec1Command1 {
            client_verify: &[0; 32],
        };
        let len = second.encode(&mut message).unwrap();
        let guessed = bench
            .send(now, PHONE, Endpoint::Session, &message[..len])
            .map(|_| ());
        (begun.and(guessed), bench.device.history())
    };
    let mut history = History::default();
    for attempts_left in (0..5).rev() {
        let device = Device::resume(config.clone(), history);
        let guessed;
        (guessed, history) = guess(device, at(0));
        assert_eq!(guessed, Err(Refusal::ProofMismatch { attempts_left }));
    }
    let (guessed, _) = guess(Device::resume(config.clone(), history), at(59));
    let remaining = Duration::from_secs(1);
    assert_eq!(guessed, Err(Refusal::CoolingDown { remaining }));
    let (guessed, _) = guess(Device::resume(config, history), at(60));
    assert_eq!(guessed, Err(Refusal::ProofMismatch { attempts_left: 4 }));
}

/// A first message of security 2 costs much, so that they are paced, over whatever connections they
/// come and however often the service opens.
#[test]
fn handshakes_that_nobody_finishes_are_paced() {
    let salt = Salt::new(&[1; 16]).unwrap();
    let config = Config::new(Security::Security2 {
        verifier: SrpVerifier::generate(b"wifiprov", b"abcd1234", salt),
        iv_mode: IvMode::Counter,
    });
    let mut message = [0; 512];
    let first = Handshake::Sec2Command0 {
        username: b"wifiprov",
        client_key: &[9; 384],
    };
    let len = first.encode(&mut message).unwrap();
    let message = &message[..len];
    let mut bench = Bench::new(Device::new(config.clone()));
    let begin = |bench: &mut Bench, now: Instant, session: u32| {
        let session = SessionId(session);
        let begun = bench.send(now, session, Endpoint::Session, message);
        let begun = begun.map(|_| ());
        bench.device.disconnected(session);
        begun
    };
    for session in 0..10 {
        assert_eq!(begin(&mut bench, at(1), session), Ok(()));
    }
    let wait = |secs| {
        Err(Refusal::CoolingDown {
            remaining: Duration::from_secs(secs),
        })
    };
    assert_eq!(begin(&mut bench, at(4), 10), wait(7));
    let mut bench = Bench::new(Device::resume(config.clone(), bench.device.history()));
    assert_eq!(begin(&mut bench, at(10), 1), wait(1));
    assert_eq!(begin(&mut bench, at(11), 2), Ok(()));
    assert_eq!(begin(&mut bench, at(11), 3), wait(10));
    // After a quiet time there are as many as before.
    for session in 0..10 {
        assert_eq!(begin(&mut bench, at(500), session), Ok(()));
    }
    assert_eq!(begin(&mut bench, at(500), 10), wait(10));
}

#[test]
fn custom_requests_are_the_applications() {
    let mut bench = Bench::new(Device::new(Config {
        custom_endpoints: 1,
        ..Config::new(Security::Security0)
    }));
    let endpoint = Endpoint::Custom(0);
    assert_eq!(bench.send(at(0), PHONE, endpoint, b"hello"), Ok(None));
    assert_eq!(
        bench.send(at(0), PHONE, endpoint, b"again"),
        Err(Refusal::ReplyOwed)
    );
    let mut response = [0; 16];
    assert_eq!(
        bench.device.finish_custom(OTHER, Some(b"x"), &mut response),
        Err(Refusal::NoSession)
    );
    assert_eq!(
        bench
            .device
            .finish_custom(PHONE, Some(b"done"), &mut response),
        Ok(4)
    );
    assert_eq!(&response[..4], b"done");
    assert_eq!(
        bench.device.finish_custom(PHONE, Some(b"x"), &mut response),
        Err(Refusal::NoSession)
    );
    assert_eq!(bench.send(at(0), PHONE, endpoint, b"hello"), Ok(None));
    assert_eq!(
        bench.device.finish_custom(PHONE, None, &mut response),
        Err(Refusal::CustomRefused)
    );
    assert_eq!(bench.send(at(0), PHONE, endpoint, b"hello"), Ok(None));
    assert!(matches!(
        bench
            .device
            .finish_custom(PHONE, Some(&[0; 17]), &mut response),
        Err(Refusal::ResponseBuffer(_))
    ));
    // A session that ended takes its open request along.
    assert_eq!(bench.send(at(0), PHONE, endpoint, b"hello"), Ok(None));
    bench.device.disconnected(PHONE);
    bench.device.connected(at(0), PHONE).unwrap();
    assert_eq!(
        bench.device.finish_custom(PHONE, Some(b"x"), &mut response),
        Err(Refusal::NoSession)
    );
}

#[test]
fn requests_are_wiped() {
    let mut device = plain();
    let set = SetConfig {
        ssid: b"home",
        passphrase: b"a secret",
        ..SetConfig::default()
    };
    let mut request = [0; 64];
    let len = Request::Set(set).encode(&mut request).unwrap();
    let mut response = [0; 64];
    let outcome = device.handle(
        at(0),
        PHONE,
        Endpoint::Config,
        &mut request[..len],
        &mut response,
        &mut noise(1),
    );
    assert!(matches!(outcome, Ok(Outcome::Reply(_))));
    assert_eq!(request, [0; 64]);
}

#[test]
fn only_the_last_events_are_kept() {
    let mut bench = Bench::new(plain());
    for _ in 0..20 {
        bench.set(b"x");
    }
    bench.device.connected(at(0), PHONE).unwrap();
    let mut count = 0;
    while let Some(event) = bench.device.poll_event() {
        assert_eq!(event, Event::CredentialsReceived);
        count += 1;
    }
    assert_eq!(count, MAX_EVENTS);
}
