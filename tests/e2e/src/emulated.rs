//! The emulated board: the program of the folder `emulated`, on QEMU, with its serial lines,
//! network and flash tied to the desk.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use flashimage::{FlashImage, NvsEntry};
use pki::Identity;
use seal::Key;
use simulator::image::Image;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use vhci::ControllerConfig;

use crate::desk::{
    BACKLOG_SECTORS, Desk, NETWORK, PASSPHRASE, PROOF, files_of_bytes, known_network, with_backlog,
};
use crate::figures::Figures;
use crate::maker::Maker;
use crate::secrets::shown;

/// Where the program is told to be; if nothing is told, it is where cargo puts it.
const ELF: &str = "EMULATED_ELF";
const QEMU: &str = "qemu-system-riscv32";

/// QEMU's flash chip has this many bytes; a board's flash is the beginning of it.
const CHIP: u64 = 32 << 20;

/// Where the program looks for its options.
const OPTIONS: &str = "0x80900000";

/// How the line of the options begins that tells what is burned into the eFuses.
const EFUSE: &str = "efuse";

/// This computer, as the emulated board sees it (QEMU's user-mode network).
const HOST: &str = "10.0.2.2";

/// The flash of an emulated board, which survives it.
pub struct EmulatedFlash {
    _folder: TempDir,
    path: PathBuf,
    /// A file with the access points in the air.
    options: PathBuf,
}

impl EmulatedFlash {
    /// A whole flash for a blank device with this certificate, that is to connect to `broker_port`
    /// of this computer.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn blank(desk: &Desk, identity: &Identity, broker_port: u16) -> Self {
        Self::with_key(desk, identity, identity.key_pem(), broker_port)
    }

    /// The same with a key (PEM) that need not be the certificate's.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn with_key(desk: &Desk, identity: &Identity, key: &str, broker_port: u16) -> Self {
        Self::made(desk, identity, key.as_bytes(), broker_port, None)
    }

    /// The same for a device that knows the desk's network.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn provisioned(desk: &Desk, identity: &Identity, broker_port: u16) -> Self {
        let key = identity.key_pem();
        Self::with_sealed_key(desk, identity, key.as_bytes(), broker_port)
    }

    /// The same with a key as it is sealed for the board.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn with_sealed_key(desk: &Desk, identity: &Identity, key: &[u8], broker_port: u16) -> Self {
        Self::made(desk, identity, key, broker_port, Some(known_network()))
    }

    /// The same with a table that has a place for samples.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn with_place_for_samples(desk: &Desk, identity: &Identity, broker_port: u16) -> Self {
        let flash = Self::provisioned(desk, identity, broker_port);
        let image = fs::read(&flash.path).expect("its file");
        let written = fs::write(&flash.path, with_backlog(&image, BACKLOG_SECTORS));
        written.expect("room for the flash");
        flash
    }

    /// The same for a device that takes updates of this maker, and runs this image.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn updatable(
        desk: &Desk,
        identity: &Identity,
        broker_port: u16,
        maker: &Maker,
        image: &Image<'_>,
    ) -> Self {
        let files = Self::files(desk, identity, identity.key_pem().as_bytes(), broker_port);
        Self::of(&maker.install(files.nvs(known_network()), image))
    }

    /// Bytes of the flash as they are; of a board that is switched off.
    ///
    /// # Panics
    ///
    /// If the file is gone, or is not so long.
    #[must_use]
    pub fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        let file = fs::File::open(&self.path).expect("its file");
        file.read_exact_at(&mut bytes, range.start as u64)
            .expect("within the flash");
        bytes
    }

    fn made(
        desk: &Desk,
        identity: &Identity,
        key: &[u8],
        broker_port: u16,
        network: Option<NvsEntry>,
    ) -> Self {
        let mut image = Self::files(desk, identity, key, broker_port);
        if let Some(network) = network {
            image = image.nvs(network);
        }
        Self::of(&image.build().expect("a flash image"))
    }

    fn files(desk: &Desk, identity: &Identity, key: &[u8], broker_port: u16) -> FlashImage {
        let settings = format!(
            r#"{{"broker":"mqtts://{HOST}:{broker_port}","server_name":"localhost",
                "sntp_server":"{HOST}:{}","provisioning":{{"pop":"{PROOF}"}}}}"#,
            desk.time.address().port(),
        );
        let (chain, trust) = (identity.chain_pem(), identity.trust_pem());
        files_of_bytes([chain.as_bytes(), key, trust.as_bytes()], &settings)
    }

    /// A flash with this content at its beginning.
    fn of(image: &[u8]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("flash.bin");
        let mut file = fs::File::create(&path).expect("a file for the flash");
        file.write_all(image).expect("room for the flash");
        // What lies behind the board's flash is never looked at, and takes no room.
        file.set_len(CHIP).expect("a file of the chip's length");
        let options = folder.path().join("wifi.txt");
        let air = format!("-48\t{NETWORK}\t{PASSPHRASE}\n-61\tguests\n-83\tneighbour\tnot yours\n");
        fs::write(&options, air).expect("a file for the air");
        Self {
            _folder: folder,
            path,
            options,
        }
    }

    /// Burns a key into the board's eFuses, in the place of the one that was there.
    ///
    /// # Panics
    ///
    /// If there is no room for it.
    pub fn burn(&self, key: &Key) {
        let air = fs::read_to_string(&self.options).expect("its file");
        let air = air.lines().filter(|line| !line.starts_with(EFUSE));
        let digits = key.expose().map(|byte| format!("{byte:02x}")).concat();
        let burned = format!("{EFUSE}\t{}\t{digits}", key.block().number());
        let lines: Vec<_> = air.chain([burned.as_str()]).collect();
        fs::write(&self.options, lines.join("\n")).expect("room for the options");
    }
}

