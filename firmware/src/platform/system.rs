//! The system around the device: who it is, its clock, randomness, button and memory.

use core::cell::RefCell;

use device::platform::{Heap, Identity, Press, ResetReason, Running, System};
use device::retained;
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex};
use embassy_time::{Duration, Instant, with_timeout};
use esp_hal::{
    gpio::Level,
    peripherals::TIMG0,
    rtc_cntl::{Rtc, RwdtStage, RwdtStageAction},
    system::{reset_reason, software_reset},
    timer::timg::{MwdtStage, Wdt},
};

use super::panic::{self, Retained};
use super::random::{self, Random};
use super::{Start, heap};
use crate::board::{self, Button};
use crate::drivers::sealer::{self, Sealer};
use crate::drivers::thermometer::{self, Thermometer};

/// How long the button has to be held.
const HELD: Duration = Duration::from_secs(5);

/// Contacts that are pressed or let go open and close a few times within this.
const BOUNCING: Duration = Duration::from_millis(30);

/// The watchdog bites when it was not fed for so long. The longest that computing takes at a
/// stretch is a handshake with RSA-4096, in software on most chips.
const PATIENCE: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(60);

/// The watchdog of a timer group, which counts by the chip's own crystal.
type Spare = Wdt<TIMG0<'static>>;

/// The watchdog that was started.
pub(crate) enum Watchdog {
    /// The RTC's, by its own clock.
    Rtc,
    /// The other, where the RTC's clock stands still.
    Spare(RefCell<Spare>),
}

/// The system on the chip.
pub(crate) struct Soc {
    /// Runs on through a restart, but not through a loss of power.
    clock: RefCell<Rtc<'static>>,
    watchdog: Watchdog,
    random: Random,
    thermometer: Thermometer,
    button: Mutex<NoopRawMutex, Button>,
    sealer: Sealer,
    start: Start,
}

impl Soc {
    /// Takes the parts, and what is known of the start. The radio must be up, for it is
    /// the source of randomness.
    pub(crate) fn new(
        clock: Rtc<'static>,
        watchdog: Watchdog,
        thermometer: thermometer::Port,
        button: Button,
        sealer: sealer::Port,
        start: Start,
    ) -> Self {
        Self {
            clock: RefCell::new(clock),
            watchdog,
            random: random::source(),
            thermometer: Thermometer::new(thermometer),
            button: Mutex::new(button),
            sealer: Sealer::new(sealer),
            start,
        }
    }
}

/// Whether the clock runs. It stands still if the oscillator behind it could not be measured, which
/// happens (esp-hal issue 5120): its period is then zero, by which esp-hal multiplies and divides.
fn runs(clock: &Rtc<'static>) -> bool {
    clock.time_since_power_up() > esp_hal::time::Duration::ZERO
}

/// Starts the watchdog: the RTC's, or, for that counts by a clock which may stand still, another. Both
/// reset the core, not the memory that a panic leaves its record in.
pub(crate) fn watch(clock: &mut Rtc<'static>, mut spare: Spare) -> Watchdog {
    if !runs(clock) {
        log::error!("the RTC's clock stands still: the time is lost at each restart");
        spare.set_timeout(MwdtStage::Stage0, PATIENCE);
        // Its first stage resets the system, and there are no others.
        spare.enable();
        return Watchdog::Spare(RefCell::new(spare));
    }
    clock.rwdt.set_timeout(RwdtStage::Stage0, PATIENCE);
    clock.rwdt.enable();
    let reset = RwdtStageAction::ResetCore;
    clock.rwdt.set_stage_action(RwdtStage::Stage0, reset);
    Watchdog::Rtc
}

