//! One controller's own state: what its host configured, and the packets that wait for its host.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::advertising::AdvertisingSet;
use super::scanning::{Initiator, Scanner};
use super::supported::Interface;
use crate::faults::Faults;
use crate::wire::{Address, Bytes, Status, event, event_code, h4};

/// What kind of controller to make.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// The public address, most significant byte first, as it is printed.
    pub public_address: [u8; 6],
    /// The longest ACL data packet that the host may send, and that it is sent, in bytes.
    /// Real controllers have 27 to 251; hosts such as trouble-host read at most 255.
    pub acl_packet_length: u16,
    /// How many ACL packets the host may have under way.
    pub acl_packets: u8,
    /// Bytes of one link-layer packet that new links start with, 27 to 251. A controller that
    /// waits for its host to ask for more starts with 27.
    pub data_length: u16,
    /// Whether the extended advertising, scanning and connecting commands exist.
    pub extended: bool,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            public_address: [0; 6],
            acl_packet_length: 251,
            acl_packets: 8,
            data_length: 251,
            extended: true,
        }
    }
}

impl ControllerConfig {
    /// A controller with this public address, most significant byte first.
    pub fn with_address(public_address: [u8; 6]) -> Self {
        Self {
            public_address,
            ..Self::default()
        }
    }
}

/// A packet for the host. `credit` names the end of a link whose host gets a buffer back once
/// this host has taken the packet.
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) credit: Option<Credit>,
    /// Not to be handed out before this time: the delay of a fault.
    pub(crate) due: Duration,
}

/// The end of a link that sent an ACL packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) link: u64,
    pub(crate) end: usize,
}

/// What a reset puts back.
pub(crate) struct HostState {
    pub(crate) event_mask: u64,
    pub(crate) le_event_mask: u64,
    pub(crate) random_address: Option<[u8; 6]>,
    pub(crate) accept_list: Vec<Address>,
    pub(crate) sets: BTreeMap<u8, AdvertisingSet>,
    pub(crate) scanner: Option<Scanner>,
    pub(crate) initiator: Option<Initiator>,
    pub(crate) interface: Option<Interface>,
    pub(crate) default_octets: u16,
    pub(crate) default_time: u16,
    /// ACL bytes that one buffer of the host holds, where it said so.
    pub(crate) host_acl_length: Option<u16>,
}

/// A controller on the air.
pub(crate) struct Node {
    pub(crate) config: ControllerConfig,
    pub(crate) state: HostState,
    pub(crate) out: VecDeque<Outgoing>,
    /// Packets were queued since the host last looked.
    pub(crate) fresh: bool,
    pub(crate) faults: Faults,
    random: u64,
}

impl HostState {
    fn new(config: &ControllerConfig) -> Self {
        Self {
            // The specification's defaults: LE events are off until the host asks for them.
            event_mask: 0x0000_1FFF_FFFF_FFFF,
            le_event_mask: 0x1F,
            random_address: None,
            accept_list: Vec::new(),
            sets: BTreeMap::new(),
            scanner: None,
            initiator: None,
            interface: None,
            default_octets: config.data_length.clamp(27, 251),
            default_time: 2120,
            host_acl_length: None,
        }
    }
}

