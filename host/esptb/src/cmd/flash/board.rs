//! A board in its boot ROM: asked who it is, and written to, through espflash.

use anyhow::{Context, Result, anyhow, bail};
use espflash::Error;
use espflash::command::Command;
use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::image_format::Segment;
use serialport::UsbPortInfo;

use super::plan::Plan;
use super::plan::Region;
use super::progress::Progress;
use console::{FAINT, paint};
use serial::port::{BAUD, Board};

/// `SECURE_BOOT_EN` of the chip's security information (esptool, cmds.py).
const SECURE_BOOT: u32 = 1 << 0;
/// `SECURE_DOWNLOAD_ENABLE`: the ROM takes no helper and tells nothing.
const SECURE_DOWNLOAD: u32 = 1 << 2;

/// How a board is reached.
pub(crate) struct How<'a> {
    /// Its port; the only one that fits if none is named.
    pub(crate) port: Option<&'a str>,
    /// Bits per second.
    pub(crate) baud: u32,
    /// It waits in its boot ROM already, and stays there.
    pub(crate) no_reset: bool,
    /// Without the helper in RAM.
    pub(crate) no_stub: bool,
    /// Says nothing while it goes well.
    pub(crate) quiet: bool,
}

/// A board that answers.
pub(crate) struct Connected {
    pub(super) flasher: Flasher,
    quiet: bool,
    name: String,
    usb: UsbPortInfo,
}

impl Connected {
    /// Finds the board and lets it start into its boot ROM.
    pub(crate) fn open(how: &How<'_>) -> Result<Self> {
        let Board { port, name, usb } = Board::open(how.port)?;
        if !how.quiet {
            anstream::eprintln!("{}", paint(FAINT, format!("connecting at {name}")));
        }
        let (before, after) = match how.no_reset || is_remote(&name) {
            true => (ResetBeforeOperation::NoReset, ResetAfterOperation::NoReset),
            false => (
                ResetBeforeOperation::DefaultReset,
                ResetAfterOperation::HardReset,
            ),
        };
        let connection = Connection::new(port, usb.clone(), after, before, BAUD);
        // Above the ROM's own rate espflash warns; whoever gives the rate knows.
        let baud = Some(how.baud).filter(|&baud| baud != BAUD);
        let flasher = Flasher::connect(connection, !how.no_stub, true, true, None, baud)
            .map_err(told)
            .with_context(|| {
                format!(
                    "{name}: no chip answers in its boot ROM. Is the port that of a board, and no \
                     other program (a monitor) using it? Hold BOOT, press RESET, release BOOT, and \
                     try --no-reset; or a slower --baud {BAUD}"
                )
            })?;
        Ok(Self {
            flasher,
            quiet: how.quiet,
            name,
            usb,
        })
    }

    pub(super) fn port(&self) -> &str {
        &self.name
    }

    /// Whether the board would start what is planned.
    pub(crate) fn check(&mut self, plan: &Plan) -> Result<()> {
        let chip = self.flasher.chip();
        if let Some(wanted) = plan.chip.filter(|&wanted| wanted != chip) {
            bail!(
                "the board is an {chip}, this is for {wanted}: build it for {chip} (`cargo xtask \
                 firmware --chip {chip}`), or choose the other board by --port"
            );
        }
        self.check_security()?;
        let info = self.flasher.device_info().map_err(told)?;
        if let Some((major, minor)) = info.revision
            && major * 100 + minor < u32::from(plan.min_revision)
        {
            bail!(
                "the board's chip is of revision {major}.{minor}, this is for {}.{} and later: take a \
                 newer board, or a bootloader and an app that were built for this one",
                plan.min_revision / 100,
                plan.min_revision % 100
            );
        }
        let size = info.flash_size.size();
        if plan.end > size {
            bail!(
                "the partitions end at {:#x}, the board's flash at {size:#x}: give `esptb image` a \
                 smaller table (--layout, --partitions) and --flash-size {}M",
                plan.end,
                size >> 20
            );
        }
        let revision = info.revision.map_or_else(String::new, |(major, minor)| {
            format!(" revision {major}.{minor}")
        });
        let mac = info.mac_address.unwrap_or_default();
        let line = format!("{chip}{revision}, flash of {} MiB, {mac}", size >> 20);
        if !self.quiet {
            anstream::eprintln!("{}", paint(FAINT, line));
        }
        if let Some(table) = &plan.expected_table {
            self.check_table(table)?;
        }
        Ok(())
    }

