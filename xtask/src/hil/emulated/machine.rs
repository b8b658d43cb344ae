//! An emulated board under power: the emulator, its console, its debugger. Dropped, it loses its power; its
//! flash is a file, and stays.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    gdb::{Ear, Gdb},
    talker::Talker,
};

/// How a panic's record begins on the console (crates/device/src/retained/end.rs).
const PANIC: &str = "= PANIC =";

/// What the RTC counted when the firmware looked last, and its ticks in a second (`RTC_CNTL_TIME_LOW0_REG` in
/// ESP-IDF v5.4.1, 4c2820d377d1, components/soc/esp32c3/register/soc/rtc_cntl_reg.h;
/// `SOC_CLK_RC_SLOW_FREQ_APPROX` in clk_tree_defs.h there).
const RTC_COUNT: u32 = 0x6000_8010;
const RTC_HZ: u64 = 136_000;

/// What an emulator is started with.
pub(super) struct Emulator {
    pub(super) program: PathBuf,
    /// The chip's name, which the emulator's own names for its parts are made of.
    pub(super) chip: String,
}

/// What is unusual about a board.
#[derive(Clone, Copy, Default)]
pub(super) struct Unusual {
    /// A Bluetooth controller beside it, at this port of the computer.
    pub(super) controller: Option<u16>,
    /// The RTC's clock stands still.
    pub(super) clock_stopped: bool,
}

/// The board.
pub(super) struct Machine {
    talker: Talker,
    pub(super) gdb: Gdb,
}

/// An event as the console tells it.
pub(super) struct Event {
    /// By the device's clock, since reset.
    pub(super) ms: u64,
    pub(super) text: String,
}

impl Machine {
    /// Brings power to a board with this flash.
    pub(super) fn power_up(
        emulator: &Emulator,
        flash: &Path,
        unusual: Unusual,
        log: &Path,
    ) -> Result<Self> {
        let ear = Ear::new()?;
        let chip = &emulator.chip;
        let mut command = Command::new(&emulator.program);
        command.args(["-M", &format!("{chip}-picsimlab")]);
        command.args([
            "-drive",
            &format!("file={},if=mtd,format=raw", flash.display()),
        ]);
        // 8 ns for each instruction: about what the chip needs.
        command.args([
            "-display",
            "none",
            "-monitor",
            "none",
            "-icount",
            "shift=3,align=off,sleep=on",
        ]);
        command.args(["-nic", &format!("user,model={chip}_wifi")]);
        // Of the two the device uses one, and that is to be the one which resets it.
        let (driver, property) = match unusual.clock_stopped {
            true => (format!("misc.{chip}.rtc_cntl"), "clock_stopped"),
            false => (format!("timer.{chip}.timg"), "wdt_disable"),
        };
        let global = format!("driver={driver},property={property},value=true");
        command.args(["-global", &global]);
        command.args([
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
        ]);
        if let Some(port) = unusual.controller {
            command.args(["-serial", &format!("tcp:127.0.0.1:{port},nodelay=on")]);
        }
        let debugger = format!(
            "socket,id=gdb,host=127.0.0.1,port={},nodelay=on",
            ear.port()?
        );
        // Stopped until the debugger has called: while it runs, its first word would be taken for a stop.
        command.args(["-S", "-chardev", &debugger, "-gdb", "chardev:gdb"]);
        let mut talker = Talker::start(&mut command, log)?;
        let mut gdb = ear.answer(|| talker.is_running())?;
        gdb.go_on()?;
        Ok(Self { talker, gdb })
    }

    /// Reads on until an event of this name. A panic on the way is an error.
    pub(super) fn until(&mut self, name: &str) -> Result<Event> {
        self.talker.until(name, |line| {
            if line.contains(PANIC) {
                bail!("the firmware panicked before {name}: its last console is in target/hil/emulated");
            }
            Ok(event(line, name))
        })
    }

    /// Reads on until a line that has this text.
    pub(super) fn until_line(&mut self, text: &str) -> Result<()> {
        self.talker.behind(text).map(drop)
    }

    /// Reads on until a panic.
    pub(super) fn until_panic(&mut self) -> Result<()> {
        self.until_line(PANIC)
    }

    /// Reads on until the ROM says that it starts, and why, by this word.
    pub(super) fn until_reset(&mut self, reason: &str) -> Result<()> {
        let why = self.talker.behind("rst:")?;
        ensure!(
            why.contains(reason),
            "the chip was reset by {why}, not by {reason}"
        );
        Ok(())
    }

    /// The console since the last start.
    pub(super) fn life(&self) -> String {
        let said = self.talker.said();
        let start = said.iter().rposition(|line| line.starts_with("rst:"));
        said[start.unwrap_or(0)..].join("\n") + "\n"
    }

    /// When anything was told last, by the device's clock, in milliseconds since reset.
    pub(super) fn last_ms(&mut self) -> u64 {
        let last = self.talker.all().iter().rev().find_map(|line| {
            let (ms, rest) = line.trim_start().split_once(' ')?;
            rest.contains('.').then(|| ms.parse().ok())?
        });
        last.unwrap_or_default()
    }

    /// For how long it was powered, by the RTC, in milliseconds, when the firmware looked last: as each life
    /// began, and when the clock was set. The chip is stopped for it.
    pub(super) fn powered_ms(&mut self) -> Result<u64> {
        self.gdb.stop()?;
        let count = self.gdb.word(RTC_COUNT)?;
        self.gdb.go_on()?;
        Ok(u64::from(count) * 1000 / RTC_HZ)
    }
}

fn event(line: &str, name: &str) -> Option<Event> {
    let (ms, rest) = line.trim_start().split_once(' ')?;
    let (told, text) = rest.split_once(' ').unwrap_or((rest, ""));
    (told == name).then_some(Event {
        ms: ms.parse().ok()?,
        text: text.trim_start().to_owned(),
    })
}

/// The emulator, if it is one that has this chip.
pub(super) fn emulator(program: &Path, chip: &str) -> Result<Emulator> {
    let emulator = Emulator {
        program: program.to_owned(),
        chip: chip.to_owned(),
    };
    let mut command = Command::new(program);
    let machines = command.args(["-M", "help"]).output();
    let machines = machines.with_context(|| format!("{} does not start", program.display()))?;
    let wanted = format!("{chip}-picsimlab");
    ensure!(
        String::from_utf8_lossy(&machines.stdout).contains(&wanted),
        "{} has no machine {wanted}: name a lcgamboa/qemu, changed as firmware/README.md tells",
        program.display()
    );
    Ok(emulator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_time_a_name_and_a_text() {
        let line = "      83 boot started (power-on), a network is known; 143688 B free";
        let found = event(line, "boot").unwrap();
        assert_eq!((found.ms, &found.text[..18]), (83, "started (power-on)"));
        assert!(event(line, "started").is_none());
        assert!(event("I (0) boot: Partition Table:", "boot").is_none());
        assert!(event("rst:0x1 (POWERON),boot:0x8", "boot").is_none());
    }
}
