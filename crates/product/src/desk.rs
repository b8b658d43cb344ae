//! A product at a desk: what a device does with it, one thing at a time, for its tests.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::{Faults, Product, Readings};

/// Takes a sample, as a device does.
pub fn sample<P: Product>(product: &mut P) -> Readings {
    let mut faults = Faults::default();
    let reading = run(product.sample(&mut faults));
    Readings::of::<P>(&reading, &mut faults)
}

/// Runs what a product does to its end.
///
/// # Panics
///
/// If it waits for something, which simulated hardware has no reason to.
pub fn run<F: Future>(work: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the product waits: simulated hardware answers at once"),
    }
}
