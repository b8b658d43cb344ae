//! Links: setting them up, data, and how they end.

use std::time::Duration;

use super::advertising::{AdvertisingSet, property};
use super::node::Credit;
use super::procedure::check_parameters;
use super::scanning::Initiator;
use super::{Air, Port};
use crate::wire::{Address, Bytes, Params, Status, event_code, le_event};

/// How many links one controller has at most.
const LINKS_PER_PORT: usize = 8;

/// A link between two controllers. End 0 is the central, end 1 the peripheral.
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) ends: [End; 2],
    pub(crate) interval: u16,
    pub(crate) latency: u16,
    pub(crate) timeout: u16,
    /// One end fell silent: the other notices at this time.
    pub(crate) lost: Option<Duration>,
    /// The peripheral was never heard.
    unheard: bool,
    /// Connection parameters that the peripheral asked for and the central's host has to judge.
    pub(crate) asked: Option<[u16; 4]>,
}

/// One end of a link.
pub(crate) struct End {
    pub(crate) port: Port,
    pub(crate) handle: u16,
    address: Address,
    /// Bytes of one link-layer packet that this end sends.
    pub(crate) octets: u16,
    /// ACL packets that this end's host sent and has not been credited for.
    outstanding: u16,
    /// `false` once the controller was reset or taken off the air.
    pub(crate) alive: bool,
}

impl Link {
    fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout) * 10)
    }
}

impl Air {
    pub(super) fn create_connection(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        extended: bool,
    ) -> Result<(), Status> {
        let initiator = if extended {
            let (policy, own_type, peer, phys) = (p.u8()?, p.u8()?, p.address()?, p.u8()?);
            if phys & 0b111 == 0 || policy > 1 {
                return Err(Status::INVALID_PARAMETERS);
            }
            let _scan = (p.u16()?, p.u16()?);
            let (least, interval, latency, timeout) = (p.u16()?, p.u16()?, p.u16()?, p.u16()?);
            check_parameters(least, interval, latency, timeout)?;
            self.initiator(
                port,
                extended,
                policy,
                own_type,
                peer,
                [interval, latency, timeout],
            )?
        } else {
            let _scan = (p.u16()?, p.u16()?);
            let (policy, peer, own_type) = (p.u8()?, p.address()?, p.u8()?);
            let (least, interval, latency, timeout) = (p.u16()?, p.u16()?, p.u16()?, p.u16()?);
            if policy > 1 {
                return Err(Status::INVALID_PARAMETERS);
            }
            check_parameters(least, interval, latency, timeout)?;
            self.initiator(
                port,
                extended,
                policy,
                own_type,
                peer,
                [interval, latency, timeout],
            )?
        };
        self.node(port)?.state.initiator = Some(initiator);
        Ok(())
    }

    fn initiator(
        &mut self,
        port: Port,
        extended: bool,
        policy: u8,
        own_type: u8,
        peer: Address,
        [interval, latency, timeout]: [u16; 3],
    ) -> Result<Initiator, Status> {
        let peer = (policy == 0).then_some(peer);
        if self.links.iter().any(|l| {
            (0..2).any(|i| {
                l.ends[i].alive && l.ends[i].port == port && Some(l.ends[1 - i].address) == peer
            })
        }) {
            return Err(Status::CONNECTION_EXISTS);
        }
        if self.links_of(port) >= LINKS_PER_PORT {
            return Err(Status::CONNECTION_LIMIT);
        }
        let node = self.node(port)?;
        if node.state.initiator.is_some() {
            return Err(Status::DISALLOWED);
        }
        let own = node.own_address(own_type)?;
        Ok(Initiator {
            extended,
            own,
            peer,
            interval,
            latency,
            timeout,
        })
    }

