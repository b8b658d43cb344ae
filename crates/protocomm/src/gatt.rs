//! How a provisioning service looks over Bluetooth Low Energy: names, UUIDs, advertising.
//!
//! Facts only; the GATT server and the central are the transport's.
//!
//! One primary service. Every endpoint is one characteristic of it, readable and writable, whose
//! UUID is the service's with bits 96 to 111 (the second group's low half, where a 16-bit UUID
//! sits) replaced by the endpoint's number. A characteristic user description (0x2901) holds the
//! endpoint's name, and clients find endpoints by it.
//!
//! | endpoint | number |
//! |---|---|
//! | `prov-ctrl` | 0xFF4F |
//! | `prov-scan` | 0xFF50 |
//! | `prov-session` | 0xFF51 |
//! | `prov-config` | 0xFF52 |
//! | `proto-ver` | 0xFF53 |
//! | first custom endpoint, and so on | 0xFF54 … |
//!
//! A client writes the request (with response, as a long write where it exceeds the MTU) and then
//! reads the reply from the same characteristic (as a long read likewise). Reading before any
//! write gives an empty value, and an empty write is accepted and does nothing.
//!
//! The advertisement holds the flags 0x06 and the complete list of 128-bit service UUIDs; the scan
//! response holds the complete local name and, if the application wants it, manufacturer data.
//! The interval is 160 ms.
//!
//! # On another stack
//!
//! `crates/device/src/provisioning/gatt.rs` of this repository is a server on trouble-host. On any
//! other stack, see to these:
//!
//! - Every characteristic has both properties, Read and Write: iOS refuses a service in which one has
//!   not. Its description (0x2901) is readable without encryption, and so is all else: pairing is
//!   never demanded, for iOS fails where it is, and bonded Android phones cannot reconnect.
//! - UUIDs here are numbers. Stacks want their bytes from the least significant one on:
//!   `to_le_bytes`.
//! - Requests come as long writes wherever they exceed the MTU: take prepared writes of at least 420
//!   bytes (the first message of security 2), put them together, and give the whole to
//!   [`Device::handle`](crate::device::Device::handle) when they are executed.
//! - Give `handle` a response buffer of [`MAX_VALUE_LEN`]: what is longer cannot be read. Scan results
//!   then come in pages that fit.
//! - Keep the reply of each connection and characteristic, and answer Read and Read Blob from it by
//!   their offset. Tell [`Device::reply_read`](crate::device::Device::reply_read) when its end was
//!   read.
//! - A refusal is an error response to the write, with the code of
//!   [`Refusal::att_error`](crate::refusal::Refusal::att_error).
//! - Where a write is answered by what a callback returns, the callback waits as long as the reply
//!   does: see [`Outcome::Pending`](crate::device::Outcome::Pending).
//! - Flags and service UUID go into the advertisement, the name into the scan response: one packet has
//!   31 bytes and no room for all.
//! - When a connection ends, tell [`Device::disconnected`](crate::device::Device::disconnected), and
//!   advertise again at once.
//! - Do not change handles from one firmware to the next, unless the stack has Service Changed: iOS
//!   keeps those that it has found at an address.
//!
//! Source: ESP-IDF v5.4.1 (4c2820d), `components/protocomm/src/transports/protocomm_nimble.c`,
//! `components/wifi_provisioning/src/{manager,scheme_ble}.c`,
//! `examples/provisioning/wifi_prov_mgr/main/app_main.c`.

use core::time::Duration;

use heapless::String;

use crate::endpoint::Endpoint;

/// The default service UUID, 1775244d-6b43-439b-877c-060f2d9bed07.
pub const SERVICE_UUID: u128 = 0x1775244d_6b43_439b_877c_060f2d9bed07;

/// The 16-bit UUID of the descriptor that holds an endpoint's name: the characteristic user
/// description.
pub const NAME_DESCRIPTOR_UUID: u16 = 0x2901;

/// The number of the first endpoint.
const FIRST_ENDPOINT: u16 = 0xFF4F;

/// The longest attribute value that Bluetooth allows (Core Specification 5.4, vol. 3, part F,
/// 3.2.9), in bytes.
pub const MAX_VALUE_LEN: usize = 512;

/// The longest local name that fits a scan response of its own, in bytes.
pub const MAX_NAME_LEN: usize = 29;

/// The advertising flags: general discoverable, no BR/EDR.
pub const ADVERTISING_FLAGS: u8 = 0x06;

/// The advertising interval, 0x100 units of 0.625 ms.
pub const ADVERTISING_INTERVAL: Duration = Duration::from_millis(160);

/// The name prefix that Espressif's phone apps look for.
pub const DEFAULT_NAME_PREFIX: &str = "PROV_";

/// The number that stands for `endpoint` in its characteristic's UUID.
pub const fn endpoint_number(endpoint: Endpoint) -> u16 {
    match endpoint {
        Endpoint::Control => FIRST_ENDPOINT,
        Endpoint::Scan => FIRST_ENDPOINT + 1,
        Endpoint::Session => FIRST_ENDPOINT + 2,
        Endpoint::Config => FIRST_ENDPOINT + 3,
        Endpoint::Version => FIRST_ENDPOINT + 4,
        // 0xFF54 + 255 overflows; nobody has 172 custom endpoints, and wrapping keeps it total.
        Endpoint::Custom(index) => FIRST_ENDPOINT.wrapping_add(5 + index as u16),
    }
}

/// The UUID of the characteristic of `endpoint` under the service `service`.
pub const fn characteristic_uuid(service: u128, endpoint: Endpoint) -> u128 {
    const NUMBER_SHIFT: u32 = 96;
    const NUMBER_MASK: u128 = 0xFFFF << NUMBER_SHIFT;
    (service & !NUMBER_MASK) | ((endpoint_number(endpoint) as u128) << NUMBER_SHIFT)
}

/// The device's name: `prefix` and the last three bytes of the station's MAC address in capital
/// hex, as `PROV_1A2B3C`. A prefix longer than 23 bytes is cut (at a character's boundary).
pub fn device_name(prefix: &str, station_mac: &[u8; 6]) -> String<MAX_NAME_LEN> {
    const SUFFIX_LEN: usize = 6;
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

    let mut name = String::new();
    for c in prefix.chars() {
        if name.len() + c.len_utf8() > MAX_NAME_LEN - SUFFIX_LEN || name.push(c).is_err() {
            break;
        }
    }
    let [_, _, _, tail @ ..] = station_mac;
    for nibble in tail.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]) {
        // Room was left for the six digits above.
        let _ = name.push(char::from(DIGITS[usize::from(nibble)]));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characteristics_replace_the_16_bit_part() {
        assert_eq!(
            characteristic_uuid(SERVICE_UUID, Endpoint::Control),
            0x1775ff4f_6b43_439b_877c_060f2d9bed07
        );
        assert_eq!(
            characteristic_uuid(SERVICE_UUID, Endpoint::Version),
            0x1775ff53_6b43_439b_877c_060f2d9bed07
        );
        assert_eq!(
            characteristic_uuid(SERVICE_UUID, Endpoint::Custom(0)),
            0x1775ff54_6b43_439b_877c_060f2d9bed07
        );
    }

    #[test]
    fn the_name_ends_with_the_mac() {
        let mac = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, 0x0c];
        assert_eq!(device_name(DEFAULT_NAME_PREFIX, &mac), "PROV_1A2B0C");
        assert_eq!(
            device_name("a prefix of more than 23 bytes", &mac),
            "a prefix of more than 21A2B0C"
        );
        assert!(device_name("ééééééééééééééé", &mac).ends_with("é1A2B0C"));
    }
}
