//! TLS records after a finished handshake: tickets, KeyUpdate, empty and long records, one byte at a
//! time, alerts, ChangeCipherSpec anywhere, while the device reads and writes, and drops its reads and
//! writes.
//!
//! What the device reads is what was sent, in order, and the server reads what the device wrote.
#![no_main]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use device::tls::{Resumption, Stream, TlsError};
use embedded_io_async::{Read, Write};
use fuzz::tls::client::client;
use fuzz::tls::{DATA, Kept, Play, Server, Wire};
use fuzz::{Script, time};
use libfuzzer_sys::fuzz_target;

/// What the device is to do.
enum Order {
    Read(usize),
    Write(usize),
    Flush,
    Close,
}

#[derive(Default)]
struct Orders(RefCell<VecDeque<Order>>);

impl Orders {
    async fn next(&self) -> Order {
        poll_fn(|_| match self.0.borrow_mut().pop_front() {
            Some(order) => Poll::Ready(order),
            None => Poll::Pending,
        })
        .await
    }

    /// What it comes to; none if another order comes first, and it is dropped.
    async fn unless_dropped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if !self.0.borrow().is_empty() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

fuzz_target!(|data: &[u8]| {
    time::reset();
    let mut script = Script::new(data);
    let first = [script.byte_or_0() & 1];
    let mut honest = Script::new(&first);
    let (wire, orders) = (Wire::default(), Orders::default());
    let (read, written) = (RefCell::new(Vec::<u8>::new()), Cell::new(0));
    let mut resumption = Resumption::new();
    let end = wire.clone();
    let mut device = Play::new(async {
        let mut stream = Stream::connect(end, client(), &mut resumption).await?;
        loop {
            match orders.next().await {
                Order::Read(length) => {
                    let mut buffer = vec![0; length];
                    match orders.unless_dropped(stream.read(&mut buffer)).await {
                        Some(Ok(0)) => return Ok::<(), TlsError>(()),
                        Some(length) => read.borrow_mut().extend(&buffer[..length?]),
                        None => {}
                    }
                }
                Order::Write(length) => {
                    let text: Vec<u8> = (written.get()..).take(length).map(pattern).collect();
                    if let Some(length) = orders.unless_dropped(stream.write(&text)).await {
                        written.set(written.get() + length?);
                    }
                }
                Order::Flush => {
                    if let Some(result) = orders.unless_dropped(stream.flush()).await {
                        result?;
                    }
                }
                Order::Close => {
                    orders.unless_dropped(stream.close()).await;
                }
            }
        }
    });
    let mut kept = Kept::default();
    let mut server = Server::new(wire.clone(), &mut honest);
    let opened = server.shake_hands(&mut device, &mut kept);
    opened.expect("an honest server is let in");
    server.script = &mut script;
    let mut sent = 0;
    let mut say = |server: &mut Server<'_, '_>, length: usize, padding: usize| {
        let text: Vec<u8> = (sent..).take(length).map(pattern).collect();
        sent += length;
        server.record(DATA, &text, padding);
    };
    for _ in 0..100 {
        let Some(step) = server.script.byte() else {
            break;
        };
        let order = |order| orders.0.borrow_mut().push_back(order);
        match step & 0xF {
            0 => {
                let length = usize::from(server.script.short()) % 16_385;
                say(&mut server, length, 0);
            }
            1 => (0..step >> 4).for_each(|_| say(&mut server, 1, 0)),
            2 => (0..step >> 4).for_each(|_| say(&mut server, 0, 0)),
            3 => {
                let padding = usize::from(server.script.short()) % 16_385;
                let length = usize::from(server.script.byte_or_0());
                say(&mut server, length.min(16_384 - padding), padding);
            }
            4 => server.ticket(&mut kept),
            5 => server.update_keys(step >> 4),
            6 => server.odd([0, 1, 2, 4, 5, 7, 0, 0][usize::from(step >> 4) & 7]),
            // In the clear.
            7 => {
                let kind = [20, 21, 22, 23, step >> 4][usize::from(step >> 4) % 5];
                let text = server.script.short_string().to_vec();
                server.plain(kind, &text);
            }
            // A message of any kind, in pieces or not, and perhaps data amid it.
            8 => {
                let text = server.script.short_string().to_vec();
                let (one, two) = text.split_at(usize::from(step >> 4).min(text.len()));
                server.record(22, one, 0);
                if step & 0x80 != 0 {
                    say(&mut server, 1, 0);
                }
                server.record(22, two, 0);
            }
            9 => order(Order::Write(usize::from(server.script.short()) % 20_000)),
            10 => order(Order::Flush),
            11 => order(Order::Read(usize::from(server.script.short()) % 20_000 + 1)),
            12 => order(Order::Read(usize::from(step >> 4) + 1)),
            13 if step >> 4 == 0 => order(Order::Close),
            13 => wire.most.set(usize::from(step >> 4)),
            14 => wire.stalled.set(!wire.stalled.get()),
            _ => {
                device.nudge();
            }
        }
        if step & 0x40 == 0 {
            device.nudge();
        }
    }
    wire.stalled.set(false);
    wire.most.set(0);
    server.listen(&mut device);
    wire.close();
    for _ in 0..=server.said.len() {
        if !device.nudge() {
            break;
        }
        orders.0.borrow_mut().push_back(Order::Read(20_000));
    }
    assert!(!device.nudge(), "it ends with the stream");
    server.listen(&mut device);
    let read = read.borrow();
    assert!(server.said.starts_with(&read));
    assert!(server.text.len() <= written.get());
    assert!(
        server
            .text
            .iter()
            .copied()
            .eq((0..server.text.len()).map(pattern))
    );
});

fn pattern(index: usize) -> u8 {
    (index % 251) as u8
}
