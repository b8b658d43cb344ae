//! The server as a process of its own, so that it can be killed as only processes are.
//!
//! What happens in it comes line by line from its standard output, and what it is to do goes to
//! its standard input. Its database is a file, which outlives it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use devserver::{CallError, Config, Database, Datum, Event, Firmware, Profile, Server, Tls};
use pki::{Identity, Pki};
use simulator::image::Image;
use simulator::sensor::number_of;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The arrivals of all servers of a run: number and time stamp of each sample.
pub(super) type Arrivals = Rc<RefCell<Vec<(u64, i64)>>>;

/// What the device told last of what comes over the air, by key, for who waits for it.
pub(super) type Told = watch::Sender<BTreeMap<String, String>>;

/// What of it is told on.
const TELLING: [&str; 7] = [
    "fw_state",
    "fw_error",
    "current_fw_version",
    "certificate_renewal",
    "certificate_request",
    "certificate_serial",
    "server_chain_renewal",
];

/// Where a run's servers find their files.
pub(super) struct ServerFolder {
    /// The program to run, which calls [`serve`] when it is given `serve FOLDER DEVICE`.
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) device: String,
    pub(super) arrivals: Arrivals,
    pub(super) told: Told,
}

/// A running server.
pub(super) struct ServerProcess {
    pub(super) port: u16,
    child: Child,
    commands: ChildStdin,
    reader: JoinHandle<()>,
}

impl ServerFolder {
    /// Puts down what all servers need.
    pub(super) fn prepare(&self, pki: &Pki) -> io::Result<()> {
        std::fs::write(self.folder.join("ca.pem"), pki.intermediate_pem())
    }

    /// Starts a server with this certificate.
    pub(super) async fn start(&self, identity: &Identity) -> io::Result<ServerProcess> {
        std::fs::write(self.folder.join("server.pem"), identity.chain_pem())?;
        std::fs::write(self.folder.join("server.key"), identity.key_pem())?;
        let mut child = Command::new(&self.program)
            .arg("serve")
            .arg(&self.folder)
            .arg(&self.device)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("the server has no pipes");
        let commands = child.stdin.take().ok_or_else(missing)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(missing)?).lines();
        let port = loop {
            let line = lines.next_line().await?;
            let line = line.ok_or_else(|| io::Error::other("the server ended at once"))?;
            if let Some(port) = line.strip_prefix("port ") {
                break port.parse().map_err(io::Error::other)?;
            }
        };
        let reader =
            tokio::task::spawn_local(read(lines, self.arrivals.clone(), self.told.clone()));
        Ok(ServerProcess {
            port,
            child,
            commands,
            reader,
        })
    }

    /// Takes for arrived what is in the store and was not told: the server may have been killed
    /// between storing and telling, and what it stored may be stored over later.
    pub(super) async fn look(&self) -> Result<(), String> {
        let stored = self.stored().await?;
        let mut arrivals = self.arrivals.borrow_mut();
        let told: HashSet<(u64, i64)> = arrivals.iter().copied().collect();
        let found = stored.into_iter().map(|(ts_ms, number)| (number, ts_ms));
        arrivals.extend(found.filter(|arrival| !told.contains(arrival)));
        Ok(())
    }

    /// What the store holds: the number of the sample at each time stamp.
    pub(super) async fn stored(&self) -> Result<BTreeMap<i64, u64>, String> {
        let config = Config {
            database: Database::File(self.folder.join("server.db")),
            ..Config::default()
        };
        let server = Server::start(config).await.map_err(|e| e.to_string())?;
        let all = i64::MIN..i64::MAX;
        let series = |key: &'static str| server.series(&self.device, key, all.clone(), u32::MAX);
        let (temperatures, humidities) = (series("temperature").await, series("humidity").await);
        server.stop().await;
        let (temperatures, humidities) = match (temperatures, humidities) {
            (Ok(temperatures), Ok(humidities)) => (temperatures, humidities),
            // It has not come yet.
            (Err(CallError::NoSuchDevice), _) => return Ok(BTreeMap::new()),
            (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
        };
        if temperatures.len() != humidities.len() {
            return Err("the store has more of one series than of the other".into());
        }
        let pairs = temperatures.into_iter().zip(humidities);
        pairs
            .map(|(temperature, humidity)| {
                let number = temperature.value.as_f64().zip(humidity.value.as_f64());
                match number.and_then(|(t, h)| number_of(t, h)) {
                    Some(number) if temperature.ts_ms == humidity.ts_ms => {
                        Ok((temperature.ts_ms, number))
                    }
                    _ => Err(format!("the store has {temperature:?}, {humidity:?}")),
                }
            })
            .collect()
    }
}