impl Node {
    pub(crate) fn new(config: ControllerConfig) -> Self {
        let seed = config
            .public_address
            .iter()
            .fold(0x9E37_79B9_7F4A_7C15_u64, |h, b| {
                h.rotate_left(8) ^ u64::from(*b)
            });
        Self {
            state: HostState::new(&config),
            config,
            out: VecDeque::new(),
            fresh: false,
            faults: Faults::default(),
            random: seed,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.state = HostState::new(&self.config);
        self.out.clear();
    }

    pub(crate) fn public_address(&self) -> Address {
        let mut bytes = self.config.public_address;
        bytes.reverse();
        Address { kind: 0, bytes }
    }

    /// The address that a command's `Own_Address_Type` names. Resolvable private addresses
    /// (kinds 2 and 3) fall back to the identity, as no resolving list is kept.
    ///
    /// # Errors
    /// `INVALID_PARAMETERS` where the host has set no random address.
    pub(crate) fn own_address(&self, own_address_type: u8) -> Result<Address, Status> {
        match own_address_type {
            0 | 2 => Ok(self.public_address()),
            1 | 3 => {
                let bytes = self
                    .state
                    .random_address
                    .ok_or(Status::INVALID_PARAMETERS)?;
                Ok(Address { kind: 1, bytes })
            }
            _ => Err(Status::INVALID_PARAMETERS),
        }
    }

    /// Repeatable numbers, good enough for jitter and for `LE Rand` on a desk; no host draws keys
    /// from them here.
    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn push(&mut self, now: Duration, bytes: Vec<u8>, credit: Option<Credit>) {
        let earliest = self.out.back().map_or(Duration::ZERO, |p| p.due);
        let due = (now + self.faults.delay).max(earliest);
        self.fresh = true;
        self.out.push_back(Outgoing { bytes, credit, due });
    }

    /// Whether the host wants events with this code.
    pub(crate) fn wants(&self, code: u8) -> bool {
        self.state.event_mask & (1 << (u32::from(code) - 1)) != 0
    }

    /// Whether the host wants LE events with this subevent code.
    pub(crate) fn wants_le(&self, subevent: u8) -> bool {
        self.wants(event_code::LE_META)
            && self.state.le_event_mask & (1 << (u32::from(subevent) - 1)) != 0
    }

    /// Queues an event unless the host has masked it.
    pub(crate) fn event(&mut self, now: Duration, code: u8, parameters: Bytes) {
        if self.wants(code) {
            self.push(now, event(code, &parameters.finish()), None);
        }
    }

    /// Queues an LE event unless the host has masked it.
    pub(crate) fn le_event(&mut self, now: Duration, subevent: u8, parameters: Bytes) {
        if self.wants_le(subevent) {
            let all = Bytes::new()
                .u8(subevent)
                .slice(&parameters.finish())
                .finish();
            self.push(now, event(event_code::LE_META, &all), None);
        }
    }

    pub(crate) fn command_complete(
        &mut self,
        now: Duration,
        opcode: u16,
        status: Status,
        rest: &[u8],
    ) {
        let all = Bytes::new()
            .u8(1)
            .u16(opcode)
            .u8(status.0)
            .slice(rest)
            .finish();
        self.push(now, event(event_code::COMMAND_COMPLETE, &all), None);
    }

    pub(crate) fn command_status(&mut self, now: Duration, opcode: u16, status: Status) {
        let all = Bytes::new().u8(status.0).u8(1).u16(opcode).finish();
        self.push(now, event(event_code::COMMAND_STATUS, &all), None);
    }

    /// Queues ACL data for the host, cut to what its buffers hold. The credit goes with the last
    /// piece.
    pub(crate) fn acl(
        &mut self,
        now: Duration,
        handle: u16,
        first: bool,
        data: &[u8],
        link_octets: u16,
        credit: Credit,
    ) {
        let most = link_octets
            .min(self.config.acl_packet_length)
            .min(self.state.host_acl_length.unwrap_or(u16::MAX))
            .max(1);
        let mut pieces = data.chunks(usize::from(most)).peekable();
        let mut first = first;
        while let Some(piece) = pieces.next() {
            // Host-bound start fragments are "first automatically flushable" (0b10).
            let flags: u16 = if first { 0b10 } else { 0b01 };
            first = false;
            let packet = Bytes::new()
                .u8(h4::ACL)
                .u16(handle | flags << 12)
                .u16(piece.len() as u16)
                .slice(piece)
                .finish();
            let credit = pieces.peek().is_none().then_some(credit);
            self.push(now, packet, credit);
        }
    }
}
