//! Long writes beneath trouble-host.
//!
//! An ESP-IDF device has an ATT MTU of 256 unless its builder chose otherwise, and the first
//! message of security 2 is longer than that: it goes as a long write (Prepare Write, then
//! Execute Write; Core 5.4, Vol 3, Part F, section 3.4.6). trouble-host 0.8 serves long writes but
//! cannot make them: its encoder of client requests does not know the two PDUs. So they are made
//! here, between the host stack and the controller: the tap sends the fragments itself, keeps
//! their answers to itself, and takes its own packets out of the credits that the host stack is
//! given back. ATT allows one request at a time, so nothing of the host stack is in the way.

use std::cell::RefCell;
use std::rc::Rc;

use bt_hci::transport::{PacketToController, PacketToHost, Transport};
use embassy_time::{Duration, with_timeout};
use tokio::sync::Notify;
use vhci::{Error, HciTransport, indicator};

const ATT_CHANNEL: u16 = 4;
const ERROR_RESPONSE: u8 = 0x01;
const PREPARE_REQUEST: u8 = 0x16;
const PREPARE_RESPONSE: u8 = 0x17;
const EXECUTE_REQUEST: u8 = 0x18;
const EXECUTE_RESPONSE: u8 = 0x19;

/// After this time without an answer an ATT bearer is dead (Vol 3, Part F, section 3.3.3).
const TRANSACTION: Duration = Duration::from_secs(30);

/// Why a long write failed.
#[derive(Debug)]
pub(crate) enum LongWriteError {
    /// The device refused with this ATT error code.
    Refused(u8),
    /// The link is gone, or the device did not answer.
    Lost,
    /// The controller is gone.
    Controller(Error),
}

/// A transport that can make long writes of its own. Clones are the same tap.
#[derive(Clone)]
pub(crate) struct Tap(Rc<Inner>);

struct Inner {
    transport: HciTransport,
    state: RefCell<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// ACL data bytes that the controller takes at once, and how many such packets.
    buffers: Option<(usize, usize)>,
    /// Packets of ours that the controller has not sent yet.
    outstanding: usize,
    /// The link on which an answer is awaited.
    awaiting: Option<u16>,
    /// L2CAP frame of an answer that is not whole yet, from its header on.
    partial: Vec<u8>,
    answer: Option<Result<Vec<u8>, LongWriteError>>,
}

impl Tap {
    pub(crate) fn new(transport: HciTransport) -> Self {
        Self(Rc::new(Inner {
            transport,
            state: RefCell::default(),
            changed: Notify::new(),
        }))
    }

    /// Writes a value of any length to an attribute. `mtu` is the link's ATT MTU, 23 at least.
    ///
    /// Cancelling it half-way leaves the device with an unfinished queue: drop the link then.
    pub(crate) async fn long_write(
        &self,
        link: u16,
        mtu: usize,
        attribute: u16,
        value: &[u8],
    ) -> Result<(), LongWriteError> {
        self.prepare(link, mtu, attribute, value).await?;
        self.exchange(link, &[EXECUTE_REQUEST, 1]).await.map(|_| ())
    }

    /// Begins as [`long_write`](Self::long_write), and gives it up in the end.
    pub(crate) async fn abandoned_write(
        &self,
        link: u16,
        mtu: usize,
        attribute: u16,
        value: &[u8],
    ) -> Result<(), LongWriteError> {
        self.prepare(link, mtu, attribute, value).await?;
        self.exchange(link, &[EXECUTE_REQUEST, 0]).await.map(|_| ())
    }

    async fn prepare(
        &self,
        link: u16,
        mtu: usize,
        attribute: u16,
        value: &[u8],
    ) -> Result<(), LongWriteError> {
        let part = mtu.saturating_sub(5).max(18);
        let [a0, a1] = attribute.to_le_bytes();
        for (i, piece) in value.chunks(part).enumerate() {
            let [o0, o1] = ((i * part) as u16).to_le_bytes();
            let mut request = vec![PREPARE_REQUEST, a0, a1, o0, o1];
            request.extend_from_slice(piece);
            let answer = self.exchange(link, &request).await?;
            // The device echoes what it queued; anything else would be executed wrongly.
            if answer.first() != Some(&PREPARE_RESPONSE) || answer.get(1..) != request.get(1..) {
                self.exchange(link, &[EXECUTE_REQUEST, 0]).await?;
                return Err(LongWriteError::Lost);
            }
        }
        Ok(())
    }

