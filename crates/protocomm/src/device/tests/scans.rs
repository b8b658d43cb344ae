//! Scans and their results.

use super::*;

#[test]
fn a_blocking_scan_holds_the_reply_back() {
    let mut bench = Bench::new(plain());
    let start = scan_wire::Start {
        blocking: true,
        passive: true,
        group_channels: 5,
        period_ms: 120,
    };
    assert_eq!(bench.scan(at(0), scan_wire::Request::Start(start)), None);
    assert!(matches!(
        bench.device.poll_command(),
        Some(Command::StartScan(found)) if found == start
    ));
    assert!(bench.device.poll_reply(&mut bench.response).is_none());
    assert_eq!(
        bench.send(at(1), PHONE, Endpoint::Config, &[]),
        Err(Refusal::ReplyOwed)
    );
    bench.device.scan_finished([heard(1, -40)]);
    let late = bench.device.poll_reply(&mut bench.response).unwrap();
    assert_eq!((late.session, late.endpoint), (PHONE, Endpoint::Scan));
    assert_eq!(
        scan_wire::Response::decode(&bench.response[..late.result.unwrap()]),
        Ok(scan_wire::Response::Start(Status::Success))
    );
    assert!(bench.device.poll_reply(&mut bench.response).is_none());
}

#[test]
fn a_scan_that_fails_or_never_ends() {
    for never_ends in [false, true] {
        let mut bench = Bench::new(plain());
        let start = scan_wire::Start {
            blocking: true,
            ..scan_wire::Start::default()
        };
        bench.scan(at(0), scan_wire::Request::Start(start));
        if never_ends {
            assert_eq!(bench.device.next_deadline(), Some(at(25)));
            bench.device.handle_timeout(at(25));
        } else {
            bench.device.scan_failed();
        }
        let late = bench.device.poll_reply(&mut bench.response).unwrap();
        assert_eq!(
            scan_wire::Response::decode(&bench.response[..late.result.unwrap()]),
            Ok(scan_wire::Response::Start(Status::InternalError))
        );
    }
}

#[test]
fn scan_results_are_the_strongest_and_come_in_pages() {
    let mut bench = Bench::new(plain());
    bench.scan(
        at(0),
        scan_wire::Request::Start(scan_wire::Start::default()),
    );
    bench
        .device
        .scan_finished((0..20).map(|n| heard(n, -90 + n as i8)));
    assert_eq!(
        scan_wire::Response::decode(bench.scan(at(0), scan_wire::Request::Status).unwrap()),
        Ok(scan_wire::Response::Status {
            status: Status::Success,
            finished: true,
            count: 16
        })
    );
    let page = |bench: &mut Bench, start_index, count| {
        let request = scan_wire::Request::Results { start_index, count };
        let reply = bench.scan(at(0), request).unwrap();
        match scan_wire::Response::decode(reply) {
            Ok(scan_wire::Response::Results { status, entries }) => {
                let channels: heapless::Vec<u8, 16> =
                    entries.iter().map(|found| found.channel).collect();
                (status, channels)
            }
            other => panic!("{other:?}"),
        }
    };
    let (status, channels) = page(&mut bench, 0, 16);
    assert_eq!(status, Status::Success);
    assert!(channels.iter().copied().eq((4..20).rev()));
    let (status, channels) = page(&mut bench, 14, 4);
    assert_eq!(
        (status, &channels[..]),
        (Status::InternalError, &[5, 4][..])
    );
    let (status, channels) = page(&mut bench, u32::MAX, u32::MAX);
    assert_eq!((status, &channels[..]), (Status::InternalError, &[][..]));
    let (status, channels) = page(&mut bench, 0, 0);
    assert_eq!((status, &channels[..]), (Status::Success, &[][..]));
}

#[test]
fn a_page_shrinks_to_the_response_buffer() {
    let mut bench = Bench::new(plain());
    bench.scan(
        at(0),
        scan_wire::Request::Start(scan_wire::Start::default()),
    );
    bench.device.scan_finished((0..16).map(|n| heard(n, -50)));
    let mut message = [0; 32];
    let request = scan_wire::Request::Results {
        start_index: 0,
        count: 16,
    };
    let mut fetch = |room: usize| {
        let len = request.encode(&mut message).unwrap();
        let mut response = [0; RESPONSE_CAPACITY];
        let outcome = bench.device.handle(
            at(0),
            PHONE,
            Endpoint::Scan,
            &mut message[..len],
            &mut response[..room],
            &mut noise(1),
        )?;
        let Outcome::Reply(len) = outcome else {
            panic!("{outcome:?}");
        };
        match scan_wire::Response::decode(&response[..len]) {
            Ok(scan_wire::Response::Results { entries, .. }) => Ok(entries.iter().count()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fetch(RESPONSE_CAPACITY), Ok(16));
    assert_eq!(fetch(100), Ok(2));
    assert!(matches!(fetch(20), Err(Refusal::ResponseBuffer(_))));
}

#[test]
fn no_scan_while_the_station_joins() {
    let mut bench = Bench::new(plain());
    bench.set(b"x");
    bench.apply();
    let reply = bench.scan(
        at(0),
        scan_wire::Request::Start(scan_wire::Start::default()),
    );
    assert_eq!(
        scan_wire::Response::decode(reply.unwrap()),
        Ok(scan_wire::Response::Start(Status::InternalError))
    );
    // Results that nobody asked for are nobody's.
    bench.device.scan_finished([heard(1, -1)]);
    assert_eq!(
        scan_wire::Response::decode(bench.scan(at(0), scan_wire::Request::Status).unwrap()),
        Ok(scan_wire::Response::Status {
            status: Status::Success,
            finished: true,
            count: 0
        })
    );
}

#[test]
fn the_response_has_room_for_all_results() {
    let mut bench = Bench::new(plain());
    bench.scan(
        at(0),
        scan_wire::Request::Start(scan_wire::Start::default()),
    );
    bench.device.scan_finished((0..16).map(|_| AccessPoint {
        ssid: Ssid::new(&[b'x'; 32]).unwrap(),
        bssid: Bssid([255; 6]),
        channel: 255,
        rssi: -1,
        auth: AuthMode::Unknown(u32::MAX),
    }));
    let request = scan_wire::Request::Results {
        start_index: 0,
        count: 16,
    };
    let len = bench.scan(at(0), request).unwrap().len();
    assert!(len + OVERHEAD_MAX <= RESPONSE_CAPACITY);
    match scan_wire::Response::decode(&bench.response[..len]) {
        Ok(scan_wire::Response::Results { entries, .. }) => {
            assert_eq!(entries.iter().count(), 16);
        }
        other => panic!("{other:?}"),
    }
}
