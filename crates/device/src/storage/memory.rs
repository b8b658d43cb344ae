//! What could not be kept in flash, until the next restart.

use alloc::string::String;

use zeroize::Zeroizing;

use crate::platform::WifiCredentials;

/// Values that the flash did not take. One that is here is newer than the one in flash.
#[derive(Default)]
pub(super) struct Memory {
    /// The network to join.
    pub(super) wifi: Option<WifiCredentials>,
    /// The proof of possession.
    pub(super) pop: Option<Zeroizing<String>>,
    /// The last time known to be right, in seconds since 1970 UTC.
    pub(super) last_good_time: Option<u64>,
}
