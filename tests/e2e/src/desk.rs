//! The desk: what surrounds the devices.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use device::storage::keys;
use devserver::{Config, Limits, Profile, Server, Tls};
use flashimage::{FlashImage, NvsEntry, NvsValue, PartitionTable};
use pki::{Identity, KeyAlgorithm, Options, Pki, Profile as CertificateProfile};
use simulator::flash::Flash;
use simulator::internet::{Internet, Listener, Stream};
use simulator::ntp::TimeServer;
use simulator::system::BUILT_AT_UNIX_S;
use simulator::wifi::Network;
use simulator::{Simulator, Wiring, World};

use crate::secrets::hide_key;

/// Device seconds per real second, where there is real time.
pub const RATE: u32 = 10;

/// The Wi-Fi network of the desk.
pub const NETWORK: &str = "workshop";

/// What opens it.
pub const PASSPHRASE: &str = "correct horse";

/// The proof of possession of every device.
pub const PROOF: &str = "abcd1234efgh";

/// Certificates, the air, a time server.
pub struct Desk {
    /// The authority that all certificates come from.
    pub pki: Pki,
    algorithm: KeyAlgorithm,
    /// What is in the air.
    pub world: World,
    /// Tells the time.
    pub time: TimeServer,
}

impl Desk {
    /// Sets the desk: in an internet in memory where time is virtual.
    pub async fn set() -> Self {
        Self::set_with(KeyAlgorithm::default()).await
    }

    /// Sets the desk with keys of this kind, for authorities, servers and devices.
    pub async fn set_with(algorithm: KeyAlgorithm) -> Self {
        let networks = [
            Network::new(NETWORK, PASSPHRASE, -48),
            Network::new("guests", "", -61),
            Network::new("neighbour", "not yours", -83),
        ];
        let world = World {
            internet: match hosttime::is_virtual() {
                true => Internet::in_memory(),
                false => Internet::of_host(),
            },
            ..World::new(networks)
        };
        let time = time_server(&world).await;
        Self {
            pki: Pki::new(&Options {
                algorithm,
                ..Options::default()
            })
            .expect("certificates"),
            algorithm,
            world,
            time,
        }
    }

    /// Another time server in this world.
    pub async fn another_time_server(&self) -> TimeServer {
        time_server(&self.world).await
    }

    /// A port of this computer at which somebody listens.
    pub async fn listen(&self) -> Listener {
        self.world
            .internet
            .listen(free())
            .await
            .expect("a free port")
    }

    /// The server's certificate, for the loopback interface.
    pub fn server_identity(&self) -> Identity {
        let names = ["localhost", "127.0.0.1"];
        let identity = self.pki.server_with(&names, &self.profile());
        let identity = identity.expect("a server certificate");
        hide_key(identity.key_pem());
        identity
    }

    fn profile(&self) -> CertificateProfile {
        CertificateProfile {
            algorithm: self.algorithm,
            ..CertificateProfile::default()
        }
    }

    /// Starts the project's own server, which creates devices from certificates.
    pub async fn server(&self) -> Server {
        self.server_with(Limits::default()).await
    }

    /// The same, with limits of what a device may send.
    pub async fn server_with(&self, limits: Limits) -> Server {
        let config = Config {
            limits,
            ..self.config(&self.server_identity())
        };
        self.serve(config).await
    }

    /// The same at this port, with a certificate of one's own choice.
    pub async fn server_at(&self, port: u16, identity: &Identity) -> Server {
        let config = Config {
            mqtt: (Ipv4Addr::LOCALHOST, port).into(),
            ..self.config(identity)
        };
        self.serve(config).await
    }

    /// The same as its configuration has it.
    pub async fn serve(&self, config: Config) -> Server {
        let internet = &self.world.internet;
        let started = match hosttime::is_virtual() {
            false => Server::start(config).await,
            true => {
                let mqtt = Ear::at(internet, config.mqtt).await;
                let http = Ear::at(internet, config.http).await;
                Server::start_on(config, mqtt, http).await
            }
        };
        started.expect("a server")
    }

