//! No light: the console tells the state.

use crate::drivers::Colour;

/// What the board connects.
pub(crate) struct Port;

/// The light that there is not.
pub(crate) struct Lamp;

impl Lamp {
    pub(crate) fn new(Port: Port) -> Self {
        Self
    }

    /// Stays dark.
    pub(crate) async fn set(&mut self, _: Option<Colour>) {}
}
