//! What is around the emulated board: certificates for this computer as it sees it, a server, a time server,
//! images; and the board itself, while it is powered.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{
    clock,
    machine::{self, Emulator, Machine, Unusual},
    places,
    server::Server,
    talker::Talker,
};
use crate::{chips, esptb, firmware, process, workspace};

/// The device's name, on its certificate and at the server.
pub(super) const DEVICE: &str = "HIL-1";
/// This computer, for the board (QEMU's user-mode network).
const HOST: &str = "10.0.2.2";
/// One of the networks in the emulator's air, all of which are open.
pub(super) const NETWORK: &str = "Espressif";
const PROOF: &str = "hil-test-board";

/// All of it.
pub(super) struct Bench {
    pub(super) folder: PathBuf,
    pub(super) esptb: PathBuf,
    pub(super) server: Server,
    emulator: Emulator,
    /// The firmware as it goes onto a board, and the one with a controller on a serial line.
    elf: PathBuf,
    elf_with_controller: PathBuf,
    /// Where the device comes by each second, in its own thread.
    pub(super) sampling: u32,
    /// Lends Bluetooth controllers of one air.
    air: Option<(Talker, u16)>,
    machine: Option<Machine>,
    /// How often it has had power, by which its consoles' files are numbered.
    powered: u32,
}

impl Bench {
    /// Builds, makes and starts all but the board.
    pub(super) fn new(program: &Path) -> Result<Self> {
        let chip = chips::find(None)?;
        let emulator = machine::emulator(program, &chip.name)?;
        let folder = workspace::root().join("target/hil/emulated");
        fs::create_dir_all(&folder)?;
        let esptb = esptb::build()?;
        // Both are built in one place.
        let keep = |elf: PathBuf, name: &str| {
            let kept = folder.join(name);
            fs::copy(elf, &kept).map(|_| kept)
        };
        let elf_with_controller =
            keep(firmware::elf_with_controller(&chip)?, "with-controller.elf")?;
        let elf = keep(firmware::elf(&chip)?, "firmware.elf")?;
        let run = |arguments: &[&str]| {
            process::run(Command::new(&esptb).current_dir(&folder).args(arguments))
        };
        if !folder.join("ca").exists() {
            run(&["pki", "init"])?;
        }
        run(&["pki", "server", HOST, "--replace"])?;
        let server = Server::start(&esptb, &folder)?;
        for device in [DEVICE, "AIR-1"] {
            run(&["pki", "device", device, "--replace"])?;
        }
        let settings = serde_json::json!({
            "broker": format!("mqtts://{HOST}:{}", server.mqtt_port()),
            "sntp_server": format!("{HOST}:{}", clock::serve()?),
            "provisioning": {"security": 2, "pop": PROOF},
        });
        fs::write(
            folder.join("devices").join(DEVICE).join("settings.json"),
            settings.to_string(),
        )?;
        let bench = Self {
            sampling: places::sampling(&elf)?,
            server,
            emulator,
            elf,
            elf_with_controller,
            air: None,
            machine: None,
            powered: 0,
            esptb,
            folder,
        };
        bench.image("known.bin", &bench.elf, Some(&format!("{NETWORK}:")))?;
        bench.image("blank.bin", &bench.elf_with_controller, None)?;
        Ok(bench)
    }

    fn image(&self, name: &str, elf: &Path, network: Option<&str>) -> Result<()> {
        let mut command = self.esptb("image");
        match network {
            Some(network) => command.env("ESPTB_WIFI", network),
            None => command.env_remove("ESPTB_WIFI"),
        };
        command
            .args(["--chip", &self.emulator.chip, "--app"])
            .arg(elf);
        command
            .arg("--spiffs")
            .arg(self.folder.join("devices").join(DEVICE));
        process::run(command.arg("--out").arg(self.folder.join(name)))
    }

    /// Brings power to a board whose flash is this image.
    pub(super) fn flash(&mut self, image: &str) -> Result<()> {
        self.machine = None;
        fs::copy(self.folder.join(image), self.folder.join("flash.bin"))?;
        let controller = match image {
            "blank.bin" => Some(self.air()?),
            _ => None,
        };
        self.power(Unusual {
            controller,
            ..Unusual::default()
        })
    }

    /// Takes the power away, and brings it again, to a board that may be unusual in another way.
    pub(super) fn power_cycle(&mut self, unusual: Unusual) -> Result<()> {
        self.machine = None;
        self.power(unusual)
    }

    fn power(&mut self, unusual: Unusual) -> Result<()> {
        let flash = self.folder.join("flash.bin");
        self.powered += 1;
        let log = self.folder.join(format!("console-{}.txt", self.powered));
        self.machine = Some(Machine::power_up(&self.emulator, &flash, unusual, &log)?);
        Ok(())
    }

    /// The board under power.
    pub(super) fn machine(&mut self) -> Result<&mut Machine> {
        self.machine.as_mut().context("the board has no power")
    }

    /// Where controllers of the air are lent: by a simulated device, for want of anything smaller.
    pub(super) fn air(&mut self) -> Result<u16> {
        if let Some((_, port)) = &self.air {
            return Ok(*port);
        }
        let mut command = self.esptb("image");
        command.env("ESPTB_WIFI", "esptb:correct horse");
        command
            .arg("--spiffs")
            .arg(self.folder.join("devices/AIR-1"));
        process::run(command.arg("--out").arg(self.folder.join("air.bin")))?;
        let mut command = self.esptb("simulate");
        command
            .current_dir(&self.folder)
            .args(["--flash", "air.bin", "--headless"]);
        command.args(["--air", "127.0.0.1:0"]);
        let mut talker = Talker::start(&mut command, &self.folder.join("air.txt"))?;
        let port = talker.behind("(H4) at tcp:127.0.0.1:")?;
        let port = port.parse().context("the air's port")?;
        self.air = Some((talker, port));
        Ok(port)
    }

    /// Provisions the board by another controller of the air.
    pub(super) fn provision(&mut self) -> Result<()> {
        let mut command = self.over_the_air("provision")?;
        command.env("ESPTB_PASSPHRASE", "");
        process::run(command.args(["--security", "2", "--ssid", NETWORK, "--timeout", "2m"]))
    }

    /// The conformance suite, but for the case that ends provisioning.
    pub(super) fn conform(&mut self) -> Result<()> {
        process::run(&mut self.over_the_air("conformance")?)
    }

    fn over_the_air(&mut self, command: &str) -> Result<Command> {
        let port = self.air()?;
        let mut command = self.esptb(command);
        command.env("ESPTB_POP", PROOF);
        command.args(["--hci", &format!("tcp:127.0.0.1:{port}")]);
        Ok(command)
    }

    /// Has `esptb board-report` measure the board's last start, until an event, into a file.
    pub(super) fn report(&mut self, until: &str, file: &str) -> Result<()> {
        let life = self.machine()?.life();
        let mut command = self.esptb("board-report");
        command.args(["--port", "-", "--until", until, "--json"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        input.write_all(life.as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "`esptb board-report` failed on {}",
            self.folder.display()
        );
        let path = self.folder.with_file_name(file);
        fs::write(&path, output.stdout).with_context(|| path.display().to_string())
    }

    fn esptb(&self, command: &str) -> Command {
        let mut esptb = Command::new(&self.esptb);
        esptb.arg(command);
        esptb
    }
}
