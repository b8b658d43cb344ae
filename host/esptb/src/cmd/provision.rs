//! `esptb provision`: tells a device which network to join, as the phone app does.

mod online;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use device::platform::{Passphrase, Ssid};
use provisioner::{
    AccessPoint, AuthMode, Error, FailReason, Found, Outcome, Progress, Provisioner, Secrets,
};
use vhci::{ControllerConfig, SharedAir};

use super::reach::Reach;
use crate::arguments::duration;
use console::Exit;
use console::on_one_thread;
use console::{BAD, FAINT, GOOD, STRONG, paint, printable};

/// Provision a device over Bluetooth or HTTP, as Espressif's app does
///
/// Works with any device that speaks ESP-IDF's unified provisioning. The session's security is
/// the device's own. What is not given is asked for, secrets without echo.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(flatten)]
    reach: Reach,
    /// Which Bluetooth adapter of this computer, where there are several: what its name begins with
    /// (hci1)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["hci", "http"])]
    adapter: Option<String>,
    /// What the device's name begins with, if it is not PROV_
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["http", "name"])]
    prefix: Option<String>,
    /// The proof of possession, from the device's label or QR code
    #[arg(long, env = "ESPTB_POP", hide_env_values = true, value_name = "SECRET")]
    pop: Option<String>,
    /// The user name of security 2
    #[arg(long, default_value = "wifiprov", value_name = "NAME")]
    username: String,
    /// Insist on a session security [default: the device's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2), value_name = "0|1|2")]
    security: Option<u8>,
    /// The network to join
    #[arg(long, value_name = "NAME")]
    ssid: Option<String>,
    /// Its passphrase
    #[arg(
        long,
        env = "ESPTB_PASSPHRASE",
        hide_env_values = true,
        requires = "ssid",
        value_name = "SECRET"
    )]
    passphrase: Option<String>,
    /// Only list the networks that the device hears
    #[arg(long, conflicts_with = "ssid")]
    list: bool,
    /// Be done when the device has joined, without waiting for it to be online
    #[arg(long)]
    no_wait_online: bool,
    /// How long to listen for the device
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
    /// Write what goes over HCI into this file, for Wireshark; with --hci
    #[arg(long, value_name = "FILE", requires = "hci")]
    btsnoop: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  esptb provision                                            asks for all it needs
  esptb provision --name PROV_1A2B3C --pop abcd1234 --ssid home
  esptb provision --http 192.168.4.1 --pop abcd1234 --list
  ESPTB_POP=abcd1234 ESPTB_PASSPHRASE='correct horse' esptb provision --ssid home

A simulated device: `esptb simulate --flash flash.bin --air 127.0.0.1:6402` beside
`esptb provision --hci tcp:127.0.0.1:6402`.

A device with this project's firmware tells more than ESP-IDF's: whether it got online after it had
joined, and if not, why. `esptb provision` waits for that, and ends with exit code 5 where the device
is not online within a minute. It tells the device the time meanwhile, should no time server answer.

Without --hci and --http it is this computer's own Bluetooth, as every program uses it: BlueZ on
Linux, CoreBluetooth on macOS, WinRT on Windows. It takes no root, and nothing has to be stopped.
macOS lets a program use it if its terminal may: System Settings, Privacy & Security, Bluetooth. A
terminal that cannot ask for it has to be added there; until then macOS aborts the program.
--hci hci0 takes the adapter away from bluetoothd and speaks to it itself, to see packets: that
takes root, and the adapter down (systemctl stop bluetooth).";

/// Provisions a device.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    on_one_thread(provision(cmd))
}

async fn provision(cmd: Cmd) -> Result<()> {
    if let Some(ssid) = &cmd.ssid {
        let passphrase = cmd.passphrase.as_deref().unwrap_or_default();
        check_name(ssid)
            .and_then(|()| check_passphrase(passphrase))
            .map_err(|what| Exit::WrongArguments(what.into()))?;
    }
    let mut client = cmd.client().await?.on_progress(teller());
    let provisioned = cmd.steps(&mut client).await;
    // Also after a failure: otherwise the device waits for a client that is gone.
    client.disconnect().await;
    provisioned
}

/// Tells the steps, each once where it comes in a row.
fn teller() -> impl FnMut(&Progress) {
    let mut last = String::new();
    move |step| {
        let text = printable(&step.to_string()).into_owned();
        if text == last {
            return;
        }
        match step {
            Progress::SessionOpened { .. } => anstream::eprintln!("{}", paint(GOOD, &text)),
            // The outcome is told by whoever knows what comes next.
            Progress::Joined { .. } | Progress::Refused(_) => {}
            _ => anstream::eprintln!("{}", paint(FAINT, &text)),
        }
        last = text;
    }
}

