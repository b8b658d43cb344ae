//! The system around the device: who it is, its clock, randomness, button and memory.

use device::platform::{Heap, Identity, Press, ResetReason, Running, System};
use device::retained;

use super::{efuse::Efuse, keys, radio::Source};
use crate::board::{self, heap, power};

/// The emulated machine.
pub(crate) struct Machine {
    pub(super) reset: ResetReason,
    pub(super) running: Option<Running>,
    pub(super) random: Source,
    pub(super) efuse: Efuse,
}

impl System for Machine {
    fn identity(&self) -> Identity {
        Identity {
            chip: "qemu-virt",
            built_at_unix_s: BUILT_AT_UNIX_S,
            build: device::platform::BuildId::default(),
        }
    }

    fn running(&self) -> Option<Running> {
        self.running
    }

    fn reset_reason(&self) -> ResetReason {
        self.reset
    }

    fn retained(&self) -> &dyn retained::Memory {
        &power::Retained
    }

    fn feed_watchdog(&self) {
        board::feed_watchdog();
    }

    fn unix_ms(&self) -> Option<u64> {
        power::unix_ms()
    }

    fn set_unix_ms(&self, unix_ms: u64) {
        power::set_unix_ms(unix_ms);
    }

    fn powered_ms(&self) -> Option<u64> {
        Some(power::powered_ms())
    }

    fn sealer(&self) -> &dyn seal::Chip {
        &self.efuse
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    fn restart(&self) {
        power::restart();
    }

    fn heap(&self) -> Option<Heap> {
        Some(Heap {
            free: heap::left(heap::used()),
            least: heap::left(heap::peak()),
        })
    }

    fn heap_largest(&self) -> Option<u32> {
        Some(heap::largest())
    }

    fn chip_temperature_decicelsius(&self) -> Option<i16> {
        None
    }

    async fn button(&self) -> Press {
        keys::button_held().await;
        Press::Long
    }
}

/// When this was built, as the build script found it.
const BUILT_AT_UNIX_S: u64 = Identity::built_at(env!("BUILT_AT_UNIX_S"));
