//! The heap of a device in each phase of its life: `heap KEY [SECURITY]`, where KEY is P-256, P-384,
//! RSA-2048, RSA-3072 or RSA-4096, and SECURITY that of provisioning, 1 or 2.
//!
//! In its first life the device is provisioned. In its third the connection is lost twice: it
//! resumes its TLS session, and it sends what was sampled in the meantime, as much as it can keep.
//! With security 1 there is only the first life: the others do not depend on it.
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
        // Of a client's choice, and of what is in flash.
        Event::NetworkChosen { .. } | Event::Joining { .. } => "joining",
        Event::Joined { .. } => "joined",
        Event::BluetoothStopped => "Bluetooth stopped",
        Event::ClockSet { .. } => "clock set",
        Event::Connecting { .. } => "TLS handshake",
        Event::TlsEstablished { .. } => "MQTT connect",
        Event::ConnectionFailed { .. } => "offline",
        // Each message ends a phase and begins another of the same name.
        Event::Online { .. } | Event::Acknowledged { backlog: 0, .. } => "online",
        Event::Acknowledged { .. } => "sending the backlog",
        _ => return None,
    })
}

/// What the phase that an event ends turns out to have been, by how it ended.
fn known_as(phase: &'static str, event: &Event) -> &'static str {
    match (phase, event) {
        ("TLS handshake", Event::TlsEstablished { resumed: true, .. }) => "resumed handshake",
        // Nobody was there.
        ("TLS handshake", Event::ConnectionFailed { .. }) => "failed attempt",
        // Until the first acknowledgement nobody knows what waits.
        ("online", Event::Acknowledged { backlog: 1.., .. }) => "sending the backlog",
        _ => phase,
    }
}

/// How many messages are waited for where nothing but time is to pass.
const MESSAGES: u32 = 5;

/// The course of a third life.
#[derive(Clone, Copy, PartialEq)]
enum Course {
    /// Online for so many messages more; then the connection is cut.
    First(u32),
    /// Online again for so many; then the server is taken away until samples are dropped.
    Second(u32),
    /// The queue fills.
    Away,
    /// The server is back, and the queue empties.
    Back,
    Over,
}

impl Course {
    fn after(self, event: &Event, lives: &Lives) -> Self {
        match (self, event) {
            (Self::First(0), Event::Acknowledged { .. }) => {
                lives.cut();
                Self::Second(MESSAGES)
            }
            (Self::First(left), Event::Acknowledged { .. }) => Self::First(left - 1),
            (Self::Second(0), Event::Acknowledged { .. }) => {
                lives.disconnect();
                hosttime::set_rate(100);
                Self::Away
            }
            (Self::Second(left), Event::Acknowledged { .. }) => Self::Second(left - 1),
            (Self::Away, Event::SamplesDropped { .. }) => {
                // What waits goes out in paced batches.
                hosttime::set_rate(10);
                lives.reconnect();
                Self::Back
            }
            (Self::Back, Event::Acknowledged { backlog: 0, .. }) => {
                hosttime::set_rate(1);
                Self::Over
            }
            (course, _) => course,
        }
    }
}

const USAGE: &str = "heap P-256|P-384|RSA-2048|RSA-3072|RSA-4096 [1|2]";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let algorithm = match arguments.next().as_deref() {
        None | Some("P-256") => KeyAlgorithm::P256,
        Some("P-384") => KeyAlgorithm::P384,
        Some("RSA-2048") => KeyAlgorithm::Rsa2048,
        Some("RSA-3072") => KeyAlgorithm::Rsa3072,
        Some("RSA-4096") => KeyAlgorithm::Rsa4096,
        Some(other) => panic!("{other}: {USAGE}"),
    };
    let (security, names): (u8, &[&str]) = match arguments.next().as_deref() {
        None | Some("2") => (2, &["first", "second", "third"]),
        Some("1") => (1, &["first"]),
        Some(other) => panic!("{other}: {USAGE}"),
    };
    // SAFETY: nothing of MbedTLS is allocated yet, and the pair belongs together.
    unsafe { mbedtls_rs_sys::mbedtls_platform_set_calloc_free(Some(calloc), Some(free)) };
    DEVICE_THREAD.with(|here| here.set(true));
    on_one_thread(async {
        let lives = Lives::begin_on_a_line(algorithm, security).await;
        for &name in names {
            for (phase, peak, kept) in life(&lives, name).await {
                println!("{name}\t{phase}\t{peak}\t{kept}");
            }
        }
        println!("future\t\t{}\t", lives.future_bytes());
    });
}

/// Lives once.
async fn life(lives: &Lives, name: &str) -> Vec<Row> {
    let rows: RefCell<Vec<Row>> = RefCell::default();
    let phase = Cell::new("start");
    let third = name == "third";
    let course = Cell::new(Course::First(MESSAGES));
    let messages = Cell::new(MESSAGES);
    // What the last life had is no peak of this one.
    PEAK.store(USED.load(Relaxed), Relaxed);
    let told = |event: &Event| {
        if let Some(next) = phase_of(event) {
            end_phase(&rows, known_as(phase.replace(next), event));
        }
        if let Event::Acknowledged { .. } = event {
            messages.set(messages.get().saturating_sub(1));
        }
        if third {
            // The line is none of the device's.
            let counting = IN_DEVICE.swap(false, Relaxed);
            course.set(course.get().after(event, lives));
            IN_DEVICE.store(counting, Relaxed);
        }
        match third {
            true => course.get() == Course::Over,
            false => messages.get() == 0,
        }
    };
    lives
        .live_until(Gate::default(), told, |one, context| {
            IN_DEVICE.store(true, Relaxed);
            let polled = one(context);
            IN_DEVICE.store(false, Relaxed);
            polled
        })
        .await;
    rows.take()
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
