//! Finding devices: what advertising reports say.

use std::cell::RefCell;
use std::collections::HashMap;

use bt_hci::cmd::le::LeSetScanParams;
use bt_hci::controller::ControllerCmdSync;
use bt_hci::param::LeAdvEventKind;
use embassy_time::Duration;
use tokio::sync::{mpsc, oneshot};
use trouble_host::prelude::*;

use crate::found::{Found, Peer};

/// Hands advertising reports to a running scan.
#[derive(Default)]
pub(super) struct Reports {
    listener: RefCell<Option<Listener>>,
}

struct Listener {
    found: mpsc::UnboundedSender<Found>,
    seen: HashMap<(u8, [u8; 6]), Found>,
}

impl EventHandler for Reports {
    // A malformed report makes the rest of its event unreadable; the next event comes soon.

    fn on_adv_reports(&self, reports: LeAdvReportsIter) {
        for report in reports.map_while(Result::ok) {
            if matches!(
                report.event_kind,
                LeAdvEventKind::AdvInd | LeAdvEventKind::ScanRsp
            ) {
                let address = Address::new(report.addr_kind, report.addr);
                self.hear(address, report.rssi, report.data);
            }
        }
    }

    /// Some controllers report so whatever they were asked with.
    fn on_ext_adv_reports(&self, reports: LeExtAdvReportsIter) {
        for report in reports.map_while(Result::ok) {
            if report.event_kind.connectable() || report.event_kind.scan_response() {
                let address = Address::new(report.addr_kind, report.addr);
                self.hear(address, report.rssi, report.data);
            }
        }
    }
}

impl Reports {
    fn hear(&self, address: Address, rssi: i8, data: &[u8]) {
        if let Some(listener) = self.listener.borrow_mut().as_mut() {
            listener.hear(address, rssi, data);
        }
    }
}

impl Listener {
    /// A name and a service may come in two packets: what is known of a device adds up.
    fn hear(&mut self, address: Address, rssi: i8, data: &[u8]) {
        let key = (address.kind.into_inner(), address.addr.into_inner());
        let known = self.seen.entry(key).or_insert_with(|| Found {
            name: String::new(),
            peer: Peer::Address(address),
            rssi,
            service: None,
            flags: None,
        });
        known.rssi = rssi;
        for structure in AdStructure::decode(data).map_while(Result::ok) {
            match structure {
                AdStructure::CompleteLocalName(name) | AdStructure::ShortenedLocalName(name) => {
                    known.name = String::from_utf8_lossy(name).into_owned();
                }
                AdStructure::CompleteServiceUuids128([uuid, ..])
                | AdStructure::IncompleteServiceUuids128([uuid, ..]) => {
                    known.service = Some(u128::from_le_bytes(*uuid));
                }
                AdStructure::Flags(flags) => known.flags = Some(flags),
                _ => {}
            }
        }
        // Nobody listens any more once the scan is over.
        let _ = self.found.send(known.clone());
    }
}

/// Scans until `until` is dropped.
pub(super) async fn scan<C, P: PacketPool>(
    central: &mut Central<'_, C, P>,
    reports: &Reports,
    found: mpsc::UnboundedSender<Found>,
    until: oneshot::Receiver<()>,
) -> Result<(), BleHostError<C::Error>>
where
    C: Controller + ControllerCmdSync<LeSetScanParams>,
{
    *reports.listener.borrow_mut() = Some(Listener {
        found,
        seen: HashMap::new(),
    });
    let mut scanner = Scanner::new(central);
    let config = ScanConfig {
        active: true,
        interval: Duration::from_millis(60),
        window: Duration::from_millis(60),
        ..ScanConfig::default()
    };
    let session = scanner.scan(&config).await?;
    // Dropped or fired, it is the end.
    let _ = until.await;
    session.stop().await;
    *reports.listener.borrow_mut() = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocomm::gatt::SERVICE_UUID;

    #[test]
    fn the_advertisement_and_the_scan_response_add_up() {
        let (found, mut findings) = mpsc::unbounded_channel();
        let mut listener = Listener {
            found,
            seen: HashMap::new(),
        };
        let address = Address::new(AddrKind::PUBLIC, BdAddr::new([1, 2, 3, 4, 5, 6]));
        // What an ESP32-C3 with ESP-IDF v5.4.1 advertises.
        let mut data = vec![2, 0x01, 0x06, 17, 0x07];
        data.extend_from_slice(&SERVICE_UUID.to_le_bytes());
        listener.hear(address, -40, &data);
        listener.hear(address, -41, b"\x0C\x09PROV_1A2B3C");
        let first = findings.try_recv().unwrap();
        assert!(first.provisions("PROV_") && first.name.is_empty());
        let second = findings.try_recv().unwrap();
        assert_eq!((second.name.as_str(), second.rssi), ("PROV_1A2B3C", -41));
        assert_eq!(second.service, Some(SERVICE_UUID));
        assert_eq!(second.flags, Some(6));
        assert_eq!(second.peer.to_string(), "06:05:04:03:02:01");
    }
}
