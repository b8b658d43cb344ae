//! Advertising sets: how hosts describe them, and what one advertising event does on the air.
//!
//! The legacy commands work on one set of their own; the extended ones on numbered sets.

use std::time::Duration;

use super::{Air, Port};
use crate::wire::{Address, Bytes, Params, Status, le_event};

/// The key of the set that the legacy commands work on. Extended handles end at 0xEF.
pub(crate) const LEGACY_SET: u8 = 0xFF;
/// How many sets there can be.
pub(crate) const SETS: u8 = 8;
/// The longest data of one set, in bytes.
pub(crate) const MAXIMUM_DATA: u16 = 1650;

/// Advertising event properties (Core 5.4, Vol 4, Part E, section 7.8.53).
pub(crate) mod property {
    pub(crate) const CONNECTABLE: u16 = 1 << 0;
    pub(crate) const SCANNABLE: u16 = 1 << 1;
    pub(crate) const DIRECTED: u16 = 1 << 2;
    pub(crate) const LEGACY: u16 = 1 << 4;
}

/// One advertising set.
#[derive(Clone)]
pub(crate) struct AdvertisingSet {
    pub(crate) properties: u16,
    pub(crate) own_address_type: u8,
    pub(crate) random_address: Option<[u8; 6]>,
    pub(crate) peer: Address,
    pub(crate) filter_policy: u8,
    pub(crate) interval: Duration,
    pub(crate) sid: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) scan_response: Vec<u8>,
    pub(crate) running: Option<Running>,
}

/// An enabled set.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) next: Duration,
    pub(crate) until: Option<Duration>,
    pub(crate) events: u8,
    pub(crate) most_events: u8,
}

impl Default for AdvertisingSet {
    /// The parameters that hold where a host enables legacy advertising without setting any:
    /// connectable and scannable, every 1.28 s (section 7.8.5).
    fn default() -> Self {
        Self {
            properties: property::LEGACY | property::CONNECTABLE | property::SCANNABLE,
            own_address_type: 0,
            random_address: None,
            peer: Address {
                kind: 0,
                bytes: [0; 6],
            },
            filter_policy: 0,
            interval: Duration::from_millis(1280),
            sid: 0,
            data: Vec::new(),
            scan_response: Vec::new(),
            running: None,
        }
    }
}

impl AdvertisingSet {
    pub(crate) fn is(&self, property: u16) -> bool {
        self.properties & property != 0
    }
}

/// `interval` units are 0.625 ms.
fn interval(units: u32) -> Duration {
    Duration::from_micros(u64::from(units) * 625)
}

impl Air {
    pub(super) fn set_adv_parameters(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (least, _most, kind) = (p.u16()?, p.u16()?, p.u8()?);
        let own_address_type = p.u8()?;
        let peer = p.address()?;
        let (_channels, filter_policy) = (p.u8()?, p.u8()?);
        let properties = property::LEGACY
            | match kind {
                0 => property::CONNECTABLE | property::SCANNABLE,
                1 | 4 => property::CONNECTABLE | property::DIRECTED,
                2 => property::SCANNABLE,
                3 => 0,
                _ => return Err(Status::INVALID_PARAMETERS),
            };
        if filter_policy > 3
            || own_address_type > 3
            || !(0x20..=0x4000).contains(&least) && kind != 1
        {
            return Err(Status::INVALID_PARAMETERS);
        }
        let set = self.node(port)?.state.sets.entry(LEGACY_SET).or_default();
        if set.running.is_some() {
            return Err(Status::DISALLOWED);
        }
        set.properties = properties;
        set.own_address_type = own_address_type;
        set.peer = peer;
        set.filter_policy = filter_policy;
        set.interval = interval(u32::from(least.max(0x20)));
        Ok(Vec::new())
    }

    pub(super) fn set_adv_data(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        response: bool,
    ) -> Result<Vec<u8>, Status> {
        let length = usize::from(p.u8()?);
        let all = p.bytes(31)?;
        let data = all
            .get(..length)
            .ok_or(Status::INVALID_PARAMETERS)?
            .to_vec();
        let set = self.node(port)?.state.sets.entry(LEGACY_SET).or_default();
        if response {
            set.scan_response = data;
        } else {
            set.data = data;
        }
        Ok(Vec::new())
    }

