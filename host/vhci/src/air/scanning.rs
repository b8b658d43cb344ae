//! Scanning and initiating: what a controller listens for, and the reports that its host gets.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Air, Port};
use crate::wire::{Address, Bytes, Params, Status, le_event};

/// The signal strength of every packet here, in dBm.
pub(crate) const RSSI: i8 = -40;

/// A scanner's parameters, and what it has reported already.
pub(crate) struct Scanner {
    pub(crate) extended: bool,
    pub(crate) active: bool,
    pub(crate) own_address_type: u8,
    pub(crate) filter_policy: u8,
    /// The address while scanning is enabled.
    pub(crate) own: Option<Address>,
    pub(crate) until: Option<Duration>,
    pub(super) duplicates_filtered: bool,
    pub(super) seen: BTreeSet<(Address, bool, Vec<u8>)>,
}

/// What a pending connection attempt waits for.
#[derive(Clone)]
pub(crate) struct Initiator {
    pub(crate) extended: bool,
    pub(crate) own: Address,
    /// `None`: whoever is on the accept list.
    pub(crate) peer: Option<Address>,
    pub(crate) interval: u16,
    pub(crate) latency: u16,
    pub(crate) timeout: u16,
}

impl Scanner {
    fn new(extended: bool, active: bool, own_address_type: u8, filter_policy: u8) -> Self {
        Self {
            extended,
            active,
            own_address_type,
            filter_policy,
            own: None,
            until: None,
            duplicates_filtered: false,
            seen: BTreeSet::new(),
        }
    }
}

impl Air {
    pub(super) fn set_scan_parameters(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (kind, interval, window, own, policy) = (p.u8()?, p.u16()?, p.u16()?, p.u8()?, p.u8()?);
        if kind > 1
            || own > 3
            || policy > 3
            || window > interval
            || !(4..=0x4000).contains(&interval)
            || window < 4
        {
            return Err(Status::INVALID_PARAMETERS);
        }
        self.put_scanner(port, Scanner::new(false, kind == 1, own, policy))
    }

    pub(super) fn set_ext_scan_parameters(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (own, policy, phys) = (p.u8()?, p.u8()?, p.u8()?);
        if own > 3 || policy > 3 || phys & 0b101 == 0 || phys & !0b101 != 0 {
            return Err(Status::INVALID_PARAMETERS);
        }
        let mut active = false;
        for _ in 0..phys.count_ones() {
            let (kind, interval, window) = (p.u8()?, p.u16()?, p.u16()?);
            if kind > 1 || window > interval {
                return Err(Status::INVALID_PARAMETERS);
            }
            active |= kind == 1;
        }
        self.put_scanner(port, Scanner::new(true, active, own, policy))
    }

    fn put_scanner(&mut self, port: Port, scanner: Scanner) -> Result<Vec<u8>, Status> {
        let state = &mut self.node(port)?.state;
        if state.scanner.as_ref().is_some_and(|s| s.own.is_some()) {
            return Err(Status::DISALLOWED);
        }
        state.scanner = Some(scanner);
        Ok(Vec::new())
    }

    pub(super) fn set_scan_enable(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        extended: bool,
    ) -> Result<Vec<u8>, Status> {
        let (enable, filter) = (p.u8()?, p.u8()?);
        let (duration, _period) = if extended {
            (p.u16()?, p.u16()?)
        } else {
            (0, 0)
        };
        if enable > 1 || filter > if extended { 2 } else { 1 } {
            return Err(Status::INVALID_PARAMETERS);
        }
        let now = self.now;
        let node = self.node(port)?;
        if enable == 0 {
            if let Some(scanner) = &mut node.state.scanner {
                scanner.own = None;
            }
            return Ok(Vec::new());
        }
        let own_address_type = node
            .state
            .scanner
            .as_ref()
            .map_or(0, |s| s.own_address_type);
        let own = node.own_address(own_address_type)?;
        let scanner = node
            .state
            .scanner
            .get_or_insert_with(|| Scanner::new(extended, false, 0, 0));
        scanner.own = Some(own);
        scanner.duplicates_filtered = filter != 0;
        scanner.seen.clear();
        scanner.until =
            (duration != 0).then(|| now + Duration::from_millis(u64::from(duration) * 10));
        Ok(Vec::new())
    }

    /// Ends scans whose time is over.
    pub(super) fn expire_scan(&mut self, port: Port) {
        let now = self.now;
        let Ok(node) = self.node(port) else { return };
        if let Some(scanner) = &mut node.state.scanner
            && scanner.own.is_some()
            && scanner.until.is_some_and(|t| t <= now)
        {
            scanner.own = None;
            node.le_event(now, le_event::SCAN_TIMEOUT, Bytes::new());
        }
    }

    pub(super) fn accept_list(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        add: bool,
    ) -> Result<Vec<u8>, Status> {
        let address = p.address()?;
        let list = &mut self.node(port)?.state.accept_list;
        list.retain(|a| *a != address);
        if add {
            if list.len() >= usize::from(ACCEPT_LIST) {
                return Err(Status::MEMORY_EXCEEDED);
            }
            list.push(address);
        }
        Ok(Vec::new())
    }
}

/// How many devices the filter accept list holds.
pub(crate) const ACCEPT_LIST: u8 = 8;