    fn config(&self, identity: &Identity) -> Config {
        let chain = identity.chain_pem();
        let tls = Tls::from_pem(chain.as_bytes(), identity.key_pem().as_bytes()).expect("TLS");
        let profile = Profile::from_pem(self.pki.intermediate_pem().as_bytes(), "(.*)");
        Config {
            tls: Some(tls),
            profile: Some(profile.expect("a profile")),
            ..Config::default()
        }
    }

    /// A whole flash for a blank device that is to connect to `broker_port` of this computer.
    pub fn flash(&self, serial: &str, broker_port: u16, more: &str) -> Flash {
        self.flash_of(&self.device_identity(serial), broker_port, more)
    }

    /// The same, with a certificate of one's own choice. `more` is further JSON for
    /// `settings.json`, beginning with a comma, or nothing.
    pub fn flash_of(&self, identity: &Identity, broker_port: u16, more: &str) -> Flash {
        Flash::from_bytes(self.image_of(&identity.chain_pem(), identity, broker_port, more))
    }

    /// The image of such a flash, with a chain of certificates (PEM) that need not be the key's.
    pub fn image_of(
        &self,
        chain: &str,
        identity: &Identity,
        broker_port: u16,
        more: &str,
    ) -> Vec<u8> {
        let (key, trust) = (identity.key_pem(), identity.trust_pem());
        self.image(
            [chain, key, trust],
            &self.settings(broker_port, &given_proof(more)),
        )
    }

    /// A flash for a blank device that makes its own proof of possession, which is the default.
    pub fn flash_without_proof(&self, serial: &str, broker_port: u16) -> Flash {
        self.flash_set(serial, &self.settings(broker_port, ""))
    }

    /// A flash for a blank device that knows broker and time server of this computer by name.
    pub fn flash_with_names(&self, serial: &str, broker_port: u16) -> Flash {
        let settings = format!(
            r#"{{"broker":"mqtts://localhost:{broker_port}","sntp_server":"localhost:{}"{}}}"#,
            self.time.address().port(),
            given_proof("")
        );
        self.flash_set(serial, &settings)
    }

    fn flash_set(&self, serial: &str, settings: &str) -> Flash {
        self.flash_with(&self.device_identity(serial), settings)
    }

    /// A flash for a blank device with this certificate and these settings.
    pub fn flash_with(&self, identity: &Identity, settings: &str) -> Flash {
        let files = [
            &identity.chain_pem(),
            identity.key_pem(),
            identity.trust_pem(),
        ];
        Flash::from_bytes(self.image(files, settings))
    }

    /// A device's certificate and key.
    pub fn device_identity(&self, serial: &str) -> Identity {
        let identity = self.pki.device_with(serial, &self.profile());
        identity.expect("a device certificate")
    }

    /// A flash with a certificate of another authority, which trusts brokers of this one (PEM).
    pub fn flash_trusting(&self, identity: &Identity, trust: &str, broker_port: u16) -> Flash {
        let files = [&identity.chain_pem(), identity.key_pem(), trust];
        Flash::from_bytes(self.image(files, &self.settings(broker_port, &given_proof(""))))
    }

    /// The same for a device that knows the desk's network.
    pub fn flash_of_provisioned(
        &self,
        identity: &Identity,
        trust: &str,
        broker_port: u16,
    ) -> Flash {
        let files = [&identity.chain_pem(), identity.key_pem(), trust];
        self.flash_of_known_network(files, broker_port, "")
    }

    /// The same with further JSON for `settings.json`, beginning with a comma, or nothing.
    pub fn flash_of_known_network(&self, files: [&str; 3], broker_port: u16, more: &str) -> Flash {
        let image = files_of(files, &self.settings(broker_port, &given_proof(more)));
        let image = image.nvs(known_network()).build();
        Flash::from_bytes(image.expect("a flash image"))
    }

    /// A flash of a device that knows the desk's network, with a key that is sealed for its board.
    pub fn flash_with_sealed_key(
        &self,
        identity: &Identity,
        key: &[u8],
        broker_port: u16,
    ) -> Flash {
        let (chain, trust) = (identity.chain_pem(), identity.trust_pem());
        let files = [chain.as_bytes(), key, trust.as_bytes()];
        let image = files_of_bytes(files, &self.settings(broker_port, &given_proof("")));
        let image = image.nvs(known_network()).build();
        Flash::from_bytes(image.expect("a flash image"))
    }

