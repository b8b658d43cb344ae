//! A board on the desk, what it is tested with, and how: by `esptb`, as a person would.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{Need, Options};
use crate::{chips, esptb, firmware, process, workspace};

/// The image with a network in any case.
const SAMPLING: &str = "sampling.bin";
/// A network that is nowhere.
const NOWHERE: &str = "hil-nowhere:hil-nowhere";

/// What `esptb flash` says of a piece of flash that it left as it was, and how the line ends of one
/// that it wrote (host/esptb/src/cmd/flash/progress.rs).
const KEPT: &str = "is there already";
const WRITTEN: &str = " s, verified";

/// The board, and what is around it.
pub(super) struct Desk {
    esptb: PathBuf,
    port: String,
    folder: PathBuf,
    elf: PathBuf,
    chip: String,
    spiffs: PathBuf,
    /// Whether its certificates are for a broker that it reaches.
    broker: bool,
    network: Option<Network>,
    /// The controller that it is provisioned by.
    hci: Option<String>,
    sensor: bool,
    attended: bool,
}

/// The network in `ESPTB_WIFI`.
struct Network {
    ssid: String,
    passphrase: String,
}

impl Desk {
    /// Builds firmware, tools and an image.
    pub(super) fn new(options: &Options, port: String) -> Result<Self> {
        let chip = chips::find(options.chip.as_deref())?;
        let folder = workspace::root().join("target/hil");
        fs::create_dir_all(&folder)?;
        let esptb = esptb::build()?;
        let spiffs = match &options.spiffs {
            Some(spiffs) => spiffs.clone(),
            None => made_up(&esptb, &folder)?,
        };
        let network = std::env::var("ESPTB_WIFI").ok();
        let desk = Self {
            port,
            elf: firmware::elf(&chip)?,
            chip: chip.name,
            spiffs,
            broker: options.spiffs.is_some(),
            network: network.as_deref().map(Network::parse).transpose()?,
            hci: options.hci.clone(),
            sensor: options.sensor,
            attended: options.attended,
            esptb,
            folder,
        };
        desk.image("flash.bin", network.as_deref())?;
        desk.image("blank.bin", None)?;
        desk.image(SAMPLING, Some(network.as_deref().unwrap_or(NOWHERE)))?;
        Ok(desk)
    }

