//! The air: virtual controllers and what goes on between them, as a pure state machine.
//!
//! Bytes and the time go in ([`Air::from_host`], [`Air::poll`]), bytes and the next deadline come
//! out ([`Air::to_host`], [`Air::next_deadline`]). No clock, no socket, no task. Packets are H4
//! packets: an indicator byte, then the HCI packet (Core 5.4, Vol 4, Parts A and E).
//!
//! Driving it: after every call that may have produced packets, take them with `to_host` until it
//! gives none; call `poll` at `next_deadline` at the latest.
//!
//! There is no encryption and no privacy: those commands are unknown here, and a host is told so.

mod advertising;
mod info;
mod link;
mod node;
mod procedure;
mod reports;
mod scanning;
mod supported;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use link::Link;
pub use node::ControllerConfig;
use node::Node;
use supported::opcode as op;

use crate::faults::Faults;
use crate::wire::{Params, Status, h4};

/// Names a controller on the air.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Port(u32);

/// Virtual controllers that hear each other.
#[derive(Default)]
pub struct Air {
    now: Duration,
    nodes: BTreeMap<Port, Node>,
    links: Vec<Link>,
    next_port: u32,
    next_link: u64,
}

impl Air {
    /// Empty air.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a controller on the air, as if just powered on.
    pub fn add(&mut self, config: ControllerConfig) -> Port {
        let port = Port(self.next_port);
        self.next_port += 1;
        self.nodes.insert(port, Node::new(config));
        port
    }

    /// Takes a controller off the air. Its links are lost: the other ends notice after their
    /// supervision timeout.
    pub fn remove(&mut self, port: Port, now: Duration) {
        self.advance(now);
        self.silence(port);
        self.nodes.remove(&port);
    }

    /// What goes wrong at a controller, to be changed at will. `None`: no such controller.
    pub fn faults(&mut self, port: Port) -> Option<&mut Faults> {
        self.nodes.get_mut(&port).map(|n| &mut n.faults)
    }

    /// Loses all links of a controller now; the hosts at both ends see reason 0x08.
    pub fn drop_links(&mut self, port: Port, now: Duration) {
        self.advance(now);
        self.lose_links(port);
    }

    /// Takes a packet from a host: its indicator byte, then the HCI packet. What is malformed is
    /// ignored, as are synchronous and isochronous data.
    pub fn from_host(&mut self, port: Port, packet: &[u8], now: Duration) {
        self.advance(now);
        match packet.split_first() {
            Some((&h4::COMMAND, rest)) => {
                if let Some((&[o0, o1, length], parameters)) = rest.split_first_chunk::<3>() {
                    let parameters = parameters.get(..usize::from(length)).unwrap_or(&[]);
                    self.command(port, u16::from_le_bytes([o0, o1]), parameters);
                }
            }
            Some((&h4::ACL, rest)) => self.acl_from_host(port, rest),
            _ => {}
        }
    }

    /// The next packet for a host, if one is due. Taking ACL data gives its sender a buffer back.
    pub fn to_host(&mut self, port: Port, now: Duration) -> Option<Vec<u8>> {
        self.advance(now);
        let node = self.nodes.get_mut(&port)?;
        node.fresh = false;
        if node.out.front()?.due > now {
            return None;
        }
        let packet = node.out.pop_front()?;
        if let Some(credit) = packet.credit {
            self.completed(credit);
        }
        Some(packet.bytes)
    }

    /// Whether packets were queued for a host since it last called [`Air::to_host`].
    pub fn has_news(&self, port: Port) -> bool {
        self.nodes.get(&port).is_some_and(|n| n.fresh)
    }

    /// Does what is due: advertising events, ends of scans and of links.
    pub fn poll(&mut self, now: Duration) {
        self.advance(now);
        self.supervise();
        for port in self.ports() {
            self.expire_scan(port);
            for handle in self.nodes[&port]
                .state
                .sets
                .keys()
                .copied()
                .collect::<Vec<_>>()
            {
                self.poll_set(port, handle);
            }
        }
    }

