//! `--seal`: the key of a device, for the chip of its board alone.
//!
//! ```text
//!   device.key, in the clear
//!     a random key K in memory; device.key sealed with it, beside: .device.key.sealed
//!     K burned into a free block, read back, given its purpose, protected: K is nowhere else from here on
//!   device.key, sealed
//! ```
//!
//! K is never written down: whoever had it could open what the flash of the board has. So a board that was
//! interrupted goes on with what is in its folder, by asking the chip what of this was done; and one that has a key
//! of which the folder knows nothing gets another only if that is meant, for there are few blocks.

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use flashimage::App;
use hostfile::Draft;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use seal::{Block, Key, Sealed};
use zeroize::Zeroizing;

use crate::cmd::flash::board::Connected;
use crate::cmd::flash::efuse::{self, KeyBlock};
use console::files;

const KEY: &str = "device.key";
/// Hidden, so that no image has it.
const PENDING: &str = ".device.key.sealed";

/// What somebody types who means it.
const CONSENT: &str = "burn";

/// Keys of devices that only their boards can open.
#[derive(Args)]
pub(super) struct SealOptions {
    /// Seal each device's key for its board's chip: burns a key into its eFuses, which cannot be undone
    ///
    /// The flash alone then holds no private key, and no copy of it works on another board. The app must have
    /// been built with the feature `seal`, for a chip with an HMAC (ESP32-C3, C6, S3). What it protects from, and what
    /// it does not: docs/threat-model.md.
    #[arg(long)]
    seal: bool,
    /// With --seal: do not ask whether eFuses may be burned
    #[arg(long, requires = "seal")]
    yes: bool,
    /// With --seal: burn another key where the board has one whose device.key is lost
    #[arg(long, requires = "seal")]
    seal_anew: bool,
}

impl SealOptions {
    /// Whether keys are to be sealed.
    pub(super) fn is_on(&self) -> bool {
        self.seal
    }

    /// Refuses an app that could not open what is sealed, and asks whether eFuses may be burned.
    pub(super) fn consent(&self, app: &App, path: &Path) -> Result<()> {
        if !self.seal {
            return Ok(());
        }
        let chip = app.chip();
        if !efuse::has_hmac(chip.id()) {
            bail!(
                "--seal: the {chip} has no HMAC that keys could be sealed with (see --help): leave --seal out, or \
                 take boards whose chip has one"
            );
        }
        if !opens_sealed(app.image()) {
            bail!(
                "--seal: {} opens no sealed keys, and would not get online: build it with the feature `seal` \
                 (`cargo xtask firmware --seal`)",
                path.display()
            );
        }
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            bail!(
                "--seal burns eFuses, which cannot be undone: give --yes as well if that is meant"
            );
        }
        anstream::eprintln!(
            "--seal burns a key into the eFuses of each board, which cannot be undone. Type {CONSENT} if that is meant:"
        );
        let mut answer = String::new();
        stdin().read_line(&mut answer).context("no answer")?;
        match answer.trim() {
            CONSENT => Ok(()),
            _ => bail!("no board was touched"),
        }
    }

    /// Has the key in a device's folder sealed for the board that is connected. Tells what was done.
    pub(super) fn seal(&self, connected: &mut Connected, folder: &Path) -> Result<String> {
        let blocks = connected.key_blocks()?;
        let pending = folder.join(PENDING);
        let kept = Zeroizing::new(files::read(&folder.join(KEY))?);
        if seal::is_sealed(&kept) {
            let block = finish(connected, &blocks, &kept)
                .with_context(|| folder.join(KEY).display().to_string())?;
            let Some(block) = block else {
                bail!(
                    "{} was sealed for another board, or this one is another: bring the board of this number, or \
                     remove the folder and give --seal-anew for a certificate and a key anew",
                    folder.join(KEY).display()
                );
            };
            return Ok(format!(
                "its key is sealed with the one in {block} since before"
            ));
        }
        if pending.exists() {
            let sealed = files::read(&pending)?;
            if let Some(block) = finish(connected, &blocks, &sealed)? {
                keep(folder, &sealed)?;
                return Ok(format!("its key is sealed with the one in {block}"));
            }
            // Nothing of it was burned: it is begun anew.
        }
        if let Some(there) = blocks.iter().find(|one| one.is_sealing())
            && !self.seal_anew
        {
            bail!(
                "{} of this board has a key that nobody can read, and {} is not sealed with it: bring back the folder \
                 that the board was made with, or give --seal-anew to burn another",
                there.block,
                folder.join(KEY).display()
            );
        }
        let free = blocks.iter().find(|one| one.is_free());
        let free = free.context("no block of eFuses for keys is free: take another board")?;
        let random = &mut UnwrapErr(SysRng);
        let key = Key::random(free.block, random);
        let sealed = seal::seal(&kept, free.block, &key, random)?;
        write_durably(&pending, &sealed)?;
        connected.burn_key(&key)?;
        drop(key);
        connected.protect_key(free.block)?;
        keep(folder, &sealed)?;
        Ok(format!(
            "its key is sealed with a new one in {}",
            free.block
        ))
    }
}

/// Refuses to write a sealed key without being told that it is one.
pub(super) fn check_plain(folder: &Path) -> Result<()> {
    if is_sealed(folder) {
        bail!(
            "{} is sealed for its board: give --seal, and an app that was built with the feature `seal`",
            folder.join(KEY).display()
        );
    }
    Ok(())
}

/// Whether the key in a folder is sealed. It was proven before it was.
pub(super) fn is_sealed(folder: &Path) -> bool {
    let key: PathBuf = folder.join(KEY);
    files::read(&key).is_ok_and(|key| seal::is_sealed(&Zeroizing::new(key)))
}

/// Whether an app says that it opens sealed keys.
fn opens_sealed(image: &[u8]) -> bool {
    let form = seal::FORM.as_bytes();
    image.windows(form.len()).any(|window| window == form)
}

/// Does what is left to do for a key that was sealed. The block with the chip's key; none if it has none that
/// opens it.
fn finish(connected: &mut Connected, blocks: &[KeyBlock], sealed: &[u8]) -> Result<Option<Block>> {
    let sealed = Sealed::parse(sealed)?;
    let block = sealed.block();
    let Some(there) = blocks.iter().find(|one| one.block == block) else {
        return Ok(None);
    };
    if there.is_sealing() {
        // Nobody can look whether it is the one. The device can, and tells at its first start.
        return Ok(Some(block));
    }
    match there.unprotected() {
        Some(key) if sealed.open(&key).is_ok() => {
            connected.protect_key(block)?;
            Ok(Some(block))
        }
        _ => Ok(None),
    }
}

/// From here on the key in the clear is not in the folder.
fn keep(folder: &Path, sealed: &[u8]) -> Result<()> {
    write_durably(&folder.join(KEY), sealed)?;
    let pending = folder.join(PENDING);
    hostfile::remove(&pending).with_context(|| format!("cannot remove {}", pending.display()))
}

/// Writes a file that is there also if the power goes at once: what is burned next cannot be taken back.
fn write_durably(path: &Path, contents: &[u8]) -> Result<()> {
    let draft = Draft::write(path, contents, true);
    draft
        .and_then(|draft| draft.sync().and_then(|()| draft.keep()))
        .with_context(|| format!("cannot write {}", path.display()))
}
