//! Opens sessions of security 2 as a device, and counts the instructions of what a client waits for, and of what the
//! device works out ahead. Both ends are on the board, and have to believe each other.
//!
//! `cargo xtask test emulated` runs it in QEMU as `scalars`, and holds the answer to what a chip may take for it.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::panic::PanicInfo;

use protocomm::client::{Client, Login, Progress};
use protocomm::device::{Config, Device, Outcome, RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::security::{IvMode, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use rand_core::{TryCryptoRng, TryRng};
use scalars::{Range, panicked, switch_off};

const USERNAME: &[u8] = b"wifiprov";
const PROOF: &[u8] = b"abcd1234efgh";
/// So many, each with another b. None of them has to be computed twice, which one in 128 has.
const SESSIONS: u32 = 3;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    panicked(info)
}

/// Numbers without end, the same each time.
struct Noise(u64);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Ok((self.0 >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Noise {}

#[riscv_rt::entry]
fn main() -> ! {
    let [mut verifying, mut ahead, mut answering, mut proving] = [Range::NONE; 4];
    let iv_mode = IvMode::Counter;
    let salt = Salt::new(&[7; 16]).expect("a salt");
    let verifier = verifying.count(|| SrpVerifier::generate(USERNAME, PROOF, salt));
    let mut device = Device::new(Config::new(Security::Security2 { verifier, iv_mode }));
    let (mut of_device, mut of_client) = (Noise(1), Noise(2));
    let mut message = [0; 512];
    let mut reply = [0; RESPONSE_CAPACITY];
    let now = Instant::from_millis(0);
    for session in 0..SESSIONS {
        ahead.count(|| while device.work_ahead(&mut of_device) {});
        let login = Login::security2(USERNAME, PROOF, iv_mode).expect("a login");
        let (mut client, mut length) =
            Client::start(login, &mut of_client, &mut message).expect("a first message");
        for counted in [&mut answering, &mut proving] {
            let request = &mut message[..length];
            let from = SessionId(session);
            let endpoint = Endpoint::Session;
            let outcome = counted
                .count(|| device.handle(now, from, endpoint, request, &mut reply, &mut of_device));
            let Ok(Outcome::Reply(received)) = outcome else {
                panic!("the device does not reply")
            };
            match client.handshake(&reply[..received], &mut message) {
                Ok(Progress::Send(next)) => length = next,
                Ok(Progress::Established) => {}
                Err(_) => panic!("the client does not believe the device"),
            }
        }
        device.disconnected(SessionId(session));
    }
    verifying.print("verifier");
    ahead.print("ahead");
    answering.print("answer");
    proving.print("proof");
    switch_off()
}