    /// What the chip is, and its address.
    pub(crate) fn identity(&mut self) -> Result<factory::Identity> {
        let info = self.flasher.device_info().map_err(told)?;
        let mac = info.mac_address.context(
            "the chip does not tell its address (secure download mode?): take another board",
        )?;
        let mac = crate::arguments::mac(&mac).map_err(|error| anyhow!(error))?;
        let chip = info.chip.to_string();
        Ok(factory::Identity { mac, chip })
    }

    fn check_security(&mut self) -> Result<()> {
        // The first chips of the family do not know the question.
        let Ok(info) = self.flasher.security_info() else {
            return Ok(());
        };
        if info.flags & SECURE_BOOT != 0 {
            bail!(
                "the board starts signed images only (secure boot), and this one is not: sign \
                 bootloader and app with your key and write them with esptool"
            );
        }
        // Flash is encrypted while an odd number of bits is set (ESP-IDF, flash_encrypt.h).
        if info.flash_crypt_cnt.count_ones() % 2 == 1 {
            bail!(
                "the board's flash is encrypted, and what is written in the clear does not start: \
                 write it with esptool --encrypt"
            );
        }
        if info.flags & SECURE_DOWNLOAD != 0 {
            bail!(
                "the board is in secure download mode: what is written cannot be verified, so \
                 nothing is; use esptool if that is meant"
            );
        }
        Ok(())
    }

    /// Parts can only be placed if the board has the table that places them.
    fn check_table(&mut self, table: &[u8]) -> Result<()> {
        let found = self.md5(0x8000, table.len() as u32)?;
        if found != md5(table) {
            bail!(
                "the board has another partition table, so an app or SPIFFS alone has no place: \
                 write the whole flash (esptb flash flash.bin), or give the board's table by \
                 --partitions"
            );
        }
        Ok(())
    }

    fn md5(&mut self, offset: u32, length: u32) -> Result<[u8; 16]> {
        let found = self.flasher.checksum_md5(offset, length).map_err(told)?;
        Ok(found.to_be_bytes())
    }

    /// Writes what differs, verifies it, and lets the board start.
    pub(crate) fn write(&mut self, plan: &Plan) -> Result<()> {
        let blank;
        let mut regions: Vec<&Region> = plan.regions.iter().collect();
        if let Some((offset, size)) = plan.otadata {
            blank = Region {
                name: "otadata".into(),
                offset,
                bytes: vec![0xFF; size as usize],
            };
            regions.push(&blank);
        }
        let segments: Vec<_> = regions
            .iter()
            .map(|region| Segment::new(region.offset, &region.bytes))
            .map(|mut segment| {
                // The chip writes words.
                let padding = segment.data().len().next_multiple_of(4) - segment.data().len();
                if padding > 0 {
                    segment += &[0xFF; 4][..padding];
                }
                segment
            })
            .collect();
        let names = regions
            .iter()
            .map(|region| (&*region.name, region.offset, region.bytes.len()))
            .collect();
        self.flasher
            .write_bins_to_flash(&segments, &mut Progress::new(names, self.quiet))
            .map_err(told)
            .context(
                "writing failed; the board may not start now. Try again, with a shorter cable or \
                 --baud 115200",
            )
    }

    /// The same port, for the console, from the board's first line on.
    pub(crate) fn into_console(self) -> Result<Board> {
        let Self {
            flasher, name, usb, ..
        } = self;
        if is_remote(&name) {
            let mut connection = flasher.into_connection();
            // There is no line for a reset. The helper of an emulated board starts the app by this; that
            // of a chip refuses it, and somebody presses RESET.
            let asked = connection.command(Command::RunUserCode);
            if let Err(error) = asked {
                log::info!("{name}: {error}");
                anstream::eprintln!("{name} has no reset line: press RESET on the board");
            }
            let port = connection.into_serial();
            return Board { port, name, usb }.at_console();
        }
        let port = flasher.into_connection().into_serial();
        // What it said so far came at the wrong rate.
        let (board, _) = Board { port, name, usb }.at_console()?.reset();
        board.at_console()
    }
}

/// Whether a board is at the end of a TCP connection, which has no lines to reset it by.
fn is_remote(name: &str) -> bool {
    name.starts_with("tcp:")
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest, Md5};
    Md5::digest(bytes).into()
}

/// espflash's error with all its causes.
pub(super) fn told(error: Error) -> anyhow::Error {
    match error {
        Error::VerifyFailed => anyhow!(
            "what was written reads back differently: the flash is worn out or the line is noisy"
        ),
        other => {
            let mut line = other.to_string();
            let mut cause = std::error::Error::source(&other);
            while let Some(error) = cause {
                line += &format!(": {error}");
                cause = error.source();
            }
            anyhow!(line)
        }
    }
}
