//! The GATT server: one characteristic for each endpoint, written and read by hand.
//!
//! trouble-host keeps the table and answers discovery; values are answered here, since they are
//! replies that are made when a request is written, and longer than a table should hold.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bt_hci_transport::Transport;
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use protocomm::device::SessionId;
use protocomm::endpoint::Endpoint;
use protocomm::gatt::{
    ADVERTISING_FLAGS, ADVERTISING_INTERVAL, MAX_NAME_LEN, MAX_VALUE_LEN, NAME_DESCRIPTOR_UUID,
    SERVICE_UUID, characteristic_uuid,
};
use rand_core::CryptoRng;
use trouble_host::att::{AttClient, AttErrorCode, AttReq, AttRsp};
use trouble_host::prelude::*;
use zeroize::Zeroizing;

use super::adapter::Adapter;
use super::pool::HeapPool;
use super::service::{CUSTOM, Service};
use crate::event::Event;
use crate::platform::Wifi;

/// The number of the attribute table, see [`add_endpoints`].
const TABLE: u8 = 1;
/// HCI commands that may be under way at once.
const COMMAND_SLOTS: usize = 4;
/// Attributes: those of GAP and GATT, the service, and three for each endpoint.
const ATTRIBUTES: usize =
    GAP_SERVICE_ATTRIBUTE_COUNT + 1 + 3 * (Endpoint::STANDARD.len() + CUSTOM.len());
/// The longest name that trouble-host takes for the GAP service, in bytes.
const GAP_NAME: usize = 22;
/// An offset beyond this is in no request; larger ones would overflow the host's arithmetic.
const MOST_OFFSET: u16 = 1024;
/// After this time advertising is begun anew. trouble-host overlooks a link that ends before it was
/// accepted, and goes on waiting while nothing is advertised any more. Espressif's iOS app gives up
/// connecting after 20 seconds.
const ADVERTISE: Duration = Duration::from_secs(5);
/// How long a client may stay without a session: as long as one that has a session may be silent
/// (`protocomm::device::Limits::idle`). There is one link at a time, and others wait for it.
const WITHOUT_SESSION: Duration = Duration::from_secs(300);
/// How long the controller may take to start and to advertise for the first time.
const START: Duration = Duration::from_secs(10);
/// How long it may take afterwards: a link whose client is gone takes its place until its
/// supervision timeout, 32 seconds at most (Core Specification 5.4, vol. 4, part E, 7.8.12).
const AGAIN: Duration = Duration::from_secs(60);
/// How long the controller may take to confirm that a link is closed.
const CLOSE: Duration = Duration::from_millis(900);

/// The Bluetooth controller does not do what it is told. It has to be powered up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BluetoothFailed;

impl fmt::Display for BluetoothFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Bluetooth controller does not do what it is told")
    }
}

impl core::error::Error for BluetoothFailed {}

type Server<'v> = AttributeServer<'v, NoopRawMutex, HeapPool, ATTRIBUTES, 1>;
type Link<'s, 'v> = GattConnection<'s, 'v, HeapPool>;

/// Advertises and serves one client after the other, until the service is closed.
pub(super) async fn serve<T, W, R>(
    transport: T,
    name: &str,
    service: &Service<'_, W, R>,
) -> Result<(), BluetoothFailed>
where
    T: Transport,
    W: Wifi,
    R: CryptoRng,
{
    let controller: ExternalController<_, COMMAND_SLOTS> =
        ExternalController::new(Adapter(transport));
    let mut resources: Box<HostResources<HeapPool, 1, 1>> = Box::new(HostResources::new());
    let stack = trouble_host::new(controller, &mut *resources)
        .set_random_address(static_address(service.mac(), TABLE))
        .build();
    let mut runner = stack.runner();

    let mut table = AttributeTable::new();
    let gap = GapConfig::default(shortened(name, GAP_NAME));
    gap.build(&mut table).map_err(|_| BluetoothFailed)?;
    let endpoints = add_endpoints(&mut table);
    let server: Box<Server<'_>> = Box::new(AttributeServer::new(table));

    let clients = async {
        let mut peripheral = stack.peripheral();
        let mut started = Some(Event::ProvisioningStarted {
            name: name.chars().collect(),
            security: service.scheme(),
        });
        loop {
            let limit = if started.is_some() { START } else { AGAIN };
            let advertising = with_timeout(limit, advertise(&mut peripheral, name));
            // One that says nothing is no better than one that fails.
            let advertiser = advertising.await.map_err(|_| BluetoothFailed)??;
            if let Some(started) = started.take() {
                service.tell(&started);
                service.offered();
            }
            let accepted = with_timeout(ADVERTISE, advertiser.accept());
            let connection = match select(accepted, service.closing()).await {
                Either::First(Ok(Ok(connection))) => connection,
                // Time is over, or the controller ended it: once more.
                Either::First(Ok(Err(_)) | Err(_)) => continue,
                Either::Second(()) => return Ok(()),
            };
            let link = connection
                .with_attribute_server(&server)
                .map_err(|_| BluetoothFailed)?;
            let session = service.connected();
            let client = Client {
                link: &link,
                service,
                session,
                endpoints: &endpoints,
            };
            let close = client.serve().await;
            service.disconnected(session);
            if close {
                return Ok(());
            }
        }
    };
    match select(runner.run(), clients).await {
        Either::First(result) => {
            log::error!("the Bluetooth host ended: {result:?}");
            Err(BluetoothFailed)
        }
        Either::Second(result) => result,
    }
}

