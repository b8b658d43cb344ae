//! From credentials to a joined station.

use super::*;

#[test]
fn a_wrong_passphrase_and_then_the_right_one_in_the_same_session() {
    for reset_between in [false, true] {
        let mut bench = Bench::new(plain());
        assert_eq!(bench.status(at(0)), StationState::Disconnected);
        assert_eq!(bench.set(b"wrong"), Status::Success);
        assert_eq!(bench.apply(), Status::Success);
        let Some(Command::Join(credentials)) = bench.device.poll_command() else {
            panic!("no command to join");
        };
        assert_eq!(credentials.passphrase.as_bytes(), b"wrong");
        bench
            .device
            .station(at(1), Station::Failed(FailReason::AuthError));
        assert_eq!(
            bench.status(at(1)),
            StationState::Failed(FailReason::AuthError)
        );
        if reset_between {
            assert_eq!(bench.control(control::Request::Reset), Status::Success);
            assert!(matches!(bench.device.poll_command(), Some(Command::Forget)));
        }
        assert_eq!(bench.set(b"right"), Status::Success);
        assert_eq!(bench.apply(), Status::Success);
        assert!(matches!(
            bench.device.poll_command(),
            Some(Command::Join(_))
        ));
        bench.device.station(at(2), Station::Connected(connected()));
        assert_eq!(bench.status(at(2)), StationState::Connected(connected()));
        assert!(bench.device.is_provisioned());
    }
}

#[test]
fn credentials_out_of_range_are_refused_with_a_status() {
    let mut bench = Bench::new(plain());
    let good = SetConfig {
        ssid: b"home",
        passphrase: b"password",
        bssid: &[1, 2, 3, 4, 5, 6],
        channel: 13,
    };
    for bad in [
        SetConfig { ssid: b"", ..good },
        SetConfig {
            ssid: &[b'x'; 33],
            ..good
        },
        SetConfig {
            passphrase: &[b'x'; 64],
            ..good
        },
        SetConfig {
            bssid: &[1; 5],
            ..good
        },
    ] {
        assert_eq!(
            bench.config(at(0), Request::Set(bad)),
            Response::Set(Status::InvalidArgument)
        );
        assert_eq!(bench.apply(), Status::InternalError);
    }
    assert_eq!(
        bench.config(at(0), Request::Set(good)),
        Response::Set(Status::Success)
    );
    assert_eq!(bench.apply(), Status::Success);
    let Some(Command::Join(credentials)) = bench.device.poll_command() else {
        panic!("no command to join");
    };
    assert_eq!(credentials.channel, Some(13));
    assert_eq!(credentials.bssid, Some(Bssid([1, 2, 3, 4, 5, 6])));
}

#[test]
fn applying_in_the_wrong_state_is_an_internal_error() {
    let mut bench = Bench::new(plain());
    assert_eq!(bench.apply(), Status::InternalError);
    bench.set(b"x");
    assert_eq!(bench.apply(), Status::Success);
    bench.set(b"y");
    assert_eq!(bench.apply(), Status::InternalError);
    bench.device.station(at(0), Station::Connected(connected()));
    bench.set(b"z");
    assert_eq!(bench.apply(), Status::InternalError);
    // The first credentials only.
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::Join(_))
    ));
    assert!(bench.device.poll_command().is_none());
}

#[test]
fn news_of_the_station_before_credentials_are_not_provisionings() {
    let mut bench = Bench::new(plain());
    bench.device.station(at(0), Station::Connected(connected()));
    assert_eq!(bench.status(at(0)), StationState::Disconnected);
    bench
        .device
        .station(at(0), Station::Failed(FailReason::AuthError));
    assert_eq!(bench.status(at(0)), StationState::Disconnected);
    assert_eq!(bench.device.next_deadline(), Some(at(300)));
}

