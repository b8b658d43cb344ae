//! What a campaign can bring to devices.

use super::anchors::Anchors;
use super::brings::Brings;
use super::certificates::Certificates;
use super::firmware::Firmware;

/// What a campaign brings.
pub enum Task<'a> {
    /// A package of firmware.
    Firmware(Firmware),
    /// A new certificate for a key that the device makes.
    Certificates(Certificates<'a>),
    /// Authorities that the broker's certificate may come from.
    Anchors(Anchors),
}

impl Task<'_> {
    pub(super) fn brings(&self) -> &dyn Brings {
        match self {
            Self::Firmware(firmware) => firmware,
            Self::Certificates(certificates) => certificates,
            Self::Anchors(anchors) => anchors,
        }
    }
}
