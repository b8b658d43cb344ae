//! SPIFFS images on several threads: `batch IMAGES BYTES THREADS` prints the seconds that it took,
//! and how many cores it used: the time that each thread was at work, added up, through that.

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
    let start = Instant::now();
    let work = || {
        let start = Instant::now();
        while next.fetch_add(1, Ordering::Relaxed) < images {
            std::hint::black_box(images::build(size, &credentials, 0));
        }
        start.elapsed().as_secs_f64()
    };
    let at_work: f64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        joined.sum()
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds} {}", at_work / seconds);
}
