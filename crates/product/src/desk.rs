//! A product at a desk: what a device does with it, one thing at a time, for its tests.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use heapless::String;
use thingsboard::json::{Json, Writer};

use crate::attribute::{Attributes as _, Members};
use crate::{Faults, Product, Readings, Refused, answer};

/// Takes a sample, as a device does.
pub fn sample<P: Product>(product: &mut P) -> Readings {
    let mut faults = Faults::default();
    let reading = run(product.sample(&mut faults));
    Readings::of::<P>(&reading, &mut faults)
}

/// The event that has happened, if one has.
pub fn event<P: Product>(product: &mut P) -> Option<Readings> {
    let reading = poll(product.event())?;
    Some(Readings::of::<P>(&reading, &mut Faults::default()))
}

/// Calls a method with params of JSON, or none, which are empty. Returns the reply as the server has it.
///
/// # Panics
///
/// If the params are no JSON.
pub fn call<P: Product>(product: &mut P, method: &str, params: &str) -> String<384> {
    let mut reply = [0; 384];
    let params = (!params.is_empty()).then(|| json(params));
    let length = run(answer(product, method, params, &mut reply)).length;
    text(reply.get(..length))
}

/// Sets a shared attribute to a value of JSON.
///
/// # Errors
///
/// [`Refused`] is what the operator is told.
///
/// # Panics
///
/// If there is no such attribute, or the value is no JSON.
pub fn set<P: Product>(product: &mut P, key: &str, value: &str) -> Result<(), Refused> {
    let attributes = P::attributes();
    let done = run(attributes.set(product, key, json(value)));
    let (_, done) = done.expect("there is such a shared attribute");
    done
}

/// The client attributes as the product has them, in JSON.
pub fn attributes<P: Product>(product: &P) -> String<384> {
    let mut buffer = [0; 384];
    let mut writer = Writer::new(&mut buffer);
    Members::object(&mut writer, |members| {
        P::attributes().tell(product, members)
    });
    text(writer.finish().ok().map(|written| written as &[u8]))
}

/// Runs what a product does to its end.
///
/// # Panics
///
/// If it waits for something, which simulated hardware has no reason to.
pub fn run<F: Future>(work: F) -> F::Output {
    poll(work).expect("the product waits: simulated hardware answers at once")
}

fn poll<F: Future>(work: F) -> Option<F::Output> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn json(text: &str) -> Json<'_> {
    Json::parse(text.as_bytes()).expect("it is JSON")
}

fn text<const N: usize>(bytes: Option<&[u8]>) -> String<N> {
    let text = bytes.and_then(|bytes| core::str::from_utf8(bytes).ok());
    text.and_then(|text| text.try_into().ok())
        .unwrap_or_default()
}
