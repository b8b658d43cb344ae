//! One link to a device: its endpoints, requests and replies.

use bt_hci::cmd::le::{LeAddDeviceToFilterAcceptList, LeClearFilterAcceptList, LeCreateConn};
use bt_hci::controller::{ControllerCmdAsync, ControllerCmdSync};
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, with_timeout};
use protocomm::gatt;
use protocomm::refusal::Refused;
use tokio::sync::{mpsc, oneshot};
use trouble_host::prelude::*;

use super::survey::{Survey, SurveyedCharacteristic};
use super::tap::{LongWriteError, Tap};
use super::{Command, Writes};
use crate::link_error::LinkError;

/// How long a device may take to accept a connection. It advertises every 160 ms.
const CONNECT: Duration = Duration::from_secs(10);
/// Characteristics that a service may have.
const CHARACTERISTICS: usize = 16;
/// Services that a device may have.
const SERVICES: usize = 8;
/// The longest reply. ATT ends at 512, but NimBLE gives more to a long read.
const REPLY: usize = 4096;
/// The opcode, handle and value of a Write Request: the value may have the MTU less this.
const WRITE_OVERHEAD: usize = 3;

type Client<'s, C, P> = GattClient<'s, C, P, SERVICES>;

/// Connects, answers `done`, then serves requests until the link ends.
pub(super) async fn serve<'s, C, P>(
    stack: &'s Stack<'_, C, P>,
    tap: &Tap,
    central: &mut Central<'s, C, P>,
    address: Address,
    done: oneshot::Sender<Result<(), LinkError>>,
    commands: &mut mpsc::Receiver<Command>,
) where
    C: Controller
        + ControllerCmdSync<LeClearFilterAcceptList>
        + ControllerCmdSync<LeAddDeviceToFilterAcceptList>
        + ControllerCmdAsync<LeCreateConn>,
    P: PacketPool,
    C::Error: core::fmt::Debug,
{
    let connection = match connect(central, address).await {
        Ok(connection) => connection,
        Err(e) => return drop(done.send(Err(e))),
    };
    let served = async {
        let client: Client<'_, C, P> = match GattClient::new(stack, &connection).await {
            Ok(client) => client,
            Err(e) => return drop(done.send(Err(fault(e)))),
        };
        let requests = async {
            match survey(&client).await {
                Ok(survey) => {
                    let _ = done.send(Ok(()));
                    let survey = Survey {
                        mtu: usize::from(connection.att_mtu()),
                        ..survey
                    };
                    serve_requests(&client, &connection, tap, &survey, commands).await;
                }
                Err(e) => drop(done.send(Err(e))),
            }
        };
        select(client.task(), requests).await;
    };
    let gone = async {
        while !matches!(
            connection.next().await,
            ConnectionEvent::Disconnected { .. }
        ) {}
    };
    if let Either::First(()) = select(served, gone).await
        && connection.is_connected()
    {
        connection.disconnect();
        let gone = async {
            while !matches!(
                connection.next().await,
                ConnectionEvent::Disconnected { .. }
            ) {}
        };
        // A controller that does not confirm is of no use to the next connection either.
        let _ = with_timeout(CONNECT, gone).await;
    }
}

async fn connect<'s, C, P>(
    central: &mut Central<'s, C, P>,
    address: Address,
) -> Result<Connection<'s, P>, LinkError>
where
    C: Controller
        + ControllerCmdSync<LeClearFilterAcceptList>
        + ControllerCmdSync<LeAddDeviceToFilterAcceptList>
        + ControllerCmdAsync<LeCreateConn>,
    P: PacketPool,
    C::Error: core::fmt::Debug,
{
    let config = ConnectConfig {
        scan_config: ScanConfig {
            filter_accept_list: &[address],
            interval: Duration::from_millis(60),
            window: Duration::from_millis(60),
            ..ScanConfig::default()
        },
        connect_params: RequestedConnParams {
            min_connection_interval: Duration::from_millis(15),
            max_connection_interval: Duration::from_millis(30),
            supervision_timeout: Duration::from_secs(5),
            ..RequestedConnParams::default()
        },
    };
    match with_timeout(CONNECT, central.connect(&config)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(BleHostError::BleHost(Error::Timeout))) | Err(_) => Err(LinkError::Unreachable),
        Ok(Err(e)) => Err(fault(e)),
    }
}

/// Finds the provisioning service, and what there is in it.
async fn survey<C: Controller, P: PacketPool>(
    client: &Client<'_, C, P>,
) -> Result<Survey, LinkError>
where
    C::Error: core::fmt::Debug,
{
    let mut last = None;
    for service in client.services().await.map_err(fault)? {
        let uuid = service.uuid();
        let Uuid::Uuid128(bytes) = uuid else { continue };
        let mut survey = Survey {
            service: u128::from_le_bytes(bytes),
            characteristics: Vec::new(),
            mtu: 0,
        };
        let characteristics = client
            .characteristics::<CHARACTERISTICS>(&service)
            .await
            .map_err(fault)?;
        for characteristic in &characteristics {
            let surveyed = SurveyedCharacteristic {
                uuid: match characteristic.uuid {
                    Uuid::Uuid128(bytes) => u128::from_le_bytes(bytes),
                    _ => 0,
                },
                handle: characteristic.handle,
                read: characteristic.props.any(&[CharacteristicProp::Read]),
                write: characteristic.props.any(&[CharacteristicProp::Write]),
                description: description(client, characteristic).await?,
            };
            survey.characteristics.push(surveyed);
        }
        if survey.handle("prov-session").is_some() || survey.handle("prov-config").is_some() {
            return Ok(survey);
        }
        last = Some(uuid);
    }
    Err(LinkError::NotProvisioning(match last {
        Some(_) => "none of its services has an endpoint `prov-session`".into(),
        None => "it has no service with a 128-bit UUID".into(),
    }))
}

