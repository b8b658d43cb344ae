//! Products against those of the crate `p256`, which shares no code with this one.

use std::time::Instant;

use p256::elliptic_curve::group::GroupEncoding as _;
use p256::elliptic_curve::{PrimeField as _, sec1::ToSec1Point as _};
use p256::{AffinePoint, FieldBytes, ProjectivePoint};

use super::*;

/// How many products of each kind, where the suite's number is not enough.
const COMPARISONS: &str = "SECP256R1_COMPARISONS";

fn theirs(scalar: &[u8; 32], point: &ProjectivePoint) -> Coordinates {
    let scalar = p256::Scalar::from_repr(FieldBytes::from(*scalar)).unwrap();
    coordinates(&(*point * scalar))
}

fn coordinates(point: &ProjectivePoint) -> Coordinates {
    let point = point.to_affine().to_sec1_point(false);
    Coordinates {
        x: (*point.x().unwrap()).into(),
        y: (*point.y().unwrap()).into(),
    }
}

/// Scalars of which an implementation may get one wrong: at the ends, powers of 2 and next to them, long
/// runs of the same bit, and words at their ends.
fn edges() -> alloc::vec::Vec<Words> {
    let mut edges = alloc::vec::Vec::new();
    for bit in 0..256 {
        let power = with([0; 8], bit, true);
        edges.extend([power, with(power, 0, false), with(power, 0, true)]);
        edges.push(words::subtract(&power, &[35, 0, 0, 0, 0, 0, 0, 0]).0);
        for short in (0..bit).step_by(13) {
            edges.push(with(power, short, false));
        }
    }
    for small in 1..100 {
        edges.push([small, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut random = Random(1);
    for _ in 0..500 {
        edges.push(core::array::from_fn(|_| {
            let word = random.word();
            [0, 1, u32::MAX - 1, u32::MAX]
                .get(word as usize % 6)
                .copied()
                .unwrap_or(word)
        }));
    }
    for i in 0..edges.len() {
        edges.push(words::subtract(&ORDER, &edges[i]).0);
    }
    edges.retain(|words| Scalar::new(&to_bytes(words)).is_some());
    edges
}

/// x = 0, and the smallest x that the curve has besides, each with both y; and the base point.
fn points() -> alloc::vec::Vec<ProjectivePoint> {
    let mut points = alloc::vec![ProjectivePoint::GENERATOR];
    for x in [0, 5] {
        let mut compressed = [0; 33];
        compressed[32] = x;
        for sign in [2, 3] {
            compressed[0] = sign;
            let point = AffinePoint::from_bytes(&compressed.into()).unwrap();
            points.push(point.into());
        }
    }
    points
}

#[test]
fn at_the_ends() {
    let edges = edges();
    assert!(edges.len() > 5_000, "{}", edges.len());
    let points = points();
    for (i, scalar) in edges.iter().enumerate() {
        let bytes = to_bytes(scalar);
        let expected = theirs(&bytes, &ProjectivePoint::GENERATOR);
        assert_eq!(times_base(scalar), expected, "{scalar:x?}");
        let point = &points[i % points.len()];
        let found = times(scalar, &coordinates(point));
        assert_eq!(found, theirs(&bytes, point), "{scalar:x?}");
    }
}

#[test]
fn at_random() {
    let count = std::env::var(COMPARISONS).map_or(1_000, |count| count.parse().unwrap());
    let start = Instant::now();
    let mut random = Random(2);
    let mut point = ProjectivePoint::GENERATOR;
    for _ in 0..count {
        let scalar = loop {
            let words = random.words();
            if Scalar::new(&to_bytes(&words)).is_some() {
                break words;
            }
        };
        let bytes = to_bytes(&scalar);
        let expected = theirs(&bytes, &ProjectivePoint::GENERATOR);
        assert_eq!(times_base(&scalar), expected, "{scalar:x?}");
        // Each point comes of the last one.
        let next = theirs(&bytes, &point);
        let at = coordinates(&point);
        let found = times(&scalar, &at);
        assert_eq!(found, next, "{scalar:x?} {:x?} {:x?}", at.x, at.y);
        point = ProjectivePoint::from(AffinePoint::from_bytes(&compressed(&next).into()).unwrap());
    }
    std::println!("{count} of each kind in {:?}", start.elapsed());
}

fn compressed(point: &Coordinates) -> [u8; 33] {
    let mut bytes = [0; 33];
    bytes[0] = 2 | (point.y[31] & 1);
    bytes[1..].copy_from_slice(&point.x);
    bytes
}
