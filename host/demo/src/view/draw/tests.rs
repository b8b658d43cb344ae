//! What stands on the screen, at several sizes.

use climate::{Air, Climate};
use device::event::{ClockSource, Event, TlsVersion};
use device::platform::ResetReason;
use product::{Faults, Readings};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use simulator::sensor::Dht11;

use super::*;
use crate::happening::{Happening, Note, Place, Stored};

const PAYLOAD: &str = r#"{"ver":"v1","name":"PROV_1A2B3C","username":"wifiprov","pop":"abcd1234","transport":"ble","security":2}"#;

fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let now = Duration::from_secs(40);
    terminal.draw(|frame| draw(frame, model, now)).unwrap();
    let buffer = terminal.backend().buffer();
    buffer
        .content()
        .chunks(width.into())
        .map(|row| row.iter().map(|cell| cell.symbol()).collect())
        .collect()
}

/// What the stock product's sensor says at this temperature.
fn climate(decicelsius: i16) -> Readings {
    let air = Air {
        temperature_decicelsius: Some(decicelsius),
        humidity_permille: Some(450),
    };
    Readings::of::<Climate<Dht11>>(&air, &mut Faults::default())
}

fn stored(stamps_ms: Vec<i64>) -> Happening {
    Happening::Stored(Stored {
        stamps_ms,
        latest: String::new(),
    })
}

fn waiting() -> Model {
    let mut model = Model::default();
    let mut apply = |ms, happening| model.apply(Duration::from_millis(ms), &happening);
    apply(
        0,
        Happening::Ready(Place {
            title: "demo",
            serial: "SN-4F7A21".into(),
            mqtt: "mqtts://127.0.0.1:8883".into(),
            page: "http://127.0.0.1:40123/".into(),
        }),
    );
    apply(
        0,
        Happening::Life {
            number: 1,
            at_ms: 0,
        },
    );
    let reset = ResetReason::PowerOn;
    apply(
        10,
        Happening::Device(
            10,
            Event::Booted {
                reset,
                provisioned: false,
            },
        ),
    );
    apply(20, Happening::Code(PAYLOAD.into()));
    let name = "PROV_1A2B3C".try_into().unwrap();
    apply(
        20,
        Happening::Device(20, Event::ProvisioningStarted { name, security: 2 }),
    );
    apply(900, Happening::Phone(Note::plain("looking for devices")));
    model
}

fn online() -> Model {
    let mut model = waiting();
    let mut apply = |ms, happening| model.apply(Duration::from_millis(ms), &happening);
    let mut tell = |ms, event| apply(ms, Happening::Device(ms, event));
    tell(
        5_000,
        Event::Provisioned {
            ssid: device::platform::Ssid::new(b"Home").unwrap(),
        },
    );
    tell(5_100, Event::BluetoothStopped);
    tell(
        5_200,
        Event::ClockSet {
            unix_ms: 1_800_000_000_000,
            source: ClockSource::Sntp,
        },
    );
    tell(
        5_400,
        Event::TlsEstablished {
            version: TlsVersion::Tls13,
            resumed: false,
        },
    );
    tell(
        5_500,
        Event::Online {
            session_present: false,
        },
    );
    for second in 6..40 {
        let sample = Sample {
            uptime_ms: second * 1000,
            readings: climate(215 + second as i16),
            rssi_dbm: Some(-52),
            ..Sample::default()
        };
        tell(second * 1000, Event::Sampled(sample));
        tell(
            second * 1000 + 30,
            Event::Acknowledged {
                samples: 1,
                backlog: 0,
            },
        );
    }
    apply(
        39_040,
        stored((6..40).map(|second| second * 1000).collect()),
    );
    model
}

fn has(screen: &[String], text: &str) -> bool {
    screen.iter().any(|row| row.contains(text))
}

#[test]
fn a_small_terminal_shows_the_whole_code_while_a_client_is_awaited() {
    let screen = screen(&waiting(), 80, 24);
    let code = lines_of(PAYLOAD);
    for (row, line) in screen[1..].iter().zip(&code) {
        assert!(row.ends_with(line), "{row}");
    }
    assert!(has(&screen, "● provisioning"));
    assert!(has(&screen, "looking for devices"));
    assert!(has(&screen, "SN-4F7A21  PROV_1A2B3C  proof abcd1234"));
    assert!(has(&screen, "first life"));
}

#[test]
fn online_the_values_the_server_and_both_addresses_are_seen() {
    for (width, height) in [(80, 24), (132, 43)] {
        let screen = screen(&online(), width, height);
        for text in [
            "temperature  25.4 °C",
            "humidity     45.0 %",
            "Wi-Fi        -52 dBm",
            "0 waiting",
            "34 samples arrived",
            "one every second, none twice",
            "mqtts://127.0.0.1:8883",
            "http://127.0.0.1:40123/",
            "● online",
            "first life  0:40",
            "q quit",
            "TLS 1.3",
        ] {
            assert!(
                has(&screen, text),
                "{text} at {width}x{height}:\n{}",
                screen.join("\n")
            );
        }
    }
}

#[test]
fn missing_samples_are_told() {
    let mut model = online();
    model.apply(Duration::from_secs(39), &stored(vec![42_000]));
    assert!(has(&screen(&model, 80, 24), "2 missing, 0 twice"));
}

#[test]
fn no_size_is_too_small() {
    for model in [Model::default(), waiting(), online()] {
        for (width, height) in [(1, 1), (10, 3), (20, 50), (300, 5), (79, 23)] {
            screen(&model, width, height);
        }
    }
}

#[test]
fn long_texts_are_wrapped() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
    assert_eq!(wrap("", 4), [""]);
    assert_eq!(wrap("ab", 0), ["a", "b"]);
}

#[test]
fn durations_are_short() {
    assert_eq!(short(Duration::from_millis(420)), "420 ms");
    assert_eq!(short(Duration::from_millis(1_420)), "1.4 s");
    assert_eq!(short(Duration::from_secs(31)), "31 s");
    assert_eq!(short(Duration::from_secs(200)), "3 min 20 s");
}
