//! A device and a client that talk in memory, with security 2: all of provisioning but a transport.
//!
//! `cargo run --example in_memory`

use std::net::Ipv4Addr;
use std::time::Duration;

use protocomm::client::{Client, Login, Progress, Reply, Request};
use protocomm::device::{Command, Config, Device, Outcome, RESPONSE_CAPACITY, SessionId, Station};
use protocomm::endpoint::Endpoint;
use protocomm::security::{DEFAULT_USERNAME, IvMode, Salt, Security, SrpVerifier};
use protocomm::time::Instant;
use protocomm::wifi::{AccessPoint, AuthMode, Bssid, Connected, Ssid};
use protocomm::wire::config::{self, SetConfig};
use protocomm::wire::scan;
use protocomm::wire::version::{self, Version};
use rand::rngs::StdRng;

type Failure = Box<dyn std::error::Error>;

const PROOF: &[u8] = b"abcd1234";

/// A device whose board is this program, and the connection to it.
struct Link {
    device: Device,
    rng: StdRng,
    now: Instant,
}

impl Link {
    const CLIENT: SessionId = SessionId(1);

    fn new() -> Self {
        let mut rng: StdRng = rand::make_rng();
        let salt = Salt::random(&mut rng);
        let security = Security::Security2 {
            verifier: SrpVerifier::generate(DEFAULT_USERNAME, PROOF, salt),
            iv_mode: IvMode::Counter,
        };
        Self {
            device: Device::new(Config::new(security)),
            rng,
            now: Instant::from_millis(0),
        }
    }

    /// Brings a request to the device, and the reply back.
    fn send(&mut self, endpoint: Endpoint, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut request = request.to_vec();
        let mut response = [0; RESPONSE_CAPACITY];
        let outcome = self.device.handle(
            self.now,
            Self::CLIENT,
            endpoint,
            &mut request,
            &mut response,
            &mut self.rng,
        )?;
        let length = match outcome {
            Outcome::Reply(length) => length,
            Outcome::Pending => {
                self.work();
                let late = self.device.poll_reply(&mut response);
                late.ok_or("there is no reply")?.result?
            }
            Outcome::Custom(_) => return Err("there are no custom endpoints".into()),
        };
        self.device.reply_read(self.now, Self::CLIENT);
        Ok(response[..length].to_vec())
    }

    /// Does what the device wants to have done. Returns whether provisioning is over.
    fn work(&mut self) -> bool {
        while let Some(command) = self.device.poll_command() {
            match command {
                Command::StartScan(_) => self.device.scan_finished([home()]),
                Command::Join(credentials) => {
                    println!("the device joins {:?}", credentials.ssid.as_str());
                    let station = Station::Connected(Connected {
                        ip4: Ipv4Addr::new(192, 0, 2, 7),
                        ssid: credentials.ssid,
                        bssid: home().bssid,
                        channel: home().channel,
                        auth: home().auth,
                    });
                    self.device.station(self.now, station);
                }
                Command::Finish => return true,
                Command::Forget | Command::Reprovision | Command::Disconnect(_) => {}
            }
        }
        false
    }
}

/// The one network in the air.
fn home() -> AccessPoint {
    AccessPoint {
        ssid: Ssid::new(b"home").unwrap_or_default(),
        bssid: Bssid([2, 0, 0, 0, 0, 1]),
        channel: 6,
        rssi: -40,
        auth: AuthMode::Wpa2Psk,
    }
}

/// Makes a request, and hands its reply to `look`.
fn ask<T>(
    link: &mut Link,
    client: &mut Client,
    request: Request<'_>,
    look: impl FnOnce(Reply<'_>) -> T,
) -> Result<T, Failure> {
    let mut message = [0; 512];
    let length = client.request(&request, &mut message)?;
    let mut reply = link.send(request.endpoint(), &message[..length])?;
    Ok(look(client.reply(&mut reply)?))
}

fn main() -> Result<(), Failure> {
    let mut link = Link::new();
    let mut rng: StdRng = rand::make_rng();

    // What does the device speak?
    let reply = link.send(Endpoint::Version, version::REQUEST)?;
    println!("the device says {}", String::from_utf8_lossy(&reply));
    let version = Version::decode(&reply)?;
    let login = Login::for_device(&version, DEFAULT_USERNAME, PROOF)?;

    // Prove each other.
    let mut message = [0; 512];
    let (mut client, mut length) = Client::start(login, &mut rng, &mut message)?;
    loop {
        let reply = link.send(Endpoint::Session, &message[..length])?;
        match client.handshake(&reply, &mut message)? {
            Progress::Send(next) => length = next,
            Progress::Established => break,
        }
    }
    println!("the session stands");

    // Which networks are there?
    let start = scan::Request::Start(scan::Start {
        blocking: true,
        ..scan::Start::default()
    });
    ask(&mut link, &mut client, Request::Scan(start), |_| ())?;
    let results = scan::Request::Results {
        start_index: 0,
        count: 1,
    };
    ask(&mut link, &mut client, Request::Scan(results), |reply| {
        if let Reply::Scan(scan::Response::Results { entries, .. }) = reply {
            for entry in entries.iter() {
                println!("the device hears {entry:?}");
            }
        }
    })?;

    // Give the credentials, have them used, and ask what became of it.
    let set = config::Request::Set(SetConfig {
        ssid: b"home",
        passphrase: b"correct horse",
        ..SetConfig::default()
    });
    for request in [set, config::Request::Apply] {
        let request = Request::Config(request);
        let status = ask(&mut link, &mut client, request, |reply| reply.status())?;
        println!("the device answers {status:?}");
    }
    link.work();
    let status = Request::Config(config::Request::Status);
    ask(&mut link, &mut client, status, |reply| {
        println!("the device says {reply:?}");
    })?;

    // The client knows, so a second later it is over.
    link.now = link.now + Duration::from_secs(1);
    link.device.handle_timeout(link.now);
    if link.work() {
        println!("provisioning is over");
        Ok(())
    } else {
        Err("provisioning is not over".into())
    }
}
