//! `esptb simulate`: one device, on a flash file of the operator's own, or a fleet.

mod fleet;
mod overrides;
mod prov_http;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use device::platform::Mailbox;
use seal::{Block, Key};
use simulator::greenhouse::Glasshouse;
use simulator::sensor::Dht11;
use simulator::system::BUILT_AT_UNIX_S;
use simulator::wifi::Network;
use simulator::{Simulator, Wiring, World};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};
use vhci::{ControllerConfig, HciSpec, SharedAir};
use zeroize::Zeroizing;

use crate::arguments::{duration, efuse_key, mac, network};
use ::fleet::Product;
use console::Watchdog;
use console::files;
use console::{interrupted, on_one_thread};
use demo::board::{self, Board};
use demo::happening::{Happening, Note, Place};
use demo::show::Show;
use demo::view::Command;

/// Run a simulated device from a flash file, or a fleet of them
///
/// All but the radio is the code that runs on the chip: Bluetooth provisioning, TLS, MQTT. What
/// the device stores goes into the flash file, as on a board.
#[derive(Args)]
#[command(after_help = AFTER_HELP, mut_arg("count", |count| count.conflicts_with_all(OF_ONE_DEVICE)))]
pub(crate) struct Cmd {
    /// The device's flash: a whole image, as `esptb image` makes it. The device writes into it
    #[arg(long, required_unless_present = "count", value_name = "FILE")]
    flash: Option<PathBuf>,
    /// What the device is for: climate, which is the stock product, or greenhouse
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Product::Climate, value_name = "PRODUCT")]
    product: Product,
    /// The station's address [default: made from the flash file's path]
    #[arg(long, value_parser = mac, value_name = "MAC")]
    mac: Option<[u8; 6]>,
    /// A key for the chip's HMAC, as if it was burned into this block (0 to 5) of its eFuses: 32 bytes
    #[arg(long, value_parser = efuse_key, value_name = "BLOCK:FILE")]
    efuse_key: Option<(Block, PathBuf)>,
    /// A network of the simulated air, open without a passphrase; may be given several times
    #[arg(long, value_parser = network, default_value = "esptb:correct horse", value_name = "SSID[:PASSPHRASE]")]
    wifi: Vec<Network>,
    /// The Bluetooth controller: virtual, tcp:HOST:PORT (H4) or, on Linux, hci0
    #[arg(long, default_value = "virtual", value_name = "CONTROLLER")]
    hci: HciSpec,
    /// Lend virtual controllers of the same air to other programs: H4 over TCP
    #[arg(long, value_name = "ADDR:PORT")]
    air: Option<SocketAddr>,
    /// Serve provisioning over HTTP too, as an ESP-IDF device that is an access point does
    #[arg(long, value_name = "ADDR:PORT")]
    provision_http: Option<SocketAddr>,
    /// Plain lines instead of the view; with every sample in a pipe, or with -v
    #[arg(long)]
    headless: bool,
    /// End after this time; a fleet, after this time with all online
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// Where the libraries' log goes while the view has the terminal
    #[arg(long, default_value = "esptb.log", value_name = "FILE")]
    log: PathBuf,
    #[command(flatten)]
    overrides: overrides::Overrides,
    #[command(flatten)]
    fleet: fleet::Options,
}

/// What makes no sense for many devices.
const OF_ONE_DEVICE: [&str; 8] = [
    "flash",
    "mac",
    "efuse_key",
    "wifi",
    "hci",
    "air",
    "provision_http",
    "sntp_server",
];

const AFTER_HELP: &str = "\
Examples:
  esptb simulate --flash flash.bin
  esptb simulate --flash flash.bin --broker mqtts://tb.example.com:8883
  esptb simulate --flash flash.bin --hci hci0 --headless    provisioned by a phone, on Linux
  esptb simulate --flash flash.bin --air 127.0.0.1:6402     then, in another terminal:
  esptb provision --hci tcp:127.0.0.1:6402 --ssid esptb --passphrase 'correct horse'
  esptb simulate --flash flash.bin --provision-http 127.0.0.1:8000
  esp_prov.py --transport softap --service_name 127.0.0.1:8000 …
  esptb simulate --count 100 --for 30s                      a fleet and its own server
  esptb simulate --count 2000 --broker mqtts://tb.example.com --ca ca

