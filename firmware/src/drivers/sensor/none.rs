//! No sensor: this chip has nothing that measures pulses in hardware, and a reading taken in
//! software would be spoilt by the radio's interrupts.

use climate::{Air, Sensor};
use product::Fault;

/// What the board connects.
pub(crate) struct Port;

/// The sensor, which is always absent: the device goes on with what the chip measures.
pub struct Dht;

impl Dht {
    pub(crate) fn new(Port: Port) -> Self {
        Self
    }
}

impl Sensor for Dht {
    async fn read(&mut self) -> Result<Air, Fault> {
        Err(Fault::Absent)
    }
}
