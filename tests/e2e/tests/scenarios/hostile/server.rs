//! Servers that hang up, talk nonsense, or refuse, at every step.

use std::cell::Cell;
use std::collections::BTreeSet;

use device::cloud::{CloudError, Phase};
use device::event::{Event, TlsVersion};
use device::tls::TlsError;
use e2e::{Answer, Desk, Diary, Dice, MisbehavingBroker, Step, scenario};
use e2e::{Line, Weather};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{failure, play};

/// The tries of one boot: each is one more than the last, pauses stay within bounds that double up
/// to a minute, and are random.
fn assert_sensible_tries(diary: &Diary) {
    let mut attempts = Vec::new();
    let mut pauses = Vec::new();
    for (_, event) in &diary.read {
        match event {
            Event::Connecting { attempt, .. } => attempts.push(*attempt),
            Event::ConnectionFailed { retry_ms, .. } => pauses.push(*retry_ms),
            _ => {}
        }
    }
    assert!(
        attempts.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{attempts:?}"
    );
    for (index, pause) in pauses.iter().enumerate() {
        let most = 1_000u32 << index.min(6);
        assert!(
            (250..=most.min(60_000)).contains(pause),
            "try {index}: {pauses:?}"
        );
    }
    if pauses.len() > 15 {
        let late = &pauses[8..];
        let mean = late.iter().sum::<u32>() as usize / late.len();
        assert!(mean > 12_000, "pauses do not grow: {pauses:?}");
    }
}

#[test]
fn what_is_no_tls_server_is_told_apart() {
    scenario(async {
        let desk = Desk::set().await;
        let mut listener = desk.listen().await;
        let port = listener.local_addr().expect("its number").port();
        let noise = Dice::from_seed(1).bytes(600);
        let answers: [Option<Vec<u8>>; 6] = [
            Some(Vec::new()),
            Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            Some(noise),
            // A handshake record that never ends, and one longer than any may be.
            Some(vec![0x16, 0x03, 0x03, 0x40, 0x00, 0x02]),
            Some(vec![0x16, 0x03, 0x03, 0xff, 0xff, 0x02]),
            None,
        ];
        let count = answers.len();
        tokio::task::spawn_local(async move {
            for answer in answers {
                let Ok((mut socket, _)) = listener.accept().await else {
                    return;
                };
                let Some(answer) = answer else {
                    // Silence, until the device hangs up.
                    let _ = socket.read_to_end(&mut Vec::new()).await;
                    continue;
                };
                let _ = socket.read(&mut [0; 16]).await;
                let _ = socket.write_all(&answer).await;
                let _ = socket.shutdown().await;
            }
        });
        let board = desk.board(desk.flash("SN-60", port, ""), 60);
        play(&desk, &board, 60, async |diary| {
            let mut errors = Vec::new();
            for _ in 0..count {
                errors.push(failure(diary).await.0);
            }
            assert!(matches!(
                errors[0],
                CloudError::HungUp | CloudError::Tls(TlsError::Broken(_))
            ));
            assert_eq!(errors[1], CloudError::Tls(TlsError::NotTls));
            assert_eq!(errors[2], CloudError::Tls(TlsError::NotTls));
            assert!(
                matches!(errors[3], CloudError::Tls(TlsError::Broken(_))),
                "{errors:?}"
            );
            assert_eq!(errors[4], CloudError::Tls(TlsError::NotTls));
            assert_eq!(errors[5], CloudError::TimedOut(Phase::Tls));
            // Nobody listens any more.
            assert!(matches!(failure(diary).await.0, CloudError::Unreachable(_)));
            assert_sensible_tries(diary);
            board.chip.hold_button();
            diary.until_named("provisioning.started").await;
        })
        .await;
    });
}

/// KeyUpdate of TLS 1.3, which MbedTLS does not know.
#[test]
fn a_server_that_changes_its_keys_is_come_back_to_at_once_and_no_sample_is_lost() {
    scenario(async {
        let desk = Desk::set().await;
        let late = (Step::PublishNumber(15), Answer::ChangesKeys);
        let plan = [late.clone(), late, (Step::Publish, Answer::ChangesKeys)];
        let broker = MisbehavingBroker::start(&desk, plan).await;
        let board = desk.board(desk.flash("SN-76", broker.port, ""), 76);
        play(&desk, &board, 76, async |diary| {
            let changed = CloudError::Tls(TlsError::KeyUpdate);
            for _ in 0..2 {
                assert_eq!(failure(diary).await, (changed, 0));
                let tls = diary.until_named("cloud.tls").await;
                assert!(matches!(tls, Event::TlsEstablished { resumed: true, .. }));
            }
            // Too soon after the one before.
            let (error, retry_ms) = failure(diary).await;
            assert_eq!(error, changed);
            assert!(retry_ms >= 250);
            diary.until_named("cloud.online").await;
            let caught_up = |event: &Event| matches!(event, Event::Acknowledged { backlog: 0, .. });
            diary.until(caught_up).await;
            let mut taken = 0;
            let mut delivered = 0;
            for (_, event) in &diary.read {
                match event {
                    Event::Sampled(_) => taken += 1,
                    Event::Acknowledged { samples, .. } => delivered += samples,
                    Event::SamplesDropped { .. } => panic!("samples were dropped"),
                    _ => {}
                }
            }
            assert_eq!(taken, delivered);
        })
        .await;
    });
}

