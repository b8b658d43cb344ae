//! The network: embassy-net over the Wi-Fi station.

use device::platform::System;
use embassy_executor::Spawner;
use embassy_net::{Runner, Stack};
use esp_radio::wifi::Interface;

use super::system::Soc;

/// Starts the network stack.
pub(crate) fn start(interface: Interface, system: &Soc, spawner: Spawner) -> Stack<'static> {
    let mut seed = [0; 8];
    system.fill_random(&mut seed);
    let (stack, runner) = sockets::stack(interface, u64::from_le_bytes(seed));
    spawner.spawn(run(runner).expect("it is spawned once"));
    stack
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Interface>) -> ! {
    runner.run().await
}
