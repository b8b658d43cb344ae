//! Labels: made from a device's settings and its board's address, written and sent to a printer.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use device::settings::{Proof, Security, Settings};
use factory::{Board, Label};

use super::LedgerFile;
use crate::arguments::mac;

use console::files;

/// Where label printers listen.
const PRINTER_PORT: u16 = 9100;
/// How long a printer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Make the label of a board once more
#[derive(Args)]
pub(super) struct Cmd {
    /// Its serial number or address
    #[arg(value_name = "BOARD")]
    board: String,
    #[command(flatten)]
    ledger: LedgerFile,
    /// The folder with the devices' folders
    #[arg(long, default_value = "devices", value_name = "DIR")]
    devices: PathBuf,
    #[command(flatten)]
    options: LabelOptions,
}

/// What becomes of labels.
#[derive(Args)]
#[command(next_help_heading = "Labels, 50 by 25 mm")]
pub(super) struct LabelOptions {
    /// The folder for them: PDF, ZPL and text. They hold the proofs of possession
    #[arg(long, default_value = "labels", value_name = "DIR")]
    label_dir: PathBuf,
    /// Also send each, as ZPL, to this label printer
    #[arg(long, value_name = "HOST[:PORT]")]
    printer: Option<String>,
    /// Its dots to the millimetre: 8 is 203 dpi, 12 is 300 dpi
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(6..=24), value_name = "DOTS")]
    dots: u8,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let board = cmd.ledger.open()?.board(&cmd.board)?;
    cmd.options.make(&board, &cmd.devices.join(&board.serial))?;
    console::made(
        &cmd.options.label_dir.join(format!("{}.pdf", board.serial)),
        "and .zpl and .txt: as secret as the device",
    );
    Ok(())
}

/// The label of a board whose device's files are in a folder.
pub(super) fn label(board: &Board, folder: &Path) -> Result<Label> {
    let settings = Settings::parse(&files::read(&folder.join("settings.json"))?)
        .map_err(anyhow::Error::msg)?;
    let told = &settings.provisioning;
    let proof = match &told.pop {
        Proof::Given(proof) => Some(std::str::from_utf8(proof.expose())),
        Proof::None => None,
        Proof::MadeByDevice => bail!(
            "its settings.json has no proof of possession, so the board makes one at random that no label \
             can show: give it one (`esptb pki device --broker ...` does)"
        ),
    };
    let proof = proof.transpose();
    let proof = proof.context("its proof of possession is no text, and no label can show it")?;
    let username = (told.security == Security::Srp6a).then_some(told.username.as_str());
    let mac = mac(&board.mac).map_err(|error| anyhow::anyhow!(error))?;
    let prefix = &told.name_prefix;
    let security = told.security.number();
    Ok(Label::new(
        &board.serial,
        &mac,
        prefix,
        username,
        proof,
        security,
    )?)
}

impl LabelOptions {
    /// Writes a board's label, and sends it to the printer.
    pub(super) fn make(&self, board: &Board, folder: &Path) -> Result<()> {
        let label = label(board, folder)?;
        let zpl = label.as_zpl(self.dots)?;
        let path = |kind: &str| self.label_dir.join(format!("{}.{kind}", board.serial));
        std::fs::create_dir_all(&self.label_dir)
            .with_context(|| format!("cannot make {}", self.label_dir.display()))?;
        files::write_private(&path("pdf"), &label.as_pdf()?)?;
        files::write_private(&path("txt"), label.as_text().as_bytes())?;
        files::write_private(&path("zpl"), zpl.as_bytes())?;
        match &self.printer {
            Some(printer) => send(printer, zpl.as_bytes()).with_context(|| {
                format!("the printer at {printer} takes nothing: is it on, and speaks ZPL?")
            }),
            None => Ok(()),
        }
    }
}

fn send(printer: &str, zpl: &[u8]) -> Result<()> {
    let has_port = printer.rsplit_once(':').is_some_and(|(host, port)| {
        // An IPv6 address has colons of its own, and brackets where a port follows.
        (!host.contains(':') || host.ends_with(']')) && port.parse::<u16>().is_ok()
    });
    let address = match has_port {
        true => printer.to_owned(),
        false => format!("{printer}:{PRINTER_PORT}"),
    };
    let first = address.to_socket_addrs()?.next();
    let first = first.context("its name has no address")?;
    let mut stream = TcpStream::connect_timeout(&first, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream.write_all(zpl)?)
}