    /// A `settings.json` with broker and time server of this computer. `more` is further JSON,
    /// beginning with a comma, or nothing.
    pub fn settings(&self, broker_port: u16, more: &str) -> String {
        format!(
            r#"{{"broker":"mqtts://127.0.0.1:{broker_port}","server_name":"localhost",
                "sntp_server":"{}"{more}}}"#,
            self.time.address(),
        )
    }

    /// An image with certificate, key, trust and settings.
    fn image(&self, files: [&str; 3], settings: &str) -> Vec<u8> {
        files_of(files, settings).build().expect("a flash image")
    }

    /// A board with this flash, switched off, with the stock product.
    pub fn board(&self, flash: Flash, number: u8) -> Simulator {
        self.board_of(flash, number)
    }

    /// The same with another product. On virtual time its chip's randomness comes from its number, so that what
    /// is drawn by chance, as the pauses between tries, is the same each time.
    pub fn board_of<W: Wiring + Default>(&self, flash: Flash, number: u8) -> Simulator<W> {
        let mac = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, number];
        let mut board = Simulator::new(flash, mac, BUILT_AT_UNIX_S, &self.world);
        if hosttime::is_virtual() {
            board.chip = board.chip.with_seed(number.into());
        }
        board
    }
}

async fn time_server(world: &World) -> TimeServer {
    let server = TimeServer::start_in(&world.internet, free()).await;
    server.expect("a time server")
}

/// Any free port.
fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A listener in memory, as the server takes one.
struct Ear(Listener);

impl Ear {
    async fn at(internet: &Internet, address: SocketAddr) -> Self {
        Self(internet.listen(address).await.expect("the port is free"))
    }
}

impl devserver::Listener for Ear {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        self.0.accept().await.expect("memory does not fail")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// What an image is made of: certificate, key, trust and settings.
pub(crate) fn files_of(files: [&str; 3], settings: &str) -> FlashImage {
    files_of_bytes(files.map(str::as_bytes), settings)
}

/// The same where the key may be sealed.
pub(crate) fn files_of_bytes([chain, key, trust]: [&[u8]; 3], settings: &str) -> FlashImage {
    if let Ok(key) = str::from_utf8(key) {
        hide_key(key);
    }
    FlashImage::builder()
        .file("device.crt", chain)
        .file("device.key", key)
        .file("server_chain.pem", trust)
        .file("settings.json", settings)
}

/// What a device keeps of the desk's network.
pub(crate) fn known_network() -> NvsEntry {
    let network = [
        &[NETWORK.len() as u8],
        NETWORK.as_bytes(),
        PASSPHRASE.as_bytes(),
    ]
    .concat();
    NvsEntry {
        namespace: keys::NAMESPACE.as_str().to_owned(),
        key: keys::WIFI.as_str().to_owned(),
        value: NvsValue::blob(network),
    }
}

/// Further JSON for `settings.json`, after the proof of the desk's devices.
pub(crate) fn given_proof(more: &str) -> String {
    format!(r#","provisioning":{{"pop":"{PROOF}"}}{more}"#)
}

/// How many sectors the place for samples has in `partitions-backlog.csv`.
pub(crate) const BACKLOG_SECTORS: u32 = 304;

/// The image of a flash, with a table that has a place for samples, of this many sectors.
#[must_use]
pub fn with_backlog(image: &[u8], sectors: u32) -> Vec<u8> {
    const TABLE: usize = 0x8000;
    let csv = include_str!("../../../partitions-backlog.csv");
    let size = format!("{:#x}", sectors * 4096);
    let table = PartitionTable::from_csv(&csv.replace("0x130000", &size)).expect("a table");
    let table = table.to_bytes().expect("a table");
    let mut image = image.to_vec();
    image[TABLE..TABLE + table.len()].copy_from_slice(&table);
    image
}