/// What became of a connection that was tampered with, in the words of its test.
fn kind(error: CloudError) -> &'static str {
    match error {
        CloudError::Tls(TlsError::Broken(_)) => "TLS broken",
        CloudError::Tls(
            TlsError::NothingInCommon
            | TlsError::NoVersion
            | TlsError::TooWeak
            | TlsError::Refused(_)
            | TlsError::DeviceCertificate(_)
            | TlsError::ServerCertificate(_)
            | TlsError::Violation(_)
            | TlsError::NotTls
            | TlsError::Other(_),
        ) => "TLS refused",
        // A length that was spoilt: one end waits for what does not come.
        CloudError::TimedOut(Phase::Tls | Phase::Mqtt) | CloudError::Silent => "waits",
        CloudError::HungUp => "hung up",
        CloudError::Kicked { reason: None } | CloudError::Lost(_) => "kicked or lost",
        other => panic!("{other:?} cannot come of this"),
    }
}

/// A device behind a line to the desk's server, or to one that speaks TLS 1.2 alone, on which
/// something happens after more and more bytes: in each flight of the handshake, in CONNECT,
/// SUBSCRIBE and PUBLISH, until that was so a few times while the device was online. Returns the
/// kinds of failure that came of it.
async fn at_every_byte(
    number: u8,
    version: TlsVersion,
    step: usize,
    mischief: impl Fn(&Line, u32),
) -> BTreeSet<&'static str> {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let old = MisbehavingBroker::polite_in_tls_1_2(&desk).await;
    let line = Line::lay(&desk.world.internet).await.expect("a line");
    line.lead_to(Some(match version {
        TlsVersion::Tls12 => old.port,
        TlsVersion::Tls13 => server.mqtt_addr().port(),
    }));
    let board = desk.board(desk.flash("SN-61", line.port, ""), number);
    mischief(&line, 0);
    let mut kinds = BTreeSet::new();
    play(&desk, &board, number, async |diary| {
        let mut while_online = 0;
        // The first is under way.
        for after in (step..).step_by(step) {
            let begun = diary.read.len();
            // Some bytes mean nothing to anybody, as the version in a record's header: then telemetry goes on, by
            // far more bytes than the mischief was away.
            let unharmed = Cell::new(0);
            let outcome = diary.until(|event| {
                let more = u32::from(matches!(event, Event::Acknowledged { .. }));
                unharmed.set(unharmed.get() + more);
                unharmed.get() == 200 || matches!(event, Event::ConnectionFailed { .. })
            });
            if let Event::ConnectionFailed { error, .. } = outcome.await {
                kinds.insert(kind(error));
            }
            let online = |(_, event): &(u64, Event)| matches!(event, Event::Online { .. });
            while_online += u32::from(diary.read[begun..].iter().any(online));
            if while_online == 6 {
                break;
            }
            assert!(after < 12_000, "never online");
            mischief(&line, after as u32);
        }
        // Nothing was harmed. The last byte may have meant nothing, and the connection goes on.
        line.cut();
        diary.until_named("cloud.online").await;
        diary.until_named("telemetry.acknowledged").await;
        let versions = diary.read.iter().filter_map(|(_, event)| match event {
            Event::TlsEstablished { version, .. } => Some(*version),
            _ => None,
        });
        assert!(versions.into_iter().all(|spoken| spoken == version));
    })
    .await;
    kinds
}

async fn hangs_up_anywhere(number: u8, version: TlsVersion) {
    let kinds = at_every_byte(number, version, 113, Line::cut_after).await;
    let expected = ["TLS broken", "hung up", "kicked or lost"];
    assert_eq!(kinds, BTreeSet::from(expected));
}

#[test]
fn a_server_that_hangs_up_at_any_byte_is_tried_again() {
    scenario(hangs_up_anywhere(61, TlsVersion::Tls13));
}

#[test]
fn a_server_of_tls_1_2_that_hangs_up_at_any_byte_is_tried_again() {
    scenario(hangs_up_anywhere(68, TlsVersion::Tls12));
}

async fn spoilt_anywhere(number: u8, version: TlsVersion) {
    let kinds = at_every_byte(number, version, 127, Line::spoil_after).await;
    // Whichever end notices says so; a length that is spoilt makes the two wait.
    assert!(kinds.contains("TLS refused"), "{kinds:?}");
}

#[test]
fn a_byte_spoilt_anywhere_costs_the_connection_and_no_more() {
    scenario(spoilt_anywhere(62, TlsVersion::Tls13));
}

