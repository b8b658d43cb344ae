//! A hostile or broken world: what the device says, who must act, and how it goes on.

use std::time::{Duration, SystemTime};

use device::cloud::CloudError;
use device::credentials::{Fault, File};
use device::event::{ClockError, ClockSource, Event};
use device::platform::JoinError;
use device::tls::{CertificateFault, TlsError};
use devserver::{Config, Event as Seen, Profile, Server, Tls};
use e2e::{Desk, Diary, NETWORK, Phone, play, scenario};
use pki::{Identity, Options, Pki, Profile as CertificateProfile, Validity};
use simulator::Simulator;
use simulator::flash::Flash;

async fn cloud_error(diary: &mut Diary) -> CloudError {
    match diary.until_named("cloud.failed").await {
        Event::ConnectionFailed { error, .. } => error,
        other => unreachable!("{other:?}"),
    }
}

/// Three connections fail for this reason, after pauses that grow, and then the button works.
async fn fails_on_and_on(
    diary: &mut Diary,
    board: &Simulator,
    expected: impl Fn(&CloudError) -> bool,
) {
    for bound_ms in [1_000, 2_000, 4_000] {
        let told = diary.until_named("cloud.failed").await;
        let Event::ConnectionFailed { error, retry_ms } = told else {
            unreachable!()
        };
        assert!(expected(&error), "{error:?}");
        assert!((250..=bound_ms).contains(&retry_ms), "{retry_ms}");
        let (failed_at, _) = diary.read[diary.read.len() - 1];
        diary.until_named("cloud.connecting").await;
        let (again_at, _) = diary.read[diary.read.len() - 1];
        let paused_ms = again_at - failed_at;
        let promised_ms = u64::from(retry_ms);
        assert!(
            (promised_ms..promised_ms + 10_000).contains(&paused_ms),
            "{paused_ms} ms instead of {promised_ms}"
        );
    }
    board.chip.hold_button();
    diary.until_named("provisioning.started").await;
}

/// A server whose certificate is someone else's choice.
async fn server_with(desk: &Desk, identity: &Identity) -> Server {
    let chain = identity.chain_pem();
    let tls = Tls::from_pem(chain.as_bytes(), identity.key_pem().as_bytes()).expect("TLS");
    let profile = Profile::from_pem(desk.pki.intermediate_pem().as_bytes(), "(.*)");
    let config = Config {
        tls: Some(tls),
        profile: Some(profile.expect("a profile")),
        ..Config::default()
    };
    desk.serve(config).await
}

fn days_from_now(from: i64, to: i64) -> CertificateProfile {
    let day = |days: i64| {
        let span = Duration::from_secs(days.unsigned_abs() * 86_400);
        let now = SystemTime::now();
        if days < 0 { now - span } else { now + span }
    };
    CertificateProfile {
        validity: Some(Validity::between(day(from), day(to)).expect("dates in order")),
        ..CertificateProfile::default()
    }
}

fn board(desk: &Desk, flash: Flash, number: u8) -> Simulator {
    desk.board(flash, number)
}

#[test]
fn a_server_of_another_ca_is_refused() {
    scenario(async {
        let desk = Desk::set().await;
        let strangers = Pki::new(&Options::default()).expect("another PKI");
        let identity = strangers.server(&["localhost"]).expect("a certificate");
        let server = server_with(&desk, &identity).await;
        let board = board(
            &desk,
            desk.flash("SN-20", server.mqtt_addr().port(), ""),
            20,
        );
        play(&desk, &board, 20, async |diary| {
            let fault = TlsError::ServerCertificate(CertificateFault::NotTrusted);
            fails_on_and_on(diary, &board, |error| *error == CloudError::Tls(fault)).await;
        })
        .await;
    });
}

#[test]
fn a_server_of_another_name_is_refused() {
    scenario(async {
        let desk = Desk::set().await;
        let identity = desk
            .pki
            .server(&["elsewhere.example"])
            .expect("a certificate");
        let server = server_with(&desk, &identity).await;
        let board = board(
            &desk,
            desk.flash("SN-21", server.mqtt_addr().port(), ""),
            21,
        );
        play(&desk, &board, 21, async |diary| {
            let fault = TlsError::ServerCertificate(CertificateFault::WrongName);
            fails_on_and_on(diary, &board, |error| *error == CloudError::Tls(fault)).await;
        })
        .await;
    });
}

