//! `esptb serve` on free ports, and what is asked of it by its page's interface.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::talker::{PATIENCE, Talker};

/// The server.
pub(super) struct Server {
    _process: Talker,
    page: String,
    mqtt_port: u16,
}

impl Server {
    /// Starts it in this folder, where `ca/` is.
    pub(super) fn start(esptb: &Path, folder: &Path) -> Result<Self> {
        let database = folder.join("esptb.sqlite");
        if database.exists() {
            std::fs::remove_file(&database)?;
        }
        let mut command = Command::new(esptb);
        command
            .current_dir(folder)
            .args(["serve", "--color", "never"]);
        command.args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let mut process = Talker::start(&mut command, &folder.join("serve.txt"))?;
        let mqtt = process.behind("mqtts://127.0.0.1:")?;
        let page = process.behind("http://")?;
        Ok(Self {
            _process: process,
            page: page.trim_end_matches('/').to_owned(),
            mqtt_port: mqtt.parse().context("the server's port")?,
        })
    }

    /// Where devices connect.
    pub(super) fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// Calls a device and returns its answer.
    pub(super) fn call(&self, device: &str, method: &str) -> Result<Value> {
        let wait = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let call = json!({ "method": method, "params": {}, "timeout_ms": wait });
        let answer = self.ask(
            "POST",
            &format!("/api/devices/{device}/rpc"),
            &call.to_string(),
        )?;
        Ok(answer["answer"].clone())
    }

    /// Waits until a device has told this of itself.
    pub(super) fn told(
        &self,
        device: &str,
        attribute: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < end {
            let details = self.ask("GET", &format!("/api/devices/{device}"), "")?;
            let told = &details["client"][attribute];
            last = told
                .as_str()
                .map_or_else(|| told.to_string(), str::to_owned);
            if wanted(&last) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{device} told the server {last:?} as its {attribute}")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(&self.page).context("the server's page is gone")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}",
            self.page
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("the page's answer ends early")?;
        let well = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        ensure!(
            well,
            "{method} {path}: {}: {body}",
            head.lines().next().unwrap_or_default()
        );
        serde_json::from_str(body).with_context(|| format!("{method} {path}: {body:?}"))
    }
}