    /// Cancels a connection attempt: the command is answered, then the attempt ends with an event
    /// of its own.
    pub(super) fn cancel_connection(&mut self, port: Port, opcode: u16) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        match node.state.initiator.take() {
            None => node.command_complete(now, opcode, Status::DISALLOWED, &[]),
            Some(initiator) => {
                node.command_complete(now, opcode, Status::SUCCESS, &[]);
                let nobody = Address {
                    kind: 0,
                    bytes: [0; 6],
                };
                self.connection_complete(
                    port,
                    Status::UNKNOWN_CONNECTION,
                    0,
                    0,
                    nobody,
                    [initiator.interval, 0, 0],
                );
            }
        }
    }

    /// Sets up a link if `central` wants one with this advertiser.
    pub(super) fn try_initiate(
        &mut self,
        central: Port,
        peripheral: Port,
        handle: u8,
        set: &AdvertisingSet,
        from: Address,
        allowed: &[Address],
    ) -> bool {
        let Ok(node) = self.node(central) else {
            return false;
        };
        let Some(initiator) = node.state.initiator.clone() else {
            return false;
        };
        let wanted = match initiator.peer {
            Some(peer) => peer == from,
            None => node.state.accept_list.contains(&from),
        };
        let welcome = (!set.is(property::DIRECTED) || set.peer == initiator.own)
            && (set.filter_policy & 2 == 0 || allowed.contains(&initiator.own));
        let audible = initiator.extended || set.is(property::LEGACY);
        if !(wanted && welcome && audible) || self.links_of(peripheral) >= LINKS_PER_PORT {
            return false;
        }
        let Ok(node) = self.node(peripheral) else {
            return false;
        };
        let refused = node.faults.refuses_connection();
        self.establish(central, peripheral, handle, initiator, from, refused);
        !refused
    }

    fn establish(
        &mut self,
        central: Port,
        peripheral: Port,
        set: u8,
        initiator: Initiator,
        address: Address,
        refused: bool,
    ) {
        let now = self.now;
        let central_handle = self.free_handle(central);
        let parameters = [initiator.interval, initiator.latency, initiator.timeout];
        if let Ok(node) = self.node(central) {
            node.state.initiator = None;
        }
        self.connection_complete(
            central,
            Status::SUCCESS,
            central_handle,
            0,
            address,
            parameters,
        );
        let peripheral_handle = self.free_handle(peripheral);
        if !refused {
            self.connection_complete(
                peripheral,
                Status::SUCCESS,
                peripheral_handle,
                1,
                initiator.own,
                parameters,
            );
            self.end_set(peripheral, set, Status::SUCCESS, Some(peripheral_handle));
        }
        let octets = |air: &mut Self, of: Port, to: Port| {
            let most = air.node(to).map_or(27, |n| n.config.data_length.max(27));
            air.node(of)
                .map_or(27, |n| n.state.default_octets.min(most))
        };
        let (down, up) = (
            octets(self, central, peripheral),
            octets(self, peripheral, central),
        );
        let end = |port, handle, address, octets, alive| End {
            port,
            handle,
            address,
            octets,
            outstanding: 0,
            alive,
        };
        self.next_link += 1;
        let id = self.next_link;
        self.links.push(Link {
            id,
            ends: [
                end(central, central_handle, initiator.own, down, true),
                end(peripheral, peripheral_handle, address, up, !refused),
            ],
            interval: initiator.interval,
            latency: initiator.latency,
            timeout: initiator.timeout,
            // Six intervals in which nothing is heard end the attempt (Core 5.4, Vol 6, Part B,
            // section 4.5.2); an interval's unit is 1.25 ms.
            lost: refused
                .then(|| now + Duration::from_micros(u64::from(initiator.interval) * 1250 * 6)),
            unheard: refused,
            asked: None,
        });
        if !refused && (down, up) != (27, 27) {
            self.data_length_changed(id, now);
        }
    }

    fn connection_complete(
        &mut self,
        port: Port,
        status: Status,
        handle: u16,
        role: u8,
        peer: Address,
        [interval, latency, timeout]: [u16; 3],
    ) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        let head = Bytes::new().u8(status.0).u16(handle).u8(role).address(peer);
        let tail = |b: Bytes| b.u16(interval).u16(latency).u16(timeout).u8(0);
        // A host that knows the enhanced event gets that one only.
        if node.wants_le(le_event::ENHANCED_CONNECTION) {
            node.le_event(
                now,
                le_event::ENHANCED_CONNECTION,
                tail(head.slice(&[0; 12])),
            );
        } else {
            node.le_event(now, le_event::CONNECTION_COMPLETE, tail(head));
        }
    }

    fn disconnection_complete(&mut self, port: Port, handle: u16, reason: Status) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        let parameters = Bytes::new().u8(0).u16(handle).u8(reason.0);
        node.event(now, event_code::DISCONNECTION_COMPLETE, parameters);
    }

    fn links_of(&self, port: Port) -> usize {
        self.links
            .iter()
            .filter(|l| l.ends.iter().any(|e| e.port == port && e.alive))
            .count()
    }

    fn free_handle(&self, port: Port) -> u16 {
        let taken = |h| {
            self.links
                .iter()
                .any(|l| l.ends.iter().any(|e| e.port == port && e.handle == h))
        };
        (0x0040..=0x0EFF).find(|h| !taken(*h)).unwrap_or(0x0EFF)
    }

    /// Finds a link by what its host calls it: its place, and which end that host is.
    pub(super) fn find_link(&self, port: Port, handle: u16) -> Result<(usize, usize), Status> {
        for (at, link) in self.links.iter().enumerate() {
            for end in 0..2 {
                if link.ends[end].port == port
                    && link.ends[end].handle == handle
                    && link.ends[end].alive
                {
                    return Ok((at, end));
                }
            }
        }
        Err(Status::UNKNOWN_CONNECTION)
    }

    pub(super) fn check_disconnect(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<(u16, Status), Status> {
        let (handle, reason) = (p.u16()?, p.u8()?);
        self.find_link(port, handle)?;
        if !matches!(reason, 0x05 | 0x13..=0x15 | 0x1A | 0x29 | 0x3B) {
            return Err(Status::INVALID_PARAMETERS);
        }
        Ok((handle, Status(reason)))
    }

    /// Ends a link as one of its hosts asked.
    pub(super) fn disconnect(&mut self, port: Port, handle: u16, reason: Status) {
        let Ok((at, end)) = self.find_link(port, handle) else {
            return;
        };
        let link = self.links.remove(at);
        self.disconnection_complete(port, handle, Status::LOCAL_HOST_TERMINATED);
        let other = &link.ends[1 - end];
        if other.alive {
            self.disconnection_complete(other.port, other.handle, reason);
        }
    }

    /// Loses every link of a controller at once; both hosts see a connection timeout.
    pub(super) fn lose_links(&mut self, port: Port) {
        let (lost, kept) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|l: &Link| l.ends.iter().any(|e| e.port == port));
        self.links = kept;
        for link in lost {
            self.announce_loss(&link);
        }
    }

    fn announce_loss(&mut self, link: &Link) {
        let reason = if link.unheard {
            Status::FAILED_TO_ESTABLISH
        } else {
            Status::CONNECTION_TIMEOUT
        };
        for end in link.ends.iter().filter(|e| e.alive) {
            self.disconnection_complete(end.port, end.handle, reason);
        }
    }

    /// A controller fell silent: the other ends notice after the supervision timeout.
    pub(super) fn silence(&mut self, port: Port) {
        let now = self.now;
        for link in &mut self.links {
            let lost_at = now + link.timeout();
            for end in &mut link.ends {
                if end.port == port {
                    end.alive = false;
                    link.lost.get_or_insert(lost_at);
                }
            }
        }
        self.links.retain(|l| l.ends.iter().any(|e| e.alive));
    }

    /// Ends the links whose other end was silent for too long.
    pub(super) fn supervise(&mut self) {
        let now = self.now;
        while let Some(at) = self
            .links
            .iter()
            .position(|l| l.lost.is_some_and(|t| t <= now))
        {
            let link = self.links.remove(at);
            self.announce_loss(&link);
        }
    }

    /// Carries an ACL packet from a host to the other end of the link.
    pub(super) fn acl_from_host(&mut self, port: Port, packet: &[u8]) {
        let now = self.now;
        let Some((&[h0, h1, l0, l1], data)) = packet.split_first_chunk::<4>() else {
            return;
        };
        let word = u16::from_le_bytes([h0, h1]);
        let Some(data) = data.get(..usize::from(u16::from_le_bytes([l0, l1]))) else {
            return;
        };
        let Ok((at, end)) = self.find_link(port, word & 0x0FFF) else {
            return;
        };
        let total: u16 = self
            .links
            .iter()
            .flat_map(|l| &l.ends)
            .filter(|e| e.port == port)
            .map(|e| e.outstanding)
            .sum();
        let Ok(node) = self.node(port) else { return };
        if total >= u16::from(node.config.acl_packets)
            || data.len() > usize::from(node.config.acl_packet_length)
        {
            node.event(now, event_code::BUFFER_OVERFLOW, Bytes::new().u8(1));
            return;
        }
        let other = self.links[at].ends[1 - end].port;
        let drop = self.node(port).is_ok_and(|n| n.faults.drops_now())
            || self.node(other).is_ok_and(|n| n.faults.drops_now());
        if drop {
            let link = self.links.remove(at);
            self.announce_loss(&link);
            return;
        }
        let link = &mut self.links[at];
        link.ends[end].outstanding += 1;
        let octets = link.ends[end].octets;
        let credit = Credit { link: link.id, end };
        let to = &link.ends[1 - end];
        if !to.alive {
            return; // nobody acknowledges: the credit never comes back
        }
        let (to, handle) = (to.port, to.handle);
        if data.is_empty() {
            self.completed(credit);
        } else if let Ok(node) = self.node(to) {
            node.acl(
                now,
                handle,
                (word >> 12) & 0b11 != 0b01,
                data,
                octets,
                credit,
            );
        }
    }

    /// Gives a buffer back to the host that sent a packet which has now been taken.
    pub(super) fn completed(&mut self, credit: Credit) {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|l| l.id == credit.link) else {
            return;
        };
        let end = &mut link.ends[credit.end];
        end.outstanding = end.outstanding.saturating_sub(1);
        let (port, handle) = (end.port, end.handle);
        if end.alive
            && let Ok(node) = self.node(port)
        {
            let parameters = Bytes::new().u8(1).u16(handle).u16(1).finish();
            // Not maskable.
            node.push(
                now,
                crate::wire::event(event_code::COMPLETED_PACKETS, &parameters),
                None,
            );
        }
    }
}
