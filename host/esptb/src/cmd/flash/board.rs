//! A board in its boot ROM: asked who it is, and written to, through espflash.

use anyhow::{Context, Result, anyhow, bail};
use espflash::Error;
use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::image_format::Segment;
use serialport::UsbPortInfo;

use super::plan::Plan;
use super::progress::Progress;
use super::{Cmd, plan::Region};
use crate::console::{FAINT, paint};
use crate::serial::port::{BAUD, Board};

/// `SECURE_BOOT_EN` of the chip's security information (esptool, cmds.py).
const SECURE_BOOT: u32 = 1 << 0;
/// `SECURE_DOWNLOAD_ENABLE`: the ROM takes no helper and tells nothing.
const SECURE_DOWNLOAD: u32 = 1 << 2;

/// A board that answers.
pub(super) struct Connected {
    flasher: Flasher,
    name: String,
    usb: UsbPortInfo,
}

impl Connected {
    /// Finds the board and lets it start into its boot ROM.
    pub(super) fn open(cmd: &Cmd) -> Result<Self> {
        let Board { port, name, usb } = Board::open(cmd.port.as_deref())?;
        anstream::eprintln!("{}", paint(FAINT, format!("connecting at {name}")));
        let (before, after) = match cmd.no_reset {
            true => (ResetBeforeOperation::NoReset, ResetAfterOperation::NoReset),
            false => (
                ResetBeforeOperation::DefaultReset,
                ResetAfterOperation::HardReset,
            ),
        };
        let connection = Connection::new(port, usb.clone(), after, before, BAUD);
        // Above the ROM's own rate espflash warns; whoever gives the rate knows.
        let baud = Some(cmd.baud).filter(|&baud| baud != BAUD);
        let flasher = Flasher::connect(connection, !cmd.no_stub, true, true, None, baud)
            .map_err(told)
            .with_context(|| {
                format!(
                    "{name}: no chip answers in its boot ROM. Is the port that of a board, and no \
                     other program (a monitor) using it? Hold BOOT, press RESET, release BOOT, and \
                     try --no-reset; or a slower --baud {BAUD}"
                )
            })?;
        Ok(Self { flasher, name, usb })
    }

    pub(super) fn port(&self) -> &str {
        &self.name
    }

    /// Whether the board would start what is planned.
    pub(super) fn check(&mut self, plan: &Plan) -> Result<()> {
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
                 smaller table (--partitions) and --flash-size {}M",
                plan.end,
                size >> 20
            );
        }
        let revision = info.revision.map_or_else(String::new, |(major, minor)| {
            format!(" revision {major}.{minor}")
        });
        let mac = info.mac_address.unwrap_or_default();
        let line = format!("{chip}{revision}, flash of {} MiB, {mac}", size >> 20);
        anstream::eprintln!("{}", paint(FAINT, line));
        if let Some(table) = &plan.expected_table {
            self.check_table(table)?;
        }
        Ok(())
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
    pub(super) fn write(&mut self, plan: &Plan) -> Result<()> {
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
            .write_bins_to_flash(&segments, &mut Progress::new(names))
            .map_err(told)
            .context(
                "writing failed; the board may not start now. Try again, with a shorter cable or \
                 --baud 115200",
            )
    }

    /// The same port, for the console, from the board's first line on.
    pub(super) fn into_console(self) -> Result<Board> {
        let Self { flasher, name, usb } = self;
        let port = flasher.into_connection().into_serial();
        // What it said so far came at the wrong rate.
        let (board, _) = Board { port, name, usb }.at_console()?.reset();
        board.at_console()
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest, Md5};
    Md5::digest(bytes).into()
}

/// espflash's error with all its causes.
fn told(error: Error) -> anyhow::Error {
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
