//! What all servers share: certificates in files, and a broker that speaks MQTT in the clear, to which
//! they pass on what the device says.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::Desk;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::chains::{self, Files};
use crate::setting::Chain;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(30);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// All that.
pub(crate) struct Stage {
    pub(crate) desk: Desk,
    pub(crate) folder: TempDir,
    chains: HashMap<Chain, Files>,
    /// The authority of devices, PEM.
    pub(crate) clients: PathBuf,
    /// Where the broker listens.
    pub(crate) broker: u16,
    _broker: Child,
}

impl Stage {
    pub(crate) async fn set() -> Result<Self> {
        let desk = Desk::set().await;
        let folder = TempDir::new()?;
        // Keys of RSA-4096 take their time.
        let chains = thread::scope(|scope| {
            let making: Vec<_> = Chain::ALL
                .into_iter()
                .map(|chain| {
                    let folder = folder.path();
                    (chain, scope.spawn(move || chains::make(chain, folder)))
                })
                .collect();
            making
                .into_iter()
                .map(|(chain, thread)| {
                    let files = thread.join().expect("certificates are made");
                    files.map(|files| (chain, files))
                })
                .collect::<Result<_>>()
        })?;
        let clients = folder.path().join("clients.pem");
        fs::write(&clients, desk.pki.root_pem())?;
        let [broker] = free_ports(1)?[..] else {
            bail!("no free port");
        };
        let config = folder.path().join("broker.conf");
        fs::write(
            &config,
            format!("user root\nlistener {broker} 127.0.0.1\nallow_anonymous true\n"),
        )?;
        let process = command("mosquitto")?
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        listens(broker).await.context("mosquitto")?;
        Ok(Self {
            desk,
            folder,
            chains,
            clients,
            broker,
            _broker: process,
        })
    }

    /// The files of a chain.
    pub(crate) fn chain(&self, chain: Chain) -> &Files {
        &self.chains[&chain]
    }

    /// Puts a file into the folder.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Where a program is, which Debian may keep where only root looks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The program, to be run.
pub(crate) fn command(program: &str) -> Result<Command> {
    let path = find(program)
        .with_context(|| format!("{program} is not installed; try `cargo xtask setup`"))?;
    Ok(Command::new(path))
}

/// What a program writes, on either stream.
pub(crate) async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = command(program)?.args(arguments).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The first word of a text that begins with a digit, as a version does.
pub(crate) fn version_in(text: &str) -> String {
    let words = text.split([' ', '/', '\n', ',', '-', '+']);
    let mut versions = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    versions.next().unwrap_or("unknown").to_owned()
}

/// Ports that nobody uses, on loopback.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    // Held until all are found, so that they differ.
    let listeners = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<Vec<_>, _>>()?;
    let ports = listeners.iter().map(|listener| listener.local_addr());
    ports.map(|address| Ok(address?.port())).collect()
}

/// Waits until somebody listens on the port.
pub(crate) async fn listens(port: u16) -> Result<()> {
    let listening = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(START, listening)
        .await
        .context("does not start to listen")
}
