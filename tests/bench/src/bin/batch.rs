//! SPIFFS images on several threads: `batch IMAGES BYTES THREADS`.

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
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < images {
                    std::hint::black_box(images::build(size, &credentials, 0));
                }
            });
        }
    });
    println!("{}", start.elapsed().as_secs_f64());
}