/// An advertising packet's data: 31 bytes at most, and how many there are.
fn packet_data(structures: &[AdStructure<'_>]) -> Result<([u8; 31], usize), BluetoothFailed> {
    let mut data = [0; 31];
    let length = AdStructure::encode_slice(structures, &mut data).map_err(|_| BluetoothFailed)?;
    Ok((data, length))
}

fn advertisement() -> Result<([u8; 31], usize), BluetoothFailed> {
    packet_data(&[
        AdStructure::Flags(ADVERTISING_FLAGS),
        AdStructure::CompleteServiceUuids128(&[SERVICE_UUID.to_le_bytes()]),
    ])
}

fn scan_response(name: &str) -> Result<([u8; 31], usize), BluetoothFailed> {
    let name = shortened(name, MAX_NAME_LEN).as_bytes();
    packet_data(&[AdStructure::CompleteLocalName(name)])
}

/// Connectable and scannable; flags and service in the advertisement, the name in the response.
async fn advertise<'s, T: Transport>(
    peripheral: &mut Peripheral<'s, ExternalController<Adapter<T>, COMMAND_SLOTS>, HeapPool>,
    name: &str,
) -> Result<Advertiser<'s, ExternalController<Adapter<T>, COMMAND_SLOTS>, HeapPool>, BluetoothFailed>
{
    let (data, length) = advertisement()?;
    let (response, response_length) = scan_response(name)?;
    let interval = Duration::from_millis(ADVERTISING_INTERVAL.as_millis() as u64);
    let parameters = AdvertisementParameters {
        interval_min: interval,
        interval_max: interval,
        ..AdvertisementParameters::default()
    };
    let advertisement = Advertisement::ConnectableScannableUndirected {
        adv_data: data.get(..length).unwrap_or_default(),
        scan_data: response.get(..response_length).unwrap_or_default(),
    };
    peripheral
        .advertise(&parameters, advertisement)
        .await
        .map_err(|error| {
            log::error!("advertising failed: {error:?}");
            BluetoothFailed
        })
}

/// The device's Bluetooth address: the station's, made a random static one (Core Specification
/// 5.4, vol. 6, part B, 1.3.2.1) by its two upper bits, so that it is the same after each restart.
/// ESP-IDF uses the chip's public address; controllers outside of a chip often have none. With
/// another table it is another address, by a byte that the stations of one maker share.
fn static_address(station: [u8; 6], table: u8) -> Address {
    let [first, b, c, d, e, f] = station;
    let address = [f, e, d, c, b ^ table, first | 0xC0];
    Address::new(AddrKind::RANDOM, BdAddr::new(address))
}

/// At most `most` bytes of a name, whole characters.
fn shortened(name: &str, most: usize) -> &str {
    name.get(..name.floor_char_boundary(most)).unwrap_or(name)
}

/// Adds the service; returns the handle of each endpoint's value.
///
/// The handles are frozen: iOS keeps those that it has found at an address, and trouble-host's GATT
/// service has no Service Changed to tell it otherwise. A table with others needs another number
/// ([`TABLE`]), and so gets another address.
fn add_endpoints(table: &mut AttributeTable<'_, NoopRawMutex, ATTRIBUTES>) -> Vec<(u16, Endpoint)> {
    let mut service = table.add_service(trouble_host::attribute::Service::new(Uuid::new_long(
        SERVICE_UUID.to_le_bytes(),
    )));
    let mut endpoints = Vec::new();
    for endpoint in Endpoint::all(&CUSTOM) {
        let uuid = Uuid::new_long(characteristic_uuid(SERVICE_UUID, endpoint).to_le_bytes());
        let properties = [CharacteristicProp::Read, CharacteristicProp::Write];
        // The table's own value stays empty.
        let empty = heapless::Vec::<u8, MAX_SMALL_DATA_SIZE>::new();
        let mut characteristic = service.add_characteristic_small(uuid, properties, empty);
        let name: &'static str = endpoint.name(&CUSTOM).unwrap_or_default();
        let description = Uuid::from(NAME_DESCRIPTOR_UUID);
        let _ =
            characteristic.add_descriptor_ro::<str, _>(description, PermissionLevel::Allowed, name);
        endpoints.push((characteristic.build().handle, endpoint));
    }
    endpoints
}

