//! The device's end: its TLS client over a stream in memory, the same in every run.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

// Linked for the locks that MbedTLS asks for.
use critical_section as _;
use device::credentials::{Bundle, Files};
use device::tls::{Client, Library};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use rand_core::{TryCryptoRng, TryRng};

use crate::Noise;

/// A moment at which the certificates are good, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
/// The name that the server's certificate carries.
pub const SERVER_NAME: &str = "broker.test";

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!(
            "../../../crates/device/tests/vectors/credentials/",
            $name
        ))
    };
}

/// The CA that the device trusts.
pub const ROOT: &str = vector!("root.crt");
/// The one between it and the server.
pub const INTERMEDIATE: &str = vector!("intermediate.crt");
/// The server's own.
pub const SERVER: &str = vector!("server.crt");
/// Its key.
pub const SERVER_KEY: &str = vector!("server.key");
/// Other certificates, of other keys and makers.
pub const OTHERS: [&str; 6] = [
    vector!("p384.crt"),
    vector!("rsa2048.crt"),
    vector!("ed25519.crt"),
    vector!("rsapss.crt"),
    vector!("bigca.crt"),
    ROOT,
];

static SEED: AtomicU64 = AtomicU64::new(0);

/// MbedTLS's randomness, which begins anew with each input.
struct Again;

impl TryRng for Again {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Noise(SEED.fetch_add(1, Relaxed) << 32).try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        Noise(SEED.fetch_add(1, Relaxed) << 32).try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Again {}

thread_local! {
    static LIBRARY: Library<'static> =
        Library::install(Box::leak(Box::new(Again))).expect("it is the first");
    static OWN: &'static Bundle = Box::leak(Box::new(bundle(ROOT)));
}

/// The device's credentials, with these authorities for the server.
pub fn bundle(server_chain: &str) -> Bundle {
    let chain = format!("{}{INTERMEDIATE}", vector!("p256.crt"));
    let files = Files {
        certificate: chain.as_bytes(),
        key: vector!("p256.key").as_bytes(),
        server_chain: server_chain.as_bytes(),
    };
    Bundle::prove(files, &mut Noise(3)).expect("they belong together")
}

/// What the device needs to connect. Its randomness begins anew.
pub fn client() -> Client<'static> {
    client_of(OWN.with(|own| *own))
}

/// The same with other credentials.
pub fn client_of(bundle: &Bundle) -> Client<'_> {
    let library = LIBRARY.with(|library| *library);
    SEED.store(1, Relaxed);
    Client {
        library,
        credentials: bundle.at(NOW).expect("the dates are good"),
        server_name: SERVER_NAME,
        unix_s: NOW,
    }
}

/// The stream between the two.
#[derive(Default)]
struct Stream {
    to_device: VecDeque<u8>,
    said: Vec<u8>,
    from_device: Vec<u8>,
    closed: bool,
}

/// Either end of the stream. Nobody wakes the device: it is polled after everything that the server does.
#[derive(Clone, Default)]
pub struct Wire {
    stream: Rc<RefCell<Stream>>,
    /// The most that the device gets at once; 0 for no bound.
    pub most: Rc<Cell<usize>>,
    /// Whether it can send nothing.
    pub stalled: Rc<Cell<bool>>,
}

impl Wire {
    /// The server sends.
    pub fn say(&self, bytes: &[u8]) {
        let mut stream = self.stream.borrow_mut();
        stream.to_device.extend(bytes);
        stream.said.extend(bytes);
    }

    /// All that the server ever sent.
    pub fn said(&self) -> Vec<u8> {
        self.stream.borrow().said.clone()
    }

    /// What the device sent since this was last asked.
    pub fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.stream.borrow_mut().from_device)
    }

    /// Nothing more comes from the server.
    pub fn close(&self) {
        self.stream.borrow_mut().closed = true;
    }
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl Read for Wire {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let mut stream = self.stream.borrow_mut();
            let most = match self.most.get() {
                0 => buffer.len(),
                most => most.min(buffer.len()),
            };
            let length = most.min(stream.to_device.len());
            if length == 0 && !stream.closed && !buffer.is_empty() {
                return Poll::Pending;
            }
            for (place, byte) in buffer.iter_mut().zip(stream.to_device.drain(..length)) {
                *place = byte;
            }
            Poll::Ready(Ok(length))
        })
        .await
    }
}

impl Write for Wire {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            if self.stalled.get() {
                return Poll::Pending;
            }
            let mut stream = self.stream.borrow_mut();
            stream.from_device.extend_from_slice(buffer);
            Poll::Ready(Ok(buffer.len()))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
