//! Servers with limits: known, and not.

use super::*;

/// A ThingsBoard with a bucket of data points, which is refilled evenly.
struct Limited {
    points: f64,
    per_second: f64,
    level: f64,
    at: Instant,
    tells: bool,
}

impl Limited {
    fn new(points: u32, seconds: u32, tells: bool) -> Self {
        Self {
            points: points.into(),
            per_second: f64::from(points) / f64::from(seconds),
            level: points.into(),
            at: Instant::now(),
            tells,
        }
    }

    /// Whether a message with so many values is taken.
    fn takes(&mut self, points: usize) -> bool {
        let now = Instant::now();
        let passed = (now - self.at).as_millis() as f64 / 1_000.0;
        self.level = (self.level + passed * self.per_second).min(self.points);
        self.at = now;
        let taken = points as f64 <= self.level;
        if taken {
            self.level -= points as f64;
        }
        taken
    }

    /// Serves until the device is `done`, or it is cut off. Returns how many telemetry messages
    /// were taken, and whether it was cut off.
    async fn serve(&mut self, broker: &mut Broker, done: impl Fn() -> bool) -> (Vec<String>, bool) {
        broker.accept(&[]).await;
        broker.subscribed(1).await;
        let mut taken = Vec::new();
        while let Ok(Some(message)) =
            with_timeout(Duration::from_secs(30), broker.published()).await
        {
            if [topic::TELEMETRY, topic::ATTRIBUTES].contains(&message.topic.as_str()) {
                let points = values(&message.payload);
                if !self.takes(points) {
                    broker.send(0xe0, &[0x83, 0]).await;
                    return (taken, true);
                }
            }
            if message.topic == topic::TELEMETRY {
                taken.push(message.payload.clone());
            }
            broker.acknowledge(&message, SUCCESS).await;
            if message.topic == "v1/devices/me/rpc/request/1" && self.tells {
                let seconds = (self.points / self.per_second).round();
                let limits = format!(
                    r#"{{"maxPayloadSize":65536,"rateLimits":{{"messages":null,"telemetryMessages":null,"telemetryDataPoints":"{}:{seconds}"}}}}"#,
                    self.points
                );
                broker.tell("v1/devices/me/rpc/response/1", &limits).await;
            }
            if done() {
                break;
            }
        }
        (taken, false)
    }
}

/// How many values a message of telemetry or attributes has.
fn values(payload: &str) -> usize {
    payload.matches("\":").count() - 2 * payload.matches("\"ts\"").count()
}

fn number_of_samples(payload: &str) -> usize {
    payload.matches("\"ts\"").count()
}

#[test]
fn a_limit_that_is_told_is_kept_to_and_said() {
    let device = Fake::with_samples(60);
    let mut limited = Limited::new(10, 1, true);
    let (end, told) = connection(&device, 65_536, async |mut broker| {
        let (_, cut) = limited.serve(&mut broker, || device.queue.is_empty()).await;
        assert!(!cut);
    });
    let () = told;
    assert_eq!(failed(&end), CloudError::Kicked { reason: None });
    assert!(device.queue.is_empty());
    let events = device.events.borrow();
    let kept = events
        .iter()
        .find(|event| matches!(event, Event::LimitKept(_)));
    assert_eq!(
        kept.expect("it is said").to_string(),
        "the server's limit on telemetry: 10 data points in 1 s: enough for a sample each 1000 ms"
    );
}

