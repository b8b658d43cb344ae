//! SPIFFS images as operators make them: a process for each, beside ESP-IDF's generator, and
//! batches on all cores.

use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::record::Figure;
use super::{folder, program};
use crate::{process, terminal};

/// Times that each process is run; the middle one counts.
const TIMES: usize = 15;
/// Times that each batch is made; the fastest counts.
const BATCHES: usize = 5;

/// Measures processes and batches.
pub(super) fn measure(spiffsgen: Option<&Path>) -> Result<Vec<Figure>> {
    let mut figures = processes(spiffsgen)?;
    figures.extend(batches()?);
    Ok(figures)
}

fn processes(spiffsgen: Option<&Path>) -> Result<Vec<Figure>> {
    let folder = folder("images")?;
    let mut pki = program("esptb");
    pki.current_dir(&folder);
    process::capture(pki.args(["pki", "init"]))?;
    let mut device = program("esptb");
    device.current_dir(&folder);
    process::capture(device.args(["pki", "device", "SN-1", "--out", "."]))?;

    let (ours, theirs) = (folder.join("ours.bin"), folder.join("theirs.bin"));
    let axis = "bytes of the partition";
    let figure = |name: &str, title: &str| Figure::new(name, title, "ms").over(axis, "processes");
    let mut esptb = figure("process.esptb", "`esptb image`, as a process");
    let mut python = figure("process.spiffsgen", "`spiffsgen.py`, as a process");
    let mut ratio = Figure::new("process.ratio", "How many times faster", "times")
        .over(axis, "processes-ratio");
    let spiffsgen = generator(spiffsgen)?;
    // `esptb image` takes the size from a partition table.
    for kib in [64_u32, 256, 1024] {
        let size = kib * 1024;
        let table = folder.join("partitions.csv");
        let csv = format!(
            "nvs,data,nvs,0x9000,0x4000,\napp,app,factory,0x10000,1M,\n\
             spiffs,data,spiffs,0x110000,{size:#x},\n"
        );
        std::fs::write(&table, csv)?;
        let ms = median(|| {
            let mut image = program("esptb");
            image.args(["image", "--from"]).arg(folder.join("SN-1"));
            // The size that it has without being told, as operators make it.
            if kib != 256 {
                image.arg("--partitions").arg(&table);
            }
            image.arg("--spiffs-out").arg(&ours);
            image
        })?;
        esptb = esptb.at(size, ms);
        let Some(spiffsgen) = &spiffsgen else {
            continue;
        };
        let generated = median(|| {
            let mut python = Command::new("python3");
            python.arg(spiffsgen).arg(format!("{size:#x}"));
            python.arg(folder.join("SN-1")).arg(&theirs);
            python
        })?;
        python = python.at(size, generated);
        ratio = ratio.at(size, generated / ms);
        // The order of the files is the operating system's with spiffsgen.py, so compare lengths.
        let length = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len());
        ensure!(
            length(&ours)? == length(&theirs)?,
            "the two made images of different sizes"
        );
    }
    // Without the generator two of them are empty, and take the last run's away.
    Ok(vec![esptb, python, ratio])
}

/// ESP-IDF's generator; none, which is said, if there is no ESP-IDF.
fn generator(given: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(path) = given {
        ensure!(path.exists(), "there is no {}", path.display());
        return Ok(Some(path.to_owned()));
    }
    let idf = std::env::var_os("IDF_PATH");
    let path = idf.map(|idf| PathBuf::from(idf).join("components/spiffs/spiffsgen.py"));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        terminal::remark("spiffsgen.py is skipped: give it by --spiffsgen, or set IDF_PATH");
    }
    Ok(path)
}

/// The middle of the times that a process takes, in milliseconds.
fn median(command: impl Fn() -> Command) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let mut command = command();
        let start = Instant::now();
        let output = command.output();
        let time = start.elapsed();
        let output = output.with_context(|| process::shown(&command))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("`{}` failed: {said}", process::shown(&command));
        }
        times.push(time.as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMES / 2])
}

/// Images a second, and the cores that were used for them: in memory, and by `esptb image --batch`,
/// which reads and proves a folder for each and writes a file.
fn batches() -> Result<Vec<Figure>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let axis = "images in the batch";
    let figure =
        |name: &str, title: &str, unit: &str| Figure::new(name, title, unit).over(axis, name);
    let mut memory = figure(
        "batch.memory",
        "SPIFFS images of 256 KiB, in memory",
        "images/s",
    );
    let mut files = figure(
        "batch.files",
        "The same by `esptb image --batch`",
        "images/s",
    );
    let mut busy = figure(
        "batch.memory.cores",
        "Cores that were used in memory",
        "cores",
    );
    let mut used = figure(
        "batch.cores",
        "Cores that `esptb image --batch` used",
        "cores",
    );
    // A thousand are built in milliseconds.
    for images in [1_000_u32, 10_000, 100_000] {
        let (seconds, at_work) = fastest(|| {
            let mut batch = program("batch");
            batch.args([images.to_string(), "262144".to_owned(), cores.to_string()]);
            let printed = process::capture(&mut batch)?;
            let (seconds, cores) = printed.trim().split_once(' ').context("not two numbers")?;
            Ok((seconds.parse()?, Some(cores.parse()?)))
        })?;
        memory = memory.at(images, f64::from(images) / seconds);
        if let Some(cores) = at_work {
            busy = busy.at(images, cores);
        }
    }
    for images in [100_u32, 300, 1_000] {
        let folder = devices(images)?;
        let (seconds, cores) = fastest(|| {
            let (start, cpu) = (Instant::now(), children_s());
            let mut batch = program("esptb");
            batch.args(["image", "--batch", "devices", "--spiffs-out", "images"]);
            process::capture(batch.current_dir(&folder))?;
            let seconds = start.elapsed().as_secs_f64();
            let cores = cpu.zip(children_s());
            let cores = cores.map(|(before, after)| (after - before) / seconds);
            std::fs::remove_dir_all(folder.join("images"))?;
            Ok((seconds, cores))
        })?;
        files = files.at(images, f64::from(images) / seconds);
        if let Some(cores) = cores {
            used = used.at(images, cores);
        }
    }
    Ok(vec![memory, busy, files, used])
}

/// The fastest of a few runs, for whatever else goes on only makes them slower: its seconds, and the
/// cores that it used.
fn fastest(run: impl FnMut() -> Result<(f64, Option<f64>)>) -> Result<(f64, Option<f64>)> {
    let runs = iter::repeat_with(run).take(BATCHES);
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let least = runs.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b));
    least.context("there was no run")
}

/// A folder with so many devices' certificates.
fn devices(count: u32) -> Result<PathBuf> {
    let folder = folder("batch")?;
    let mut pki = program("esptb");
    process::capture(pki.current_dir(&folder).args(["pki", "init"]))?;
    let mut device = program("esptb");
    device.current_dir(&folder).args(["pki", "device"]);
    let serials = (1..=count).map(|number| format!("SN-{number:06}"));
    process::capture(device.args(serials))?;
    Ok(folder)
}

/// Processor seconds of all children that have ended; none where the system does not tell.
fn children_s() -> Option<f64> {
    // The fields after the name, which may have blanks: cutime and cstime are the 16th and 17th
    // of all (proc(5)), in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}