/// One connected client.
struct Client<'c, 's, 'v, 'a, W, R> {
    link: &'c Link<'s, 'v>,
    service: &'c Service<'a, W, R>,
    session: SessionId,
    endpoints: &'c [(u16, Endpoint)],
}

impl<'s, 'v, W: Wifi, R: CryptoRng> Client<'_, 's, 'v, '_, W, R> {
    /// Serves it until it is gone. Returns whether the service is closing.
    async fn serve(&self) -> bool {
        // The last reply, and the value that it is read from.
        let mut reply = (0, Vec::new());
        let mut deadline = Instant::now() + WITHOUT_SESSION;
        loop {
            let lost_session = select(self.service.dropped(self.session), self.idle(&mut deadline));
            match select3(self.link.next(), lost_session, self.service.closing()).await {
                Either3::First(GattConnectionEvent::Disconnected { .. }) => return false,
                Either3::First(GattConnectionEvent::Gatt { event }) => {
                    if let Either::First(()) =
                        select(self.gone(), self.answer(event, &mut reply)).await
                    {
                        return false;
                    }
                }
                Either3::First(_) => {}
                Either3::Second(_) => {
                    self.hang_up().await;
                    return false;
                }
                Either3::Third(()) => {
                    self.hang_up().await;
                    return true;
                }
            }
        }
    }

    /// Returns when the client has had no session for too long.
    async fn idle(&self, deadline: &mut Instant) {
        loop {
            Timer::at(*deadline).await;
            if !self.service.has_session(self.session) {
                return;
            }
            *deadline = Instant::now() + WITHOUT_SESSION;
        }
    }

    /// Returns when the client has gone.
    async fn gone(&self) {
        while !matches!(
            self.link.raw().next().await,
            ConnectionEvent::Disconnected { .. }
        ) {}
    }

    async fn hang_up(&self) {
        self.link.raw().disconnect();
        // A controller that does not confirm is about to be powered down, or will fail soon.
        let _ = with_timeout(CLOSE, self.gone()).await;
    }

    fn endpoint(&self, handle: u16) -> Option<Endpoint> {
        let found = self.endpoints.iter().find(|(h, _)| *h == handle);
        found.map(|(_, endpoint)| *endpoint)
    }

    async fn answer(&self, event: GattEvent<'s, 'v, HeapPool>, reply: &mut (u16, Vec<u8>)) {
        let answered = match event {
            GattEvent::Write(write) => match self.endpoint(write.handle()) {
                Some(endpoint) => self.write(endpoint, write, reply).await,
                None => send(write.accept()).await,
            },
            GattEvent::Read(read) => match self.endpoint(read.handle()) {
                Some(_) => self.read(read, reply).await,
                None => send(read.accept()).await,
            },
            GattEvent::Other(other) => {
                let refusal = match other.payload().incoming() {
                    AttClient::Request(AttReq::PrepareWrite { offset, .. })
                        if offset > MOST_OFFSET =>
                    {
                        Some(AttErrorCode::INVALID_OFFSET)
                    }
                    AttClient::Request(AttReq::ReadMultiple { .. }) => {
                        Some(AttErrorCode::REQUEST_NOT_SUPPORTED)
                    }
                    _ => None,
                };
                send(match refusal {
                    Some(code) => other.reject(code),
                    None => other.accept(),
                })
                .await
            }
            GattEvent::NotAllowed(refused) => send(refused.accept()).await,
        };
        if let Err(error) = answered {
            log::warn!("a GATT request could not be answered: {error:?}");
        }
    }

    /// A request, whole: a short write, or the end of a long one.
    async fn write(
        &self,
        endpoint: Endpoint,
        write: WriteEvent<'s, 'v, HeapPool>,
        reply: &mut (u16, Vec<u8>),
    ) -> Result<(), Error> {
        let (offset, mut request) =
            write.with_data(|offset, data| (offset, Zeroizing::new(data.to_vec())));
        if offset != 0 {
            return send(write.reject(AttErrorCode::INVALID_OFFSET)).await;
        }
        // ESP-IDF accepts these and does nothing.
        if request.is_empty() {
            return send(write.accept_unprocessed()).await;
        }
        let result = self
            .service
            .request(self.session, endpoint, &mut request, MAX_VALUE_LEN)
            .await;
        match result {
            Ok(value) => {
                *reply = (write.handle(), value);
                send(write.accept_unprocessed()).await
            }
            Err(refusal) => {
                // What the device's owner should know of it is an event already.
                log::info!("{endpoint:?}: {refusal}");
                *reply = (0, Vec::new());
                send(write.reject(AttErrorCode::new(refusal.att_error()))).await
            }
        }
    }