/// A server whose certificate is good from and to these days from now is refused, and taken once it
/// has another.
async fn out_of_date(number: u8, days: (i64, i64), fault: CertificateFault) {
    let desk = Desk::set().await;
    let profile = days_from_now(days.0, days.1);
    let old = desk.pki.server_with(&["localhost"], &profile);
    let server = server_with(&desk, &old.expect("a certificate")).await;
    let address = server.mqtt_addr();
    let board = board(&desk, desk.flash("SN-22", address.port(), ""), number);
    play(&desk, &board, number, async |diary| {
        let expected = CloudError::Tls(TlsError::ServerCertificate(fault));
        assert_eq!(cloud_error(diary).await, expected);
        // The device doubts its clock first.
        diary.until_named("clock.set").await;
        assert_eq!(cloud_error(diary).await, expected);
        server.stop().await;
        let new = desk.server_identity();
        let config = Config {
            mqtt: address,
            tls: Some(
                Tls::from_pem(new.chain_pem().as_bytes(), new.key_pem().as_bytes()).expect("TLS"),
            ),
            profile: Some(
                Profile::from_pem(desk.pki.intermediate_pem().as_bytes(), "(.*)")
                    .expect("a profile"),
            ),
            ..Config::default()
        };
        let _server = desk.serve(config).await;
        diary.until_named("cloud.online").await;
    })
    .await;
}

#[test]
fn an_expired_server_certificate_is_refused_and_a_renewed_one_taken() {
    scenario(out_of_date(22, (-20, -10), CertificateFault::Expired));
}

#[test]
fn a_server_certificate_of_the_future_is_refused_and_a_present_one_taken() {
    scenario(out_of_date(31, (10, 20), CertificateFault::NotYetValid));
}

#[test]
fn a_device_of_an_unknown_ca_passes_tls_and_is_refused_by_the_broker() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let mut events = server.events();
        let strangers = Pki::new(&Options::default()).expect("another PKI");
        let stranger = strangers.device("SN-23").expect("a certificate");
        // It trusts the desk's server all the same.
        let port = server.mqtt_addr().port();
        let flash = desk.flash_trusting(&stranger, desk.pki.root_pem(), port);
        let board = board(&desk, flash, 23);
        play(&desk, &board, 23, async |diary| {
            diary.until_named("cloud.tls").await;
            let unknown = |error: &CloudError| {
                let code = matches!(
                    error,
                    CloudError::Refused {
                        reason: 0x86 | 0x87
                    }
                );
                code && error.to_string().contains("device profile")
            };
            fails_on_and_on(diary, &board, unknown).await;
        })
        .await;
        events
            .wait(|event| matches!(event, Seen::Refused { .. }))
            .await
            .expect("the server says so too");
    });
}

#[test]
fn credentials_that_do_not_fit_leave_the_device_provisionable() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let (one, other) = (desk.pki.device("SN-24"), desk.pki.device("SN-25"));
        let chain = one.expect("a certificate").chain_pem();
        let key = other.expect("a certificate");
        let image = desk.image_of(&chain, &key, server.mqtt_addr().port(), "");
        let board = board(&desk, Flash::from_bytes(image), 24);
        let refused = Event::CredentialsRefused(File::Key.has(Fault::Mismatch));
        play(&desk, &board, 24, async |diary| {
            assert!(
                diary.read.iter().any(|(_, event)| *event == refused),
                "told at boot"
            );
            diary.until_named("clock.set").await;
            diary.until(|event| *event == refused).await;
            // The button still works.
            board.chip.hold_button();
            diary.until_named("provisioning.started").await;
        })
        .await;
    });
}

#[test]
fn a_silent_time_server_leaves_the_floor_and_samples_without_time_stamps() {
    scenario(async {
        let desk = Desk::set().await;
        desk.time.be_silent(true);
        let server = desk.server().await;
        let board = board(
            &desk,
            desk.flash("SN-26", server.mqtt_addr().port(), ""),
            26,
        );
        // The certificates must be older than the firmware for the floor to be good for them.
        let built = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("now");
        let board: Simulator = Simulator::new(
            board.flash,
            [0x24, 0x0a, 0xc4, 0x1a, 0x2b, 26],
            built.as_secs(),
            &desk.world,
        );
        play(&desk, &board, 26, async |diary| {
            let failed = diary.until_named("clock.failed").await;
            let Event::ClockFailed { error, .. } = failed else {
                unreachable!()
            };
            assert_eq!(error, ClockError::Silent);
            let set = diary.until_named("clock.set").await;
            assert!(
                matches!(
                    set,
                    Event::ClockSet {
                        source: ClockSource::Floor,
                        ..
                    }
                ),
                "{set:?}"
            );
            diary.until_named("cloud.online").await;
            diary.until_named("telemetry.acknowledged").await;
            // It comes back, and is asked within a minute.
            desk.time.be_silent(false);
            let set = diary.until_named("clock.set").await;
            assert!(
                matches!(
                    set,
                    Event::ClockSet {
                        source: ClockSource::Sntp,
                        ..
                    }
                ),
                "{set:?}"
            );
        })
        .await;
    });
}