#[test]
fn attempts_are_counted_down() {
    let mut bench = Bench::new(plain());
    bench.set(b"x");
    bench.apply();
    let attempts_remaining = Some(2);
    bench
        .device
        .station(at(0), Station::Connecting { attempts_remaining });
    assert_eq!(
        bench.status(at(0)),
        StationState::Connecting { attempts_remaining }
    );
}

#[test]
fn provisioning_finishes_a_second_after_a_client_knows_or_after_thirty() {
    for read in [true, false] {
        let mut bench = Bench::new(plain());
        bench.set(b"x");
        bench.apply();
        assert!(matches!(
            bench.device.poll_command(),
            Some(Command::Join(_))
        ));
        bench
            .device
            .station(at(10), Station::Connected(connected()));
        bench.status(at(12));
        // It is not for others to read, nor is another reply this one.
        bench.device.reply_read(at(13), OTHER);
        bench.set(b"y");
        bench.device.reply_read(at(14), PHONE);
        bench.status(at(14));
        bench.device.disconnected(PHONE);
        bench.device.connected(at(14), PHONE).unwrap();
        bench.device.reply_read(at(14), PHONE);
        assert_eq!(bench.device.next_deadline(), Some(at(40)));
        bench.status(at(15));
        let due = if read {
            bench.device.reply_read(at(18), PHONE);
            // Asking again does not put it off.
            bench.status(Instant::from_millis(18_500));
            bench.device.reply_read(Instant::from_millis(18_600), PHONE);
            at(19)
        } else {
            at(40)
        };
        assert_eq!(bench.device.next_deadline(), Some(due));
        bench
            .device
            .handle_timeout(Instant::from_millis(due.as_millis() - 1));
        assert!(bench.device.poll_command().is_none());
        bench.device.handle_timeout(due);
        assert!(matches!(bench.device.poll_command(), Some(Command::Finish)));
        bench.device.handle_timeout(at(41));
        assert!(bench.device.poll_command().is_none());
    }
}

#[test]
fn losing_the_network_again_takes_the_end_back() {
    let mut bench = Bench::new(plain());
    bench.set(b"x");
    bench.apply();
    let _ = bench.device.poll_command();
    bench.device.station(at(1), Station::Connected(connected()));
    bench
        .device
        .station(at(2), Station::Failed(FailReason::NetworkNotFound));
    bench.device.handle_timeout(at(50));
    assert!(bench.device.poll_command().is_none());
    assert_eq!(
        bench.status(at(50)),
        StationState::Failed(FailReason::NetworkNotFound)
    );
}

#[test]
fn control_needs_its_states() {
    let mut bench = Bench::new(plain());
    // There is nothing to forget, so nothing is done.
    bench.set(b"x");
    assert_eq!(bench.control(control::Request::Reset), Status::Success);
    assert!(bench.device.poll_command().is_none());
    bench.apply();
    assert_eq!(
        bench.control(control::Request::Reset),
        Status::InternalError
    );
    bench.device.station(at(0), Station::Connected(connected()));
    assert_eq!(
        bench.control(control::Request::Reset),
        Status::InternalError
    );
    let mut strict = Bench::new(Device::new(Config {
        refuse_early_reset: true,
        ..Config::new(Security::Security0)
    }));
    assert_eq!(
        strict.control(control::Request::Reset),
        Status::InternalError
    );
    assert_eq!(
        bench.control(control::Request::Reprovision),
        Status::InternalError
    );

    let mut bench = Bench::new(Device::new(Config {
        auto_stop: false,
        ..Config::new(Security::Security0)
    }));
    bench.set(b"x");
    bench.apply();
    // The platform has not taken the command to join yet: it must not join afterwards.
    assert_eq!(
        bench.control(control::Request::Reprovision),
        Status::Success
    );
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::Reprovision)
    ));
    assert!(bench.device.poll_command().is_none());
    assert_eq!(bench.status(at(0)), StationState::Disconnected);
    bench.set(b"x");
    bench.apply();
    bench.device.station(at(0), Station::Connected(connected()));
    assert_eq!(bench.device.next_deadline(), Some(at(300)));
}