    /// The reply, or a part of it.
    async fn read(
        &self,
        read: ReadEvent<'s, 'v, HeapPool>,
        reply: &(u16, Vec<u8>),
    ) -> Result<(), Error> {
        // Before anything was written, the value is empty.
        let value = match reply {
            (handle, value) if *handle == read.handle() => value.as_slice(),
            _ => &[],
        };
        let blob = match read.payload().incoming() {
            AttClient::Request(AttReq::ReadBlob { offset, .. }) => Some(usize::from(offset)),
            _ => None,
        };
        let Some(rest) = value.get(blob.unwrap_or(0)..) else {
            return send(read.reject(AttErrorCode::INVALID_OFFSET)).await;
        };
        let room = usize::from(self.link.raw().att_mtu()).saturating_sub(1);
        let data = rest.get(..room).unwrap_or(rest);
        let response = match blob {
            Some(_) => AttRsp::ReadBlob { data },
            None => AttRsp::Read { data },
        };
        read.into_payload().reply(response).await?;
        if data.len() == rest.len() && !rest.is_empty() {
            self.service.reply_read(self.session);
        }
        Ok(())
    }
}

async fn send(reply: Result<Reply<'_, HeapPool>, Error>) -> Result<(), Error> {
    reply?.send().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an ESP32-C3 with ESP-IDF v5.4.1's wifi_prov_mgr example advertises: the fields that
    /// `protocomm_nimble.c` sets, in the order in which NimBLE writes them.
    #[test]
    fn the_device_advertises_as_esp_idf_does() {
        let (data, length) = advertisement().unwrap();
        let mut expected = alloc::vec![2, 0x01, 0x06, 17, 0x07];
        expected.extend_from_slice(&[0x07, 0xed, 0x9b, 0x2d, 0x0f, 0x06, 0x7c, 0x87]);
        expected.extend_from_slice(&[0x9b, 0x43, 0x43, 0x6b, 0x4d, 0x24, 0x75, 0x17]);
        assert_eq!(&data[..length], expected);
        let (data, length) = scan_response("PROV_1A2B3C").unwrap();
        assert_eq!(&data[..length], b"\x0C\x09PROV_1A2B3C");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let (data, length) = scan_response(&"é".repeat(20)).unwrap();
        assert_eq!((length, data[0]), (30, 29), "14 characters of 2 bytes");
        assert_eq!(shortened("PROV", 22), "PROV");
    }

    #[test]
    fn the_address_is_the_stations_made_random_static() {
        let station = [0x34, 0x85, 0x18, 0x1A, 0x2B, 0x3C];
        let address = static_address(station, 0);
        assert_eq!(address.kind, AddrKind::RANDOM);
        assert_eq!(*address.addr.raw(), [0x3C, 0x2B, 0x1A, 0x18, 0x85, 0xF4]);
        assert_ne!(address, static_address(station, 1), "another table");
    }

    #[test]
    fn every_endpoint_has_a_value_and_a_name() {
        let mut table = AttributeTable::new();
        GapConfig::default("PROV").build(&mut table).unwrap();
        let endpoints = add_endpoints(&mut table);
        assert_eq!(table.len(), ATTRIBUTES);
        // If these change, so must `TABLE`.
        let handles: Vec<u16> = endpoints.iter().map(|(handle, _)| *handle).collect();
        assert_eq!(
            (TABLE, handles.as_slice()),
            (1, &[9, 12, 15, 18, 21, 24][..])
        );
        for (handle, endpoint) in endpoints {
            let uuid = characteristic_uuid(SERVICE_UUID, endpoint).to_le_bytes();
            assert_eq!(table.uuid(handle), Some(Uuid::new_long(uuid)));
            assert_eq!(
                table.uuid(handle + 1),
                Some(Uuid::from(NAME_DESCRIPTOR_UUID))
            );
            let mut name = [0; 16];
            let length = table.read(handle + 1, 0, &mut name).unwrap();
            assert_eq!(
                Some(&name[..length]),
                endpoint.name(&CUSTOM).map(str::as_bytes)
            );
        }
    }
}
