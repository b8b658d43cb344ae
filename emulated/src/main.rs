//! The device on an emulated board: brings a body of QEMU's devices and embassy, and lives in it.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod figures;
mod platform;

use embassy_executor::Spawner;

#[riscv_rt::entry]
fn main() -> ! {
    board::wake_up();
    board::executor::run(|spawner| spawner.spawn(live(spawner).expect("it is spawned once")))
}

#[embassy_executor::task]
async fn live(spawner: Spawner) -> ! {
    let (body, tls) = platform::bring_up(spawner).await;
    platform::live(body, tls).await
}
