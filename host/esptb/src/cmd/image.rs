//! `esptb image`: SPIFFS and flash images, made and looked into.

mod batch;
mod inspect;
pub(crate) mod make;
pub(crate) mod prover;
pub(crate) mod wifi;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::arguments::bytes;
pub(crate) use prover::run_worker;

/// Build the whole flash of a device, ready to boot, or look into one
///
/// The files of a folder go into SPIFFS: device.crt, device.key and server_chain.pem, as `esptb
/// pki device` makes them, and a settings.json where something differs from the defaults. They
/// are checked by the device's own code first. With an app, bootloader and app go in too, and the
/// file boots; what could not boot is refused. The same files always make the same image.
#[derive(Args)]
#[command(after_help = include_str!("../../help/image.txt"))]
pub(crate) struct Cmd {
    /// The folder whose files go into SPIFFS
    #[arg(
        long,
        visible_alias = "from",
        default_value = "spiffs_root",
        value_name = "DIR"
    )]
    spiffs: PathBuf,
    /// Make an image for each folder in DIR instead, on all cores
    #[arg(long, value_name = "DIR", conflicts_with = "spiffs")]
    batch: Option<PathBuf>,
    /// Write the whole flash into this file [default: flash.bin, without --spiffs-out]; with
    /// --batch, into this folder [default: images]
    #[arg(long, visible_alias = "flash", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the SPIFFS partition alone into this file (with --batch, folder)
    #[arg(long, value_name = "FILE")]
    spiffs_out: Option<PathBuf>,
    /// Let the device know its network, so that nobody needs to provision it
    ///
    /// SSID:PASSPHRASE; SSID: with nothing behind is an open network. With the SSID alone the
    /// passphrase comes from ESPTB_PASSPHRASE or is asked for, which keeps it out of the shell's
    /// history. A colon in the SSID is written \:
    #[arg(
        long,
        env = "ESPTB_WIFI",
        hide_env_values = true,
        value_name = "NETWORK"
    )]
    wifi: Option<String>,
    /// Build even if the device would refuse the files
    #[arg(long)]
    unchecked: bool,
    /// Fail where the device would take the files, but somebody should look at them
    #[arg(long, conflicts_with = "unchecked")]
    strict: bool,

    /// Look into a file instead of building one: a whole flash, SPIFFS alone, an app (also the ELF
    /// file), a bootloader
    #[arg(long, value_name = "FILE", help_heading = "Inspection",
          conflicts_with_all = ["spiffs", "batch", "out", "spiffs_out", "wifi", "Layout", "app"])]
    inspect: Option<PathBuf>,
    /// Print JSON
    #[arg(long, requires = "inspect", help_heading = "Inspection",
          conflicts_with_all = ["batch", "out", "spiffs_out", "wifi", "app"])]
    json: bool,

    #[command(flatten)]
    layout: Layout,
}

/// What is in the flash beside the device's own files, and where.
#[derive(Args)]
#[command(next_help_heading = "App and layout")]
pub(crate) struct Layout {
    /// The app: the ELF file that cargo or ESP-IDF linked, or an image for a slot
    #[arg(long, value_name = "FILE")]
    pub(crate) app: Option<PathBuf>,
    /// The chip, as esp32c3 [default: the one that the app was built for]
    #[arg(long, value_name = "CHIP", value_parser = crate::arguments::chip, requires = "app")]
    pub(crate) chip: Option<flashimage::Chip>,
    /// Another bootloader than ESP-IDF's for that chip
    #[arg(long, value_name = "FILE")]
    pub(super) bootloader: Option<PathBuf>,
    /// Where that bootloader belongs [default: where the chip looks for it]
    #[arg(long, value_parser = bytes, value_name = "OFFSET", requires = "bootloader")]
    pub(super) bootloader_offset: Option<u32>,
    /// Partition table of the project's, by its name: for boards that carry the C firmware's (predecessor,
    /// predecessor-idf6, predecessor-backlog), for others of 4 MB (4mb: larger slots, and a day's samples
    /// outlive a restart) and of 2 MB (2mb: no updates over the air)
    #[arg(long, default_value_t, value_parser = layout(), value_name = "NAME")]
    pub(super) layout: flashimage::Layout,
    /// Another partition table, in ESP-IDF's CSV format
    #[arg(long, value_name = "FILE", conflicts_with = "layout")]
    pub(super) partitions: Option<PathBuf>,
    /// Size of the flash: bytes, or with K or M behind [default: that of the layout, 4M with --partitions]
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    flash_size: Option<u32>,
    /// SPIFFS page size, if not ESP-IDF's default
    #[arg(long, default_value = "256", value_parser = bytes, value_name = "BYTES")]
    pub(super) page_size: u32,
    /// SPIFFS block size
    #[arg(long, default_value = "4096", value_parser = bytes, value_name = "BYTES")]
    pub(super) block_size: u32,
    /// SPIFFS length of names, the zero at the end included
    #[arg(long, default_value = "32", value_parser = bytes, value_name = "BYTES")]
    pub(super) name_len: u32,
    /// SPIFFS length of metadata
    #[arg(long, default_value = "4", value_parser = bytes, value_name = "BYTES")]
    pub(super) meta_len: u32,
}

/// Reads the name of a layout.
fn layout() -> impl TypedValueParser<Value = flashimage::Layout> {
    let all = flashimage::Layout::ALL;
    let names = PossibleValuesParser::new(all.map(flashimage::Layout::name));
    names.map(move |name| {
        *all.iter()
            .find(|layout| layout.name() == name)
            .unwrap_or(&all[0])
    })
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match (&cmd.inspect, &cmd.batch) {
        (Some(file), _) => inspect::run(file, cmd.json),
        (None, Some(folder)) => batch::run(&cmd, folder),
        (None, None) => make::run(&cmd),
    }
}
