//! The network: embassy-net over the network card.

use embassy_executor::Spawner;
use embassy_net::{Runner, Stack};

use crate::board::{ethernet::Ethernet, random::Random};

/// Starts the network stack.
pub(crate) fn start(card: Ethernet, spawner: Spawner) -> Stack<'static> {
    let mut seed = [0; 8];
    Random.fill(&mut seed);
    let (stack, runner) = sockets::stack(card, u64::from_le_bytes(seed));
    spawner.spawn(run(runner).expect("it is spawned once"));
    stack
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Ethernet>) -> ! {
    runner.run().await
}
