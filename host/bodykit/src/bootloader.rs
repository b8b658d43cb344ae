//! The bootloader: which slot starts.
//!
//! It goes by `otadata` as the bootloader that ships does (`update::Places::starts`). What is simulated is the
//! image: the same code runs whichever slot is chosen, and the image in it lends it product and version.

use device::platform::Running;
use device::storage::Partitions;
use embedded_storage::nor_flash::NorFlash;

/// The revision of the simulated chip: as the first ESP32-C3 that was sold in numbers.
const REVISION: u16 = 3;

/// What comes before the device: the slot that starts, with the count of an image that is on trial. None where
/// the table has no slots. An image that is given up restarts the chip, into the other one: `restart` is told.
pub fn start<F: NorFlash>(flash: &mut F, mut restart: impl FnMut()) -> Option<Running> {
    let running = choose(flash);
    match device::firmware::begin(flash, running) {
        true => {
            restart();
            // The other image is not on trial.
            choose(flash)
        }
        false => running,
    }
}

/// The slot that starts; none where the table has none.
fn choose<F: NorFlash>(flash: &mut F) -> Option<Running> {
    let places = Partitions::read(flash).slots?;
    let slot = places.starts(flash).ok()?;
    Some(Running {
        address: places.slots[slot].offset,
        revision: REVISION,
    })
}
