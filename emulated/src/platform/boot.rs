//! What stands for a chip's bootloader: QEMU loads the same program again and again, and `otadata` tells which slot
//! that is.
//!
//! So the choice of a slot, the count of a start on trial and the way back are played on the board's flash; what is
//! in a slot lends the program product and version, and is not run.

use device::platform::Running;
use device::storage::Partitions;

use crate::board::{nor::Flash, power};

/// The chip's revision, as major * 100 + minor: there is none.
const REVISION: u16 = 0;

/// What comes before the device: the slot that starts, with the count of an image that is on trial. None where the
/// table has no slots. An image that had its chance restarts the machine, into the old one.
pub(super) fn begin(flash: &mut Flash) -> Option<Running> {
    let places = Partitions::read(flash).slots;
    let running = places.and_then(|places| {
        let slot = places.starts(flash).ok()?;
        Some(Running {
            address: places.slots[slot].offset,
            revision: REVISION,
        })
    });
    if device::firmware::begin(flash, running) {
        power::restart();
    }
    running
}