impl Cmd {
    async fn steps(&self, client: &mut Provisioner) -> Result<()> {
        if self.reach.http.is_none() {
            let device = self.find(client).await?;
            client.connect(&device).await?;
        }
        self.open_session(client).await?;
        let networks = match (&self.ssid, self.list) {
            (Some(_), false) => Vec::new(),
            _ => client.scan_networks().await?,
        };
        print_networks(&networks)?;
        if self.list {
            return Ok(());
        }
        if !self.no_wait_online {
            // Whoever asks beforehand is sure to find the link up afterwards.
            client.ask_online().await?;
        }
        self.join(client, &networks).await?;
        if !self.no_wait_online {
            online::wait(client).await?;
        }
        Ok(())
    }

    async fn client(&self) -> Result<Provisioner> {
        if let Some(address) = &self.reach.http {
            return Ok(Provisioner::http(address));
        }
        let Some(controller) = self.reach.controller()? else {
            return Ok(Provisioner::system(self.adapter.as_deref()).await?);
        };
        let config = ControllerConfig::default();
        let mut transport = controller.open(&SharedAir::new(), config).await?;
        if let Some(file) = &self.btsnoop {
            transport = transport.with_log(file)?;
        }
        Ok(Provisioner::ble(transport))
    }

    /// Finds the device; where there are several, asks which.
    async fn find(&self, client: &mut Provisioner) -> Result<Found> {
        let found = match (&self.reach.name, &self.prefix) {
            (None, Some(prefix)) => client.find_by_prefix(prefix, self.timeout).await,
            (name, _) => client.find(name.as_deref(), self.timeout).await,
        };
        match found {
            Err(Error::Ambiguous(names)) => {
                let names_listed = names.join(", ");
                if !can_ask() {
                    bail!("several devices advertise: {names_listed}; name one of them by --name");
                }
                let name = ask(&format!("which of {names_listed}? "))?;
                Ok(client.find(Some(&name), self.timeout).await?)
            }
            found => Ok(found?),
        }
    }

    /// Opens a session, asking for the proof of possession where the device wants one.
    async fn open_session(&self, client: &mut Provisioner) -> Result<()> {
        let mut secrets = Secrets::proof(self.pop.as_deref().unwrap_or_default());
        secrets.username.clone_from(&self.username);
        secrets.security = self.security;
        match client.open_session(&secrets).await {
            Err(Error::ProofNeeded) if can_ask() => {
                *secrets.proof = ask_secret("proof of possession: ")?;
                client.open_session(&secrets).await?;
            }
            Err(Error::ProofNeeded) => {
                bail!("the device wants a proof of possession: give it by --pop or ESPTB_POP");
            }
            opened => {
                opened?;
            }
        }
        Ok(())
    }

    /// Has the device join: after a refusal again, as long as somebody is there to ask.
    async fn join(&self, client: &mut Provisioner, networks: &[AccessPoint]) -> Result<()> {
        let mut ssid = match &self.ssid {
            Some(ssid) => ssid.clone(),
            None if can_ask() => choose(networks)?,
            None => bail!("which network? name it by --ssid, its passphrase by --passphrase"),
        };
        let mut passphrase = match &self.passphrase {
            Some(passphrase) => passphrase.clone(),
            None => passphrase_of(&ssid, networks)?,
        };
        loop {
            // What no network has is not worth a try of the device.
            if let Err(what) = check_name(&ssid).and_then(|()| check_passphrase(&passphrase)) {
                if !can_ask() {
                    bail!(what);
                }
                anstream::eprintln!("{}", paint(BAD, what));
                if check_name(&ssid).is_err() {
                    ssid = ask("network: ")?;
                }
                passphrase = ask_secret(&format!("passphrase of {ssid:?}: "))?;
                continue;
            }
            match client.provision(&ssid, &passphrase).await? {
                Outcome::Joined(network) => {
                    let address = network.ip4;
                    let joined = format!("the device has joined {ssid:?} as {address}");
                    return console::line(paint(GOOD, joined));
                }
                Outcome::Refused(reason) if !can_ask() => bail!("{}", refusal(reason, &ssid)),
                Outcome::Refused(reason) => {
                    anstream::eprintln!("{}", paint(BAD, refusal(reason, &ssid)));
                    if reason == FailReason::NetworkNotFound {
                        ssid = ask("network: ")?;
                    }
                    passphrase = ask_secret(&format!("passphrase of {ssid:?}: "))?;
                }
            }
        }
    }
}