/// What a characteristic's user description says, if it has one.
async fn description<C: Controller, P: PacketPool>(
    client: &Client<'_, C, P>,
    characteristic: &Characteristic<[u8]>,
) -> Result<Option<String>, LinkError>
where
    C::Error: core::fmt::Debug,
{
    let descriptors = client
        .descriptors::<_, 4>(characteristic)
        .await
        .map_err(fault)?;
    let description = Uuid::from(gatt::NAME_DESCRIPTOR_UUID);
    let Some(descriptor) = descriptors.iter().find(|d| *d.uuid() == description) else {
        return Ok(None);
    };
    let mut name = [0; 64];
    let n = client
        .read_handle(descriptor.handle(), &mut name)
        .await
        .map_err(fault)?;
    Ok(Some(String::from_utf8_lossy(&name[..n]).into_owned()))
}

async fn serve_requests<C: Controller, P: PacketPool>(
    client: &Client<'_, C, P>,
    connection: &Connection<'_, P>,
    tap: &Tap,
    survey: &Survey,
    commands: &mut mpsc::Receiver<Command>,
) where
    C::Error: core::fmt::Debug,
{
    while let Some(command) = commands.recv().await {
        match command {
            Command::Exchange {
                endpoint,
                request,
                writes,
                done,
            } => {
                let reply = match survey.handle(&endpoint) {
                    None => Err(LinkError::NoEndpoint(endpoint)),
                    Some(handle) => {
                        let at = (endpoint.as_str(), handle);
                        exchange(client, connection, tap, at, &request, writes).await
                    }
                };
                // Whoever asked may have lost patience.
                let _ = done.send(reply);
            }
            Command::Disconnect { done } => {
                let _ = done.send(());
                return;
            }
            Command::Connect { done, .. } => {
                let _ = done.send(Err(LinkError::Stack("it is connected already".into())));
            }
            Command::Survey { done } => {
                let _ = done.send(survey.clone());
            }
            Command::Scan { .. } => {}
        }
    }
}

async fn exchange<C: Controller, P: PacketPool>(
    client: &Client<'_, C, P>,
    connection: &Connection<'_, P>,
    tap: &Tap,
    (endpoint, handle): (&str, u16),
    request: &[u8],
    writes: Writes,
) -> Result<Vec<u8>, LinkError>
where
    C::Error: core::fmt::Debug,
{
    let mtu = usize::from(connection.att_mtu());
    let refused = |code: u8| LinkError::Refused {
        endpoint: endpoint.to_owned(),
        reason: format!("ATT error {code:#04x}"),
        refused: Refused::from_att_error(code),
    };
    let long = |e| match e {
        LongWriteError::Refused(code) => refused(code),
        LongWriteError::Lost => LinkError::Lost,
        LongWriteError::Controller(e) => LinkError::Controller(e),
    };
    let link = connection.handle().raw();
    match writes {
        Writes::AsNeeded if request.len() <= mtu - WRITE_OVERHEAD => {
            match client.write_handle(handle, request).await {
                Err(BleHostError::BleHost(Error::Att(code))) => return Err(refused(code.to_u8())),
                other => other.map_err(fault)?,
            }
        }
        Writes::AsNeeded | Writes::Long => {
            let written = tap.long_write(link, mtu, handle, request).await;
            written.map_err(long)?;
        }
        Writes::Abandoned => {
            let abandoned = tap.abandoned_write(link, mtu, handle, request).await;
            return abandoned.map(|()| Vec::new()).map_err(long);
        }
    }
    let mut reply = vec![0; REPLY];
    match client.read_handle(handle, &mut reply).await {
        Ok(n) => reply.truncate(n),
        Err(BleHostError::BleHost(Error::Att(code))) => return Err(refused(code.to_u8())),
        Err(e) => return Err(fault(e)),
    }
    Ok(reply)
}

fn fault<E: core::fmt::Debug>(e: BleHostError<E>) -> LinkError {
    match e {
        BleHostError::BleHost(Error::Disconnected | Error::NotFound) => LinkError::Lost,
        BleHostError::BleHost(Error::Timeout) => {
            LinkError::Timeout(std::time::Duration::from_secs(30))
        }
        BleHostError::BleHost(Error::Att(code)) => {
            LinkError::NotProvisioning(format!("ATT error {:#04x}", code.to_u8()))
        }
        other => LinkError::Stack(format!("{other:?}")),
    }
}
