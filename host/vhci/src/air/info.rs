//! What a controller tells about itself.

use super::{Air, Port, advertising, scanning, supported};
use crate::wire::{Bytes, Params, Status};

/// Core 5.4.
pub(crate) const VERSION: u8 = 0x0D;
/// The company identifier that the specification keeps for tests and for nobody.
pub(crate) const COMPANY: u16 = 0xFFFF;
pub(crate) const SUBVERSION: u16 = 1;

/// LMP features: no BR/EDR (bit 37), LE (bit 38).
const LMP_FEATURES: u64 = 1 << 37 | 1 << 38;

/// LE features: connection parameters request (1), extended reject (2), peripheral-initiated
/// features exchange (3), data packet length extension (5), extended advertising (12).
pub(crate) const LE_FEATURES: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 12;
const EXTENDED_ADVERTISING: u64 = 1 << 12;

/// All 42 combinations of LE states.
const LE_STATES: u64 = (1 << 42) - 1;

impl Air {
    /// Answers the commands that only read, or only set what this controller itself keeps.
    /// `None`: it is not one of those.
    pub(super) fn info(
        &mut self,
        port: Port,
        opcode: u16,
        p: &mut Params<'_>,
    ) -> Option<Result<Vec<u8>, Status>> {
        use supported::opcode as op;
        let now_links = |air: &Self, p: &mut Params<'_>| -> Result<u16, Status> {
            let handle = p.u16()?;
            air.find_link(port, handle).map(|_| handle)
        };
        Some(match opcode {
            op::READ_RSSI => {
                now_links(self, p).map(|h| Bytes::new().u16(h).u8(scanning::RSSI as u8).finish())
            }
            op::READ_TRANSMIT_POWER => {
                now_links(self, p).map(|h| Bytes::new().u16(h).u8(0).finish())
            }
            op::LE_READ_CHANNEL_MAP => now_links(self, p).map(|h| {
                Bytes::new()
                    .u16(h)
                    .slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F])
                    .finish()
            }),
            op::LE_READ_PHY => now_links(self, p).map(|h| Bytes::new().u16(h).u8(1).u8(1).finish()),
            _ => {
                let node = match self.node(port) {
                    Ok(node) => node,
                    Err(e) => return Some(Err(e)),
                };
                let (config, state) = (&node.config, &mut node.state);
                let acl = (config.acl_packet_length, config.acl_packets);
                let b = Bytes::new;
                match opcode {
                    op::READ_VERSION => Ok(b()
                        .u8(VERSION)
                        .u16(0)
                        .u8(VERSION)
                        .u16(COMPANY)
                        .u16(SUBVERSION)
                        .finish()),
                    op::READ_COMMANDS => Ok(supported::bit_map(config.extended).to_vec()),
                    op::READ_FEATURES => Ok(b().u64(LMP_FEATURES).finish()),
                    op::READ_BUFFER_SIZE => {
                        Ok(b().u16(acl.0).u8(0).u16(u16::from(acl.1)).u16(0).finish())
                    }
                    op::READ_BD_ADDR => Ok(node.public_address().bytes.to_vec()),
                    op::SET_EVENT_MASK => p.u64().map(|m| {
                        state.event_mask = m;
                        Vec::new()
                    }),
                    op::LE_SET_EVENT_MASK => p.u64().map(|m| {
                        state.le_event_mask = m;
                        Vec::new()
                    }),
                    op::SET_EVENT_MASK_PAGE_2 => p.u64().map(|_| Vec::new()),
                    op::READ_LE_HOST_SUPPORT => Ok(vec![1, 0]),
                    op::WRITE_LE_HOST_SUPPORT => p.u16().map(|_| Vec::new()),
                    // Flow control towards the host is never needed: packets wait until it reads.
                    op::SET_FLOW_CONTROL => p.u8().map(|_| Vec::new()),
                    op::HOST_BUFFER_SIZE => p.u16().and_then(|length| {
                        if length < 27 {
                            return Err(Status::INVALID_PARAMETERS);
                        }
                        state.host_acl_length = Some(length);
                        Ok(Vec::new())
                    }),
                    op::LE_READ_BUFFER_SIZE => Ok(b().u16(acl.0).u8(acl.1).finish()),
                    op::LE_READ_FEATURES => Ok(b()
                        .u64(
                            LE_FEATURES
                                & if config.extended {
                                    !0
                                } else {
                                    !EXTENDED_ADVERTISING
                                },
                        )
                        .finish()),
                    op::LE_SET_RANDOM_ADDRESS => p.array().and_then(|a| {
                        if state.scanner.as_ref().is_some_and(|s| s.own.is_some())
                            || state.initiator.is_some()
                        {
                            return Err(Status::DISALLOWED);
                        }
                        state.random_address = Some(a);
                        Ok(Vec::new())
                    }),
                    op::LE_READ_ADV_TX_POWER => Ok(vec![0]),
                    op::LE_READ_TRANSMIT_POWER => Ok(vec![0, 0]),
                    op::LE_READ_ACCEPT_LIST_SIZE => Ok(vec![scanning::ACCEPT_LIST]),
                    op::LE_CLEAR_ACCEPT_LIST => {
                        state.accept_list.clear();
                        Ok(Vec::new())
                    }
                    op::LE_SET_CHANNEL_CLASSIFICATION => p.bytes(5).map(|_| Vec::new()),
                    op::LE_READ_SUPPORTED_STATES => Ok(b().u64(LE_STATES).finish()),
                    op::LE_READ_DEFAULT_DATA_LENGTH => Ok(b()
                        .u16(state.default_octets)
                        .u16(state.default_time)
                        .finish()),
                    op::LE_WRITE_DEFAULT_DATA_LENGTH => match (p.u16(), p.u16()) {
                        (Ok(octets @ 27..=251), Ok(time @ 328..=17040)) => {
                            (state.default_octets, state.default_time) = (octets, time);
                            Ok(Vec::new())
                        }
                        _ => Err(Status::INVALID_PARAMETERS),
                    },
                    op::LE_READ_MAXIMUM_DATA_LENGTH => {
                        Ok(b().u16(251).u16(2120).u16(251).u16(2120).finish())
                    }
                    op::LE_SET_DEFAULT_PHY => p.bytes(3).map(|_| Vec::new()),
                    op::LE_READ_MAXIMUM_ADV_DATA => Ok(b().u16(advertising::MAXIMUM_DATA).finish()),
                    op::LE_READ_ADV_SETS => Ok(vec![advertising::SETS]),
                    op::LE_RAND => Ok(b().u64(node.random()).finish()),
                    _ => return None,
                }
            }
        })
    }
}