    fn poll_set(&mut self, port: Port, handle: u8) {
        let now = self.now;
        let listened_to = self.is_listened_to();
        let Some(running) = self
            .nodes
            .get(&port)
            .and_then(|n| n.state.sets.get(&handle)?.running.as_ref())
        else {
            return;
        };
        if running.until.is_some_and(|t| t <= now) {
            self.end_set(port, handle, Status::ADVERTISING_TIMEOUT, None);
        } else if listened_to && running.next <= now {
            self.advertising_event(port, handle);
        }
    }

    /// When [`Air::poll`] has to be called next, unless something is sent before. `None`: there
    /// is nothing to wait for.
    pub fn next_deadline(&self) -> Option<Duration> {
        let listened_to = self.is_listened_to();
        let mut next: Option<Duration> = None;
        let mut at = |t: Option<Duration>| next = [next, t].into_iter().flatten().min();
        for node in self.nodes.values() {
            at(node.out.front().map(|p| p.due).filter(|t| *t > self.now));
            at(node
                .state
                .scanner
                .as_ref()
                .filter(|s| s.own.is_some())
                .and_then(|s| s.until));
            for running in node.state.sets.values().filter_map(|s| s.running.as_ref()) {
                at(running.until);
                if listened_to {
                    at(Some(running.next));
                }
            }
        }
        for link in &self.links {
            at(link.lost);
        }
        next
    }

    /// Advertising into the void needs no events.
    fn is_listened_to(&self) -> bool {
        self.nodes.values().any(|n| {
            n.state.initiator.is_some() || n.state.scanner.as_ref().is_some_and(|s| s.own.is_some())
        })
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn node(&mut self, port: Port) -> Result<&mut Node, Status> {
        self.nodes.get_mut(&port).ok_or(Status::UNKNOWN_CONNECTION)
    }

    fn ports(&self) -> Vec<Port> {
        self.nodes.keys().copied().collect()
    }

    fn others(&self, port: Port) -> Vec<Port> {
        self.nodes.keys().copied().filter(|p| *p != port).collect()
    }

    /// Performs a command and answers it. No command stays without an answer, but for
    /// `Host Number Of Completed Packets`, which has none.
    fn command(&mut self, port: Port, opcode: u16, parameters: &[u8]) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        if !supported::is_known(opcode, node.config.extended) {
            node.command_status(now, opcode, Status::UNKNOWN_COMMAND);
            return;
        }
        if let Some(wanted) = supported::interface(opcode) {
            if node.state.interface.is_some_and(|used| used != wanted) {
                self.refuse(port, opcode, Status::DISALLOWED);
                return;
            }
            node.state.interface = Some(wanted);
        }
        let mut p = Params::new(parameters);
        match opcode {
            op::HOST_COMPLETED_PACKETS => {}
            op::RESET => {
                self.silence(port);
                if let Ok(node) = self.node(port) {
                    node.reset();
                    node.command_complete(now, opcode, Status::SUCCESS, &[]);
                }
            }
            op::LE_CREATE_CONNECTION_CANCEL => self.cancel_connection(port, opcode),
            _ if supported::answered_by_status(opcode) => self.procedure(port, opcode, &mut p),
            _ => match self.immediate(port, opcode, &mut p) {
                Ok(rest) => {
                    if let Ok(node) = self.node(port) {
                        node.command_complete(now, opcode, Status::SUCCESS, &rest);
                    }
                }
                Err(status) => self.refuse(port, opcode, status),
            },
        }
    }

