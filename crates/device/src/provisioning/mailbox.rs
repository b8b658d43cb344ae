//! Answering what comes by the mailbox instead of Bluetooth.

use core::convert::Infallible;

use protocomm::device::{RESPONSE_CAPACITY, SessionId};
use protocomm::endpoint::Endpoint;
use protocomm::refusal::Refusal;
use rand_core::CryptoRng;

use super::service::{CUSTOM, Service};
use crate::platform::{Mailbox, Wifi};

/// Answers requests as long as it is polled; the mailbox is open meanwhile.
pub(super) async fn serve<W: Wifi, R: CryptoRng>(
    mailbox: &Mailbox,
    service: &Service<'_, W, R>,
) -> Infallible {
    let open = mailbox.open();
    let mut session: Option<SessionId> = None;
    loop {
        let mut letter = open.next().await;
        if let Some(over) = session.take_if(|_| letter.fresh) {
            service.disconnected(over);
        }
        let session = *session.get_or_insert_with(|| service.connected_replaceably());
        let result = match Endpoint::from_name(&letter.endpoint, &CUSTOM) {
            Some(endpoint) => {
                let body = letter.body.as_mut_slice();
                service
                    .request(session, endpoint, body, RESPONSE_CAPACITY)
                    .await
            }
            None => Err(Refusal::UnknownEndpoint),
        };
        open.answer(letter.number, result);
        // As far as can be known.
        service.reply_read(session);
    }
}
