//! The server on this computer, as those see it who reach its ports. It runs on a thread of its
//! own; a panic there ends the fuzzer as well.

use std::cell::RefCell;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use devserver::{Config, Server};

/// The access token of the device that exists.
pub const TOKEN: &str = "token";
/// Its name.
pub const DEVICE: &str = "dev";
/// After so many inputs it starts anew, so that what they left behind does not pile up.
const INPUTS: u32 = 500;

struct Running {
    server: Server,
    inputs: u32,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// Does something with a running server.
pub fn with<T>(act: impl FnOnce(&Server) -> T) -> T {
    RUNNING.with_borrow_mut(|running| {
        running.take_if(|running| running.inputs >= INPUTS);
        let running = running.get_or_insert_with(start);
        running.inputs += 1;
        act(&running.server)
    })
}

fn start() -> Running {
    let server = block_on(Server::start(Config::default())).expect("ports are free");
    let made = block_on(server.create_device(DEVICE, Some(TOKEN)));
    made.expect("the database works").expect("the name is free");
    Running { server, inputs: 0 }
}

/// Sends bytes, and gives what came back until the server closed, which it must do soon.
///
/// With `wait` the server is left to answer before it learns that nothing more comes.
pub fn exchange(address: SocketAddr, request: &[u8], wait: bool) -> Vec<u8> {
    // A server that has answered and closes while the rest of a request arrives resets the
    // connection, and the answer is lost (RFC 9112, 9.6): once in some hundred thousand.
    for _ in 0..2 {
        if let Some(reply) = attempt(address, request, wait) {
            return reply;
        }
    }
    panic!("reset twice")
}

/// None if the connection was reset before anything came back.
fn attempt(address: SocketAddr, request: &[u8], wait: bool) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    // Less than what libFuzzer allows for an input, and more than a busy computer ever took.
    let patience = Some(Duration::from_secs(18));
    stream.set_read_timeout(patience).expect("it is not zero");
    let mut reply = vec![0; 1];
    // It may hang up while it is talked to.
    let _ = stream.write_all(request);
    if wait {
        // Unlike `read`, it goes on where the fuzzer's alarm interrupts it.
        match stream.read_exact(&mut reply) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            other => panic!("no answer, but {other:?}"),
        }
    } else {
        reply.clear();
    }
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read_to_end(&mut reply) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("the server keeps a connection that has ended")
        }
        _ => Some(reply),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future; the server's need no runtime of their own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