    fn refuse(&mut self, port: Port, opcode: u16, status: Status) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        if supported::answered_by_status(opcode) {
            node.command_status(now, opcode, status);
        } else {
            node.command_complete(now, opcode, status, &[]);
        }
    }

    /// Commands that are done when they are answered.
    fn immediate(
        &mut self,
        port: Port,
        opcode: u16,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        if let Some(answer) = self.info(port, opcode, p) {
            return answer;
        }
        match opcode {
            op::LE_SET_ADV_PARAMETERS => self.set_adv_parameters(port, p),
            op::LE_SET_ADV_DATA => self.set_adv_data(port, p, false),
            op::LE_SET_SCAN_RESPONSE => self.set_adv_data(port, p, true),
            op::LE_SET_ADV_ENABLE => self.set_adv_enable(port, p),
            op::LE_SET_SCAN_PARAMETERS => self.set_scan_parameters(port, p),
            op::LE_SET_SCAN_ENABLE => self.set_scan_enable(port, p, false),
            op::LE_ADD_ACCEPT_LIST => self.accept_list(port, p, true),
            op::LE_REMOVE_ACCEPT_LIST => self.accept_list(port, p, false),
            op::LE_PARAMETER_REQUEST_REPLY => self.answer_update(port, p, true),
            op::LE_PARAMETER_REQUEST_NEGATIVE => self.answer_update(port, p, false),
            op::LE_SET_DATA_LENGTH => self.set_data_length(port, p),
            op::LE_SET_ADV_SET_RANDOM_ADDRESS => self.set_ext_adv_random_address(port, p),
            op::LE_SET_EXT_ADV_PARAMETERS => self.set_ext_adv_parameters(port, p),
            op::LE_SET_EXT_ADV_DATA => self.set_ext_adv_data(port, p, false),
            op::LE_SET_EXT_SCAN_RESPONSE => self.set_ext_adv_data(port, p, true),
            op::LE_SET_EXT_ADV_ENABLE => self.set_ext_adv_enable(port, p),
            op::LE_REMOVE_ADV_SET => p
                .u8()
                .and_then(|handle| self.remove_adv_sets(port, Some(handle))),
            op::LE_CLEAR_ADV_SETS => self.remove_adv_sets(port, None),
            op::LE_SET_EXT_SCAN_PARAMETERS => self.set_ext_scan_parameters(port, p),
            op::LE_SET_EXT_SCAN_ENABLE => self.set_scan_enable(port, p, true),
            _ => Err(Status::UNKNOWN_COMMAND),
        }
    }

    /// Commands that are answered at once and done later, with an event of their own.
    fn procedure(&mut self, port: Port, opcode: u16, p: &mut Params<'_>) {
        type Effect = Box<dyn FnOnce(&mut Air)>;
        let handle = |air: &Self, p: &mut Params<'_>| {
            let handle = p.u16()?;
            air.find_link(port, handle).map(|_| handle)
        };
        let effect: Result<Effect, Status> = match opcode {
            op::DISCONNECT => self.check_disconnect(port, p).map(|(handle, reason)| {
                Box::new(move |air: &mut Air| air.disconnect(port, handle, reason)) as Effect
            }),
            op::LE_CREATE_CONNECTION | op::LE_EXT_CREATE_CONNECTION => self
                .create_connection(port, p, opcode == op::LE_EXT_CREATE_CONNECTION)
                .map(|()| Box::new(|_: &mut Air| {}) as Effect),
            op::LE_CONNECTION_UPDATE => self.update_connection(port, p).map(|(id, end, wanted)| {
                Box::new(move |air: &mut Air| air.perform_update(id, end, wanted)) as Effect
            }),
            op::READ_REMOTE_VERSION => handle(self, p)
                .map(|h| Box::new(move |air: &mut Air| air.remote_version(port, h)) as Effect),
            op::LE_READ_REMOTE_FEATURES => handle(self, p)
                .map(|h| Box::new(move |air: &mut Air| air.remote_features(port, h)) as Effect),
            op::LE_SET_PHY => handle(self, p)
                .map(|h| Box::new(move |air: &mut Air| air.phy_updated(port, h)) as Effect),
            _ => Err(Status::UNKNOWN_COMMAND),
        };
        match effect {
            Ok(effect) => {
                let now = self.now;
                if let Ok(node) = self.node(port) {
                    node.command_status(now, opcode, Status::SUCCESS);
                }
                effect(self);
            }
            Err(status) => self.refuse(port, opcode, status),
        }
    }
}