Keys: q quit, r reboot, n no network for 10 s, f factory reset, c QR code.
With plain lines, Ctrl-C ends it. The QR code holds the device's proof of possession.
A fleet ends with a summary, and fails if a sample was lost.
A device that hangs ends the program with exit code 4: two seconds after --for, or after a minute.";

/// Lets the device live.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match &cmd.flash {
        Some(path) => match cmd.product {
            Product::Climate => on_one_thread(simulate::<Dht11>(&cmd, path)),
            Product::Greenhouse => on_one_thread(simulate::<Glasshouse>(&cmd, path)),
        },
        None => {
            let broker = cmd.overrides.broker();
            cmd.fleet.run(cmd.product, broker, cmd.duration)
        }
    }
}

async fn simulate<W: Wiring + Default + 'static>(cmd: &Cmd, path: &Path) -> Result<()> {
    let watchdog = Watchdog::start("the device", cmd.duration);
    let flash = board::open_flash(path)?;
    let _time = cmd
        .overrides
        .apply(&flash)
        .await
        .with_context(|| format!("{}", path.display()))?;
    let world = World::new(cmd.wifi.clone());
    let mac = cmd.mac.unwrap_or_else(|| mac_of(path));
    let mut simulator =
        Simulator::<W>::new(flash, mac, BUILT_AT_UNIX_S, &world).with_hci(cmd.hci.clone());
    if let Some((block, path)) = &cmd.efuse_key {
        let key = Zeroizing::new(files::read(path)?);
        let key = key.as_slice().try_into();
        let key = key.with_context(|| format!("{} has not 32 bytes", path.display()))?;
        simulator.chip = simulator.chip.with_key(Key::new(*block, key));
    }
    let mut notes = vec![Note::plain(format!(
        "the device's flash is {}",
        path.display()
    ))];
    if let Some(address) = cmd.air {
        notes.push(lend(&world.bluetooth, address).await?);
    }
    if let Some(address) = cmd.provision_http {
        let mailbox = Rc::new(Mailbox::new());
        notes.push(prov_http::serve(address, mailbox.clone()).await?);
        simulator = simulator.with_mailbox(mailbox);
    }
    let mut show = Show::start(cmd.headless, true, &cmd.log)?.telling_samples();
    show.tell(Happening::Ready(Place {
        title: "simulate",
        ..Place::default()
    }))?;
    for note in notes {
        show.tell(Happening::Demo(note))?;
    }
    let board = Board::power_on(simulator, world, 0);
    let lived = live(board, cmd.duration, &mut show, &watchdog).await;
    let ended = show.end();
    lived?;
    ended
}

async fn live<W: Wiring + 'static>(
    mut board: Board<W>,
    duration: Option<Duration>,
    show: &mut Show,
    watchdog: &Watchdog,
) -> Result<()> {
    let end = duration.map(|duration| Instant::now() + duration);
    let mut interrupted = pin!(interrupted());
    loop {
        tokio::select! {
            happening = board.next() => {
                let happening = happening?;
                if let Happening::Device(_, event) = &happening {
                    watchdog.note(event.name());
                }
                show.tell(happening)?;
            }
            command = show.command() => match board.grant(command).await {
                Some(note) => show.tell(Happening::Demo(note))?,
                None if command == Command::Quit => return Ok(()),
                None => {}
            },
            () = &mut interrupted => return Ok(()),
            () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(()),
        }
    }
}

/// Lends controllers of the air to whoever connects.
async fn lend(air: &SharedAir, address: SocketAddr) -> Result<Note> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot lend controllers at {address}: choose another port"))?;
    let address = listener.local_addr()?;
    // Addresses of borrowers differ by their number.
    let config = |n: usize| {
        let [.., high, low] = n.to_be_bytes();
        ControllerConfig::with_address([0xC0, 0xB0, 0x22, 0x00, high, low])
    };
    tokio::task::spawn_local(vhci::serve(air.clone(), listener, config));
    Ok(Note::plain(format!(
        "virtual Bluetooth controllers (H4) at tcp:{address}"
    )))
}

/// An address that stays with the flash file, with one of Espressif's prefixes.
fn mac_of(flash: &std::path::Path) -> [u8; 6] {
    let path = flash.canonicalize().unwrap_or_else(|_| flash.to_owned());
    // FNV-1a, whose values are the same in every build.
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0x811C_9DC5_u32, |hash, &byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    let [a, b, c, _] = hash.to_le_bytes();
    [0x24, 0x0A, 0xC4, a, b, c]
}