    pub(super) fn set_adv_enable(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let enable = p.u8()?;
        match enable {
            0 => {
                if let Some(set) = self.node(port)?.state.sets.get_mut(&LEGACY_SET) {
                    set.running = None;
                }
            }
            1 => {
                self.node(port)?.state.sets.entry(LEGACY_SET).or_default();
                self.start_set(port, LEGACY_SET, None, 0)?;
            }
            _ => return Err(Status::INVALID_PARAMETERS),
        }
        Ok(Vec::new())
    }

    fn start_set(
        &mut self,
        port: Port,
        handle: u8,
        for_: Option<Duration>,
        most_events: u8,
    ) -> Result<(), Status> {
        let now = self.now;
        self.set_address(port, handle)?;
        let set = self
            .node(port)?
            .state
            .sets
            .get_mut(&handle)
            .ok_or(Status::UNKNOWN_ADVERTISING_ID)?;
        // An enabled set that is enabled again starts its time limits anew.
        set.running = Some(Running {
            next: now,
            until: for_.map(|d| now + d),
            events: 0,
            most_events,
        });
        Ok(())
    }

    /// The address that a set advertises with.
    pub(crate) fn set_address(&mut self, port: Port, handle: u8) -> Result<Address, Status> {
        let node = self.node(port)?;
        let set = node
            .state
            .sets
            .get(&handle)
            .ok_or(Status::UNKNOWN_ADVERTISING_ID)?;
        match (set.own_address_type, set.random_address) {
            (1 | 3, Some(bytes)) => Ok(Address { kind: 1, bytes }),
            (kind, _) => node.own_address(kind),
        }
    }

    pub(super) fn set_ext_adv_random_address(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let handle = p.u8()?;
        let address = p.array()?;
        self.ext_set(port, handle)?.random_address = Some(address);
        Ok(Vec::new())
    }

    fn ext_set(&mut self, port: Port, handle: u8) -> Result<&mut AdvertisingSet, Status> {
        let sets = &mut self.node(port)?.state.sets;
        sets.get_mut(&handle)
            .filter(|_| handle != LEGACY_SET)
            .ok_or(Status::UNKNOWN_ADVERTISING_ID)
    }

    pub(super) fn set_ext_adv_parameters(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (handle, properties) = (p.u8()?, p.u16()?);
        let (least, _most, _channels, own_address_type) = (p.u24()?, p.u24()?, p.u8()?, p.u8()?);
        let peer = p.address()?;
        let (filter_policy, tx_power) = (p.u8()?, p.u8()?);
        let (_phy, _skip, _secondary, sid, _notify) = (p.u8()?, p.u8()?, p.u8()?, p.u8()?, p.u8()?);
        let legacy = properties & property::LEGACY != 0;
        let both = property::CONNECTABLE | property::SCANNABLE;
        let contradictory = !legacy && properties & both == both;
        if handle > 0xEF
            || filter_policy > 3
            || own_address_type > 3
            || least < 0x20
            || contradictory
        {
            return Err(Status::INVALID_PARAMETERS);
        }
        let sets = &mut self.node(port)?.state.sets;
        if !sets.contains_key(&handle) && sets.len() >= usize::from(SETS) {
            return Err(Status::MEMORY_EXCEEDED);
        }
        let set = sets.entry(handle).or_default();
        if set.running.is_some() {
            return Err(Status::DISALLOWED);
        }
        set.properties = properties;
        set.own_address_type = own_address_type;
        set.peer = peer;
        set.filter_policy = filter_policy;
        set.interval = interval(least);
        set.sid = sid;
        // The power that was selected; 127 asks for no preference.
        Ok(vec![if tx_power == 127 { 0 } else { tx_power }])
    }