impl ServerProcess {
    /// Kills it at once (SIGKILL), and hears what it had said until then.
    pub(super) async fn kill(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
        let _ = self.reader.await;
    }

    /// Tells it to do something: `cut`, `rpc METHOD PARAMS`, `attribute KEY VALUE`, `firmware VERSION FILE`,
    /// `firmware-away`. The last word is JSON.
    pub(super) async fn tell(&mut self, command: &str) {
        // A server that is gone needs no commands.
        let _ = self
            .commands
            .write_all(format!("{command}\n").as_bytes())
            .await;
        let _ = self.commands.flush().await;
    }
}

async fn read(mut lines: Lines<BufReader<ChildStdout>>, arrivals: Arrivals, told: Told) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((key, text)) = line
            .strip_prefix("told ")
            .and_then(|rest| rest.split_once(' '))
        {
            told.send_modify(|told| drop(told.insert(key.to_owned(), text.to_owned())));
            continue;
        }
        let mut words = line.split(' ');
        if words.next() != Some("sample") {
            continue;
        }
        let mut number = || words.next()?.parse::<i64>().ok();
        if let (Some(number), Some(ts_ms)) = (number(), number()) {
            arrivals.borrow_mut().push((number as u64, ts_ms));
        }
    }
}

/// Is the server, in a process of its own: serves with the files in `folder` until it is killed or
/// its standard input ends, and tells what arrives from `device`.
///
/// # Errors
///
/// In words, if it cannot start.
pub fn serve(folder: &Path, device: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(serve_until_told(folder, device))
}

async fn serve_until_told(folder: &Path, device: &str) -> Result<(), String> {
    let file = |name: &str| std::fs::read(folder.join(name)).map_err(|e| format!("{name}: {e}"));
    let tls = Tls::from_pem(&file("server.pem")?, &file("server.key")?);
    let profile = Profile::from_pem(&file("ca.pem")?, "(.*)");
    let server = Server::start(Config {
        tls: Some(tls.map_err(|e| e.to_string())?),
        profile: Some(profile.map_err(|e| e.to_string())?),
        database: Database::File(folder.join("server.db")),
        ..Config::default()
    })
    .await
    .map_err(|e| e.to_string())?;
    let mut events = server.events();
    println!("port {}", server.mqtt_addr().port());
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = events.next() => match event.as_deref() {
                Some(Event::Telemetry { device: of, records }) if of == device => {
                    for record in records {
                        let value = |key: &str| {
                            let found = record.values.iter().find(|(name, _)| name == key);
                            found.and_then(|(_, value)| value.as_f64())
                        };
                        let number = value("temperature").zip(value("humidity"));
                        if let Some(number) = number.and_then(|(t, h)| number_of(t, h)) {
                            println!("sample {number} {}", record.ts_ms);
                        }
                        tell_on(&record.values);
                    }
                }
                Some(Event::ClientAttributes { device: of, values }) if of == device => tell_on(values),
                Some(_) => {}
                None => return Err("the server stopped".into()),
            },
            command = commands.next_line() => match command {
                Ok(Some(command)) => obey(&server, device, &command).await,
                _ => return Ok(()),
            },
        }
    }
}

/// Tells on what comes over the air.
fn tell_on(values: &[(String, Datum)]) {
    for (key, value) in values {
        if let Datum::Text(text) = value
            && TELLING.contains(&key.as_str())
        {
            println!("told {key} {text}");
        }
    }
}

/// Does as told. A device that is not there is nothing to complain of.
async fn obey(server: &Server, device: &str, command: &str) {
    let mut words = command.splitn(3, ' ');
    let (verb, name, value) = (words.next(), words.next(), words.next());
    let value = value.and_then(|value| serde_json::from_str(value).ok());
    match (verb, name, value) {
        (Some("cut"), _, _) => drop(server.cut(device).await),
        // To a device that is not there the server would wait for it.
        (Some("rpc"), Some(method), Some(params))
            if server
                .device(device)
                .await
                .is_ok_and(|device| device.online) =>
        {
            drop(server.send_one_way_rpc(device, method, params).await);
        }
        (Some("firmware"), Some(version), Some(serde_json::Value::String(file))) => {
            if let Ok(data) = std::fs::read(file) {
                let firmware = Firmware {
                    title: Image::of(version).product.into(),
                    version: version.into(),
                    tag: None,
                    data,
                };
                drop(server.assign_firmware(device, firmware).await);
            }
        }
        (Some("firmware-away"), ..) => drop(server.take_firmware_away(device).await),
        (Some("attribute"), Some(key), Some(value)) => {
            drop(server.set_shared_attribute(device, key, value).await);
        }
        _ => {}
    }
}
