//! The BLE central: finds devices, connects, and carries requests over GATT.
//!
//! The host stack runs in a task of its own on the current `tokio` [`LocalSet`]
//! (`trouble-host` is not `Send`); [`Ble`] is the handle to it, and dropping it ends the task,
//! which closes the link.
//!
//! [`LocalSet`]: tokio::task::LocalSet

mod connection;
mod pool;
mod scan;
mod survey;
mod tap;

use std::time::Duration;

use embassy_futures::select::{Either, select};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use trouble_host::prelude::*;
use vhci::HciTransport;

pub use survey::{Survey, SurveyedCharacteristic};

use crate::found::Found;
use crate::link_error::LinkError;
use pool::HeapPool;
use scan::Reports;
use tap::Tap;

/// The ATT MTU that is asked for: the most that any attribute value needs.
pub const LARGEST_MTU: usize = 517;

/// L2CAP's header, which is in the packet buffers too.
const L2CAP_HEADER: usize = 4;

/// Commands that the controller can have under way at once.
const COMMAND_SLOTS: usize = 4;

/// How a request is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// In one piece where it fits, else as a long write.
    AsNeeded,
    /// As a long write.
    Long,
    /// As a long write that is given up before it counts: there is no reply.
    Abandoned,
}

/// A handle to the central's task.
pub(crate) struct Ble {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

enum Command {
    Scan {
        found: mpsc::UnboundedSender<Found>,
        until: oneshot::Receiver<()>,
    },
    Connect {
        address: Address,
        done: oneshot::Sender<Result<(), LinkError>>,
    },
    Exchange {
        endpoint: String,
        request: Vec<u8>,
        writes: Writes,
        done: oneshot::Sender<Result<Vec<u8>, LinkError>>,
    },
    Survey {
        done: oneshot::Sender<Survey>,
    },
    Disconnect {
        done: oneshot::Sender<()>,
    },
}

impl Drop for Ble {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ble {
    /// Starts the host stack on a controller, with this ATT MTU at most (23, 185, 247 or 517;
    /// other values take the next lower one of these).
    ///
    /// # Panics
    /// Outside of a `LocalSet`.
    pub(crate) fn start(transport: HciTransport, mtu: usize) -> Self {
        let (commands, receiver) = mpsc::channel(1);
        let task = match mtu {
            LARGEST_MTU.. => start::<{ LARGEST_MTU + L2CAP_HEADER }>(transport, receiver),
            247.. => start::<{ 247 + L2CAP_HEADER }>(transport, receiver),
            185.. => start::<{ 185 + L2CAP_HEADER }>(transport, receiver),
            _ => start::<{ 23 + L2CAP_HEADER }>(transport, receiver),
        };
        Self { commands, task }
    }

    /// Listens for provisioning devices, `time` long or until `enough` says so.
    pub(crate) async fn scan(
        &self,
        time: Duration,
        mut enough: impl FnMut(&Found) -> bool,
    ) -> Result<Vec<Found>, LinkError> {
        let (found, mut findings) = mpsc::unbounded_channel();
        let (stop, until) = oneshot::channel();
        self.send(Command::Scan { found, until }).await?;
        let mut devices: Vec<Found> = Vec::new();
        let listen = async {
            while let Some(found) = findings.recv().await {
                let done = enough(&found);
                match devices.iter_mut().find(|d| d.peer == found.peer) {
                    Some(known) => *known = found,
                    None => devices.push(found),
                }
                if done {
                    break;
                }
            }
        };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        select(listen, embassy_time::Timer::after_micros(micros)).await;
        drop(stop);
        Ok(devices)
    }

    /// Connects to a device and learns its endpoints.
    pub(crate) async fn connect(&self, address: Address) -> Result<(), LinkError> {
        self.ask(|done| Command::Connect { address, done }).await?
    }

    /// Writes a request to an endpoint and reads the reply.
    pub(crate) async fn exchange(
        &self,
        endpoint: &str,
        request: &[u8],
        writes: Writes,
    ) -> Result<Vec<u8>, LinkError> {
        let (endpoint, request) = (endpoint.to_owned(), request.to_vec());
        self.ask(|done| Command::Exchange {
            endpoint,
            request,
            writes,
            done,
        })
        .await?
    }

    /// What the service of the connected device looks like.
    pub(crate) async fn survey(&self) -> Result<Survey, LinkError> {
        self.ask(|done| Command::Survey { done }).await
    }

    /// Ends the link, if there is one.
    pub(crate) async fn disconnect(&self) {
        // A stack that is gone has no link either.
        let _ = self.ask(|done| Command::Disconnect { done }).await;
    }

    async fn ask<R>(
        &self,
        command: impl FnOnce(oneshot::Sender<R>) -> Command,
    ) -> Result<R, LinkError> {
        let (done, answer) = oneshot::channel();
        self.send(command(done)).await?;
        // Whoever worked on it was dropped: with the link, or with the whole stack.
        answer.await.map_err(|_| {
            if self.task.is_finished() {
                stack_gone()
            } else {
                LinkError::Lost
            }
        })
    }

    async fn send(&self, command: Command) -> Result<(), LinkError> {
        self.commands.send(command).await.map_err(|_| stack_gone())
    }
}

/// Starts the host stack with packets of this size, which decides on the ATT MTU.
fn start<const FRAME: usize>(
    transport: HciTransport,
    commands: mpsc::Receiver<Command>,
) -> JoinHandle<()> {
    tokio::task::spawn_local(run::<HeapPool<FRAME>>(transport, commands))
}

fn stack_gone() -> LinkError {
    LinkError::Stack("it ended; the log tells why".into())
}

/// The central's life: the host stack beside the commands to it.
async fn run<P: PacketPool>(transport: HciTransport, mut commands: mpsc::Receiver<Command>) {
    let tap = Tap::new(transport);
    let controller: ExternalController<Tap, COMMAND_SLOTS> = ExternalController::new(tap.clone());
    let mut resources: HostResources<P, 1, 1> = HostResources::new();
    let stack = trouble_host::new(controller, &mut resources)
        .set_random_address(random_static_address())
        .build();
    let mut runner = stack.runner();
    let reports = Reports::default();
    let serve = async {
        let mut central = stack.central();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Scan { found, until } => {
                    if let Err(e) = scan::scan(&mut central, &reports, found, until).await {
                        log::error!("scanning failed: {e:?}");
                    }
                }
                Command::Connect { address, done } => {
                    connection::serve(&stack, &tap, &mut central, address, done, &mut commands)
                        .await;
                }
                Command::Exchange { done, .. } => drop(done.send(Err(LinkError::Lost))),
                // Dropped, it says that there is no link.
                Command::Survey { .. } => {}
                Command::Disconnect { done } => drop(done.send(())),
            }
        }
    };
    match select(runner.run_with_handler(&reports), serve).await {
        Either::First(Err(BleHostError::Controller(e))) => log::error!("{e}"),
        Either::First(result) => log::error!("the Bluetooth stack ended: {result:?}"),
        Either::Second(()) => {}
    }
}

/// A random static address (Core 5.4, Vol 6, Part B, section 1.3.2.1): the two upper bits are set.
fn random_static_address() -> Address {
    let mut bytes: [u8; 6] = rand::random();
    bytes[5] |= 0xC0;
    Address::new(AddrKind::RANDOM, BdAddr::new(bytes))
}
