//! A throw-away device: made by its first connection, seen to send, and removed again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use device::credentials::{Bundle, Files};
use device::settings::Settings;
use device::tls::Resumption;
use pki::Pki;
use rand::distr::{Alphanumeric, SampleString as _};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde_json::json;
use tb::Client;
use tokio::time::sleep;

use crate::clock::now_unix_s;
use console::files;
use console::on_one_thread;

/// How long a change takes until ThingsBoard's transport knows it, and a value until it is read again.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// What it sends.
const KEY: &str = "esptb_trial";

/// What is tried.
pub(super) struct Trial<'a> {
    pub(super) broker: &'a str,
    pub(super) server_name: Option<&'a str>,
    /// The folder of the CAs.
    pub(super) ca: &'a Path,
    /// PEM of the CAs of the broker's certificate, if not the root in that folder.
    pub(super) anchors: Option<&'a Path>,
    pub(super) cn_pattern: &'a str,
}

impl Trial<'_> {
    /// Does it, and tells what happened.
    pub(super) fn run(&self, client: &Client) -> Result<String> {
        let name = self.name()?;
        let pki = Pki::load(self.ca).with_context(|| {
            format!(
                "a trial needs the key of the intermediate CA in {}: leave --broker out without it",
                self.ca.display()
            )
        })?;
        let sent = on_one_thread(self.send(&pki, &name));
        let arrived = sent.and_then(|()| arrived(client, &name));
        // Whatever came of it, nothing of it stays.
        let removed = remove(client, &name);
        arrived.with_context(|| {
            format!("the trial device {name} did not get through (`esptb doctor` finds out why)")
        })?;
        removed?;
        Ok(format!(
            "device {name} was made by its certificate, its sample arrived, and it is removed again"
        ))
    }

    /// A CN that the profile's expression takes whole.
    fn name(&self) -> Result<String> {
        let mark = Alphanumeric.sample_string(&mut rand::rng(), 8);
        let name = format!("esptb-trial-{mark}");
        match self.cn_pattern {
            "(.*)" | "^(.*)$" | "(.+)" | "^(.+)$" => Ok(name),
            pattern => {
                // What stands before the first thing that is no plain text is what the names begin with.
                let plain = pattern.trim_start_matches(['^', '(']);
                let end =
                    plain.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
                let (prefix, rest) = plain.split_at(end.unwrap_or(plain.len()));
                match rest {
                    ".*)$" | ".*)" | ".+)$" | ".+)" => Ok(format!("{prefix}{name}")),
                    _ => bail!(
                        "a trial cannot make a CN that {pattern} takes: leave --broker out, and try with a device of \
                         yours by `esptb doctor`"
                    ),
                }
            }
        }
    }

    async fn send(&self, pki: &Pki, name: &str) -> Result<()> {
        let identity = pki.device(name)?;
        let anchors = match self.anchors {
            Some(path) => files::read(path)?,
            None => identity.trust_pem().as_bytes().to_vec(),
        };
        let chain = identity.chain_pem();
        let files = Files {
            certificate: chain.as_bytes(),
            key: identity.key_pem().as_bytes(),
            server_chain: &anchors,
        };
        let bundle =
            Bundle::prove(files, &mut UnwrapErr(SysRng)).map_err(|error| anyhow!("{error}"))?;
        let unix_s = now_unix_s();
        let credentials = bundle.at(unix_s).map_err(|error| anyhow!("{error}"))?;
        let mut settings = json!({ "broker": self.broker });
        if let Some(name) = self.server_name {
            settings["server_name"] = name.into();
        }
        let settings =
            Settings::parse(settings.to_string().as_bytes()).map_err(|error| anyhow!("{error}"))?;
        let trial = doctor::Trial {
            library: simulator::tls::library(),
            credentials,
            address: resolve(&settings).await?,
            server_name: &settings.server_name,
            unix_s,
        };
        let telemetry = json!({ KEY: 1 }).to_string();
        let mut left = TRIES;
        loop {
            let outcome = trial
                .send(telemetry.as_bytes(), &mut Resumption::new())
                .await;
            match outcome {
                Ok(()) => return Ok(()),
                // The profile may be on its way to the transport yet.
                Err(device::cloud::CloudError::Refused { .. }) if left > 0 => left -= 1,
                Err(error) => bail!("{error}"),
            }
            sleep(PAUSE).await;
        }
    }
}

async fn resolve(settings: &Settings) -> Result<SocketAddr> {
    let broker = &settings.broker;
    let mut found = tokio::net::lookup_host((broker.host.as_str(), broker.port)).await?;
    // IPv4 first, as the device does.
    let found: Vec<_> = found.by_ref().collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .with_context(|| format!("{} has no address", broker.host))
}

/// Waits until what it sent is there.
fn arrived(client: &Client, name: &str) -> Result<()> {
    for _ in 0..TRIES {
        if let Some(device) = client.device(name)? {
            let latest = client.latest(&device.id.id, &[KEY])?;
            if latest[KEY][0]["value"] == "1" {
                return Ok(());
            }
        }
        std::thread::sleep(PAUSE);
    }
    bail!(
        "what it sent is not there after {} s: look into the server's rule chain",
        (PAUSE * TRIES).as_secs()
    )
}

fn remove(client: &Client, name: &str) -> Result<()> {
    if let Some(device) = client.device(name)? {
        client
            .delete_device(&device.id.id)
            .context("the trial device could not be removed")?;
    }
    Ok(())
}