#[test]
fn a_missing_sensor_is_told_once_and_the_device_goes_on_without() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let flash = desk.flash("SN-30", server.mqtt_addr().port(), "");
        let mut board = board(&desk, flash, 30);
        board.chip = board.chip.with_thermometer(415);
        board.wiring.set_fault(Some(product::Fault::Absent));
        play(&desk, &board, 30, async |diary| {
            let told = diary.until_named("telemetry.sensor").await;
            assert_eq!(told, Event::SensorFailed(product::Fault::Absent));
            diary.acknowledged(5).await;
            let latest = server.latest("SN-30").await.expect("telemetry");
            assert!(latest.contains_key("uptime_ms") && !latest.contains_key("temperature"));
            assert_eq!(latest["chip_temperature"].value.as_f64(), Some(41.5));
            // Another failure is news, and so is the first one after a reading.
            board.wiring.set_fault(Some(product::Fault::Garbled));
            diary.until_named("telemetry.sensor").await;
            board.wiring.set_fault(None);
            let measured = |event: &Event| {
                matches!(event, Event::Sampled(sample) if sample.readings.steps("temperature").is_some())
            };
            diary.until(measured).await;
            board.wiring.set_fault(Some(product::Fault::Absent));
            diary.until_named("telemetry.sensor").await;
            diary.until_named("telemetry.acknowledged").await;
            let told = diary.read.iter().filter_map(|(_, event)| match event {
                Event::SensorFailed(error) => Some(*error),
                _ => None,
            });
            let expected = [
                product::Fault::Absent,
                product::Fault::Garbled,
                product::Fault::Absent,
            ];
            assert_eq!(told.collect::<Vec<_>>(), expected);
        })
        .await;
    });
}

#[test]
fn a_lying_time_server_is_asked_again_when_certificates_contradict_it() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let years = |n: i64| n * 365 * 86_400_000;
        desk.time.lie(years(10));
        let board = board(
            &desk,
            desk.flash("SN-27", server.mqtt_addr().port(), ""),
            27,
        );
        play(&desk, &board, 27, async |diary| {
            let error = cloud_error(diary).await;
            assert!(error.doubts_clock(), "{error:?}");
            // Before the firmware was built it cannot be.
            desk.time.lie(years(-20));
            let failed = diary.until_named("clock.failed").await;
            let Event::ClockFailed { error, .. } = failed else {
                unreachable!()
            };
            assert_eq!(error, ClockError::Implausible);
            desk.time.lie(0);
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}

#[test]
fn a_network_that_changes_its_passphrase_lets_the_device_be_provisioned_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = board(
            &desk,
            desk.flash("SN-28", server.mqtt_addr().port(), ""),
            28,
        );
        play(&desk, &board, 28, async |diary| {
            diary.until_named("cloud.online").await;
            desk.world
                .wifi
                .change(|networks| networks[0].passphrase = "new secret".into());
            diary.until_named("wifi.lost").await;
            let failed = diary.until_named("wifi.failed").await;
            let Event::JoinFailed { error, .. } = failed else {
                unreachable!()
            };
            assert_eq!(error, JoinError::WrongPassphrase);
            diary.until_named("provisioning.started").await;
            let mut phone = Phone::paired_with(&desk, "PROV_1A2B1C").await;
            phone.send(NETWORK, "new secret").await;
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}

#[test]
fn a_network_without_dhcp_or_gone_is_told_apart_and_tried_for_ever() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let board = board(
            &desk,
            desk.flash("SN-29", server.mqtt_addr().port(), ""),
            29,
        );
        play(&desk, &board, 29, async |diary| {
            diary.until_named("cloud.online").await;
            let why = async |diary: &mut Diary| match diary.until_named("wifi.failed").await {
                Event::JoinFailed { error, .. } => error,
                other => unreachable!("{other:?}"),
            };
            desk.world.wifi.change(|networks| networks[0].dhcp = false);
            assert_eq!(why(diary).await, JoinError::NoAddress);
            let mut gone = None;
            desk.world
                .wifi
                .change(|networks| gone = Some(networks.remove(0)));
            while why(diary).await != JoinError::NetworkNotFound {}
            let mut back = gone.expect("the network");
            back.dhcp = true;
            desk.world.wifi.change(|networks| networks.insert(0, back));
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}
