//! The procedures on a link: connection parameters, data length, PHY, and what the two ends tell
//! of themselves.

use std::time::Duration;

use super::{Air, Port, info};
use crate::wire::{Bytes, Params, Status, event_code, le_event};

/// Microseconds that 251 bytes take on LE 1M, with everything around them.
const MAXIMUM_TIME: u16 = 2120;

impl Air {
    pub(super) fn update_connection(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<(u64, usize, [u16; 4]), Status> {
        let handle = p.u16()?;
        let wanted @ [least, most, latency, timeout] = [p.u16()?, p.u16()?, p.u16()?, p.u16()?];
        let (at, end) = self.find_link(port, handle)?;
        check_parameters(least, most, latency, timeout)?;
        Ok((self.links[at].id, end, wanted))
    }

    /// Performs the update, or, where the peripheral asked, leaves it to the central's host.
    pub(super) fn perform_update(&mut self, id: u64, end: usize, wanted: [u16; 4]) {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|l| l.id == id) else {
            return;
        };
        if end == 0 {
            self.apply_update(id, wanted);
            return;
        }
        link.asked = Some(wanted);
        let (central, handle) = (link.ends[0].port, link.ends[0].handle);
        let Ok(node) = self.node(central) else { return };
        if node.wants_le(le_event::PARAMETER_REQUEST) {
            let parameters = wanted
                .iter()
                .fold(Bytes::new().u16(handle), |b, v| b.u16(*v));
            node.le_event(now, le_event::PARAMETER_REQUEST, parameters);
        } else {
            self.refuse_update(id, Status::UNSUPPORTED_REMOTE_FEATURE);
        }
    }

    pub(super) fn apply_update(&mut self, id: u64, [_, interval, latency, timeout]: [u16; 4]) {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|l| l.id == id) else {
            return;
        };
        link.asked = None;
        (link.interval, link.latency, link.timeout) = (interval, latency, timeout);
        for (port, handle) in [0, 1].map(|i| (link.ends[i].port, link.ends[i].handle)) {
            self.update_event(
                port,
                now,
                Status::SUCCESS,
                handle,
                [interval, latency, timeout],
            );
        }
    }

    fn update_event(
        &mut self,
        port: Port,
        now: Duration,
        status: Status,
        handle: u16,
        values: [u16; 3],
    ) {
        let parameters = values
            .iter()
            .fold(Bytes::new().u8(status.0).u16(handle), |b, v| b.u16(*v));
        if let Ok(node) = self.node(port) {
            node.le_event(now, le_event::CONNECTION_UPDATE, parameters);
        }
    }

    fn refuse_update(&mut self, id: u64, reason: Status) {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|l| l.id == id) else {
            return;
        };
        link.asked = None;
        let (port, handle) = (link.ends[1].port, link.ends[1].handle);
        let values = [link.interval, link.latency, link.timeout];
        self.update_event(port, now, reason, handle, values);
    }

    /// The central's host answers the peripheral's request for other connection parameters.
    pub(super) fn answer_update(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
        accept: bool,
    ) -> Result<Vec<u8>, Status> {
        let handle = p.u16()?;
        let (at, end) = self.find_link(port, handle)?;
        let link = &self.links[at];
        let id = link.id;
        if end != 0 || link.asked.is_none() {
            return Err(Status::DISALLOWED);
        }
        if accept {
            let wanted @ [least, most, latency, timeout] = [p.u16()?, p.u16()?, p.u16()?, p.u16()?];
            check_parameters(least, most, latency, timeout)?;
            self.apply_update(id, wanted);
        } else {
            let reason = Status(p.u8()?);
            self.refuse_update(id, reason);
        }
        Ok(handle.to_le_bytes().to_vec())
    }

    pub(super) fn set_data_length(
        &mut self,
        port: Port,
        p: &mut Params<'_>,
    ) -> Result<Vec<u8>, Status> {
        let (handle, octets, time) = (p.u16()?, p.u16()?, p.u16()?);
        let (at, end) = self.find_link(port, handle)?;
        if !(27..=251).contains(&octets) || !(328..=17040).contains(&time) {
            return Err(Status::INVALID_PARAMETERS);
        }
        let now = self.now;
        let link = &mut self.links[at];
        let id = link.id;
        // Every controller here hears 251 bytes, so what one end wants to send is what is agreed.
        if link.ends[end].octets != octets {
            link.ends[end].octets = octets;
            self.data_length_changed(id, now);
        }
        Ok(handle.to_le_bytes().to_vec())
    }

    pub(super) fn data_length_changed(&mut self, id: u64, now: Duration) {
        let Some(link) = self.links.iter().find(|l| l.id == id) else {
            return;
        };
        let ends = [0, 1].map(|i| {
            (
                link.ends[i].port,
                link.ends[i].handle,
                link.ends[i].octets,
                link.ends[1 - i].octets,
            )
        });
        let time = |octets: u16| ((octets + 14) * 8).clamp(328, MAXIMUM_TIME);
        for (port, handle, tx, rx) in ends {
            if let Ok(node) = self.node(port) {
                let parameters = Bytes::new()
                    .u16(handle)
                    .u16(tx)
                    .u16(time(tx))
                    .u16(rx)
                    .u16(time(rx));
                node.le_event(now, le_event::DATA_LENGTH, parameters);
            }
        }
    }

    /// The events that answer the read procedures and the PHY procedure.
    pub(super) fn remote_features(&mut self, port: Port, handle: u16) {
        let now = self.now;
        if let Ok(node) = self.node(port) {
            let parameters = Bytes::new().u8(0).u16(handle).u64(info::LE_FEATURES);
            node.le_event(now, le_event::REMOTE_FEATURES, parameters);
        }
    }

    pub(super) fn remote_version(&mut self, port: Port, handle: u16) {
        let now = self.now;
        if let Ok(node) = self.node(port) {
            let parameters = Bytes::new()
                .u8(0)
                .u16(handle)
                .u8(info::VERSION)
                .u16(info::COMPANY)
                .u16(info::SUBVERSION);
            node.event(now, event_code::REMOTE_VERSION, parameters);
        }
    }

    pub(super) fn phy_updated(&mut self, port: Port, handle: u16) {
        let now = self.now;
        if let Ok(node) = self.node(port) {
            let parameters = Bytes::new().u8(0).u16(handle).u8(1).u8(1);
            node.le_event(now, le_event::PHY_UPDATE, parameters);
        }
    }
}

/// Connection parameters as the specification bounds them: intervals in 1.25 ms, the timeout in
/// 10 ms, and longer than the time between two chances to be heard.
pub(super) fn check_parameters(
    least: u16,
    most: u16,
    latency: u16,
    timeout: u16,
) -> Result<(), Status> {
    let in_range = (6..=0x0C80).contains(&least)
        && (6..=0x0C80).contains(&most)
        && least <= most
        && latency <= 0x01F3
        && (0x0A..=0x0C80).contains(&timeout);
    let heard_in_time = u32::from(timeout) * 4 > (u32::from(latency) + 1) * u32::from(most);
    if in_range && heard_in_time {
        Ok(())
    } else {
        Err(Status::INVALID_PARAMETERS)
    }
}