    /// What is missing for a test that needs this.
    pub(super) fn missing(&self, need: Need) -> Option<&'static str> {
        let network = self.network.is_some();
        let (there, what) = match need {
            Need::Nothing => return None,
            Need::Network => (network, "it needs the network in ESPTB_WIFI"),
            Need::Broker => (
                self.broker && network,
                "it needs --spiffs and the network in ESPTB_WIFI",
            ),
            Need::Controller => (self.hci.is_some(), "it needs a Bluetooth controller: --hci"),
            Need::ControllerAndNetwork => (
                self.hci.is_some() && network,
                "it needs a Bluetooth controller, --hci, and the network in ESPTB_WIFI",
            ),
            Need::Sensor => (self.sensor, "it needs a DHT sensor: --sensor"),
            Need::Hand => (self.attended, "it needs somebody at the board: --attended"),
        };
        (!there).then_some(what)
    }

    fn image(&self, name: &str, network: Option<&str>) -> Result<()> {
        let mut command = self.esptb("image");
        match network {
            Some(network) => command.env("ESPTB_WIFI", network),
            None => command.env_remove("ESPTB_WIFI"),
        };
        command.args(["--chip", &self.chip, "--app"]).arg(&self.elf);
        command.arg("--spiffs").arg(&self.spiffs);
        process::run(command.arg("--out").arg(self.folder.join(name)))
    }

    /// Writes an image, with its network or its lack of one.
    pub(super) fn flash(&self, image: &str) -> Result<()> {
        let mut command = self.esptb("flash");
        command.arg(self.folder.join(image));
        process::run(command.args(["--port", &self.port, "--nvs"]))
    }

    /// Writes the image again that is there, but for what the board itself keeps: nothing is left to
    /// be written.
    pub(super) fn flash_again(&self) -> Result<()> {
        let mut command = self.esptb("flash");
        command.arg(self.folder.join("flash.bin"));
        command.args(["--port", &self.port, "--color", "never"]);
        let said = process::capture_errors(&mut command)?;
        ensure!(said.contains(KEPT), "it says of nothing that it {KEPT}");
        match said.lines().find(|line| line.ends_with(WRITTEN)) {
            Some(line) => bail!("written again: {line}"),
            None => Ok(()),
        }
    }

    /// Lets the board start anew and waits for an event on its console.
    pub(super) fn until(&self, event: &str, time: &str) -> Result<()> {
        let mut command = self.console(time);
        command.args(["--until", event]).arg("--elf").arg(&self.elf);
        process::run(&mut command)
    }

    /// A reading of the sensor, in what the board prints in its first seconds. It samples from when it
    /// knows a network, be it only a name.
    pub(super) fn read_sensor(&self) -> Result<()> {
        self.flash(SAMPLING)?;
        let console = process::capture(self.console("15s").args(["--color", "never"]))?;
        let mut samples = console.lines().filter(|l| l.contains("telemetry.sampled"));
        let last = samples.next_back().context("no sample on the console")?;
        ensure!(
            last.contains("\u{b0}C ") && last.contains(" % "),
            "no temperature and humidity in {last:?}"
        );
        Ok(())
    }

    /// Provisions the board, which waits for it; what says that the board joined is the board.
    pub(super) fn provision(&self) -> Result<()> {
        let network = self.network.as_ref();
        let Network { ssid, passphrase } = network.context("no network in ESPTB_WIFI")?;
        let mut command = self.over_the_air("provision")?;
        command.env("ESPTB_PASSPHRASE", passphrase);
        process::run(command.args(["--ssid", ssid]))
    }

    /// The conformance suite, but for the case that ends provisioning.
    pub(super) fn conform(&self) -> Result<()> {
        process::run(&mut self.over_the_air("conformance")?)
    }

    /// Time and memory of each phase of a start, into a file.
    pub(super) fn report(&self) -> Result<()> {
        let mut command = self.esptb("board-report");
        let report = process::capture(command.args(["--port", &self.port, "--json"]))?;
        let file = self.folder.join("report.json");
        fs::write(&file, report).with_context(|| file.display().to_string())
    }

    fn esptb(&self, command: &str) -> Command {
        let mut esptb = Command::new(&self.esptb);
        esptb.arg(command);
        esptb
    }

    fn console(&self, time: &str) -> Command {
        let mut command = self.esptb("monitor");
        command.args(["--port", &self.port, "--for", time]);
        command
    }

    /// A command that speaks with the board over Bluetooth. Secrets go by its environment, for what
    /// is run is shown.
    fn over_the_air(&self, command: &str) -> Result<Command> {
        let hci = self.hci.as_deref().context("no --hci")?;
        let mut command = self.esptb(command);
        command.args(["--hci", hci]);
        let settings = fs::read(self.spiffs.join("settings.json")).unwrap_or_default();
        let settings = serde_json::from_slice(&settings).unwrap_or(serde_json::Value::Null);
        // Without one, ESPTB_POP may have what the board's console shows.
        if let Some(proof) = settings["provisioning"]["pop"].as_str() {
            command.env("ESPTB_POP", proof);
        }
        Ok(command)
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self> {
        // As `esptb image --wifi` has it: a colon in the name is written "\:".
        let mut end = None;
        for (at, _) in text.match_indices(':') {
            if !text[..at].ends_with('\\') {
                end = Some(at);
                break;
            }
        }
        let end = end.context("ESPTB_WIFI: write SSID:PASSPHRASE")?;
        Ok(Self {
            ssid: text[..end].replace("\\:", ":"),
            passphrase: text[end + 1..].to_owned(),
        })
    }
}

/// Certificates of a device that no broker knows.
fn made_up(esptb: &Path, folder: &Path) -> Result<PathBuf> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(esptb);
        process::run(command.current_dir(folder).args(arguments))
    };
    if !folder.join("ca").exists() {
        run(&["pki", "init"])?;
    }
    run(&["pki", "device", "HIL-1", "--replace"])?;
    let files = folder.join("devices/HIL-1");
    let settings = r#"{"provisioning": {"pop": "hil-test-board"}}"#;
    fs::write(files.join("settings.json"), settings)?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_name_and_a_passphrase() {
        let network = Network::parse(r"a\:b:c:d").unwrap();
        assert_eq!((&*network.ssid, &*network.passphrase), ("a:b", "c:d"));
        let open = Network::parse("open:").unwrap();
        assert_eq!((&*open.ssid, &*open.passphrase), ("open", ""));
        assert!(Network::parse("home").is_err());
    }
}
