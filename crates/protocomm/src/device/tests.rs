mod provisioning;
mod scans;
mod sessions;

use core::net::Ipv4Addr;

use super::*;
use crate::security::{IvMode, ProofDigest, Salt, SrpVerifier};
use crate::testing::noise;
use crate::wifi::{AuthMode, Bssid, Ssid};
use crate::wire::Status;
use crate::wire::config::{Request, Response, SetConfig, StationState};
use crate::wire::session::Handshake;
use crate::wire::{control, scan as scan_wire};

const PHONE: SessionId = SessionId(1);
const OTHER: SessionId = SessionId(2);

fn at(secs: u64) -> Instant {
    Instant::from_millis(secs * 1000)
}

fn plain() -> Device {
    Device::new(Config::new(Security::Security0))
}

fn protected() -> Device {
    let proof = ProofDigest::new(b"abcd1234");
    Device::new(Config::new(Security::Security1(proof)))
}

/// A device under test, at a time that goes on by itself.
struct Bench {
    device: Device,
    response: [u8; RESPONSE_CAPACITY],
}

impl Bench {
    fn new(device: Device) -> Self {
        Self {
            device,
            response: [0; RESPONSE_CAPACITY],
        }
    }

    fn send(
        &mut self,
        now: Instant,
        session: SessionId,
        endpoint: Endpoint,
        request: &[u8],
    ) -> Result<Option<&[u8]>, Refusal> {
        let mut buffer = [0; 600];
        buffer[..request.len()].copy_from_slice(request);
        let outcome = self.device.handle(
            now,
            session,
            endpoint,
            &mut buffer[..request.len()],
            &mut self.response,
            &mut noise(7),
        )?;
        Ok(match outcome {
            Outcome::Reply(len) => Some(&self.response[..len]),
            Outcome::Pending | Outcome::Custom(_) => None,
        })
    }

    fn config(&mut self, now: Instant, request: Request<'_>) -> Response {
        let mut message = [0; 256];
        let len = request.encode(&mut message).unwrap();
        let reply = self.send(now, PHONE, Endpoint::Config, &message[..len]);
        Response::decode(reply.unwrap().unwrap()).unwrap()
    }

    fn set(&mut self, passphrase: &[u8]) -> Status {
        let set = SetConfig {
            ssid: b"home",
            passphrase,
            ..SetConfig::default()
        };
        match self.config(at(0), Request::Set(set)) {
            Response::Set(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn apply(&mut self) -> Status {
        match self.config(at(0), Request::Apply) {
            Response::Apply(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self, now: Instant) -> StationState {
        match self.config(now, Request::Status) {
            Response::Status { station, .. } => station,
            other => panic!("{other:?}"),
        }
    }

    fn control(&mut self, request: control::Request) -> Status {
        let mut message = [0; 16];
        let len = request.encode(&mut message).unwrap();
        let reply = self.send(at(0), PHONE, Endpoint::Control, &message[..len]);
        match control::Response::decode(reply.unwrap().unwrap()).unwrap() {
            control::Response::Reset(status) | control::Response::Reprovision(status) => status,
        }
    }

    fn scan(&mut self, now: Instant, request: scan_wire::Request) -> Option<&[u8]> {
        let mut message = [0; 32];
        let len = request.encode(&mut message).unwrap();
        self.send(now, PHONE, Endpoint::Scan, &message[..len])
            .unwrap()
    }
}

fn connected() -> Connected {
    Connected {
        ip4: Ipv4Addr::new(10, 0, 0, 7),
        ssid: Ssid::new(b"home").unwrap(),
        bssid: Bssid([1, 2, 3, 4, 5, 6]),
        channel: 6,
        auth: AuthMode::Wpa2Psk,
    }
}

fn heard(channel: u8, rssi: i8) -> AccessPoint {
    AccessPoint {
        ssid: Ssid::new(b"a network").unwrap(),
        bssid: Bssid::default(),
        channel,
        rssi,
        auth: AuthMode::Open,
    }
}
