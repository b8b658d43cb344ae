extern crate std;

use alloc::string::ToString;
use core::convert::Infallible;
use std::vec;

use rand_core::{TryCryptoRng, TryRng};

use super::*;

/// Made by others' HMAC and AES-GCM: `vectors/make.py`.
const VECTOR: &str = include_str!("../vectors/vector.txt");
const CONTENTS: &[u8] = b"-----BEGIN PRIVATE KEY-----\nno key\n-----END PRIVATE KEY-----\n";

fn vector() -> Vec<u8> {
    let digits = VECTOR.trim().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn key() -> Key {
    Key::new(Block(3), core::array::from_fn(|i| 0x40 + i as u8))
}

/// Counts.
struct Counter(u8);

impl TryRng for Counter {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("bytes are asked for")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("bytes are asked for")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

#[test]
fn what_others_sealed_is_opened_and_sealed_alike() {
    let file = vector();
    let sealed = Sealed::parse(&file).unwrap();
    assert_eq!(sealed.block(), Block(3));
    assert_eq!(sealed.open(&key()).unwrap().as_slice(), CONTENTS);
    let chance = core::array::from_fn(|i| match i as u8 {
        i @ 0..16 => 0xA0 + i,
        i => 0xC0 + i - 16,
    });
    assert_eq!(seal_with(CONTENTS, Block(3), &key(), chance).unwrap(), file);
}

#[test]
fn what_is_sealed_is_opened_by_this_chip_alone() {
    let random = &mut Counter(7);
    let key = Key::random(Block(5), random);
    for length in [0, 1, 32, 227, 3272, MOST] {
        let contents = vec![0x5A; length];
        let file = seal(&contents, Block(5), &key, random).unwrap();
        assert_eq!(file.len(), length + OVERHEAD);
        let again = seal(&contents, Block(5), &key, random).unwrap();
        assert_ne!(file, again);
        let sealed = Sealed::parse(&file).unwrap();
        assert_eq!(sealed.open(&key).unwrap().as_slice(), contents);
        let open = |chip: &Key| sealed.open(chip).map(|_| ()).unwrap_err();
        assert_eq!(open(&Key::random(Block(5), random)), Fault::Another);
        let elsewhere = Key::new(Block(4), *key.expose());
        assert_eq!(open(&elsewhere), Fault::NoKey(Block(5)));
    }
    let none = seal(b"", Block(4), &key, random).unwrap_err();
    assert_eq!(none, Fault::NoKey(Block(4)));
    assert_eq!(none.to_string(), "the chip has no key in BLOCK_KEY4");
    let large = vec![0; MOST + 1];
    let large = seal(&large, Block(5), &key, random).unwrap_err();
    assert_eq!(large, Fault::TooLarge);
}

#[test]
fn nothing_of_a_file_can_be_changed() {
    let file = vector();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let opened = Sealed::parse(&changed).and_then(|sealed| sealed.open(&key()));
            let fault = opened.map(|_| ()).unwrap_err();
            let expected = match at {
                0..8 => fault == Fault::NotSealed,
                8 => matches!(fault, Fault::Version(_)),
                9 => matches!(fault, Fault::NoKey(_) | Fault::Damaged),
                10..12 => fault == Fault::Damaged,
                _ => fault == Fault::Another,
            };
            assert!(expected, "bit {bit} of byte {at}: {fault}");
        }
    }
}

#[test]
fn what_is_cut_or_longer_is_damaged() {
    let file = vector();
    for end in 0..file.len() {
        let fault = Sealed::parse(&file[..end]).map(|_| ()).unwrap_err();
        let expected = if end < MAGIC.len() {
            Fault::NotSealed
        } else {
            Fault::Damaged
        };
        assert_eq!(fault, expected, "{end}");
    }
    let mut longer = file.clone();
    longer.extend(b"rest");
    assert_eq!(
        Sealed::parse(&longer).map(|_| ()).unwrap_err(),
        Fault::Damaged
    );
    let (sealed, rest) = Sealed::first(&longer).unwrap();
    assert_eq!(sealed.open(&key()).unwrap().as_slice(), CONTENTS);
    assert_eq!(rest, b"rest");
}

#[test]
fn a_later_form_is_named() {
    let mut file = vector();
    file[8] = 2;
    let fault = Sealed::parse(&file).map(|_| ()).unwrap_err();
    assert_eq!(fault.to_string(), "of form 2, where esptb-seal/1 is known");
}