#[test]
fn the_limit_is_a_client_attribute_with_its_cost() {
    let device = Fake::with_samples(0);
    let (_, ()) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let mut learn = async |limits: &str| {
            let limits = format!(r#"{{"rateLimits":{limits}}}"#);
            broker.tell("v1/devices/me/rpc/response/1", &limits).await;
            let told = broker.published().await.unwrap();
            assert_eq!(told.topic, "v1/devices/me/attributes");
            broker.acknowledge(&told, SUCCESS).await;
            told.payload
        };
        assert_eq!(learn("{}").await, r#"{"telemetry_limit":"none"}"#);
        assert_eq!(
            learn(r#"{"telemetryDataPoints":"15000:3600"}"#).await,
            r#"{"telemetry_limit":"15000 data points in 3600 s: enough for a sample each 1000 ms"}"#
        );
        assert_eq!(
            learn(r#"{"telemetryMessages":"6:60","telemetryDataPoints":"15000:3600"}"#).await,
            r#"{"telemetry_limit":"6 telemetry messages in 60 s: several samples go together, up to 10000 ms late"}"#
        );
        assert_eq!(
            learn(r#"{"telemetryDataPoints":"600:600,60:60"}"#).await,
            r#"{"telemetry_limit":"60 data points in 60 s: too few for a sample each 1000 ms, the oldest are dropped once the queue is full; set telemetryIntervalMs to 2554 or more, or raise the limit"}"#
        );
        // The interval is part of what it costs.
        broker
            .tell(
                "v1/devices/me/attributes",
                r#"{"telemetryIntervalMs":2600}"#,
            )
            .await;
        let told = broker.published().await.unwrap();
        assert_eq!(
            told.payload,
            r#"{"telemetry_interval_ms":2600,"telemetry_limit":"60 data points in 60 s: enough for a sample each 2600 ms"}"#
        );
    });
}

#[test]
fn a_server_that_tells_no_limit_gets_smaller_batches_until_one_is_taken() {
    // The issue's: 60 data points a second, vitals with each sample, a backlog of twenty.
    for (points, seconds, vitals) in [
        (60, 1, Vitals::ALL),
        (20, 1, Vitals::ALL),
        (4, 1, Vitals::NONE),
        (7, 2, Vitals::ALL),
        (7, 10, Vitals::ALL),
    ] {
        let device = Fake::with_samples(0);
        device.vitals.set(vitals);
        for number in 0..120 {
            device.push(number * 1_000);
        }
        let mut pace = Pace::new(2);
        let mut limited = Limited::new(points, seconds, false);
        let (mut sizes, mut cuts) = (Vec::new(), 0);
        for _ in 0..40 {
            let (end, (taken, cut)) =
                connection_at(&mut pace, &device, 65_536, async |mut broker| {
                    limited.serve(&mut broker, || device.queue.is_empty()).await
                });
            sizes.extend(taken.iter().map(|payload| number_of_samples(payload)));
            if cut {
                cuts += 1;
                assert!(matches!(
                    failed(&end),
                    CloudError::OverLimit { reason: 0x83, .. }
                ));
                let text = failed(&end).to_string();
                assert!(text.contains("most likely because of a limit"), "{text}");
            }
            if device.queue.is_empty() {
                break;
            }
            // The lifecycle's pause.
            run(Timer::after_secs(2));
        }
        assert!(
            device.queue.is_empty(),
            "{points}: {} left",
            device.queue.len()
        );
        assert_eq!(sizes.iter().sum::<usize>(), 120, "each once");
        assert!(cuts <= 16, "{points}: cut off {cuts} times, {sizes:?}");
    }
}

#[test]
fn what_works_is_kept_for_the_connection_and_grows_on_a_later_one() {
    let device = Fake::with_samples(400);
    let mut pace = Pace::new(2);
    pace.refused(16, Instant::now());
    let batch_sizes = |pace: &mut Pace, messages: usize| {
        let (_, sizes) = connection_at(pace, &device, 65_536, async |mut broker| {
            broker.welcome().await;
            let mut sizes = Vec::new();
            while sizes.len() < messages {
                let message = broker.published().await.unwrap();
                broker.acknowledge(&message, SUCCESS).await;
                sizes.push(number_of_samples(&message.payload));
            }
            broker.published_soon().await;
            sizes
        });
        sizes
    };
    assert_eq!(batch_sizes(&mut pace, 5), [1, 8, 8, 8, 8]);
    assert_eq!(batch_sizes(&mut pace, 4), [1, 12, 12, 12]);
    // Nothing is proven by a single one.
    assert_eq!(batch_sizes(&mut pace, 1), [1]);
    assert_eq!(batch_sizes(&mut pace, 2), [1, 18]);
}

#[test]
fn messages_keep_to_their_limit_too() {
    let device = Fake::with_samples(0);
    let (_, times) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let limits = r#"{"rateLimits":{"messages":"2:10"}}"#;
        broker.tell("v1/devices/me/rpc/response/1", limits).await;
        let told = broker.published().await.unwrap();
        broker.acknowledge(&told, SUCCESS).await;
        for id in 1..=4 {
            let topic = format!("v1/devices/me/rpc/request/{id}");
            broker.tell(&topic, r#"{"method":"getStatus"}"#).await;
        }
        let mut times = Vec::new();
        for _ in 0..4 {
            let answer = broker.published().await.unwrap();
            assert!(answer.topic.contains("rpc/response"), "{}", answer.topic);
            times.push(answer.at);
            broker.acknowledge(&answer, SUCCESS).await;
        }
        times
    });
    assert!(times[3] - times[1] >= Duration::from_secs(10), "{times:?}");
    assert_eq!(device.answered().len(), 4, "none is lost");
}

#[test]
fn the_first_sample_after_a_gap_tells_how_many_are_missing() {
    let device = Fake::with_samples(605);
    assert_eq!(device.queue.dropped(), 5);
    let (_, ()) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let mut seen = 0;
        while let Some(message) = broker.published_soon().await {
            broker.acknowledge(&message, SUCCESS).await;
            if seen == 0 {
                assert_eq!(
                    message.payload,
                    r#"[{"ts":1800000005000,"values":{"temperature":-0.5,"humidity":45.1,"dropped":5}}]"#
                );
            } else {
                assert!(!message.payload.contains("dropped"));
            }
            seen += 1;
        }
    });
    assert!(device.queue.is_empty());
}

