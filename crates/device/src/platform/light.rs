//! What a light at the device shows: how far it is, and whether somebody has to look. Colours and
//! patterns are the body's.

use crate::event::Event;
use crate::storage::StorageError;

/// How far the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting to be provisioned.
    Provisioning,
    /// Joining, setting the clock, connecting.
    Connecting,
    /// Online.
    Online,
}

/// What is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// How far the device is; none before it has begun, and while it cannot go on.
    pub stage: Option<Stage>,
    storage_failed: bool,
    credentials_refused: bool,
}

impl Shown {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stage: None,
            storage_failed: false,
            credentials_refused: false,
        }
    }

    /// Whether somebody has to look: from the failure on until it is mended, whatever else happens.
    #[must_use]
    pub fn is_faulty(self) -> bool {
        self.storage_failed || self.credentials_refused
    }

    /// What is shown after `event`.
    #[must_use]
    pub fn after(self, event: &Event) -> Self {
        let mut shown = self;
        match event {
            Event::ProvisioningStarted { .. } => shown.stage = Some(Stage::Provisioning),
            Event::Joining { .. }
            | Event::JoinFailed { .. }
            | Event::WifiLost
            | Event::ClockFailed { .. }
            | Event::ConnectionFailed { .. } => shown.stage = Some(Stage::Connecting),
            // It connects only with credentials that are good.
            Event::Connecting { .. } => {
                shown.stage = Some(Stage::Connecting);
                shown.credentials_refused = false;
            }
            Event::Online { .. } => shown.stage = Some(Stage::Online),
            // It starts afresh, and being provisioned again mends it.
            Event::StorageFailed(StorageError::NvsUnreadable | StorageError::NvsDamaged) => {}
            // Only another start can tell that it is mended.
            Event::StorageFailed(_) => shown.storage_failed = true,
            Event::CredentialsRefused(_) => {
                shown.credentials_refused = true;
                if shown.stage != Some(Stage::Provisioning) {
                    shown.stage = None;
                }
            }
            _ => {}
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Fault, File};
    use crate::platform::JoinError;

    fn refused() -> Event {
        Event::CredentialsRefused(File::Key.has(Fault::Missing))
    }

    fn joining() -> Event {
        Event::JoinFailed {
            error: JoinError::NoAddress,
            retry_ms: 1,
        }
    }

    fn connecting() -> Event {
        Event::Connecting {
            host: heapless::String::new(),
            port: 8883,
            attempt: 1,
        }
    }

    fn online() -> Event {
        Event::Online {
            session_present: false,
        }
    }

    #[track_caller]
    fn shows(events: &[Event], stage: Option<Stage>, faulty: bool) {
        let shown = events.iter().fold(Shown::new(), Shown::after);
        assert_eq!((shown.stage, shown.is_faulty()), (stage, faulty));
    }

    #[test]
    fn refused_credentials_are_shown_until_there_are_others() {
        shows(&[refused()], None, true);
        shows(&[refused(), joining()], Some(Stage::Connecting), true);
        // Joined, it looks at them again.
        shows(&[refused(), joining(), refused()], None, true);
        let mended = [refused(), joining(), connecting()];
        shows(&mended, Some(Stage::Connecting), false);
    }

    #[test]
    fn a_failed_flash_is_shown_whatever_happens() {
        let failed = || Event::StorageFailed(StorageError::FlashFailed);
        shows(&[failed(), joining()], Some(Stage::Connecting), true);
        let context = [failed(), joining(), connecting(), online()];
        shows(&context, Some(Stage::Online), true);
    }

    #[test]
    fn nothing_has_to_be_mended_where_provisioning_does_it() {
        let fresh = Event::StorageFailed(StorageError::NvsUnreadable);
        shows(&[fresh], None, false);
    }

    #[test]
    fn a_life_without_faults() {
        shows(&[], None, false);
        shows(&[joining()], Some(Stage::Connecting), false);
        shows(&[connecting(), online()], Some(Stage::Online), false);
        let lost = [online(), Event::WifiLost];
        shows(&lost, Some(Stage::Connecting), false);
    }
}
