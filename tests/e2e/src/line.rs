//! The network between the access point and the server: a relay of TCP connections that can be
//! cut, silenced, delayed.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use embassy_time::{Duration, Instant, Timer};
use simulator::internet::{Internet, Listener, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// As it should be.
    Fair,
    /// Connections are refused.
    Refusing,
    /// Connections are taken, and nothing comes through.
    Silent,
    /// Everything comes later by this many milliseconds of the device's time.
    Slow(u32),
    /// Everything comes byte by byte.
    Trickling,
}

struct State {
    internet: Internet,
    weather: watch::Sender<Weather>,
    /// Where the server is, if it is up.
    server: Cell<Option<u16>>,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u64>,
    /// Bytes until the next mischief, and which.
    mischief: Cell<Option<(u32, Mischief)>>,
}

/// What happens to a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mischief {
    /// It does not arrive, and nothing after it.
    Cut,
    /// One of its bits is another.
    Spoil,
}

/// The relay; it stops when dropped. Runs on the present `LocalSet`.
pub struct Line {
    /// Where devices connect to.
    pub port: u16,
    state: Rc<State>,
    task: JoinHandle<()>,
}

impl Line {
    /// Lays a line that leads nowhere yet.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn lay(internet: &Internet) -> io::Result<Self> {
        let listener = internet.listen(at(0)).await?;
        let port = listener.local_addr()?.port();
        let state = Rc::new(State {
            internet: internet.clone(),
            weather: watch::Sender::new(Weather::Fair),
            server: Cell::new(None),
            cuts: watch::Sender::new(0),
            mischief: Cell::new(None),
        });
        let task = tokio::task::spawn_local(relay(listener, state.clone()));
        Ok(Self { port, state, task })
    }

    /// Leads to the server at this port from now on, or nowhere.
    pub fn lead_to(&self, server: Option<u16>) {
        self.state.server.set(server);
    }

    /// Changes the weather, for connections that stand as well.
    pub fn be(&self, weather: Weather) {
        self.state.weather.send_replace(weather);
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Breaks all connections after as many more bytes, both ways together.
    pub fn cut_after(&self, bytes: u32) {
        self.state.mischief.set(Some((bytes, Mischief::Cut)));
    }

    /// Changes the byte after as many more, both ways together.
    pub fn spoil_after(&self, bytes: u32) {
        self.state.mischief.set(Some((bytes, Mischief::Spoil)));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl State {
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// A port of this computer.
fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn relay(mut listener: Listener, state: Rc<State>) {
    while let Ok((device, _)) = listener.accept().await {
        if *state.weather.borrow() != Weather::Refusing {
            tokio::task::spawn_local(carry(device, state.clone()));
        }
    }
}

/// Carries one connection until either end closes it, or it is cut.
async fn carry(device: Stream, state: Rc<State>) {
    let mut cuts = state.cuts.subscribe();
    let carrying = async {
        // Whoever is silenced never reaches the server.
        state.while_silent().await;
        let port = state.server.get().ok_or(io::ErrorKind::ConnectionRefused)?;
        let server = state.internet.connect(at(port)).await?;
        let (from_device, to_device) = split(device);
        let (from_server, to_server) = split(server);
        tokio::try_join!(
            pump(from_device, to_server, &state),
            pump(from_server, to_device, &state),
        )?;
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        // Either end is free to hang up.
        _ = carrying => {}
        _ = cuts.changed() => {}
    }
}

/// Bytes on their way, with when they arrive; none are the end.
type OnTheWay = (Instant, Vec<u8>);

/// How many times 4 KiB the line holds: more than any weather has on its way.
const MOST_ON_THE_WAY: usize = 256;

async fn pump(from: ReadHalf<Stream>, to: WriteHalf<Stream>, state: &State) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(MOST_ON_THE_WAY);
    tokio::try_join!(take(from, sender, state), deliver(receiver, to, state))?;
    Ok(())
}

/// Takes what comes. What is delayed does not keep back what comes after it.
async fn take(
    mut from: ReadHalf<Stream>,
    to: mpsc::Sender<OnTheWay>,
    state: &State,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).await?;
        let mut arrives = Instant::now();
        if let Weather::Slow(ms) = *state.weather.borrow() {
            arrives += Duration::from_millis(ms.into());
        }
        let bytes = buffer[..length].to_vec();
        if to.send((arrives, bytes)).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

async fn deliver(
    mut from: mpsc::Receiver<OnTheWay>,
    mut to: WriteHalf<Stream>,
    state: &State,
) -> io::Result<()> {
    while let Some((arrives, mut bytes)) = from.recv().await {
        Timer::at(arrives).await;
        if bytes.is_empty() {
            // One end's goodbye ends both ways: a device does not wait for half a connection.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        state.while_silent().await;
        let step = match *state.weather.borrow() {
            Weather::Trickling => 1,
            _ => bytes.len(),
        };
        for chunk in bytes.chunks_mut(step) {
            let allowed = state.interfere(chunk);
            to.write_all(&chunk[..allowed]).await?;
            if allowed < chunk.len() {
                state.cut();
                return Ok(());
            }
            if step == 1 {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

impl State {
    async fn while_silent(&self) {
        // The sender lives as long as the state.
        let mut weather = self.weather.subscribe();
        let _ = weather
            .wait_for(|weather| *weather != Weather::Silent)
            .await;
    }

    /// Does to these bytes what is due, and returns how many of them come through.
    fn interfere(&self, bytes: &mut [u8]) -> usize {
        let Some((left, mischief)) = self.mischief.get() else {
            return bytes.len();
        };
        let Some(byte) = bytes.get_mut(left as usize) else {
            self.mischief
                .set(Some((left - bytes.len() as u32, mischief)));
            return bytes.len();
        };
        self.mischief.set(None);
        match mischief {
            Mischief::Cut => left as usize,
            Mischief::Spoil => {
                *byte ^= 0x10;
                bytes.len()
            }
        }
    }
}
