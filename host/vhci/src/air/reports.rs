//! What a scanning host hears of advertisements: which of them, and in which events it is told.

use std::time::Duration;

use super::advertising::{AdvertisingSet, property};
use super::node::Node;
use super::scanning::RSSI;
use super::{Air, Port};
use crate::wire::{Address, Bytes, le_event};

/// Data bytes of one extended report: 255, less the subevent code and the fixed fields.
const REPORT_DATA: usize = 229;

impl Air {
    /// Lets one advertisement come to a scanning host, and what it answers if it was asked.
    pub(super) fn hear(
        &mut self,
        listener: Port,
        set: &AdvertisingSet,
        from: Address,
        allowed: &[Address],
    ) {
        let now = self.now;
        let Ok(node) = self.node(listener) else {
            return;
        };
        let Some(scanner) = &node.state.scanner else {
            return;
        };
        let Some(own) = scanner.own else { return };
        if !scanner.extended && !set.is(property::LEGACY) {
            return;
        }
        if set.is(property::DIRECTED) && own != set.peer {
            return;
        }
        if scanner.filter_policy & 1 != 0 && !node.state.accept_list.contains(&from) {
            return;
        }
        let active = scanner.active;
        if node.faults.loses_report() {
            return;
        }
        report(node, now, set, from, false);
        let may_ask = set.filter_policy & 1 == 0 || allowed.contains(&own);
        if active && set.is(property::SCANNABLE) && may_ask {
            report(node, now, set, from, true);
        }
    }
}

/// Reports one packet to a scanning host: the advertisement itself, or its scan response.
fn report(node: &mut Node, now: Duration, set: &AdvertisingSet, from: Address, response: bool) {
    let Some(scanner) = &mut node.state.scanner else {
        return;
    };
    let data = if response {
        &set.scan_response
    } else {
        &set.data
    };
    if scanner.duplicates_filtered && !scanner.seen.insert((from, response, data.clone())) {
        return;
    }
    if scanner.extended {
        extended_report(node, now, set, from, response, data);
    } else {
        let kind = match (
            response,
            set.is(property::CONNECTABLE),
            set.is(property::SCANNABLE),
        ) {
            (true, ..) => 4,
            (_, true, true) => 0,
            (_, true, false) => 1,
            (_, false, true) => 2,
            (_, false, false) => 3,
        };
        let parameters = Bytes::new()
            .u8(1)
            .u8(kind)
            .address(from)
            .u8(data.len() as u8)
            .slice(data)
            .u8(RSSI as u8);
        node.le_event(now, le_event::ADVERTISING_REPORT, parameters);
    }
}

/// One or more LE Extended Advertising Reports (Core 5.4, Vol 4, Part E, section 7.7.65.13).
fn extended_report(
    node: &mut Node,
    now: Duration,
    set: &AdvertisingSet,
    from: Address,
    response: bool,
    data: &[u8],
) {
    let legacy = set.is(property::LEGACY);
    let mut kind = set.properties
        & (property::CONNECTABLE | property::SCANNABLE | property::DIRECTED | property::LEGACY);
    if response {
        kind |= 1 << 3;
    }
    let mut rest = data;
    loop {
        let (part, more) = rest.split_at(rest.len().min(REPORT_DATA));
        // Bits 5 and 6: 0 is complete, 1 says that more is to come.
        let status = if more.is_empty() { 0 } else { 1 << 5 };
        let direct = if set.is(property::DIRECTED) {
            set.peer
        } else {
            Address {
                kind: 0,
                bytes: [0; 6],
            }
        };
        let parameters = Bytes::new()
            .u8(1)
            .u16(kind | status)
            .address(from)
            .u8(1) // primary PHY: LE 1M
            .u8(if legacy { 0 } else { 1 }) // secondary PHY
            .u8(if legacy { 0xFF } else { set.sid })
            .u8(127) // transmit power not told
            .u8(RSSI as u8)
            .u16(0) // no periodic advertising
            .address(direct)
            .u8(part.len() as u8)
            .slice(part);
        node.le_event(now, le_event::EXTENDED_REPORT, parameters);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
}
