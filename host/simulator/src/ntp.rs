//! A time server for the desk: SNTP (RFC 4330), off by as much as a test likes, silent, or talking
//! nonsense.
//!
//! Its clock begins with the host's, and then runs at the rate of `hosttime`, as the devices' do:
//! a device that lives hours in minutes finds hours gone by when it asks again.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use embassy_time::Instant;

use crate::internet::{Datagrams, Internet};

/// Seconds from 1900, where NTP counts from, to 1970.
const ERA: u64 = 2_208_988_800;

/// A running time server; it stops when dropped. Runs on the present `LocalSet`.
pub struct TimeServer {
    address: SocketAddr,
    offset_ms: Rc<Cell<i64>>,
    silent: Rc<Cell<bool>>,
    nonsense: Rc<RefCell<Option<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TimeServer {
    /// Starts on a free port of the computer's loopback interface.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_in(&Internet::of_host(), anywhere).await
    }

    /// Starts at this address of an internet; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    pub async fn start_in(internet: &Internet, address: SocketAddr) -> io::Result<Self> {
        let socket = internet.bind(address).await?;
        let address = socket.local_addr()?;
        let (offset_ms, silent) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let nonsense = Rc::default();
        let serving = serve(
            socket,
            offset_ms.clone(),
            silent.clone(),
            Rc::clone(&nonsense),
        );
        let task = tokio::task::spawn_local(serving);
        Ok(Self {
            address,
            offset_ms,
            silent,
            nonsense,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells a time that is off by this many milliseconds from now on.
    pub fn lie(&self, offset_ms: i64) {
        self.offset_ms.set(offset_ms);
    }

    /// Answers nobody from now on, or everybody again.
    pub fn be_silent(&self, silent: bool) {
        self.silent.set(silent);
    }

    /// Answers everybody with these bytes from now on, or as it should again.
    pub fn talk_nonsense(&self, answer: Option<Vec<u8>>) {
        self.nonsense.replace(answer);
    }
}

impl Drop for TimeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    socket: Datagrams,
    offset_ms: Rc<Cell<i64>>,
    silent: Rc<Cell<bool>>,
    nonsense: Rc<RefCell<Option<Vec<u8>>>>,
) {
    let mut request = [0; 128];
    while let Ok((length, from)) = socket.recv_from(&mut request).await {
        if !silent.get() && length >= 48 {
            let nonsense = nonsense.borrow().clone();
            let answer = nonsense.unwrap_or_else(|| answer(&request, offset_ms.get()).to_vec());
            // A client that went away is no concern of ours.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The calendar time of the desk, in milliseconds since 1970 UTC.
#[must_use]
pub fn now_unix_ms() -> u64 {
    let since = hosttime::at_instant_0().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64 + Instant::now().as_millis()
}

fn answer(request: &[u8; 128], offset_ms: i64) -> [u8; 48] {
    let unix_ms = now_unix_ms().saturating_add_signed(offset_ms);
    let seconds = (unix_ms / 1000 + ERA) as u32;
    let fraction = ((unix_ms % 1000) << 32) / 1000;
    let mut now = [0; 8];
    now[..4].copy_from_slice(&seconds.to_be_bytes());
    now[4..].copy_from_slice(&(fraction as u32).to_be_bytes());

    let mut answer = [0; 48];
    answer[0] = 0x24; // no warning, version 4, server
    answer[1] = 1; // a primary server
    answer[3] = 0xec; // precision 2^-20 s
    answer[12..16].copy_from_slice(b"LOCL");
    answer[16..24].copy_from_slice(&now); // when it was last set
    answer[24..32].copy_from_slice(&request[40..48]); // the request's own time
    answer[32..40].copy_from_slice(&now); // received
    answer[40..48].copy_from_slice(&now); // sent
    answer
}
