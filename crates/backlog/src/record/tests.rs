use super::*;
use std::vec::Vec;

type Owned = (u64, Vec<u8>, Vec<u8>);

fn round(head: Head, samples: &[Owned]) -> (usize, usize) {
    let mut writer = Writer::new(head).unwrap();
    let fit = samples.iter().take_while(|(uptime_ms, body, tail)| {
        writer.push(&Entry {
            uptime_ms: *uptime_ms,
            body,
            tail,
        })
    });
    let fit = fit.count();
    let record = Record::parse(writer.bytes()).unwrap();
    assert_eq!((record.head(), usize::from(record.samples())), (head, fit));
    let mut back = Vec::new();
    assert!(record.each(|entry| back.push((
        entry.uptime_ms,
        entry.body.to_vec(),
        entry.tail.to_vec()
    ))));
    assert_eq!(back, samples[..fit]);
    (fit, writer.bytes().len())
}

const CALENDAR_HEAD: Head = Head {
    time: Time::Calendar {
        boot_unix_ms: 1_767_225_600_123,
    },
    series: 0xbeef,
    body: 3,
};

/// Numbers that look like none (xorshift).
fn noise(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn samples_come_out_as_they_went_in_whatever_their_times_and_bodies() {
    let mut seed = 42;
    for round_number in 0..2_000 {
        let body = (noise(&mut seed) % 49) as u8;
        let life = Time::Life {
            life: noise(&mut seed) as u32,
            run: noise(&mut seed) as u32,
            boot_ms: noise(&mut seed),
        };
        let head = Head {
            time: [CALENDAR_HEAD.time, life][round_number % 2],
            series: noise(&mut seed) as u16,
            body,
        };
        let samples: Vec<Owned> = (0..40)
            .map(|_| {
                // Also backwards, and as far as it goes.
                let shift = 16 + noise(&mut seed) % 48;
                let mut bytes = |n: u64| (0..n).map(|_| noise(&mut seed) as u8 & 3).collect();
                let tail = bytes(33 * u64::from(shift == 20));
                let body = bytes(body.into());
                (noise(&mut seed) >> shift, body, tail)
            })
            .map(|(ms, body, tail): Owned| (ms, body, tail[..tail.len().min(32)].to_vec()))
            .collect();
        let (fit, bytes) = round(head, &samples);
        assert!(fit >= 8 && bytes <= MOST_BYTES, "{fit} in {bytes}");
    }
}

#[test]
fn what_does_not_fit_leaves_the_record_as_it_was() {
    let mut writer = Writer::new(CALENDAR_HEAD).unwrap();
    let entry = |body, tail| Entry {
        uptime_ms: 5,
        body,
        tail,
    };
    assert!(writer.push(&entry(&[1, 2, 3], &[])));
    let before = writer.bytes().to_vec();
    assert!(!writer.push(&entry(&[1, 2], &[])), "another length");
    assert!(!writer.push(&entry(&[1, 2, 3], &[0; 33])), "a long tail");
    assert_eq!(writer.bytes(), before);
    for number in 1.. {
        let taken = writer.push(&entry(&[1, 2, 3], &[9; 32]));
        assert_eq!(writer.samples() == number + 1, taken);
        if !taken {
            break;
        }
    }
    assert!(writer.bytes().len() <= MOST_BYTES);
    assert!(
        Writer::new(Head {
            body: 49,
            ..CALENDAR_HEAD
        })
        .is_none()
    );
}

#[test]
fn any_bytes_are_read_without_end_or_panic() {
    let mut writer = Writer::new(CALENDAR_HEAD).unwrap();
    for second in 0..10 {
        let tail: &[u8] = if second == 3 { &[1, 2] } else { &[] };
        let body = [second as u8, 0, 1];
        let uptime_ms = second * 1_001 % 7_000;
        assert!(writer.push(&Entry {
            uptime_ms,
            body: &body,
            tail
        }));
    }
    let good = writer.bytes().to_vec();
    let read = |bytes: &[u8]| {
        let mut samples = 0;
        let whole = Record::parse(bytes).map(|record| record.each(|_| samples += 1));
        assert!(samples <= MOST_SAMPLES);
        whole
    };
    for end in 0..good.len() {
        assert_ne!(
            read(&good[..end]),
            Some(true),
            "{end} bytes of {}",
            good.len()
        );
    }
    let mut seed = 7;
    for _ in 0..20_000 {
        let mut bad = good.clone();
        let at = noise(&mut seed) as usize % bad.len();
        bad[at] = noise(&mut seed) as u8;
        read(&bad);
    }
}
