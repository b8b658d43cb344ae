//! Setting links up, using them, losing them.

use super::*;

#[test]
fn a_connection_is_announced_to_both_hosts() {
    let mut b = Bench::new();
    let (central, peripheral) = (b.host(1), b.host(2));
    b.advertise(peripheral);
    b.connect(central, 2);
    let at_central = b.take(central);
    let at_peripheral = b.take(peripheral);
    // Enhanced Connection Complete, since all events are unmasked, then the data length.
    assert_eq!(subevents(&at_central), [0x0A, 0x07]);
    assert_eq!(subevents(&at_peripheral), [0x0A, 0x07]);
    assert_eq!(
        at_central[0][3..14],
        [0x0A, 0, 0x40, 0, 0, 0, 2, 0, 0, 0, 0],
        "role 0, peer 2"
    );
    assert_eq!(
        at_peripheral[0][3..14],
        [0x0A, 0, 0x40, 0, 1, 0, 1, 0, 0, 0, 0],
        "role 1, peer 1"
    );
    assert_eq!(
        at_central[1][4..],
        [0x40, 0, 251, 0, 0x48, 0x08, 251, 0, 0x48, 0x08]
    );
    // Advertising is over.
    let third = b.host(3);
    b.ok(third, 0x200B, &[0, 0x10, 0, 0x10, 0, 0, 0]);
    b.ok(third, 0x200C, &[1, 0]);
    b.wait(1000 * MS);
    assert!(b.take(third).is_empty());
}

#[test]
fn hosts_with_the_default_masks_get_the_events_of_bluetooth_4_0() {
    let mut b = Bench::new();
    let (central, peripheral) = (b.host(1), b.host(2));
    b.ok(central, 0x2001, &[0x1F, 0, 0, 0, 0, 0, 0, 0]);
    b.advertise(peripheral);
    b.connect(central, 2);
    assert_eq!(
        subevents(&b.take(central)),
        [0x01],
        "no enhanced event, no data length"
    );
}

#[test]
fn an_attempt_can_be_cancelled_once() {
    let mut b = Bench::new();
    let central = b.host(1);
    b.connect(central, 2);
    b.send(central, 0x200E, &[]);
    let packets = b.take(central);
    assert_eq!(packets[0], [4, 0x0E, 4, 1, 0x0E, 0x20, 0]);
    assert_eq!(
        packets[1][3..5],
        [0x0A, 0x02],
        "ends with Unknown Connection Identifier"
    );
    assert_eq!(b.run(central, 0x200E, &[]), [0x0C]);
}

#[test]
fn data_is_cut_to_what_the_link_and_the_host_take_and_credits_come_back() {
    let (mut b, a, c) = Bench::linked();
    b.ok(c, 0x2022, &[0x40, 0, 27, 0, 0x48, 0x01]);
    assert_eq!(subevents(&b.take(a)), [0x07]);
    b.take(c);
    // From the central: 251 bytes at once. From the peripheral: 27 bytes at a time.
    let data: Vec<u8> = (0..251).map(|i| i as u8).collect();
    b.acl(a, 0b00, &data);
    assert!(
        b.take(a).is_empty(),
        "no credit before the other host has taken it"
    );
    let arrived = b.take(c);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0][..5], [2, 0x40, 0x20, 251, 0]);
    assert_eq!(arrived[0][5..], data);
    assert_eq!(b.take(a), [[4, 0x13, 5, 1, 0x40, 0, 1, 0]]);
    b.acl(c, 0b00, &data[..60]);
    let arrived = b.take(a);
    let lengths: Vec<_> = arrived.iter().map(|p| (p[2] >> 4, p[3])).collect();
    assert_eq!(
        lengths,
        [(0b10, 27), (0b01, 27), (0b01, 6)],
        "one start, two continuations"
    );
    assert_eq!(
        b.take(c),
        [[4, 0x13, 5, 1, 0x40, 0, 1, 0]],
        "one credit for one packet"
    );
}

#[test]
fn a_host_that_overruns_the_buffers_is_told() {
    let (mut b, a, c) = Bench::linked();
    for _ in 0..9 {
        b.acl(a, 0b00, &[1, 2, 3]);
    }
    assert_eq!(b.take(a), [[4, 0x1A, 1, 1]], "the ninth of eight");
    assert_eq!(b.take(c).len(), 8);
}

