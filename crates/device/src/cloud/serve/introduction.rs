//! How a connection begins: subscribing, who the device is, and asking what the server wants of it.

use embassy_time::with_timeout;
use embedded_io_async::{Read, Write};
use minimq::{QoS, SubscriptionOptions, TopicFilter};
use thingsboard::{FromDevice, RequestId, topic};

use super::{ACK_TIMEOUT, Failure, MOST_PAYLOAD, Outcome, Sent, Serving, Stage};
use crate::cloud::CloudError;
use crate::cloud::device::Device;
use crate::cloud::outbound::{self, Changing};

impl<D: Device, IO: Read + Write> Serving<'_, '_, '_, '_, D, IO> {
    pub(super) async fn subscribe(&mut self) -> Result<(), Failure<IO::Error>> {
        let once = || SubscriptionOptions::default().maximum_qos(QoS::AtLeastOnce);
        let filters = [
            topic::SUBSCRIBE_RPC_REQUESTS,
            topic::ATTRIBUTES,
            topic::SUBSCRIBE_ATTRIBUTES_RESPONSES,
        ]
        .map(|filter| TopicFilter::new(filter).options(once()));
        let subscribing = self.connection.subscribe(&filters, &[]);
        let op = with_timeout(ACK_TIMEOUT, subscribing)
            .await
            .map_err(|_| Failure::Known(CloudError::Silent))?
            .map_err(|error| Failure::from_minimq(error, self.state, Stage::Subscribe))?;
        self.subscribing = Some(Sent::now(op));
        Ok(())
    }

    /// Publishes the client attributes.
    pub(super) async fn introduce(&mut self) -> Result<(), Failure<IO::Error>> {
        let (device, name) = (self.device, self.name);
        let write = |buffer: &mut [u8]| outbound::write_attributes(device, name, buffer);
        match self
            .publish(FromDevice::Attributes, MOST_PAYLOAD, write)
            .await?
        {
            Outcome::Sent(op) => self.introduction = Some(Sent::now(op)),
            _ => log::warn!("the broker's packet limit leaves no room for the client attributes"),
        }
        self.to_ask = true;
        self.told = Some(Changing {
            interval_ms: device.interval_ms(),
            refused: None,
        });
        Ok(())
    }

    /// Publishes client attributes that are no longer as they were told.
    pub(super) async fn tell_changes(&mut self) -> Result<(), Failure<IO::Error>> {
        let now = Changing {
            interval_ms: self.device.interval_ms(),
            refused: self.wanted.refused,
        };
        let Some(told) = self.told.filter(|told| *told != now) else {
            return Ok(());
        };
        let write = |buffer: &mut [u8]| outbound::write_changes(told, now, buffer);
        let outcome = self
            .publish(FromDevice::Attributes, MOST_PAYLOAD, write)
            .await?;
        // Without room it is told another time.
        if !matches!(outcome, Outcome::NoRoom) {
            self.told = Some(now);
        }
        Ok(())
    }

    /// Asks for the shared attribute, once there is room.
    pub(super) async fn ask(&mut self) -> Result<(), Failure<IO::Error>> {
        if !self.to_ask {
            return Ok(());
        }
        // The answer has this number, too; there is only one request per connection.
        let request = FromDevice::AttributesRequest(RequestId::wrapping(1));
        let asked = self
            .publish(request, MOST_PAYLOAD, outbound::write_request)
            .await?;
        self.to_ask = match asked {
            Outcome::Sent(_) => false,
            // A broker may take one message at a time.
            Outcome::NoRoom => !self.connection.session().is_publish_quiescent(),
            Outcome::TooLarge => false,
        };
        if !self.to_ask && !matches!(asked, Outcome::Sent(_)) {
            log::warn!("the broker's packet limit leaves no room to ask for shared attributes");
        }
        Ok(())
    }
}
