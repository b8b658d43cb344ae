//! Images of many devices at once, on all cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{num::NonZero, thread};

use anyhow::{Context, Result, bail};
use flashimage::FlashImage;

use super::prover::Prover;
use super::{Cmd, make};
use crate::cmd::pki::warnings;
use crate::progress::Progress;
use console::files;
use console::{BAD, WARN, counted, paint};

/// Where the images go unless told otherwise.
const OUT: &str = "images";

/// What every device's image is made with.
struct Batch<'a> {
    cmd: &'a Cmd,
    image: FlashImage,
    /// What somebody should look at, by device.
    warned: Mutex<Vec<(PathBuf, String)>>,
    whole: Option<PathBuf>,
    spiffs: Option<PathBuf>,
}

pub(super) fn run(cmd: &Cmd, folder: &Path) -> Result<()> {
    let devices = folders(folder)?;
    let table = cmd.layout.table()?;
    for warning in make::warnings_of(&table) {
        console::warn(cmd.layout.partitions.as_deref().unwrap_or(folder), warning);
    }
    if cmd.spiffs_out.is_some() {
        // Before the first device, not at each.
        make::spiffs_of(&table)?;
    }
    let default = cmd.spiffs_out.is_none().then(|| PathBuf::from(OUT));
    let batch = Batch {
        cmd,
        image: make::builder(cmd, table)?,
        warned: Mutex::default(),
        whole: cmd.out.clone().or(default),
        spiffs: cmd.spiffs_out.clone(),
    };
    for folder in batch.outputs() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let start = Instant::now();
    let refused = batch.make(&devices)?;
    for (device, error) in &refused {
        let device = device.display();
        anstream::eprintln!("{} {device}: {error:#}", paint(BAD, "refused"));
    }
    let mut warned =
        std::mem::take(&mut *batch.warned.lock().unwrap_or_else(PoisonError::into_inner));
    warned.sort();
    for (device, warning) in &warned {
        console::warn(device, warning);
    }
    let made = devices.len() - refused.len();
    let seconds = start.elapsed().as_secs_f64();
    for folder in batch.outputs() {
        console::made(
            folder,
            &format!("{} in {seconds:.1} s", counted(made, "image")),
        );
    }
    if !warned.is_empty() {
        let line = counted(warned.len(), "warning");
        anstream::eprintln!("{}", paint(WARN, line));
    }
    match refused.len() {
        0 if cmd.strict && !warned.is_empty() => bail!("--strict: mend what is warned of above"),
        0 => Ok(()),
        n => bail!(
            "{n} of {} devices have no image: mend what is said above, and run this again",
            devices.len()
        ),
    }
}

/// The devices: each folder in `folder`, by name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let devices = files::folders(folder).with_context(|| {
        let folder = folder.display();
        format!("--batch {folder}: name the folder that holds a folder for each device")
    })?;
    if devices.is_empty() {
        bail!(
            "--batch {}: there is no folder in it; `esptb pki device SERIAL...` makes one for each \
             device",
            folder.display()
        );
    }
    Ok(devices)
}

impl Batch<'_> {
    fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        self.whole.iter().chain(&self.spiffs)
    }

    /// Makes all images; returns those that could not be made, in order.
    ///
    /// # Errors
    ///
    /// If nothing can be proven on this computer.
    fn make(&self, devices: &[PathBuf]) -> Result<Vec<(PathBuf, anyhow::Error)>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let prover = |_| match self.cmd.unchecked {
            true => Ok(None),
            false => Prover::start().map(Some),
        };
        let provers = (0..threads.min(devices.len())).map(prover);
        let provers = provers.collect::<Result<Vec<_>>>()?;
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let refused = Mutex::new(Vec::new());
        let progress = Progress::new(devices.len(), 16);
        let worker = |mut prover: Option<Prover>| {
            while let Some(device) = devices.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.one(device, prover.as_mut()) {
                    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                    refused.push((device.clone(), error));
                }
                progress.show(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        thread::scope(|scope| {
            for prover in provers {
                scope.spawn(|| worker(prover));
            }
        });
        progress.end();
        let mut refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        refused.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(refused)
    }

    fn one(&self, device: &Path, prover: Option<&mut Prover>) -> Result<()> {
        if let Some(prover) = prover {
            prover.prove(device)?;
            let found = warnings::of_folder(device).into_iter();
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            warned.extend(found.map(|warning| (device.to_owned(), warning)));
        }
        let mut name = device.file_name().context("it has no name")?.to_owned();
        name.push(".bin");
        let image = self.image.clone().folder(device)?;
        make::tell_left_out(device, &image);
        if let Some(folder) = &self.whole {
            make::write(&folder.join(&name), &image.build()?)?;
        }
        if let Some(folder) = &self.spiffs {
            make::write(&folder.join(&name), &image.build_spiffs()?)?;
        }
        Ok(())
    }
}
