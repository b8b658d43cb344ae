//! The heap of a device in each phase of its life: `heap P-256|P-384|RSA-2048|RSA-3072|RSA-4096`.
//!
//! What the device allocates is told from what its surroundings do by when it happens: while the
//! device is polled. MbedTLS's memory is counted with it. Not counted is the future itself, which
//! is stack and static memory on a chip; its size stands in the last line.

#![allow(unsafe_code)] // An allocator, and the functions that MbedTLS is to allocate with.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use bench::Gate;
use bench::lives::{Lives, on_one_thread};
use device::event::Event;
use pki::KeyAlgorithm;

/// Whether the device is being polled. Devices live on one thread; other threads allocate little
/// meanwhile, and what they do is taken for the device's.
static IN_DEVICE: AtomicBool = AtomicBool::new(false);
static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Counts what is allocated for the device.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static DEVICE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Each block has its mark in front: whether it is counted, and how long it is.
const MARK: usize = 16;

fn marked(layout: Layout) -> Option<(Layout, usize)> {
    let before = layout.align().max(MARK);
    let size = layout.size().checked_add(before)?;
    Some((Layout::from_size_align(size, before).ok()?, before))
}

// SAFETY: blocks are the system's, with a header of at least the alignment asked for in front, so
// that what is given away is aligned as well. The header is written on allocation and read back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, before)) = marked(layout) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the layout is not empty, for it has a header.
        unsafe {
            let block = System.alloc(whole);
            if block.is_null() {
                return block;
            }
            let counted = IN_DEVICE.load(Relaxed) && DEVICE_THREAD.with(Cell::get);
            if counted {
                let used = USED.fetch_add(layout.size(), Relaxed) + layout.size();
                PEAK.fetch_max(used, Relaxed);
            }
            let start = block.add(before);
            start.sub(MARK).cast::<usize>().write(usize::from(counted));
            start.sub(MARK / 2).cast::<usize>().write(layout.size());
            start
        }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some((whole, before)) = marked(layout) else {
            return;
        };
        // SAFETY: the block came from `alloc`, with this layout.
        unsafe {
            if start.sub(MARK).cast::<usize>().read() == 1 {
                USED.fetch_sub(layout.size(), Relaxed);
            }
            System.dealloc(start.sub(before), whole);
        }
    }
}

unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let layout = count
        .checked_mul(size)
        .and_then(|size| Layout::from_size_align(size.max(1), MARK).ok());
    match layout {
        // SAFETY: the layout is not empty.
        Some(layout) => unsafe { std::alloc::alloc_zeroed(layout).cast() },
        None => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn free(start: *mut c_void) {
    if start.is_null() {
        return;
    }
    // SAFETY: it came from `calloc` above, so its length stands in front, and its alignment is
    // that of the mark.
    unsafe {
        let start = start.cast::<u8>();
        let size = start.sub(MARK / 2).cast::<usize>().read();
        let layout = Layout::from_size_align_unchecked(size, MARK);
        std::alloc::dealloc(start, layout);
    }
}

/// A phase that is over: name, most in use, in use at its end.
type Row = (&'static str, usize, usize);

/// The phase that begins with an event.
fn phase_of(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Booted { .. } => "start",
        Event::ProvisioningStarted { .. } => "advertising",
        Event::ClientConnected => "provisioning",
        Event::BluetoothStopped => "between",
        Event::Connecting { .. } => "TLS handshake",
        Event::TlsEstablished { .. } => "MQTT connect",
        // Each message ends a phase and begins another of the same name.
        Event::Online { .. } | Event::Acknowledged { .. } => "online",
        _ => return None,
    })
}

fn main() {
    let algorithm = match std::env::args().nth(1).as_deref() {
        None | Some("P-256") => KeyAlgorithm::P256,
        Some("P-384") => KeyAlgorithm::P384,
        Some("RSA-2048") => KeyAlgorithm::Rsa2048,
        Some("RSA-3072") => KeyAlgorithm::Rsa3072,
        Some("RSA-4096") => KeyAlgorithm::Rsa4096,
        Some(other) => panic!("{other}: P-256, P-384, RSA-2048, RSA-3072 or RSA-4096"),
    };
    // SAFETY: nothing of MbedTLS is allocated yet, and the pair belongs together.
    unsafe { mbedtls_rs_sys::mbedtls_platform_set_calloc_free(Some(calloc), Some(free)) };
    DEVICE_THREAD.with(|here| here.set(true));
    on_one_thread(async {
        let lives = Lives::begin(algorithm, 1_000).await;
        for life in ["first", "second"] {
            let rows: RefCell<Vec<Row>> = RefCell::default();
            let phase = Cell::new("start");
            // What the last life had is no peak of this one.
            PEAK.store(USED.load(Relaxed), Relaxed);
            let told = |event: &Event| {
                let Some(next) = phase_of(event) else { return };
                end_phase(&rows, phase.replace(next));
            };
            lives
                .live(5, Gate::default(), told, |one, context| {
                    IN_DEVICE.store(true, Relaxed);
                    let polled = one(context);
                    IN_DEVICE.store(false, Relaxed);
                    polled
                })
                .await;
            for (phase, peak, kept) in rows.take() {
                println!("{life}\t{phase}\t{peak}\t{kept}");
            }
        }
        println!("future\t\t{}\t", lives.future_bytes());
    });
}

/// Notes what the phase took, without counting the note.
fn end_phase(rows: &RefCell<Vec<Row>>, phase: &'static str) {
    let counting = IN_DEVICE.swap(false, Relaxed);
    let used = USED.load(Relaxed);
    let row = (phase, PEAK.swap(used, Relaxed), used);
    let mut rows = rows.borrow_mut();
    match rows.iter_mut().find(|(known, ..)| *known == phase) {
        // A phase may come again; of the same name, the most counts.
        Some(known) => *known = (phase, known.1.max(row.1), row.2),
        None => rows.push(row),
    }
    IN_DEVICE.store(counting, Relaxed);
}