    async fn exchange(&self, link: u16, request: &[u8]) -> Result<Vec<u8>, LongWriteError> {
        {
            let mut state = self.0.state.borrow_mut();
            state.awaiting = Some(link);
            state.answer = None;
            state.partial.clear();
        }
        let answer = with_timeout(TRANSACTION, async {
            self.send(link, request).await?;
            self.wait(|state| state.answer.take()).await
        })
        .await
        .unwrap_or(Err(LongWriteError::Lost));
        self.0.state.borrow_mut().awaiting = None;
        match answer?.as_slice() {
            [ERROR_RESPONSE, _, _, _, code, ..] => Err(LongWriteError::Refused(*code)),
            other => Ok(other.to_vec()),
        }
    }

    async fn send(&self, link: u16, pdu: &[u8]) -> Result<(), LongWriteError> {
        let mut frame = (pdu.len() as u16).to_le_bytes().to_vec();
        frame.extend_from_slice(&ATT_CHANNEL.to_le_bytes());
        frame.extend_from_slice(pdu);
        let (most, _) = self.0.state.borrow().buffers.ok_or(LongWriteError::Lost)?;
        for (i, piece) in frame.chunks(most.max(1)).enumerate() {
            self.wait(|state| {
                if state.answer.is_some() {
                    return Some(Err(LongWriteError::Lost)); // the link went while we sent
                }
                let free = state
                    .buffers
                    .is_some_and(|(_, total)| state.outstanding < total);
                free.then(|| {
                    state.outstanding += 1;
                    Ok(())
                })
            })
            .await?;
            // Host-bound starts are 0b10, controller-bound ones 0b00; continuations 0b01.
            let [h0, h1] = (link | if i == 0 { 0 } else { 0x1000 }).to_le_bytes();
            let [l0, l1] = (piece.len() as u16).to_le_bytes();
            let packet = [&[indicator::ACL, h0, h1, l0, l1], piece].concat();
            self.0
                .transport
                .send(&packet)
                .await
                .map_err(LongWriteError::Controller)?;
        }
        Ok(())
    }

    async fn wait<R>(&self, mut ready: impl FnMut(&mut State) -> Option<R>) -> R {
        loop {
            let changed = self.0.changed.notified();
            if let Some(r) = ready(&mut self.0.state.borrow_mut()) {
                return r;
            }
            changed.await;
        }
    }
}

impl State {
    /// Looks at a packet of the controller. `None`: it is not for the host stack.
    fn filter(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        match packet.as_mut_slice() {
            // Command Complete of LE Read Buffer Size.
            [
                indicator::EVENT,
                0x0E,
                _,
                _,
                0x02,
                0x20,
                0,
                l0,
                l1,
                total,
                ..,
            ] => {
                let length = usize::from(u16::from_le_bytes([*l0, *l1]));
                self.buffers = Some((length, usize::from(*total)));
            }
            // Disconnection Complete.
            [indicator::EVENT, 0x05, _, 0, h0, h1, ..] => {
                if self.awaiting == Some(handle(*h0, *h1)) {
                    self.answer = Some(Err(LongWriteError::Lost));
                }
                self.outstanding = 0;
            }
            // Number Of Completed Packets, with one entry for each link.
            [indicator::EVENT, 0x13, _, _, entries @ ..] => {
                for entry in entries.chunks_exact_mut(4) {
                    let count = usize::from(u16::from_le_bytes([entry[2], entry[3]]));
                    let ours = count.min(self.outstanding);
                    self.outstanding -= ours;
                    entry[2..].copy_from_slice(&((count - ours) as u16).to_le_bytes());
                }
            }
            [indicator::ACL, h0, h1, _, _, data @ ..]
                if self.awaiting == Some(handle(*h0, *h1)) && self.take(*h1 >> 4 & 0b11, data) =>
            {
                return None;
            }
            _ => {}
        }
        Some(packet)
    }

