//! What could not be kept in flash, until the next restart.

use alloc::string::String;

use zeroize::Zeroizing;

use crate::wifi::WifiCredentials;

/// Values that the flash did not take. One that is here is newer than the one in flash.
#[derive(Default)]
pub(super) struct Memory {
    /// The network to join.
    pub(super) wifi: Option<Network>,
    /// The proof of possession.
    pub(super) pop: Option<Zeroizing<String>>,
    /// The product's shared attributes.
    pub(super) shared: Option<Zeroizing<String>>,
    /// The last time known to be right, in seconds since 1970 UTC.
    pub(super) last_good_time: Option<u64>,
    /// What is certainly past, in seconds since 1970 UTC.
    pub(super) past: Option<u64>,
}

/// What the device knows better than its flash.
pub(super) enum Network {
    /// This is the network.
    Kept(WifiCredentials),
    /// There is none any more.
    Forgotten,
}
