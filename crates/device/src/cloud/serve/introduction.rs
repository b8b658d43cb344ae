//! How a connection begins: subscribing, who the device is, and asking what the server wants of it.

use embassy_time::{Instant, with_timeout};
use embedded_io_async::{Read, Write};
use minimq::{QoS, SubscriptionOptions, TopicFilter};
use thingsboard::json::BufferTooSmall;
use thingsboard::{FromDevice, RequestId, topic};

use super::{ACK_TIMEOUT, Failure, MOST_PAYLOAD, Outcome, Sent, Serving, Stage};
use crate::cloud::CloudError;
use crate::cloud::device::Device;
use crate::cloud::inbound::{LIMITS_CALL, TIME_CALL};
use crate::cloud::outbound::{self, Changing};
use crate::event::Event;

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, '_, D, IO> {
    pub(super) async fn subscribe(&mut self) -> Result<(), Failure<IO::Error>> {
        // ThingsBoard has other topics for each direction; a plain broker would send back what the device
        // publishes where it listens, too: its question for the limits, its attributes and answers.
        let once = || {
            SubscriptionOptions::default()
                .maximum_qos(QoS::AtLeastOnce)
                .ignore_local_messages()
        };
        let filters = [
            topic::SUBSCRIBE_RPC_REQUESTS,
            topic::ATTRIBUTES,
            topic::SUBSCRIBE_ATTRIBUTES_RESPONSES,
            topic::SUBSCRIBE_RPC_RESPONSES,
            topic::SUBSCRIBE_FIRMWARE,
            topic::FIRMWARE_ERROR,
        ]
        .map(|filter| TopicFilter::new(filter).options(once()));
        // The last two are for who can be updated.
        let updates = self.device.updates();
        let filters = match updates.is_some_and(|updates| updates.is_ready()) {
            true => &filters[..],
            false => &filters[..4],
        };
        let subscribing = self.connection.subscribe(filters, &[]);
        let op = with_timeout(ACK_TIMEOUT, subscribing)
            .await
            .map_err(|_| Failure::Known(CloudError::Silent))?
            .map_err(|error| Failure::from_minimq(error, self.state, Stage::Subscribe))?;
        self.subscribing = Some(Sent::now(op));
        // And the connection itself.
        let messages = filters.len() as u32 + 1;
        self.pace.sent_messages(messages, Instant::now());
        Ok(())
    }

    /// Publishes the client attributes, or as many of them as the server takes at once.
    pub(super) async fn introduce(&mut self) -> Result<(), Failure<IO::Error>> {
        let Some(from) = self.introducing.filter(|_| self.introduction.is_none()) else {
            return Ok(());
        };
        let (most, now) = (self.pace.attributes(), Instant::now());
        let due = self.pace.telemetry_due(most, now);
        if self.is_held_back(due.max(self.next_message)) {
            return Ok(());
        }
        let (device, certified) = (self.device, self.certified);
        let mut next = None;
        let mut write = |buffer: &mut [u8]| {
            let from = from..from + most as usize;
            let (length, rest) = outbound::write_attributes(device, certified, from, buffer)?;
            next = rest;
            Ok(length)
        };
        let to = FromDevice::Attributes;
        match self.publish(to, most, MOST_PAYLOAD, &mut write).await? {
            Outcome::Sent(op) => self.introduction = Some(Sent::now(op)),
            _ => log::warn!("the broker's packet limit leaves no room for the client attributes"),
        }
        self.introducing = next;
        if from > 0 || next.is_some() || self.pace.is_slow() {
            // For a server that takes little at a time.
            self.next_message = now + self.pace.pause();
        }
        if self.told.is_none() {
            self.to_ask = Asking {
                limits: true,
                attributes: true,
                ..self.to_ask
            };
            self.told = Some(Changing {
                interval_ms: device.interval_ms(),
                refused: None,
                limit: None,
                certificate_days: certified.days(device),
            });
        }
        Ok(())
    }

    /// Publishes client attributes that are no longer as they were told.
    pub(super) async fn tell_changes(&mut self) -> Result<(), Failure<IO::Error>> {
        let interval_ms = self.device.interval_ms();
        let days = self.certified.days(self.device);
        let now = Changing {
            interval_ms,
            refused: self.wanted.refused,
            limit: self.pace.kept(interval_ms, self.device.vitals_interval_s()),
            // Nothing is told of a clock that became uncertain.
            certificate_days: days.or(self.told.and_then(|told| told.certificate_days)),
        };
        let Some(told) = self.told.filter(|told| *told != now) else {
            return Ok(());
        };
        let most = now.changes(&told);
        if self.is_held_back(self.pace.telemetry_due(most, Instant::now())) {
            return Ok(());
        }
        let mut write = |buffer: &mut [u8]| outbound::write_changes(told, now, buffer);
        let to = FromDevice::Attributes;
        let outcome = self.publish(to, most, MOST_PAYLOAD, &mut write).await?;
        // Without room it is told another time.
        if !matches!(outcome, Outcome::NoRoom) {
            self.told = Some(now);
            if let Some(limit) = now.limit.filter(|_| now.limit != told.limit) {
                self.device.tell(&Event::LimitKept(limit));
            }
        }
        Ok(())
    }

    /// Publishes client attributes of the product that are no longer as they were told.
    pub(super) async fn tell_product(&mut self) -> Result<(), Failure<IO::Error>> {
        let errands = self.device.errands();
        if self.told.is_none() || errands.attributes_are(&self.told_product) {
            return Ok(());
        }
        let now = errands.attributes();
        let told = core::mem::take(&mut self.told_product);
        let news = outbound::count_news(&told, &now);
        let due = self.pace.telemetry_due(news, Instant::now());
        let held_back = news == 0 || self.is_held_back(due);
        let outcome = match held_back {
            true => Outcome::NoRoom,
            false => {
                let mut write = |buffer: &mut [u8]| outbound::write_news(&told, &now, buffer);
                let to = FromDevice::Attributes;
                self.publish(to, news, MOST_PAYLOAD, &mut write).await?
            }
        };
        // Without room they are told another time.
        let is_told = news == 0 || !matches!(outcome, Outcome::NoRoom);
        self.told_product = if is_told { now } else { told };
        Ok(())
    }

    /// Asks for the server's limits and the shared attribute, once there is room.
    pub(super) async fn ask(&mut self) -> Result<(), Failure<IO::Error>> {
        if self.wanted.missed && self.device.errands().has_room() {
            self.wanted.missed = false;
            self.to_ask.attributes = true;
        }
        if self.to_ask.limits {
            let call = FromDevice::RpcRequest(LIMITS_CALL);
            self.to_ask.limits = !self.asked(call, &mut outbound::write_limits_call).await?;
        }
        if self.to_ask.attributes {
            // The answer has this number, too; the others of a connection are for pieces of a renewal.
            let request = FromDevice::AttributesRequest(RequestId::wrapping(1));
            let product = self.device.product();
            let firmware = self.device.updates().is_some();
            let renewal = self.device.renewals().is_some();
            let mut write =
                |buffer: &mut [u8]| outbound::write_request(product, firmware, renewal, buffer);
            self.to_ask.attributes = !self.asked(request, &mut write).await?;
        }
        self.ask_time().await
    }

    /// Asks what time it is, once it is due.
    async fn ask_time(&mut self) -> Result<(), Failure<IO::Error>> {
        let Some(clock) = self.device.clock().filter(|_| self.told.is_some()) else {
            return Ok(());
        };
        if clock.question_due() <= Instant::now() {
            clock.put_off_question();
            self.to_ask.time = true;
        }
        if self.to_ask.time {
            // Before it goes out: how long that takes counts as doubt.
            clock.ask_server();
            let call = FromDevice::RpcRequest(TIME_CALL);
            self.to_ask.time = !self.asked(call, &mut outbound::write_time_call).await?;
        }
        Ok(())
    }

    /// Asks. Returns whether there is no need to try again.
    async fn asked(
        &mut self,
        question: FromDevice,
        write: &mut dyn FnMut(&mut [u8]) -> Result<usize, BufferTooSmall>,
    ) -> Result<bool, Failure<IO::Error>> {
        if self.is_held_back(self.pace.messages_due(1, Instant::now())) {
            return Ok(false);
        }
        match self.publish(question, 0, MOST_PAYLOAD, write).await? {
            Outcome::Sent(_) => return Ok(true),
            // A broker may take one message at a time.
            Outcome::NoRoom if !self.connection.session().is_publish_quiescent() => {
                return Ok(false);
            }
            Outcome::NoRoom | Outcome::TooLarge => {}
        }
        log::warn!("the broker's packet limit leaves no room to ask for anything");
        Ok(true)
    }
}

/// What is yet to be asked for.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Asking {
    /// How much may be sent.
    limits: bool,
    /// The shared attribute.
    attributes: bool,
    /// What time it is.
    time: bool,
}