#[test]
fn ten_samples_a_second_without_a_time_all_arrive() {
    // And the way there and back takes longer than the time between two of them.
    let device = Fake::with_samples(0);
    device.certain.set(false);
    device.interval_ms.set(100);
    let (_, arrived) = connection(&device, 65_536, async |mut broker| {
        broker.welcome().await;
        let mut arrived: Vec<Instant> = Vec::new();
        let (mut under_way, mut taken) = (Vec::<(Instant, _)>::new(), 0);
        let begin = Instant::now();
        while arrived.len() < 100 {
            let now = Instant::now();
            if now - begin >= Duration::from_millis(100) * taken && taken < 100 {
                device.push(u64::from(taken) * 100);
                taken += 1;
            }
            if let Ok(Some(message)) =
                with_timeout(Duration::from_millis(10), broker.published()).await
            {
                assert!(message.payload.starts_with(r#"{"temperature""#));
                arrived.push(message.at);
                under_way.push((message.at, message));
            }
            // The acknowledgement takes a quarter of a second.
            while let Some((at, message)) = under_way.first()
                && at.elapsed() >= Duration::from_millis(250)
            {
                broker.acknowledge(message, SUCCESS).await;
                under_way.remove(0);
            }
        }
        arrived
    });
    // The server stamps them as they arrive: about as far apart as they were taken.
    let span = arrived[99] - arrived[0];
    assert!(
        span >= Duration::from_millis(9_000) && span <= Duration::from_millis(11_500),
        "{span:?}"
    );
    for pair in arrived.windows(2) {
        assert!(
            pair[1] - pair[0] >= Duration::from_millis(50),
            "no two at once"
        );
    }
}

#[test]
fn client_attributes_count_too_and_go_in_pieces_where_they_must() {
    for tells in [true, false] {
        let device = Fake::with_samples(20);
        let mut limited = Limited::new(3, 1, tells);
        let (mut pace, mut cuts) = (Pace::new(2), 0);
        for _ in 0..20 {
            let (_, (_, cut)) = connection_at(&mut pace, &device, 65_536, async |mut broker| {
                limited.serve(&mut broker, || device.queue.is_empty()).await
            });
            cuts += usize::from(cut);
            if device.queue.is_empty() {
                break;
            }
            run(Timer::after_secs(2));
        }
        assert!(device.queue.is_empty(), "{} left", device.queue.len());
        assert!(cuts <= 12, "{tells}: {cuts}");
    }
}
