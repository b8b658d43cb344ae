//! Packages that the crate `p256` signed, which shares no code with whoever signs and verifies else.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::image::testing::head;

struct P256;

impl Verifier for P256 {
    fn is_signed(&self, key: &PublicKey, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let mut point = [4; 65];
        point[1..].copy_from_slice(key.point());
        let Ok(key) = VerifyingKey::from_sec1_bytes(&point) else {
            return false;
        };
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
    }
}

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn public(key: &SigningKey) -> PublicKey {
    let point = key.verifying_key().to_sec1_point(false);
    PublicKey::new(point.as_bytes()[1..].try_into().unwrap())
}

fn image(len: usize) -> Vec<u8> {
    let mut image = head("esptb", "1.2.3").to_vec();
    image.extend((HEAD_LEN..len).map(|at| at as u8));
    image
}

fn package(image: &[u8], key: &SigningKey) -> Vec<u8> {
    let mut package = image.to_vec();
    package.extend(signed_part(image.len() as u32, public(key).id()));
    let signature: Signature = key.sign(&package);
    package.extend(signature.to_bytes());
    package
}

fn read(package: &[u8], pieces: usize, algorithm: Algorithm) -> Result<Read, Refusal> {
    let mut reader = Reader::new(package.len() as u32, algorithm)?;
    package.chunks(pieces).for_each(|piece| reader.take(piece));
    reader.finish()
}

fn prove(bytes: &[u8], keys: &[PublicKey]) -> Result<Package, Refusal> {
    read(bytes, 1000, Algorithm::Sha256)?.prove(None, keys, &P256)
}

#[test]
fn a_package_is_read_in_pieces_of_any_size() {
    let key = signing_key(1);
    for len in [HEAD_LEN, 1000, 1024] {
        let package = package(&image(len), &key);
        for pieces in [1, 7, 95, 96, 97, 288, 4096] {
            let read = read(&package, pieces, Algorithm::Sha256).unwrap();
            let sum = Checksum::parse(Algorithm::Sha256, &hex(&Sha256::digest(&package)));
            assert_eq!(Some(read.checksum()), sum.as_ref());
            let proven = read.prove(sum.as_ref(), &[public(&key)], &P256).unwrap();
            assert_eq!(proven.head().version.as_str(), "1.2.3");
            assert_eq!(proven.len() as usize, package.len());
        }
    }
}

#[test]
fn a_package_with_any_bit_changed_is_not_believed() {
    let key = signing_key(1);
    let package = package(&image(400), &key);
    assert!(prove(&package, &[public(&key)]).is_ok());
    for bit in 0..package.len() * 8 {
        let mut changed = package.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(prove(&changed, &[public(&key)]).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_wrong_with_a_package_is_told() {
    let (key, other) = (signing_key(1), signing_key(2));
    let keys = [public(&key)];
    let image = image(1000);
    let good = package(&image, &key);
    assert_eq!(
        prove(&package(&image, &other), &keys),
        Err(Refusal::UnknownKey(public(&other).id()))
    );
    // The next key is known before it is needed.
    assert!(prove(&package(&image, &other), &[public(&key), public(&other)]).is_ok());
    assert_eq!(prove(&image, &keys), Err(Refusal::NotSigned));
    assert_eq!(prove(&[0x5A; 1000], &keys), Err(Refusal::NotAnApp));
    assert_eq!(prove(&[], &keys), Err(Refusal::NotAnApp));
    let mut longer = good.clone();
    longer.insert(500, 0);
    assert_eq!(prove(&longer, &keys), Err(Refusal::OtherLength));
    let mut format = good.clone();
    format[1008] = 2;
    assert_eq!(prove(&format, &keys), Err(Refusal::OtherFormat(2)));
    let mut changed = good.clone();
    changed[500] ^= 1;
    assert_eq!(prove(&changed, &keys), Err(Refusal::WrongSignature));
    // One key's package that says it is of the other.
    let mut claimed = package(&image, &other);
    claimed[1016..1024].copy_from_slice(&public(&key).id().0);
    assert_eq!(prove(&claimed, &keys), Err(Refusal::WrongSignature));
    // A key that is no point signs nothing.
    let nowhere = PublicKey::new([1; 64]);
    let mut claimed = good.clone();
    claimed[1016..1024].copy_from_slice(&nowhere.id().0);
    assert_eq!(prove(&claimed, &[nowhere]), Err(Refusal::WrongSignature));
}

#[test]
fn the_servers_checksum_comes_before_the_signature() {
    let key = signing_key(1);
    let mut package = package(&image(1000), &key);
    let sums = [
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Crc32,
    ]
    .map(|algorithm| *read(&package, 333, algorithm).unwrap().checksum());
    package[900] ^= 1;
    for sum in sums {
        let read = read(&package, 333, sum.algorithm()).unwrap();
        let told = read.prove(Some(&sum), &[public(&key)], &P256);
        assert_eq!(told, Err(Refusal::Damaged(sum.algorithm())));
    }
}

#[test]
fn too_little_and_too_much_of_a_package_are_noticed() {
    let package = package(&image(1000), &signing_key(1));
    let len = package.len() as u32;
    let mut reader = Reader::new(len, Algorithm::Crc32).unwrap();
    reader.take(&package[..1000]);
    assert_eq!(
        reader.clone().finish().map(|_| ()),
        Err(Refusal::CutShort { has: 1000, len })
    );
    reader.take(&package[1000..]);
    reader.take(b"and more");
    assert!(reader.finish().is_ok());
}

fn hex(bytes: &[u8]) -> std::string::String {
    bytes
        .iter()
        .map(|byte| std::format!("{byte:02x}"))
        .collect()
}

#[test]
fn refusals_say_what_to_do() {
    let key = signing_key(1);
    let told = Refusal::UnknownKey(public(&key).id()).to_string();
    assert!(told.contains(&public(&key).id().to_string()), "{told}");
}
