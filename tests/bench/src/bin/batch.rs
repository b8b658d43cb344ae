//! SPIFFS images on several threads: `batch IMAGES BYTES THREADS` prints the seconds that it took,
//! and how many cores it used: the time that each thread was at work, added up, through that.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bench::images;

fn main() {
    let arguments: Vec<u32> = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("batch IMAGES BYTES THREADS"))
        .collect();
    let [images, size, threads] = arguments[..] else {
        panic!("batch IMAGES BYTES THREADS");
    };
    let credentials = images::credentials();
    let next = AtomicU32::new(0);
    // How long threads take to start is not what is asked.
    let ready = Barrier::new(threads as usize);
    let work = || {
        // Its memory is the system's until then.
        std::hint::black_box(images::build(size, &credentials, 0));
        ready.wait();
        let start = Instant::now();
        while next.fetch_add(1, Ordering::Relaxed) < images {
            std::hint::black_box(images::build(size, &credentials, 0));
        }
        (start, Instant::now())
    };
    let times: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        joined.collect()
    });
    let first = times.iter().map(|(start, _)| *start).min();
    let last = times.iter().map(|(_, end)| *end).max();
    let seconds = first
        .zip(last)
        .map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    let at_work: f64 = times
        .iter()
        .map(|(start, end)| (*end - *start).as_secs_f64())
        .sum();
    println!("{seconds} {}", at_work / seconds);
}