/// An emulated board under power; dropped, it loses its power.
pub struct EmulatedBoard {
    process: Child,
    keys: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    controller: JoinHandle<()>,
    /// The names of all events so far, without the samples and what a server says of its limits, if it
    /// does.
    pub names: Vec<String>,
    /// When an event of each name was last told, in milliseconds since boot.
    times: HashMap<String, u64>,
    /// The lines of the QR code so far.
    pub code: Vec<String>,
    /// The QR code's payload.
    pub payload: Option<String>,
    /// Whether a panic is what the test is about.
    pub may_panic: bool,
    /// What it has counted so far, in all its lives.
    figures: Figures,
}

impl EmulatedBoard {
    /// Brings power to the board with this number and flash.
    ///
    /// # Panics
    ///
    /// If QEMU is not installed or the program is not built; both say what to do.
    pub async fn power_up(desk: &Desk, flash: &EmulatedFlash, number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let air = desk.world.bluetooth.clone();
        let address = [0x24, 0x0a, 0xc4, 0x1a, 0x2b, number.wrapping_add(2)];
        let controller = tokio::task::spawn_local(async move {
            let config = |_| ControllerConfig::with_address(address);
            // It fails with the listener, which the board would notice.
            let _ = vhci::serve(air, listener, config).await;
        });
        let mut process = qemu(flash, number, port);
        let keys = process.stdin.take().expect("its input");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        Self {
            process,
            keys,
            lines,
            controller,
            names: Vec::new(),
            times: HashMap::new(),
            code: Vec::new(),
            payload: None,
            may_panic: false,
            figures: Figures::default(),
        }
    }

    /// Reads the console on until an event, and returns its line.
    ///
    /// # Panics
    ///
    /// If the board ends before.
    pub async fn until(&mut self, name: &str) -> String {
        self.until_any(&[name]).await
    }

