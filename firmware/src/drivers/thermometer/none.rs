//! No thermometer: esp-hal has no driver for this chip's.

/// What the board connects.
pub(crate) struct Port;

/// The thermometer that there is not.
pub(crate) struct Thermometer;

impl Thermometer {
    pub(crate) fn new(Port: Port) -> Self {
        Self
    }

    /// Nothing.
    pub(crate) fn decicelsius(&self) -> Option<i16> {
        None
    }
}