#[test]
fn a_byte_spoilt_anywhere_in_tls_1_2_costs_the_connection_and_no_more() {
    scenario(spoilt_anywhere(69, TlsVersion::Tls12));
}

#[test]
fn a_server_may_answer_byte_by_byte() {
    scenario(async {
        let desk = Desk::set().await;
        let broker = MisbehavingBroker::start(&desk, [(Step::Connect, Answer::ByteByByte)]).await;
        let line = Line::lay(&desk.world.internet).await.expect("a line");
        line.lead_to(Some(broker.port));
        line.be(Weather::Trickling);
        let board = desk.board(desk.flash("SN-63", line.port, ""), 63);
        play(&desk, &board, 63, async |diary| {
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            assert!(!diary.names().contains(&"cloud.failed"));
        })
        .await;
    });
}

/// Lives with a broker that misbehaves in each of these ways in turn, and returns what the device
/// said to each. In the end it is online.
async fn with_rudeness(number: u8, plan: Vec<(Step, Answer)>) -> Vec<CloudError> {
    let desk = Desk::set().await;
    let count = plan.len();
    let broker = MisbehavingBroker::start(&desk, plan).await;
    let board = desk.board(desk.flash("SN-64", broker.port, ""), number);
    let mut errors = Vec::new();
    play(&desk, &board, number, async |diary| {
        for _ in 0..count {
            let (error, _) = failure(diary).await;
            assert_ne!(error, CloudError::Bug);
            errors.push(error);
        }
        assert_sensible_tries(diary);
        diary.until_named("cloud.online").await;
        diary.until_named("telemetry.acknowledged").await;
    })
    .await;
    errors
}

/// The reasons with which CONNACK may refuse: MQTT 5, table 3-1.
const CONNACK: [u8; 21] = [
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
];

#[test]
fn every_refusal_of_mqtt_5_is_told_with_its_code() {
    let plan = CONNACK.map(|code| (Step::Connect, Answer::Reason(code)));
    scenario(async move {
        let errors = with_rudeness(64, plan.to_vec()).await;
        for (code, error) in CONNACK.into_iter().zip(errors) {
            assert_eq!(error, CloudError::Refused { reason: code });
            let text = error.to_string();
            assert!(text.contains(": "), "no remedy: {text}");
        }
    });
}

#[test]
fn every_refusal_of_mqtt_3_1_1_is_told() {
    scenario(async {
        let plan = (1..=5).map(|code| (Step::Connect, Answer::OldCode(code)));
        for error in with_rudeness(65, plan.collect()).await {
            assert!(error.to_string().contains("MQTT 5"), "{error}");
        }
    });
}

#[test]
fn a_broker_that_is_rude_at_any_step_is_tried_again() {
    let mut dice = Dice::from_seed(3);
    let mut plan = Vec::new();
    for step in [Step::Connect, Step::Subscribe, Step::Publish] {
        plan.push((step, Answer::HangUp));
        plan.push((step, Answer::Nothing));
        plan.push((step, Answer::Bytes(vec![0xff; 64])));
        plan.push((step, Answer::Bytes(dice.bytes(200))));
        plan.push((step, Answer::Disconnect(0x8b)));
    }
    plan.push((Step::Subscribe, Answer::Reason(0x87)));
    plan.push((Step::Publish, Answer::Reason(0x97)));
    scenario(async {
        let errors = with_rudeness(66, plan).await;
        println!("{errors:#?}");
        let kicked = CloudError::Kicked { reason: Some(0x8b) };
        assert_eq!(errors[0], CloudError::HungUp);
        assert_eq!(errors[1], CloudError::TimedOut(Phase::Mqtt));
        assert_eq!(errors[2], CloudError::Protocol);
        assert_eq!(errors[4], kicked, "accepted, then kicked");
        for step in [5, 10] {
            assert!(
                matches!(
                    errors[step],
                    CloudError::Kicked { reason: None } | CloudError::Lost(_)
                ),
                "{:?}",
                errors[step]
            );
            assert_eq!(errors[step + 1], CloudError::Silent);
            assert_eq!(errors[step + 2], CloudError::Protocol);
            assert_eq!(errors[step + 4], kicked);
        }
        assert_eq!(errors[15], CloudError::NotSubscribed { reason: 0x87 });
        let over_limit = CloudError::OverLimit {
            reason: 0x97,
            samples: 1,
            next: 1,
        };
        assert_eq!(errors[16], over_limit);
    });
}

#[test]
fn a_broker_that_always_kicks_after_accepting_is_tried_ever_more_slowly() {
    scenario(async {
        let kick = (Step::Subscribe, Answer::Disconnect(0x98));
        let errors = with_rudeness(67, vec![kick; 24]).await;
        let kicked = CloudError::Kicked { reason: Some(0x98) };
        assert!(errors.iter().all(|error| *error == kicked), "{errors:?}");
    });
}