    /// Reads the console on until an event of one of these names, and returns its line.
    ///
    /// # Panics
    ///
    /// If the board ends before.
    pub async fn until_any(&mut self, names: &[&str]) -> String {
        loop {
            let line = self.line().await;
            let line = line.unwrap_or_else(|| panic!("the board ended before {names:?}"));
            if line.contains(['█', '▀']) {
                self.code.push(line);
                continue;
            }
            let mut words = line.split_whitespace();
            if let Some(uptime_ms) = words.next().and_then(|uptime| uptime.parse().ok())
                && let Some(event) = words.next()
            {
                self.times.insert(event.to_owned(), uptime_ms);
                if !event.starts_with("telemetry.") {
                    self.names.push(event.to_owned());
                }
                if names.contains(&event) {
                    return line;
                }
            }
        }
    }

    /// When the event of this name was last told, in milliseconds since boot.
    ///
    /// # Panics
    ///
    /// If there was none.
    #[must_use]
    pub fn at_ms(&self, name: &str) -> u64 {
        *self
            .times
            .get(name)
            .unwrap_or_else(|| panic!("{name} was not told"))
    }

    /// The next line of the console but the code's payload, none after the last. It may show no
    /// secret.
    async fn line(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next_line().await.expect("its console")?;
            println!(" emulated {line}");
            assert!(
                self.may_panic || !line.contains("= PANIC ="),
                "the board panicked"
            );
            // The code for the label holds the proof, as it must.
            if line.contains("\"pop\"") {
                self.payload = Some(line);
                continue;
            }
            shown(&line);
            self.figures.add(&line);
            return Some(line);
        }
    }

    /// Presses a key on the console: as emulated/src/platform/keys.rs lists them.
    ///
    /// # Panics
    ///
    /// If the board has ended.
    pub async fn press(&mut self, key: char) {
        let key = u8::try_from(key).expect("a key of a keyboard");
        self.keys.write_all(&[key]).await.expect("its console");
    }

    /// What it has counted and printed so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Switches the board off, and returns the figures that it prints.
    ///
    /// # Panics
    ///
    /// If it does not end as it should.
    pub async fn switch_off(mut self) -> Figures {
        self.press('x').await;
        while self.line().await.is_some() {}
        let status = self.process.wait().await.expect("QEMU ends");
        assert!(status.success(), "QEMU ended with {status}");
        std::mem::take(&mut self.figures)
    }
}

impl Drop for EmulatedBoard {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

fn program() -> PathBuf {
    let built = "emulated/target/riscv32imc-unknown-none-elf/release/emulated";
    let path = match env::var_os(ELF) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(built),
    };
    assert!(
        path.exists(),
        "the emulated board's program is not at {}: run `cargo build --release` in the folder \
         emulated, or set {ELF}",
        path.display()
    );
    path
}

fn qemu(flash: &EmulatedFlash, number: u8, hci_port: u16) -> Child {
    let mut command = Command::new(QEMU);
    command
        .args([
            "-machine", "virt", "-display", "none", "-monitor", "none", "-serial", "stdio",
        ])
        .arg("-bios")
        .arg(program())
        // 8 ns for each instruction, about what a small chip needs; instructions are counted.
        .args(["-icount", "shift=3"])
        .args(["-global", "virtio-mmio.force-legacy=false"])
        .arg("-drive")
        .arg(format!(
            "if=pflash,unit=1,format=raw,file={}",
            flash.path.display()
        ))
        .args(["-netdev", "user,id=net", "-device"])
        .arg(format!(
            "virtio-net-device,netdev=net,mac=24:0a:c4:1a:2b:{number:02x}"
        ))
        .args(["-device", "virtio-rng-device"])
        .arg("-chardev")
        .arg(format!(
            "socket,id=hci,host=127.0.0.1,port={hci_port},nodelay=on"
        ))
        .args(["-device", "virtio-serial-device,max_ports=1"])
        .args(["-device", "virtconsole,chardev=hci"])
        .arg("-device")
        .arg(format!(
            "loader,force-raw=on,addr={OPTIONS},file={}",
            flash.options.display()
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{QEMU} is not installed: apt-get install qemu-system-misc")
        }
        Err(error) => panic!("{QEMU} does not start: {error}"),
    }
}