/// Why the chip started, as it says itself: the numbers are those of all Espressif's chips
/// (ESP-IDF v5.4.1, 4c2820d377d1, components/soc/*/include/soc/reset_reasons.h). A supply that sags is
/// among them since [`detect_brownout`](crate::board::detect_brownout); one that sags so deep that the
/// detector goes with it, starts the chip as power-on does.
pub(crate) fn cause() -> ResetReason {
    match reset_reason().map(|reason| reason as u8) {
        Some(0x01) => ResetReason::PowerOn,
        Some(0x03 | 0x0c) => ResetReason::Software,
        Some(0x05) => ResetReason::DeepSleep,
        Some(0x0f) => ResetReason::Brownout,
        Some(0x07..=0x09 | 0x0b | 0x0d | 0x10..=0x12) => ResetReason::Watchdog,
        _ => ResetReason::Other,
    }
}

impl System for Soc {
    fn identity(&self) -> Identity {
        Identity {
            chip: board::CHIP,
            built_at_unix_s: BUILT_AT_UNIX_S,
            build: panic::build(),
        }
    }

    fn started(&self) -> Instant {
        // The timer starts with the chip, and counts through the bootloader.
        Instant::MIN
    }

    fn running(&self) -> Option<Running> {
        self.start.running
    }

    fn reset_reason(&self) -> ResetReason {
        self.start.reset
    }

    fn retained(&self) -> &dyn retained::Memory {
        &Retained
    }

    fn feed_watchdog(&self) {
        match &self.watchdog {
            Watchdog::Rtc => self.clock.borrow_mut().rwdt.feed(),
            Watchdog::Spare(spare) => spare.borrow_mut().feed(),
        }
    }

    fn unix_ms(&self) -> Option<u64> {
        // After power-on the clock starts at 1970; set, it cannot be before this was built.
        let clock = self.clock.borrow();
        let ms = clock.current_time_us() / 1000;
        (runs(&clock) && ms / 1000 >= BUILT_AT_UNIX_S).then_some(ms)
    }

    fn set_unix_ms(&self, unix_ms: u64) {
        let clock = self.clock.borrow();
        clock.set_current_time_us(unix_ms.saturating_mul(1000));
    }

    fn powered_ms(&self) -> Option<u64> {
        // The RTC's counter, which `current_time_us` counts by too: only the power resets it.
        let clock = self.clock.borrow();
        runs(&clock).then(|| clock.time_since_power_up().as_millis())
    }

    fn sealer(&self) -> &dyn seal::Chip {
        &self.sealer
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.random.read(bytes);
    }

    fn restart(&self) {
        // Resets all of the chip but the RTC, the radio included. Taken down before, it would have to
        // outlive whoever draws randomness from it, which MbedTLS does for good.
        software_reset();
    }

    fn heap(&self) -> Option<Heap> {
        Some(heap::left())
    }

    fn heap_largest(&self) -> Option<u32> {
        Some(heap::largest())
    }

    fn chip_temperature_decicelsius(&self) -> Option<i16> {
        self.thermometer.decicelsius()
    }

    async fn button(&self) -> Press {
        let mut button = self.button.lock().await;
        let Button { pin, pressed } = &mut *button;
        // It counts from when it is released: a line that is stuck, or was before a restart, would
        // make the device forget its network every few seconds.
        match pressed {
            Level::Low => pin.wait_for_high().await,
            Level::High => pin.wait_for_low().await,
        }
        loop {
            match pressed {
                Level::Low => pin.wait_for_low().await,
                Level::High => pin.wait_for_high().await,
            }
            let released = async {
                match pressed {
                    Level::Low => pin.wait_for_high().await,
                    Level::High => pin.wait_for_low().await,
                }
            };
            let began = Instant::now();
            match with_timeout(HELD, released).await {
                Err(_) => return Press::Long,
                Ok(()) if began.elapsed() >= BOUNCING => return Press::Short,
                Ok(()) => {}
            }
        }
    }
}

/// When this was built, as the build script found it.
const BUILT_AT_UNIX_S: u64 = Identity::built_at(env!("BUILT_AT_UNIX_S"));
