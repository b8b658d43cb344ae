//! The chip's HMAC, with the keys in its eFuses.
//!
//! As ESP-IDF drives it (v5.4.1, 4c2820d377d1: components/esp_hw_support/esp_hmac.c, `esp_hmac_calculate`): purpose
//! and block, the message, the result. It computes with the chip's SHA, which has to be clocked meanwhile; that
//! MbedTLS uses the SHA, too, does no harm, for each of its steps restores the state (esp-hal 1.2.2, `sha`), and none
//! is under way while this one computes: both wait for the end of what they asked for.

use core::cell::RefCell;

use esp_hal::hmac::{Hmac, HmacPurpose, KeyId};
use esp_hal::peripherals::{HMAC, Peripherals};
use esp_hal::sha::Sha;
use seal::{Block, Chip, Mac, Message};

/// The peripheral.
pub(crate) type Port = HMAC<'static>;

/// What seals and opens.
pub(crate) struct Sealer(RefCell<Port>);

const KEYS: [KeyId; 6] = [
    KeyId::Key0,
    KeyId::Key1,
    KeyId::Key2,
    KeyId::Key3,
    KeyId::Key4,
    KeyId::Key5,
];

/// Has the SHA clocked for good, before MbedTLS has it: its driver clocks it only while there is something to do.
pub(crate) fn prepare(peripherals: &mut Peripherals) {
    // The clock is counted by drivers, and this one never goes. It does nothing.
    core::mem::forget(Sha::new(peripherals.SHA.reborrow()));
}

impl Sealer {
    pub(crate) fn new(port: Port) -> Self {
        Self(RefCell::new(port))
    }
}

impl Chip for Sealer {
    fn hmac(&self, block: Block, message: &Message) -> Option<Mac> {
        let key = *KEYS.get(usize::from(block.number()))?;
        let mut port = self.0.borrow_mut();
        // Reset, and clocked until the end of this.
        let mut hmac = Hmac::new(port.reborrow());
        hmac.init();
        // Refused where the block has another purpose, or none.
        hmac.configure(HmacPurpose::ToUser, key).ok()?;
        let mut rest = &message[..];
        while !rest.is_empty() {
            // Busy, or what did not go in yet.
            rest = hmac.update(rest).unwrap_or(rest);
        }
        let mut mac = Mac([0; 32]);
        while hmac.finalize(&mut mac.0).is_err() {}
        Some(mac)
    }
}
