//! The hook against what it takes the place of: the same products, and the same errors.

use mbedtls_rs_sys as sys;
use rand_core::TryRng;

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

const BASE: Coordinates = Coordinates::BASE;

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
    let p = bytes("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let mut counter = Counter::default();
    for at in points {
        // p - y, byte by byte.
        let (mut y, mut borrow) = ([0; 32], 0);
        for i in (0..32).rev() {
            let difference = i16::from(p[i]) - i16::from(at.y[i]) - borrow;
            y[i] = difference as u8;
            borrow = i16::from(difference < 0);
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
