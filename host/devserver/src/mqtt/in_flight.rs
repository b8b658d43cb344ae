//! Messages on their way to the disk, in the order in which they came.

use std::collections::VecDeque;
use std::future::pending;

use mqtt_protocol_core::mqtt::result_code::PubackReasonCode;

use super::publish::Done;
use crate::store::{Pending, StoreError};
use thingsboard::Topic;

/// A message that is not acknowledged yet.
pub(super) struct InFlight {
    /// Of a message of QoS 1, to be acknowledged.
    pub(super) packet_id: Option<u16>,
    pub(super) work: Work,
}

/// What it waits for.
pub(super) enum Work {
    Storing(Pending<Done>),
    /// Nothing to wait for but its turn, and what is sent behind the acknowledgement.
    Settled(PubackReasonCode, Option<Reply>),
}

/// A message to the device.
type Reply = (Topic, Vec<u8>);

/// What became of a message: what was stored, or how it was settled without.
pub(super) type Settled = Result<Result<Done, StoreError>, (PubackReasonCode, Option<Reply>)>;

/// Waits for the oldest message in flight and takes it; for ever if there is none. Cancel-safe.
pub(super) async fn front(in_flight: &mut VecDeque<InFlight>) -> (Option<u16>, Settled) {
    let Some(oldest) = in_flight.front_mut() else {
        return pending().await;
    };
    let packet_id = oldest.packet_id;
    let work = match &mut oldest.work {
        Work::Storing(stored) => Ok(stored.await),
        Work::Settled(code, reply) => Err((*code, reply.take())),
    };
    in_flight.pop_front();
    (packet_id, work)
}
