//! A body like the simulator's, whose sockets can be kept from reading, and whose events go to a
//! function.

use bodykit::bluetooth::{self, Controller};
use bodykit::flash::Flash;
use bodykit::observer::Told;
use bodykit::sockets::{Gate, Tapped};
use bodykit::system::Chip;
use bodykit::wifi::Station;
use device::event::Event;
use device::platform::{Body, Parts, Platform};
use simulator::World;
use simulator::network::Sockets;
use vhci::HciSpec;

/// A body in this world, with the station's address, that tells `told` what happens.
pub(crate) fn body(
    world: &World,
    mac: [u8; 6],
    flash: Flash,
    chip: Chip,
    gate: Gate,
    told: impl Fn(&Event),
) -> Body<impl Platform> {
    let station = Station::new(mac, world.wifi.clone());
    Parts {
        bluetooth: Controller {
            spec: HciSpec::Virtual,
            air: world.bluetooth.clone(),
            address: bluetooth::address(mac),
        },
        network: Tapped {
            network: Sockets::new(station.link()),
            tap: gate,
        },
        wifi: station,
        flash,
        system: chip,
        observer: Told(move |_, event: &Event| told(event)),
    }
    .body()
}
