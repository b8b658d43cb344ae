//! A server with certificates, and Mosquitto's clients as devices.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use devserver::{Config, Database, Event, Events, Profile, Server, Tls};
use pki::{Identity, Options, Pki};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

pub(crate) const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];
pub(crate) const TELEMETRY: &str = "v1/devices/me/telemetry";
pub(crate) const ATTRIBUTES: &str = "v1/devices/me/attributes";

/// Longer than anything takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) pki: Pki,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pki = Pki::new(&Options::default()).expect("a PKI");
        std::fs::write(folder.path().join("root.pem"), pki.root_pem())
            .expect("the root is written");
        Self { folder, pki }
    }

    /// With the intermediate in the device profile, as ThingsBoard is set up.
    pub(crate) fn config(&self) -> Config {
        let server = self
            .pki
            .server(&["localhost", "127.0.0.1"])
            .expect("a server certificate");
        let tls = Tls::from_pem(server.chain_pem().as_bytes(), server.key_pem().as_bytes());
        let profile = Profile::from_pem(self.pki.intermediate_pem().as_bytes(), "(.*)");
        Config {
            tls: Some(tls.expect("usable TLS files")),
            profile: Some(profile.expect("a usable profile")),
            database: Database::File(self.folder.path().join("devserver.sqlite")),
            ..Config::default()
        }
    }

    pub(crate) async fn start(&self) -> Server {
        Server::start(self.config())
            .await
            .expect("the server starts")
    }

    /// Writes a device's files under a name of their own.
    pub(crate) fn device(&self, identity: &Identity) -> Device {
        self.device_with_chain(identity, &identity.chain_pem())
    }

    pub(crate) fn device_with_chain(&self, identity: &Identity, chain: &str) -> Device {
        let count = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .count();
        let file = |kind| self.folder.path().join(format!("{count}.{kind}"));
        let device = Device {
            chain: file("crt"),
            key: file("key"),
            root: self.folder.path().join("root.pem"),
        };
        std::fs::write(&device.chain, chain).expect("the chain is written");
        std::fs::write(&device.key, identity.key_pem()).expect("the key is written");
        device
    }
}

/// A device made of Mosquitto's clients.
#[derive(Clone)]
pub(crate) struct Device {
    chain: PathBuf,
    key: PathBuf,
    root: PathBuf,
}

impl Device {
    /// A command of Mosquitto's, with where to connect, in this version of MQTT.
    pub(crate) fn command(&self, tool: &str, server: &Server, version: &str) -> Command {
        let mut command = mosquitto(tool, server, version);
        command
            .arg("--cafile")
            .arg(&self.root)
            .arg("--cert")
            .arg(&self.chain)
            .arg("--key")
            .arg(&self.key);
        command
    }

    /// What connects it in this version of TLS; sessions are resumed by the same one only.
    pub(crate) fn tls(&self, version: &'static SupportedProtocolVersion) -> TlsConnector {
        let certificates = |path| {
            CertificateDer::pem_file_iter(path)
                .unwrap()
                .map(Result::unwrap)
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.root));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                certificates(&self.chain).collect(),
                PrivateKeyDer::from_pem_file(&self.key).unwrap(),
            );
        TlsConnector::from(Arc::new(config.unwrap()))
    }

    /// Publishes with QoS 1, to the acknowledgement.
    pub(crate) async fn publish(
        &self,
        server: &Server,
        version: &str,
        topic: &str,
        payload: &str,
    ) -> Output {
        let mut command = self.command("mosquitto_pub", server, version);
        command.args(["-q", "1", "-t", topic, "-m", payload]);
        finish(command).await
    }
}

pub(crate) fn mosquitto(tool: &str, server: &Server, version: &str) -> Command {
    let address = server.mqtt_addr();
    let mut command = Command::new(program(tool, "mosquitto-clients"));
    command.args([
        "-V",
        version,
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
    ]);
    command
}

/// The program, or a message that names its package.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("this test needs {name}: apt-get install {package}"))
}

/// Runs a command to its end without blocking the test's executor.
pub(crate) async fn finish(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = within(run).await.expect("the command's thread");
    output.expect("the command runs")
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it happens before patience ends")
}

/// The next event that is wanted.
pub(crate) async fn event(events: &mut Events, wanted: impl FnMut(&Event) -> bool) -> Event {
    let event = within(events.wait(wanted))
        .await
        .expect("the server still runs");
    Event::clone(&event)
}

pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// Subscribes and collects this many messages as `topic payload`; ready to be awaited.
pub(crate) fn watch(
    device: &Device,
    server: &Server,
    version: &str,
    filter: &str,
    count: u32,
) -> impl Future<Output = Vec<String>> + use<> {
    let mut command = device.command("mosquitto_sub", server, version);
    command.args([
        "-q",
        "1",
        "-t",
        filter,
        "-F",
        "%t %p",
        "-C",
        &count.to_string(),
    ]);
    // One that a test has no more use for must not outlive it.
    command.args(["-W", "50"]);
    let running = spawn(command);
    async move {
        let output = running.await.unwrap().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn spawn(mut command: Command) -> tokio::task::JoinHandle<std::io::Result<std::process::Output>> {
    command.stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output())
}
