//! What the device costs on a 32-bit core: instructions and heap of each phase of its life, counted
//! between its events, and printed as a table when the board is switched off.
//!
//! While the processor sleeps nothing is counted. Instructions are exact if QEMU runs with
//! `-icount`.

use core::{cell::RefCell, fmt::Display};

use critical_section::Mutex;
use device::event::{Event, Renewal};

use crate::board::{executor, heap, nor, stack, uart::println};

/// Rows of the table.
const ROWS: usize = 10;

/// What was measured of one phase, over all the times that it was lived through.
struct Row {
    what: &'static str,
    times: u32,
    instructions: u64,
    /// The most heap that was in use above what was when the phase began.
    heap_peak: usize,
    /// The heap that was in use at its end, above what was when it began.
    heap_kept: usize,
}

/// The beginning of a phase.
#[derive(Clone, Copy)]
struct Start {
    instructions: u64,
    heap: usize,
}

/// When this life began, and nothing was used.
const BOOT: Start = Start {
    instructions: 0,
    heap: 0,
};

struct Figures {
    rows: heapless::Vec<Row, ROWS>,
    connecting: Option<Start>,
    message: Option<Start>,
    /// Something that goes on beside telemetry, whose messages are not counted meanwhile.
    beside: Option<Start>,
    restarting: Option<Start>,
    telemetry_seen: bool,
    /// A client waits for the cloud's answer with Bluetooth up.
    awaited: bool,
}

static FIGURES: Mutex<RefCell<Figures>> = Mutex::new(RefCell::new(Figures {
    rows: heapless::Vec::new(),
    connecting: None,
    message: None,
    beside: None,
    restarting: None,
    telemetry_seen: false,
    awaited: false,
}));

/// Takes notice of an event, which may end a phase and begin another.
pub(crate) fn notice(event: &Event) {
    critical_section::with(|cs| FIGURES.borrow_ref_mut(cs).notice(event));
}

impl Start {
    fn now() -> Self {
        heap::begin_phase();
        Self {
            instructions: executor::instructions(),
            heap: heap::used(),
        }
    }
}

impl Figures {
    fn notice(&mut self, event: &Event) {
        match event {
            Event::Provisioned { .. } => self.add("boot-to-provisioned", BOOT, heap::peak()),
            Event::Connecting { .. } => {
                self.message = None;
                self.beside = None;
                self.connecting = Some(Start::now());
            }
            Event::TlsEstablished { resumed, .. } => {
                let what = if self.awaited {
                    "handshake-beside-bluetooth"
                } else if *resumed {
                    "handshake-resumed"
                } else {
                    "handshake-full"
                };
                self.add_since(what, self.connecting);
            }
            Event::Online { .. } => {
                let start = self.connecting.take();
                self.add_since("connected", start);
            }
            Event::Acknowledged { samples, backlog } => {
                if !self.telemetry_seen {
                    self.telemetry_seen = true;
                    self.add("boot-to-first-telemetry", BOOT, heap::peak());
                }
                // Only messages of one sample are alike, and only when nothing came between.
                if self.beside.is_some() {
                    // It is counted with that.
                } else if (*samples, *backlog) == (1, 0) {
                    self.add_since("message", self.message);
                    self.message = Some(Start::now());
                } else {
                    self.message = None;
                }
            }
            // What was done before that was told counts, too, since the last message.
            Event::FirmwareFetching { .. } | Event::Renewal(Renewal::Requested) => {
                self.beside = Some(self.message.take().unwrap_or_else(Start::now));
            }
            Event::FirmwareInstalled { .. } => {
                let start = self.beside.take();
                self.add_since("update", start);
                // A restart comes next, which it does not outlive.
                self.print();
            }
            Event::Renewal(Renewal::Trying) => {
                let start = self.beside.take();
                self.add_since("renewal", start);
            }
            Event::Restarting { .. } => self.restarting = Some(Start::now()),
            // Unsent samples go into flash before a restart, which the table does not outlive.
            Event::SamplesKept { .. } if self.restarting.is_some() => {
                let start = self.restarting.take();
                self.add_since("kept-before-restart", start);
                self.rows.last().into_iter().for_each(Row::print);
            }
            Event::AnswerAwaited => self.awaited = true,
            Event::BluetoothStopped => self.awaited = false,
            Event::Sampled(_) => {}
            _ => self.message = None,
        }
    }

    fn print(&self) {
        line(
            "figure",
            [&"times", &"instructions", &"heap-peak", &"heap-kept"],
        );
        self.rows.iter().for_each(Row::print);
        line("figure", [&"", &"", &"size", &"most-used"]);
        line("heap", [&"", &"", &heap::SIZE, &heap::peak()]);
        let (size, depth) = stack::size_and_depth();
        line("stack", [&"", &"", &size, &depth]);
        let nor::Erased { sectors, most } = nor::erased();
        line("figure", [&"", &"", &"sectors", &"most-often"]);
        line("erased", [&"", &"", &sectors, &most]);
    }

    fn add_since(&mut self, what: &'static str, start: Option<Start>) {
        if let Some(start) = start {
            self.add(what, start, heap::phase_peak());
        }
    }

    fn add(&mut self, what: &'static str, start: Start, peak: usize) {
        let instructions = executor::instructions().saturating_sub(start.instructions);
        let peak = peak.saturating_sub(start.heap);
        let kept = heap::used().saturating_sub(start.heap);
        if let Some(row) = self.rows.iter_mut().find(|row| row.what == what) {
            row.times += 1;
            row.instructions += instructions;
            row.heap_peak = row.heap_peak.max(peak);
            row.heap_kept = row.heap_kept.max(kept);
        } else {
            // There are as many rows as names above, or more.
            let _ = self.rows.push(Row {
                what,
                times: 1,
                instructions,
                heap_peak: peak,
                heap_kept: kept,
            });
        }
    }
}

impl Row {
    /// Instructions are the mean of all times.
    fn print(&self) {
        let mean = self.instructions / u64::from(self.times);
        let columns: [&dyn Display; 4] = [&self.times, &mean, &self.heap_peak, &self.heap_kept];
        line(self.what, columns);
    }
}

fn line(what: &str, columns: [&dyn Display; 4]) {
    let [times, instructions, peak, kept] = columns;
    println!("{what:24} {times:>8} {instructions:>14} {peak:>10} {kept:>10}");
}

/// Prints the table; instructions are the mean of all times, heap is the most. The last rows are of the
/// whole life: how large heap and stack are, and how much of each was ever in use; how many sectors of
/// flash were erased, and how often the one was that was most often.
pub(crate) fn print() {
    critical_section::with(|cs| FIGURES.borrow_ref(cs).print());
}