    /// Takes ACL data that belongs to our answer.
    fn take(&mut self, boundary: u8, data: &[u8]) -> bool {
        if boundary == 0b01 {
            if self.partial.is_empty() {
                return false;
            }
            self.partial.extend_from_slice(data);
        } else {
            let ours = match data {
                [_, _, 4, 0, PREPARE_RESPONSE | EXECUTE_RESPONSE, ..] => true,
                [_, _, 4, 0, ERROR_RESPONSE, request, ..] => {
                    matches!(*request, PREPARE_REQUEST | EXECUTE_REQUEST)
                }
                _ => false,
            };
            if !ours {
                return false;
            }
            self.partial = data.to_vec();
        }
        if let [l0, l1, _, _, pdu @ ..] = self.partial.as_slice()
            && pdu.len() >= usize::from(u16::from_le_bytes([*l0, *l1]))
        {
            self.answer = Some(Ok(pdu.to_vec()));
            self.partial.clear();
        }
        true
    }
}

fn handle(h0: u8, h1: u8) -> u16 {
    u16::from_le_bytes([h0, h1]) & 0x0FFF
}

impl embedded_io::ErrorType for Tap {
    type Error = Error;
}

impl Transport for Tap {
    async fn read<'a, P: PacketToHost<'a>>(&self, rx: &'a mut [u8]) -> Result<P, Error> {
        loop {
            let packet = self.0.transport.receive().await?;
            let packet = self.0.state.borrow_mut().filter(packet);
            self.0.changed.notify_waiters();
            if let Some(packet) = packet {
                return Ok(vhci::raw::decode(&packet, rx)?);
            }
        }
    }

    async fn write<P: PacketToController>(&self, packet: &P) -> Result<(), Error> {
        self.0.transport.write(packet).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> State {
        let mut state = State::default();
        let buffer_size = vec![4, 0x0E, 7, 1, 0x02, 0x20, 0, 27, 0, 4];
        assert_eq!(state.filter(buffer_size.clone()), Some(buffer_size));
        assert_eq!(state.buffers, Some((27, 4)));
        state.awaiting = Some(0x40);
        state
    }

    #[test]
    fn answers_of_ours_are_kept_and_others_pass() {
        let mut state = ready();
        let read_response = vec![2, 0x40, 0x20, 6, 0, 2, 0, 4, 0, 0x0B, 0xAA];
        assert_eq!(state.filter(read_response.clone()), Some(read_response));
        let write_refused = vec![2, 0x40, 0x20, 9, 0, 5, 0, 4, 0, 0x01, 0x12, 9, 0, 0x0D];
        assert_eq!(state.filter(write_refused.clone()), Some(write_refused));
        assert!(state.answer.is_none());
        let other_link = vec![2, 0x41, 0x20, 5, 0, 1, 0, 4, 0, 0x19];
        assert_eq!(state.filter(other_link.clone()), Some(other_link));
        assert_eq!(
            state.filter(vec![2, 0x40, 0x20, 5, 0, 1, 0, 4, 0, 0x19]),
            None
        );
        assert_eq!(state.answer.take().unwrap().unwrap(), [0x19]);
    }

    #[test]
    fn an_answer_in_pieces_is_put_together() {
        let mut state = ready();
        assert_eq!(
            state.filter(vec![2, 0x40, 0x20, 6, 0, 4, 0, 4, 0, 0x17, 9]),
            None
        );
        assert!(state.answer.is_none());
        assert_eq!(state.filter(vec![2, 0x40, 0x10, 2, 0, 0, 7]), None);
        assert_eq!(state.answer.take().unwrap().unwrap(), [0x17, 9, 0, 7]);
        let stray = vec![2, 0x40, 0x10, 1, 0, 5];
        assert_eq!(state.filter(stray.clone()), Some(stray));
    }

    #[test]
    fn our_packets_are_not_credited_to_the_host_stack() {
        let mut state = ready();
        state.outstanding = 2;
        assert_eq!(
            state.filter(vec![4, 0x13, 5, 1, 0x40, 0, 3, 0]),
            Some(vec![4, 0x13, 5, 1, 0x40, 0, 1, 0])
        );
        assert_eq!(state.outstanding, 0);
    }

    #[test]
    fn a_lost_link_ends_the_wait() {
        let mut state = ready();
        let gone = vec![4, 0x05, 4, 0, 0x40, 0, 0x08];
        assert_eq!(state.filter(gone.clone()), Some(gone));
        assert!(matches!(state.answer, Some(Err(LongWriteError::Lost))));
    }
}
