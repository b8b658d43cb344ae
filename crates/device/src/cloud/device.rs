//! What serving a connection needs of the device.

use product::Card;
use zeroize::Zeroizing;

use crate::calendar::Moment;
use crate::clock::Clock;
use crate::context::Context;
use crate::errands::Errands;
use crate::event::Event;
use crate::firmware::Updating;
use crate::platform::{Heap, Identity, Platform, ResetReason, System, Wifi};
use crate::proof;
use crate::renewal::Renewing;
use crate::retained::{self, PanicRecord};
use crate::telemetry::SampleQueue;

/// A wish to be claimable.
pub(super) struct Claim {
    /// Its number in this life.
    pub(super) number: u32,
    /// Who knows it may claim the device.
    pub(super) secret: Zeroizing<heapless::String<20>>,
    /// For how long.
    pub(super) minutes: u16,
}

/// What a connection does with samples that wait in flash.
pub(super) trait Backlog {
    /// Fetches the oldest record, if none is fetched. Returns whether there is something to send.
    fn load(&self) -> bool;
    /// The samples that were fetched and not acknowledged.
    fn queue(&self) -> &SampleQueue;
    /// The broker has acknowledged those below this number.
    fn acknowledge_below(&self, number: u64);
}

/// The device, as the cloud sees it. [`Context`] is one.
pub(super) trait Device {
    /// Tells what happened.
    fn tell(&self, event: &Event);
    /// Samples that wait.
    fn queue(&self) -> &SampleQueue;
    /// Samples that wait in flash; none where no partition is for them.
    fn backlog(&self) -> Option<&dyn Backlog> {
        None
    }
    /// Whether those in flash go before those in memory.
    fn oldest_first(&self) -> bool {
        false
    }
    /// The time stamp of something that happened `uptime_ms` after boot, in milliseconds since
    /// 1970; none while the time is not certain.
    fn stamp(&self, uptime_ms: u64) -> Option<u64>;
    /// Milliseconds since boot.
    fn uptime_ms(&self) -> u64;
    /// Milliseconds between samples.
    fn interval_ms(&self) -> u32;
    /// Seconds between two samples with all vitals; 0 if each has them.
    fn vitals_interval_s(&self) -> u32;
    /// Changes that interval between samples, which is in range, at once; returns whether it could be kept in flash.
    fn change_interval(&self, ms: u32) -> bool;
    /// What the device is for.
    fn product(&self) -> Card;
    /// What is asked of the product.
    fn errands(&self) -> &Errands;
    /// The chip.
    fn identity(&self) -> Identity;
    /// Why it started.
    fn reset_reason(&self) -> ResetReason;
    /// The last panic that the server has not been told yet.
    fn panic(&self) -> Option<PanicRecord>;
    /// The server has been told the panic.
    fn forget_panic(&self);
    /// The station's address.
    fn mac(&self) -> [u8; 6];
    /// Strength of the access point in dBm.
    fn rssi_dbm(&self) -> Option<i8>;
    /// Free heap.
    fn heap(&self) -> Option<Heap>;
    /// The largest free block of the heap.
    fn heap_largest(&self) -> Option<u32>;
    /// What the server is to be told so that the device can be claimed; nothing if it is not to be, or has
    /// been told.
    fn claim(&self) -> Option<Claim> {
        None
    }
    /// It was told this one.
    fn claim_told(&self, _number: u32) {}
    /// Renewals of the certificate; none where the firmware has none.
    fn renewals(&self) -> Option<&dyn Renewing> {
        None
    }
    /// The time, as far as it is known.
    fn moment(&self) -> Moment {
        Moment::from(0)
    }
    /// The clock that the server is asked about; none where it is not asked.
    fn clock(&self) -> Option<&Clock> {
        None
    }
    /// The server says that it is so late, in milliseconds since 1970 UTC.
    fn hear_time(&self, _unix_ms: u64) {}
    /// Updates of the firmware; none where the body knows no slots.
    fn updates(&self) -> Option<&dyn Updating> {
        None
    }
}

impl<P: Platform> Device for Context<'_, P> {
    fn tell(&self, event: &Event) {
        Context::tell(self, event);
    }

    fn queue(&self) -> &SampleQueue {
        &self.queue
    }

    fn backlog(&self) -> Option<&dyn Backlog> {
        self.backlog.is_there().then_some(self as &dyn Backlog)
    }

    fn oldest_first(&self) -> bool {
        self.settings.oldest_first
    }

    fn stamp(&self, uptime_ms: u64) -> Option<u64> {
        self.clock.stamp(uptime_ms)
    }

    fn uptime_ms(&self) -> u64 {
        self.clock.uptime_ms()
    }

    fn interval_ms(&self) -> u32 {
        Context::interval_ms(self)
    }

    fn vitals_interval_s(&self) -> u32 {
        self.settings.vitals_interval_s
    }

    fn change_interval(&self, ms: u32) -> bool {
        Context::change_interval(self, ms)
    }

    fn product(&self) -> Card {
        self.product
    }

    fn errands(&self) -> &Errands {
        &self.errands
    }

    fn identity(&self) -> Identity {
        self.system.identity()
    }

    fn reset_reason(&self) -> ResetReason {
        self.system.reset_reason()
    }

    fn panic(&self) -> Option<PanicRecord> {
        retained::panic(self.system.retained())
    }

    fn forget_panic(&self) {
        retained::forget_panic(self.system.retained());
    }

    fn mac(&self) -> [u8; 6] {
        self.wifi.mac()
    }

    fn rssi_dbm(&self) -> Option<i8> {
        self.wifi.rssi_dbm()
    }

    fn heap(&self) -> Option<Heap> {
        self.system.heap()
    }

    fn heap_largest(&self) -> Option<u32> {
        self.system.heap_largest()
    }

    fn claim(&self) -> Option<Claim> {
        let number = self.untold_claim()?;
        // Without a proof there is nothing that only the owner has.
        let proof = proof::proof(self)?;
        Some(Claim {
            number,
            secret: Zeroizing::new(protocomm::claim::secret(&proof)),
            minutes: self.settings.claim_minutes,
        })
    }

    fn claim_told(&self, number: u32) {
        Context::claim_told(self, number);
    }

    fn renewals(&self) -> Option<&dyn Renewing> {
        self.renewals.as_dyn()
    }

    fn moment(&self) -> Moment {
        self.clock.moment()
    }

    fn clock(&self) -> Option<&Clock> {
        Some(&self.clock)
    }

    fn hear_time(&self, unix_ms: u64) {
        self.hear_server(unix_ms);
    }

    fn updates(&self) -> Option<&dyn Updating> {
        self.system
            .running()
            .map(|_| &self.updates as &dyn Updating)
    }
}

impl<P: Platform> Backlog for Context<'_, P> {
    fn load(&self) -> bool {
        let dropped = self.queue.dropped();
        let loaded = self.backlog.fetch(&self.queue, &self.clock);
        if self.backlog.take_damage() {
            self.tell(&Event::BacklogFailed);
        }
        let total = self.queue.dropped();
        if total != dropped {
            self.tell(&Event::SamplesDropped { total });
        }
        loaded
    }

    fn queue(&self) -> &SampleQueue {
        self.backlog.queue().unwrap_or(&self.queue)
    }

    fn acknowledge_below(&self, number: u64) {
        let samples = self.backlog.acknowledge_below(number);
        if samples > 0 {
            let samples = samples.try_into().unwrap_or(u16::MAX);
            self.tell(&Event::BacklogAcknowledged { samples });
        }
    }
}
