use core::ptr;

use mbedtls_rs_sys as sys;
use mbedtls_rs_sys::hook::ecp::{MbedtlsEcpMul, ecp_mul_soft};
use rand_core::TryRng;

use super::field::{subtract_words, words};
use super::hook::{BASE, Curve};
use super::*;
use crate::mbedtls::Owned;
use crate::tls::tests::{Counter, alone};

fn bytes(hex: &str) -> [u8; 32] {
    core::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

fn point(x: &str, y: &str) -> Coordinates {
    Coordinates {
        x: bytes(x),
        y: bytes(y),
    }
}

fn random(counter: &mut Counter) -> [u8; 32] {
    let mut bytes = [0; 32];
    counter.try_fill_bytes(&mut bytes).unwrap();
    bytes
}

/// Below p, since below 2^255.
fn element(counter: &mut Counter) -> Element {
    let mut bytes = random(counter);
    bytes[0] &= 0x7f;
    Element::from_bytes(&bytes).unwrap()
}

fn small(scalar: u32) -> [u32; 8] {
    [scalar, 0, 0, 0, 0, 0, 0, 0]
}

/// With a blind that shows where it is forgotten.
fn times(scalar: &[u32; 8], point: &Coordinates) -> Coordinates {
    let point = Affine::of(point).unwrap();
    multiply(scalar, &point, &Element::ONE.double()).unwrap()
}

fn times_base(scalar: &[u32; 8]) -> Coordinates {
    multiply_base(scalar, &Element::ONE.double()).unwrap()
}

/// RFC 5903, 8.1: two keys, and what they agree upon; and the point of RFC 6979, A.2.5, SHA-256,
/// "sample", whose x is the signature's r.
#[test]
fn keys_of_the_rfcs() {
    let i = words(&bytes(
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
    ));
    let gi = point(
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180",
        "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
    );
    let r = words(&bytes(
        "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
    ));
    let gr = point(
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63",
        "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
    );
    let shared = bytes("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    for product in [times_base(&i), times(&i, &BASE)] {
        assert_eq!(product, gi);
    }
    for product in [times_base(&r), times(&r, &BASE)] {
        assert_eq!(product, gr);
    }
    assert_eq!(times(&i, &gr).x, shared);
    assert_eq!(times(&r, &gi).x, shared);
    let k = bytes("a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60");
    let r = bytes("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    assert_eq!(times_base(&words(&k)).x, r);
}

#[test]
fn the_table_has_what_it_says() {
    // 2^bit, added or subtracted.
    fn with(sum: [u32; 8], bit: usize, add: bool) -> [u32; 8] {
        let mut power = [0; 8];
        power[bit / 32] = 1 << (bit % 32);
        if add {
            power = subtract_words(&[0; 8], &power).0;
        }
        subtract_words(&sum, &power).0
    }
    for (row, entries) in table::BASE.iter().enumerate() {
        for (i, entry) in entries.iter().enumerate() {
            let top = with([0; 8], 208 + 26 * row, true);
            let scalar = (0..4).fold(top, |sum, j| with(sum, 52 * j + 26 * row, i >> j & 1 == 1));
            let expected = times(&scalar, &BASE);
            let found = Coordinates {
                x: entry.x.to_bytes(),
                y: entry.y.to_bytes(),
            };
            assert_eq!(found, expected, "row {row}, entry {i}");
        }
    }
}

#[test]
fn rules_of_arithmetic() {
    let minus_one = Element::ZERO.subtract(&Element::ONE);
    let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    assert!(Element::from_bytes(&bytes(p)).is_none());
    assert!(Element::from_bytes(&[0xff; 32]).is_none());
    assert_eq!(
        minus_one.to_bytes(),
        bytes("ffffffff00000001000000000000000000000000fffffffffffffffffffffffe")
    );
    assert!(Element::ZERO.invert().is_zero());
    let mut counter = Counter::default();
    let mut numbers = [Element::ZERO; 24];
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = match i {
            0 => Element::ZERO,
            1 => Element::ONE,
            2 => minus_one,
            3 => minus_one.double(),
            4 => Element::from_montgomery([1, 0, 0, 0, 0, 0, 0, 0]),
            5 => Element::ZERO.subtract(&Element::from_montgomery([1, 0, 0, 0, 0, 0, 0, 0])),
            _ => element(&mut counter),
        };
    }
    let same = |a: Element, b: Element| assert_eq!(a.to_bytes(), b.to_bytes());
    for a in &numbers {
        same(Element::from_bytes(&a.to_bytes()).unwrap(), *a);
        same(a.multiply(&Element::ONE), *a);
        same(a.square(), a.multiply(a));
        same(a.halve().double(), *a);
        if !a.is_zero() {
            same(a.multiply(&a.invert()), Element::ONE);
        }
        for b in &numbers {
            same(a.add(b), b.add(a));
            same(a.add(b).subtract(b), *a);
            same(a.multiply(b), b.multiply(a));
            for c in &numbers[..8] {
                same(a.add(b).multiply(c), a.multiply(c).add(&b.multiply(c)));
            }
        }
    }
}

/// MbedTLS's structures, filled.
struct Theirs {
    group: Owned<sys::mbedtls_ecp_group>,
    scalar: Owned<sys::mbedtls_mpi>,
    point: Owned<sys::mbedtls_ecp_point>,
    result: Owned<sys::mbedtls_ecp_point>,
}

#[allow(unsafe_code)]
impl Theirs {
    fn new(scalar: &[u8], point: &Coordinates) -> Self {
        let mut theirs = Self {
            group: Owned::new(),
            scalar: Owned::new(),
            point: Owned::new(),
            result: Owned::new(),
        };
        let id = sys::mbedtls_ecp_group_id_MBEDTLS_ECP_DP_SECP256R1;
        let at = theirs.point.as_mut_ptr();
        // SAFETY: the structures are initialised; the bytes are readable for their length.
        let results = unsafe {
            let read = sys::mbedtls_mpi_read_binary;
            [
                sys::mbedtls_ecp_group_load(theirs.group.as_mut_ptr(), id),
                read(theirs.scalar.as_mut_ptr(), scalar.as_ptr(), scalar.len()),
                read(&raw mut (*at).private_X, point.x.as_ptr(), 32),
                read(&raw mut (*at).private_Y, point.y.as_ptr(), 32),
                sys::mbedtls_mpi_lset(&raw mut (*at).private_Z, 1),
            ]
        };
        assert_eq!(results, [0; 5]);
        theirs
    }

    /// The product, ours or theirs, or the error's code.
    fn multiply(&mut self, ours: bool) -> Result<Coordinates, i32> {
        // SAFETY: the structures are initialised, and nothing else refers to them. Without
        // randomness there is no context for it; restarts are not built in.
        unsafe {
            let group = &mut *self.group.as_mut_ptr();
            let result = &mut *self.result.as_mut_ptr();
            let null = ptr::null_mut();
            let done = if ours {
                Curve.mul(
                    group,
                    result,
                    &self.scalar,
                    &self.point,
                    Some(noise),
                    null,
                    null.cast(),
                )
            } else {
                ecp_mul_soft(
                    group,
                    result,
                    &self.scalar,
                    &self.point,
                    Some(noise),
                    null,
                    null.cast(),
                )
            };
            done.map_err(|error| error.code())?;
            let mut found = Coordinates {
                x: [0; 32],
                y: [0; 32],
            };
            let write = sys::mbedtls_mpi_write_binary;
            assert_eq!(write(&result.private_X, found.x.as_mut_ptr(), 32), 0);
            assert_eq!(write(&result.private_Y, found.y.as_mut_ptr(), 32), 0);
            assert_eq!(sys::mbedtls_mpi_cmp_int(&result.private_Z, 1), 0);
            Ok(found)
        }
    }
}

/// Randomness for blinding, the same each time.
#[allow(unsafe_code)]
unsafe extern "C" fn noise(_: *mut core::ffi::c_void, out: *mut u8, length: usize) -> i32 {
    // SAFETY: MbedTLS passes memory that is writable for the length.
    unsafe { core::slice::from_raw_parts_mut(out, length) }.fill(0xa5);
    0
}

/// Both agree, on the product or on the error.
fn agreed(scalar: &[u8], point: &Coordinates) -> Result<Coordinates, i32> {
    let ours = Theirs::new(scalar, point).multiply(true);
    assert_eq!(
        ours,
        Theirs::new(scalar, point).multiply(false),
        "{scalar:x?}"
    );
    ours
}

const ORDER_BYTES: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

#[test]
fn the_same_as_mbedtls() {
    let _alone = alone();
    let mut counter = Counter::default();
    let mut point = BASE;
    for _ in 0..20 {
        let mut scalar = random(&mut counter);
        scalar[0] &= 0x7f;
        assert!(agreed(&scalar, &BASE).is_ok());
        point = agreed(&scalar, &point).unwrap();
        assert_eq!(times(&words(&scalar), &BASE), times_base(&words(&scalar)));
    }
    // Scalars at the ends, and those next to where the windows end.
    for small in [
        1, 2, 3, 4, 15, 16, 17, 30, 31, 32, 33, 34, 35, 62, 63, 64, 65, 1023, 1025,
    ] {
        let mut scalar = [0; 32];
        scalar[30..].copy_from_slice(&u16::to_be_bytes(small));
        let mut opposite = bytes(ORDER_BYTES);
        let low = u16::from_be_bytes([opposite[30], opposite[31]]);
        opposite[30..].copy_from_slice(&(low - small).to_be_bytes());
        for point in [&BASE, &point] {
            let product = agreed(&scalar, point).unwrap();
            let negative = agreed(&opposite, point).unwrap();
            assert_eq!(product.x, negative.x);
            assert_ne!(product.y, negative.y);
        }
    }
    for bit in 0..255 {
        let mut scalar = [0; 32];
        scalar[31 - bit / 8] = 1 << (bit % 8);
        assert_eq!(times(&words(&scalar), &BASE), times_base(&words(&scalar)));
    }
    assert_eq!(times(&small(1), &point), point);
}

/// Every digit in every window: any point's product against the base point's, which has no windows.
#[test]
fn all_digits_of_all_windows() {
    let mut counter = Counter::default();
    let mut rest = words(&random(&mut counter));
    rest[7] &= 0x7fff_ffff;
    for window in 0..51 {
        for digit in 0..32 {
            for odd in [0, 1] {
                let mut scalar = rest;
                // The signs of a window are the bits above its lowest.
                for bit in 0..5 {
                    let at = 5 * window + 1 + bit;
                    if at < 255 {
                        scalar[at / 32] &= !(1 << (at % 32));
                        scalar[at / 32] |= (digit >> bit & 1) << (at % 32);
                    }
                }
                scalar[0] = scalar[0] & !1 | odd;
                let expected = times_base(&scalar);
                assert_eq!(times(&scalar, &BASE), expected, "{window} {digit}");
            }
        }
    }
}

/// x = 0, and the smallest x that the curve has besides; each with both y.
#[test]
fn points_with_small_coordinates() {
    let _alone = alone();
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let five = "0000000000000000000000000000000000000000000000000000000000000005";
    let points = [
        point(
            zero,
            "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
        ),
        point(
            five,
            "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc",
        ),
    ];
    let p = words(&bytes(
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    ));
    let mut counter = Counter::default();
    for at in points {
        let opposite = subtract_words(&p, &words(&at.y)).0;
        let mut y = [0; 32];
        for (bytes, word) in y.chunks_exact_mut(4).zip(opposite.iter().rev()) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        for at in [at, Coordinates { y, ..at }] {
            for _ in 0..4 {
                let mut scalar = random(&mut counter);
                scalar[0] &= 0x7f;
                agreed(&scalar, &at).unwrap();
            }
            agreed(&[1], &at).unwrap();
            agreed(&[2], &at).unwrap();
        }
    }
}

#[test]
fn what_is_invalid_stays_so() {
    let _alone = alone();
    let mut seven = [0; 32];
    seven[31] = 7;
    // No scalars: 0, the order, and more.
    let mut above = bytes(ORDER_BYTES);
    above[31] += 1;
    for scalar in [[0; 32], bytes(ORDER_BYTES), above, [0xff; 32]] {
        agreed(&scalar, &BASE).unwrap_err();
    }
    agreed(&[1; 33], &BASE).unwrap_err();
    // No points: off the curve, coordinates that are not below p, and none.
    let mut off = BASE;
    off.y[31] ^= 1;
    let zero = Coordinates {
        x: [0; 32],
        y: [0; 32],
    };
    let mut beyond = BASE;
    beyond.x = [0xff; 32];
    for point in [off, zero, beyond] {
        agreed(&seven, &point).unwrap_err();
    }
    // x = 0 is on the curve, and its x and p is the same, but not below p.
    let at_zero = point(
        "0000000000000000000000000000000000000000000000000000000000000000",
        "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
    );
    agreed(&seven, &at_zero).unwrap();
    let p = bytes("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    agreed(&seven, &Coordinates { x: p, ..at_zero }).unwrap_err();
    // Infinity.
    let mut theirs = Theirs::new(&seven, &BASE);
    let at = theirs.point.as_mut_ptr();
    // SAFETY: the structure is initialised.
    #[allow(unsafe_code)]
    let set = unsafe { sys::mbedtls_ecp_set_zero(at) };
    assert_eq!(set, 0);
    theirs.multiply(true).unwrap_err();
}
