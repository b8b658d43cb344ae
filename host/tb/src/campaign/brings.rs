//! What a campaign asks of whatever it brings: firmware, certificates, anchors. Waves, gates and the ledger are the
//! same for all.

use super::member::Member;
use super::seen::Seen;
use crate::rest::{EntityData, Key};
use crate::{Client, Device, Error};

/// Whether a device is to be in a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// It is.
    Yes,
    /// It needs nothing.
    No,
    /// It needs it, and its firmware is too old for it.
    Unable,
}

/// What is said of it.
pub(super) struct Words {
    /// What did not happen in time.
    pub(super) late: &'static str,
    /// Where the device tells how far it is.
    pub(super) state: &'static str,
    /// What a device refuses.
    pub(super) it: &'static str,
    /// What it does once it has it, and did.
    pub(super) uses: &'static str,
    pub(super) used: &'static str,
    /// What it goes back to.
    pub(super) old: &'static str,
}

/// What is done for a device. Times are milliseconds since 1970.
pub(super) trait Brings: Sync {
    fn words(&self) -> &'static Words;

    /// What has to be known of devices, beside what is asked of all.
    fn keys(&self) -> &'static [Key<'static>];

    /// What it makes of that; the samples are looked at by the campaign.
    fn see(&self, data: &EntityData, device: Device) -> Seen;

    /// Whether a device that nobody knows yet is to be in it.
    fn concern(&self, _: &Seen, _now_ms: i64) -> Concern {
        Concern::Yes
    }

    /// Whether a campaign that has ended begins anew, with those that it concerns by then.
    fn recurs(&self) -> bool {
        false
    }

    /// Whether a device has it although it was not given to it here.
    fn has_it(&self, seen: &Seen, now_ms: i64) -> bool;

    /// Whether it has what it was given.
    fn is_there(&self, member: &Member, seen: &Seen) -> bool;

    /// Whether it had that, and has something else.
    fn is_lost(&self, member: &Member, seen: &Seen) -> bool {
        seen.running.is_some() && !self.is_there(member, seen)
    }

    /// Works on what a device answered: whether there is something new to give to it.
    ///
    /// # Errors
    /// Why there is nothing to give to this device.
    fn work(&self, _: &mut Member, _: &Seen) -> Result<bool, String> {
        Ok(false)
    }

    /// Gives to the device what the member says. To do it twice changes nothing.
    fn give(&self, client: &Client, member: &Member) -> Result<(), Error>;

    /// Takes it back, from a device that does not have it.
    fn take_back(&self, client: &Client, member: &Member) -> Result<(), Error>;

    /// Whether what was given is taken back from devices that have it, too, as they need it no more.
    fn tidies(&self) -> bool {
        false
    }
}