/// IEEE 802.11.
fn check_name(ssid: &str) -> Result<(), &'static str> {
    match Ssid::new(ssid.as_bytes()) {
        Some(ssid) if !ssid.as_bytes().is_empty() => Ok(()),
        _ => Err("--ssid: the name of a network has 1 to 32 bytes"),
    }
}

/// WPA2 and WPA3 alike.
fn check_passphrase(passphrase: &str) -> Result<(), &'static str> {
    match Passphrase::new(passphrase.as_bytes()) {
        Some(passphrase) if !passphrase.is_too_short() => Ok(()),
        _ => {
            Err("a passphrase has 8 to 63 bytes, a key 64 hexadecimal digits, an open network none")
        }
    }
}

fn refusal(reason: FailReason, ssid: &str) -> String {
    match reason {
        FailReason::AuthError => format!("{ssid:?} refused the device: the passphrase is wrong"),
        FailReason::NetworkNotFound => {
            format!("the device does not hear {ssid:?}: is it a 2.4 GHz network, in reach?")
        }
        FailReason::Unknown(code) => format!("the device could not join {ssid:?}: reason {code}"),
    }
}

fn print_networks(networks: &[AccessPoint]) -> Result<()> {
    for (number, network) in (1..).zip(networks) {
        let name = network.ssid.as_bytes().escape_ascii().to_string();
        let name = network
            .ssid
            .as_str()
            .map_or(name, |name| name.escape_debug().to_string());
        let name = if name.is_empty() {
            "(hidden)".to_owned()
        } else {
            name
        };
        console::line(format_args!(
            "{number:>3}  {}  {:>4} dBm  channel {:<2}  {}",
            paint(STRONG, format!("{name:<32}")),
            network.rssi,
            network.channel,
            network.auth,
        ))?;
    }
    Ok(())
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line.
fn ask(question: &str) -> Result<String> {
    eprint!("{}", printable(question));
    io::stderr().flush()?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        bail!("nothing was answered");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a secret, without showing it.
fn ask_secret(question: &str) -> Result<String> {
    crate::prompt::secret(question)
}

/// Asks which of the networks, by number or name.
fn choose(networks: &[AccessPoint]) -> Result<String> {
    loop {
        let answer = ask("network, by number or name: ")?;
        match chosen(&answer, networks) {
            Ok(name) => return Ok(name),
            Err(what) => anstream::eprintln!("{}", paint(BAD, what)),
        }
    }
}

/// The network that an answer means.
fn chosen(answer: &str, networks: &[AccessPoint]) -> Result<String, String> {
    if answer.is_empty() {
        return Err("no network was chosen".into());
    }
    let is_heard = networks
        .iter()
        .any(|network| network.ssid.as_str() == Some(answer));
    let Some(number) = answer.parse::<usize>().ok().filter(|_| !is_heard) else {
        return Ok(answer.to_owned());
    };
    let network = number
        .checked_sub(1)
        .and_then(|index| networks.get(index))
        .ok_or_else(|| {
            let most = networks.len();
            format!("there is no network {number}: choose 1 to {most}, or name one by --ssid")
        })?;
    match network.ssid.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err("that network hides its name: write it".into()),
    }
}

/// Nothing for a network that is known to be open; otherwise asks.
fn passphrase_of(ssid: &str, networks: &[AccessPoint]) -> Result<String> {
    let mut heard = networks
        .iter()
        .filter(|network| network.ssid.as_str() == Some(ssid))
        .peekable();
    let open = heard.peek().is_some() && heard.all(|network| network.auth == AuthMode::Open);
    if open {
        Ok(String::new())
    } else if can_ask() {
        ask_secret(&format!(
            "passphrase of {ssid:?} (empty for an open network): "
        ))
    } else {
        bail!(
            "the passphrase of {ssid:?}? give it by --passphrase or ESPTB_PASSPHRASE, empty for an open network"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocomm::wifi::{Bssid, Ssid};

    fn heard(name: &str) -> AccessPoint {
        AccessPoint {
            ssid: Ssid::new(name.as_bytes()).unwrap(),
            bssid: Bssid([0; 6]),
            channel: 1,
            rssi: -50,
            auth: AuthMode::Open,
        }
    }

    #[test]
    fn a_number_is_one_of_the_list() {
        let networks = [heard("home"), heard(""), heard("42")];
        assert_eq!(chosen("1", &networks), Ok("home".into()));
        assert_eq!(chosen("42", &networks), Ok("42".into()), "its name");
        assert_eq!(chosen("cafe", &networks), Ok("cafe".into()), "hidden");
        for answer in ["", "0", "2", "9"] {
            assert!(chosen(answer, &networks).is_err(), "{answer}");
        }
    }
}
