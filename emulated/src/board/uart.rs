//! The console's serial line: a 16550 (hw/char/serial.c).

use core::{cell::RefCell, fmt, task::Waker};
use core::{future::poll_fn, task::Poll};

use critical_section::Mutex;
use embassy_sync::waitqueue::AtomicWaker;
use heapless::Deque;

use super::Register;

const UART: usize = 0x1000_0000;
// SAFETY: registers of the UART, which only sends and receives.
const DATA: Register<u8> = unsafe { Register::at(UART) };
// SAFETY: as above.
const INTERRUPTS: Register<u8> = unsafe { Register::at(UART + 1) };
// SAFETY: as above.
const FIFO: Register<u8> = unsafe { Register::at(UART + 2) };
// SAFETY: as above.
const STATUS: Register<u8> = unsafe { Register::at(UART + 5) };

const RECEIVED: u8 = 0x01;
const READY_TO_SEND: u8 = 0x20;

static KEYS: Mutex<RefCell<Deque<u8, 16>>> = Mutex::new(RefCell::new(Deque::new()));
static READER: AtomicWaker = AtomicWaker::new();

/// Takes keys from now on.
pub(super) fn listen() {
    FIFO.write(0x01);
    INTERRUPTS.write(RECEIVED);
}

/// Something was received.
pub(super) fn interrupt() {
    while STATUS.read() & RECEIVED != 0 {
        let key = DATA.read();
        // Whoever types faster than the device reads has typed in vain.
        let _ = critical_section::with(|cs| KEYS.borrow_ref_mut(cs).push_back(key));
    }
    READER.wake();
}

/// The next key that is pressed. Cancel-safe; for one reader.
pub(crate) async fn key() -> u8 {
    let take = |waker: &Waker| {
        READER.register(waker);
        critical_section::with(|cs| KEYS.borrow_ref_mut(cs).pop_front())
    };
    poll_fn(|context| take(context.waker()).map_or(Poll::Pending, Poll::Ready)).await
}

/// Writes to the console, and waits until it is written.
pub(crate) struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while STATUS.read() & READY_TO_SEND == 0 {}
            DATA.write(byte);
        }
        Ok(())
    }
}

/// Prints a line on the console.
macro_rules! println {
    ($($arguments:tt)*) => {{
        use core::fmt::Write;
        // The line cannot fail.
        let _ = writeln!($crate::board::uart::Uart, $($arguments)*);
    }};
}
pub(crate) use println;
