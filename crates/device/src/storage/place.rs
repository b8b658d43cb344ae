//! Where a network was, packed into one number of NVS, so that it takes one entry of flash.
//!
//! ```text
//! byte 0-5  address of the access point
//!        6  channel
//!        7  check of the network's name: of another network nothing is known
//! ```

use crate::wifi::{Bssid, Place, Ssid};

/// Packs.
pub(super) fn pack(place: Place, ssid: &Ssid) -> u64 {
    let [a, b, c, d, e, f] = place.bssid.0;
    u64::from_le_bytes([a, b, c, d, e, f, place.channel, check(ssid)])
}

/// Unpacks, if it is about the network of this name and makes sense.
pub(super) fn unpack(packed: u64, ssid: &Ssid) -> Option<Place> {
    let [a, b, c, d, e, f, channel, of] = packed.to_le_bytes();
    let sense = of == check(ssid) && (1..=14).contains(&channel);
    sense.then_some(Place {
        bssid: Bssid([a, b, c, d, e, f]),
        channel,
    })
}

/// One byte: of 256 networks that the device is moved to, one is looked for in vain, for a moment.
fn check(ssid: &Ssid) -> u8 {
    let bytes = ssid.as_bytes().iter();
    bytes.fold(0, |check: u8, byte| check.rotate_left(3) ^ byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_of_its_own_network_alone() {
        let ssid = |name: &[u8]| Ssid::new(name).unwrap();
        let place = Place {
            bssid: Bssid([0x24, 0x0a, 0xc4, 1, 2, 3]),
            channel: 13,
        };
        let packed = pack(place, &ssid(b"workshop"));
        assert_eq!(unpack(packed, &ssid(b"workshop")), Some(place));
        assert_eq!(unpack(packed, &ssid(b"workshap")), None);
        for channel in [0, 15, 255] {
            let nowhere = pack(Place { channel, ..place }, &ssid(b"workshop"));
            assert_eq!(unpack(nowhere, &ssid(b"workshop")), None);
        }
    }
}
