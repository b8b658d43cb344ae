//! True randomness: virtio-rng, which QEMU feeds from the host.

use core::{cell::RefCell, convert::Infallible};

use critical_section::Mutex;
use rand_core::{TryCryptoRng, TryRng};
use virtio_drivers::{
    device::rng::VirtIORng, transport::DeviceType, transport::mmio::MmioTransport,
};
use zeroize::Zeroize;

use super::virtio::{self, Memory};

/// How much is fetched at once. A chip reads its generator in a few instructions, QEMU's answers
/// through the host: with small requests, waiting would spoil the counts.
const STORE: usize = 1024;

/// The generator. All copies are the same one.
#[derive(Clone, Copy)]
pub(crate) struct Random;

struct Generator {
    device: VirtIORng<Memory, MmioTransport<'static>>,
    store: [u8; STORE],
    /// So many bytes at the end of the store were not used yet.
    left: usize,
}

static GENERATOR: Mutex<RefCell<Option<Generator>>> = Mutex::new(RefCell::new(None));

impl Random {
    /// Fills with randomness.
    ///
    /// # Panics
    ///
    /// If QEMU was started without a generator.
    pub(crate) fn fill(self, bytes: &mut [u8]) {
        critical_section::with(|cs| {
            let mut generator = GENERATOR.borrow_ref_mut(cs);
            let generator = generator.get_or_insert_with(Generator::start);
            for byte in bytes {
                *byte = generator.next();
            }
        });
    }
}

impl Generator {
    fn start() -> Self {
        let (device, _) = virtio::find(DeviceType::EntropySource);
        let device = VirtIORng::new(device).expect("the random generator starts");
        Self {
            device,
            store: [0; STORE],
            left: 0,
        }
    }

    fn next(&mut self) -> u8 {
        while self.left == 0 {
            let got = self.device.request_entropy(&mut self.store);
            let got = got.expect("the random generator answers").min(STORE);
            self.store.copy_within(..got, STORE - got);
            self.left = got;
        }
        let place = &mut self.store[STORE - self.left];
        let byte = *place;
        place.zeroize();
        self.left -= 1;
        byte
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random {}