    pub(super) fn set_ext_adv_data(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        response: bool,
    ) -> Result<Vec<u8>, Status> {
        let (handle, operation, _fragment, length) = (p.u8()?, p.u8()?, p.u8()?, p.u8()?);
        let data = p.bytes(usize::from(length))?;
        let set = self.ext_set(port, handle)?;
        let legacy = set.is(property::LEGACY);
        let target = if response {
            &mut set.scan_response
        } else {
            &mut set.data
        };
        let mut whole = match operation {
            0 | 2 => target.clone(),    // intermediate and last fragments
            1 | 3 => Vec::new(),        // first fragment, complete data
            4 => return Ok(Vec::new()), // unchanged data
            _ => return Err(Status::INVALID_PARAMETERS),
        };
        whole.extend_from_slice(data);
        let most = if legacy {
            31
        } else {
            usize::from(MAXIMUM_DATA)
        };
        if whole.len() > most {
            return Err(if legacy {
                Status::INVALID_PARAMETERS
            } else {
                Status::MEMORY_EXCEEDED
            });
        }
        *target = whole;
        Ok(Vec::new())
    }

    pub(super) fn set_ext_adv_enable(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (enable, count) = (p.u8()?, p.u8()?);
        if enable > 1 || (enable == 1 && count == 0) {
            return Err(Status::INVALID_PARAMETERS);
        }
        if enable == 0 && count == 0 {
            for set in self.node(port)?.state.sets.values_mut() {
                set.running = None;
            }
            return Ok(Vec::new());
        }
        for _ in 0..count {
            let (handle, duration, most_events) = (p.u8()?, p.u16()?, p.u8()?);
            self.ext_set(port, handle)?;
            if enable == 1 {
                let limit =
                    (duration != 0).then(|| Duration::from_millis(u64::from(duration) * 10));
                self.start_set(port, handle, limit, most_events)?;
            } else {
                self.ext_set(port, handle)?.running = None;
            }
        }
        Ok(Vec::new())
    }

    pub(super) fn remove_adv_sets(
        &mut self,
        port: Port,
        handle: Option<u8>,
    ) -> Result<Vec<u8>, Status> {
        let sets = &mut self.node(port)?.state.sets;
        let chosen = |h: &u8| handle.is_none_or(|one| one == *h);
        if sets.iter().any(|(h, s)| chosen(h) && s.running.is_some()) {
            return Err(Status::DISALLOWED);
        }
        if handle.is_some_and(|h| !sets.contains_key(&h)) {
            return Err(Status::UNKNOWN_ADVERTISING_ID);
        }
        sets.retain(|h, _| !chosen(h));
        Ok(Vec::new())
    }

    /// Performs one advertising event: whoever scans hears it, whoever wants to connect does.
    pub(super) fn advertising_event(&mut self, port: Port, handle: u8) {
        let now = self.now;
        let Ok(address) = self.set_address(port, handle) else {
            return;
        };
        let Ok(node) = self.node(port) else { return };
        // Real advertisers add 0 to 10 ms, lest two of them collide for ever.
        let jitter = Duration::from_micros(node.random() % 10_000);
        let Some(set) = node.state.sets.get_mut(&handle) else {
            return;
        };
        let interval = set.interval;
        let Some(running) = &mut set.running else {
            return;
        };
        running.next = now + interval + jitter;
        running.events = running.events.saturating_add(1);
        let over = running.most_events != 0 && running.events >= running.most_events;
        let set = set.clone();
        let allowed = node.state.accept_list.clone();

        for other in self.others(port) {
            self.hear(other, &set, address, &allowed);
        }
        if set.is(property::CONNECTABLE) {
            for other in self.others(port) {
                if self.try_initiate(other, port, handle, &set, address, &allowed) {
                    return;
                }
            }
        }
        if over {
            self.end_set(port, handle, Status::LIMIT_REACHED, None);
        }
    }

    /// Ends a set and tells the host where the interface has an event for it.
    pub(super) fn end_set(
        &mut self,
        port: Port,
        handle: u8,
        status: Status,
        connection: Option<u16>,
    ) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        let Some(running) = node
            .state
            .sets
            .get_mut(&handle)
            .and_then(|s| s.running.take())
        else {
            return;
        };
        if handle != LEGACY_SET {
            let parameters = Bytes::new()
                .u8(status.0)
                .u8(handle)
                .u16(connection.unwrap_or(0))
                .u8(if running.most_events == 0 {
                    0
                } else {
                    running.events
                });
            node.le_event(now, le_event::SET_TERMINATED, parameters);
        }
    }
}
