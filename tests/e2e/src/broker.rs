//! Mosquitto, Debian's, as a broker that we did not write.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::desk::Desk;

/// Which TLS versions the broker offers, in Mosquitto's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersions {
    /// `tlsv1.2`: that and newer ones.
    From12,
    /// That alone, by the configuration of its OpenSSL: Mosquitto has no option for it.
    Only12,
    /// `tlsv1.3`: only that.
    Only13,
    /// That, with keys agreed upon in P-384 alone: it answers with a HelloRetryRequest.
    Only13InP384,
}

/// OpenSSL's configuration for TLS 1.2 alone.
const ONLY_TLS_1_2: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\n\
    system_default = tls\n[tls]\nMinProtocol = TLSv1.2\nMaxProtocol = TLSv1.2\n";

/// OpenSSL's configuration for P-384 alone.
const ONLY_P384: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\n\
    system_default = tls\n[tls]\nGroups = P-384\n";

/// A running Mosquitto that demands client certificates; it stops when dropped.
pub struct Mosquitto {
    /// Where it listens for TLS.
    pub port: u16,
    plain_port: u16,
    _folder: TempDir,
    _process: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Mosquitto {
    /// Starts it with the desk's certificates.
    ///
    /// # Panics
    ///
    /// If it is not installed, or does not start.
    pub async fn start(desk: &Desk, versions: TlsVersions) -> Self {
        let folder = TempDir::new().expect("a folder");
        let identity = desk.server_identity();
        let (port, plain_port) = (free_port(), free_port());
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file for Mosquitto");
            path.display().to_string()
        };
        let version = match versions {
            TlsVersions::From12 | TlsVersions::Only12 => "tlsv1.2",
            TlsVersions::Only13 | TlsVersions::Only13InP384 => "tlsv1.3",
        };
        let config = format!(
            "user root\nlog_type all\nper_listener_settings true\n\
             listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
             require_certificate true\nuse_identity_as_username true\ntls_version {version}\n\
             allow_anonymous false\n\
             listener {plain_port} 127.0.0.1\nallow_anonymous true\n",
            put("ca.pem", desk.pki.root_pem()),
            put("server.pem", &identity.chain_pem()),
            put("server.key", identity.key_pem()),
        );
        let config = put("mosquitto.conf", &config);
        let mut mosquitto = command("mosquitto");
        let openssl = match versions {
            TlsVersions::Only12 => Some(ONLY_TLS_1_2),
            TlsVersions::Only13InP384 => Some(ONLY_P384),
            TlsVersions::From12 | TlsVersions::Only13 => None,
        };
        if let Some(config) = openssl {
            mosquitto.env("OPENSSL_CONF", put("openssl.cnf", config));
        }
        let mut process = mosquitto
            .args(["-c", &config])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto starts: apt-get install mosquitto");
        let log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let mut mosquitto = Self {
            port,
            plain_port,
            _folder: folder,
            _process: process,
            log,
        };
        mosquitto.until("running").await;
        mosquitto
    }

    /// Reads its log on until a line with `text`.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.log.next_line().await.expect("Mosquitto's log");
            let line = line.unwrap_or_else(|| panic!("Mosquitto ended before it said {text:?}"));
            println!(" mosquitto {line}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Subscribes with Mosquitto's own client and returns the lines that it prints: topic, then
    /// payload. The client lives as long as the first of the two.
    ///
    /// # Panics
    ///
    /// If it is not installed.
    pub fn subscribe(&self, topic: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut client = command("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.plain_port.to_string(),
                "-v",
                "-q",
                "1",
            ])
            .args(["-t", topic])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto_sub starts: apt-get install mosquitto-clients");
        let lines = BufReader::new(client.stdout.take().expect("its output")).lines();
        (client, lines)
    }
}

/// A program that Debian may keep where only root looks.
fn command(name: &str) -> Command {
    let system = Path::new("/usr/sbin").join(name);
    if system.exists() {
        Command::new(system)
    } else {
        Command::new(name)
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}