#[test]
fn either_end_can_disconnect() {
    for other_way in [false, true] {
        let (mut b, a, c) = Bench::linked();
        let (one, other) = if other_way { (c, a) } else { (a, c) };
        b.send(one, 0x0406, &[0x40, 0, 0x13]);
        assert_eq!(
            b.take(one),
            [
                vec![4, 0x0F, 4, 0, 1, 0x06, 0x04],
                vec![4, 0x05, 4, 0, 0x40, 0, 0x16]
            ]
        );
        assert_eq!(b.take(other), [[4, 0x05, 4, 0, 0x40, 0, 0x13]]);
        b.send(one, 0x0406, &[0x40, 0, 0x13]);
        assert_eq!(
            b.take(one),
            [[4, 0x0F, 4, 0x02, 1, 0x06, 0x04]],
            "no such link any more"
        );
    }
}

#[test]
fn a_reset_or_a_vanished_controller_is_noticed_after_the_supervision_timeout() {
    for vanishes in [false, true] {
        let (mut b, a, c) = Bench::linked();
        if vanishes {
            b.air.remove(c, b.now);
        } else {
            b.ok(c, 0x0C03, &[]);
        }
        b.wait(400 * MS); // the timeout is 420 ms
        assert!(b.take(a).is_empty());
        b.wait(100 * MS);
        assert_eq!(b.take(a), [[4, 0x05, 4, 0, 0x40, 0, 0x08]]);
    }
}

#[test]
fn links_drop_on_command() {
    let (mut b, a, c) = Bench::linked();
    b.air.faults(c).unwrap().drop_after = Some(1);
    b.acl(a, 0, &[1]);
    assert_eq!(b.take(c).len(), 1);
    b.acl(a, 0, &[2]);
    assert_eq!(b.take(c), [[4, 0x05, 4, 0, 0x40, 0, 0x08]]);
    assert_eq!(b.take(a).last().unwrap(), &[4, 0x05, 4, 0, 0x40, 0, 0x08]);
    let (mut b, a, c) = Bench::linked();
    b.air.drop_links(a, b.now);
    assert_eq!((b.take(a).len(), b.take(c).len()), (1, 1));
}

#[test]
fn refused_connections_fail_to_be_established() {
    let mut b = Bench::new();
    let (central, peripheral) = (b.host(1), b.host(2));
    b.advertise(peripheral);
    b.air.faults(peripheral).unwrap().refused_connections = 1;
    b.connect(central, 2);
    let packets = b.take(central);
    assert_eq!(packets[0][3..5], [0x0A, 0]);
    assert_eq!(packets[1], [4, 0x05, 4, 0, 0x40, 0, 0x3E]);
    assert!(b.take(peripheral).is_empty());
    b.connect(central, 2);
    assert_eq!(
        subevents(&b.take(peripheral)),
        [0x0A, 0x07],
        "the next one works"
    );
}

#[test]
fn delayed_packets_come_later_and_in_order() {
    let (mut b, a, c) = Bench::linked();
    b.air.faults(c).unwrap().delay = 50 * MS;
    b.acl(a, 0, &[1]);
    b.air.faults(c).unwrap().delay = Duration::ZERO;
    b.acl(a, 0, &[2]);
    assert!(b.take(c).is_empty());
    assert_eq!(b.air.next_deadline(), Some(b.now + 50 * MS));
    b.wait(50 * MS);
    let arrived: Vec<_> = b.take(c).iter().map(|p| p[5]).collect();
    assert_eq!(arrived, [1, 2]);
}

#[test]
fn a_peripheral_asks_for_other_connection_parameters() {
    let (mut b, a, c) = Bench::linked();
    let wanted = [0x40, 0, 0x06, 0, 0x0C, 0, 0, 0, 0x64, 0];
    b.send(c, 0x2013, &[&wanted[..], &[0; 4]].concat());
    assert_eq!(b.take(c), [[4, 0x0F, 4, 0, 1, 0x13, 0x20]]);
    assert_eq!(b.take(a), [[&[4, 0x3E, 11, 6], &wanted[..]].concat()]);
    b.ok(a, 0x2020, &[&wanted[..], &[0; 4]].concat());
    let updated = [4, 0x3E, 10, 3, 0, 0x40, 0, 0x0C, 0, 0, 0, 0x64, 0];
    assert_eq!(b.take(c), [updated]);
    // A central whose host does not take the event refuses.
    b.ok(a, 0x2001, &[0x1F, 0, 0, 0, 0, 0, 0, 0]);
    b.send(c, 0x2013, &[&wanted[..], &[0; 4]].concat());
    assert_eq!(b.take(c)[1][4], 0x1A, "Unsupported Remote Feature");
}
