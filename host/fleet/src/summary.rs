//! What a run of a fleet comes to.

use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};
use serde::Serialize;

use console::printable;

use super::tally::{Counts, Percentiles, Usage};

/// A moment of the run.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) at: Instant,
    /// What each worker told last.
    pub(super) workers: Vec<(Counts, Usage)>,
    pub(super) parent: Usage,
}

impl Mark {
    fn counts(&self) -> Counts {
        self.workers.iter().map(|(counts, _)| *counts).sum()
    }

    fn memory(&self) -> Option<u64> {
        self.workers.iter().map(|(_, usage)| usage.memory).sum()
    }

    /// Messages a second of all workers since `before`, each by its own clock: they do not tell
    /// at the same moment.
    fn messages_per_s(&self, before: &Self) -> Option<f64> {
        let pairs = before.workers.iter().zip(&self.workers);
        let rates = pairs.map(|((earlier, from), (later, to))| {
            let messages = later.messages.saturating_sub(earlier.messages);
            per_ms(messages, *from, *to).map(|rate| rate * 1_000.0)
        });
        rates.sum()
    }

    /// Cores that all workers took since `before`.
    fn cores(&self, before: &Self) -> Option<f64> {
        let pairs = before.workers.iter().zip(&self.workers);
        pairs.map(|((_, from), (_, to))| cores(*from, *to)).sum()
    }
}

/// Cores that one process took between two moments.
fn cores(from: Usage, to: Usage) -> Option<f64> {
    per_ms(to.cpu_ms?.saturating_sub(from.cpu_ms?), from, to)
}

fn per_ms(what: u64, from: Usage, to: Usage) -> Option<f64> {
    let ms = to.at_ms.saturating_sub(from.at_ms);
    (ms > 0).then(|| what as f64 / ms as f64)
}

/// The figures of a run; what could not be measured is left out.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    devices: u32,
    workers: usize,
    online: u64,
    /// Devices that were waited for in vain.
    absent: u64,
    connections: u64,
    failures: u64,
    last_failure: Option<String>,
    /// Devices switched on each second.
    ramp: f64,
    /// From the first switched on to the last online, in seconds.
    all_online_s: Option<f64>,
    connections_per_s: Option<f64>,
    /// From connecting to accepted.
    connect: Option<Percentiles>,
    /// From the packet with a sample to its acknowledgement, with all online if it came to that.
    acknowledge: Option<Percentiles>,
    sampled: u64,
    acknowledged: u64,
    dropped: u64,
    /// Distinct samples that the local server has.
    stored: Option<u64>,
    lost: u64,
    /// Samples that waited when their device's life ended: by a fault, or for an update.
    cut: u64,
    /// Lives that ended, updates that were accepted, faults on purpose.
    restarts: u64,
    updates: u64,
    faults: u64,
    /// Certificates that were renewed.
    renewals: u64,
    /// Devices that allowed a claim, and those that a customer of the local server claimed then.
    claimable: u64,
    claimed: Option<u64>,
    /// With all online, in seconds.
    steady_s: Option<f64>,
    messages_per_s: Option<f64>,
    memory_per_device: Option<u64>,
    /// Of one core, by the devices.
    device_cores: Option<f64>,
    devices_per_core: Option<f64>,
    /// Of one core, by the local server.
    server_cores: Option<f64>,
    server_memory: Option<u64>,
}

impl Summary {
    /// What it took: from `started` to `complete`, when all were online, and on to `over`.
    pub(super) fn new(
        devices: u32,
        ramp: f64,
        started: Instant,
        before: &[Usage],
        complete: Option<&Mark>,
        over: &Mark,
    ) -> Self {
        let base: Option<u64> = before.iter().map(|usage| usage.memory).sum();
        let memory = over.memory().zip(base);
        let per_device =
            |(memory, base): (u64, u64)| memory.saturating_sub(base) / over.counts().started.max(1);
        let mut summary = Self {
            devices,
            ramp,
            workers: before.len(),
            memory_per_device: memory.map(per_device),
            ..Self::default()
        };
        let Some(complete) = complete else {
            return summary;
        };
        let ramp_s = (complete.at - started).as_secs_f64();
        summary.all_online_s = Some(ramp_s);
        summary.connections_per_s = Some(f64::from(devices) / ramp_s);
        let steady_s = (over.at - complete.at).as_secs_f64();
        if steady_s < 1.0 {
            return summary;
        }
        summary.steady_s = Some(steady_s);
        summary.messages_per_s = over.messages_per_s(complete);
        summary.device_cores = over.cores(complete);
        summary.devices_per_core = summary
            .device_cores
            .filter(|&cores| cores > 0.0)
            .map(|cores| f64::from(devices) / cores);
        summary.server_cores = cores(complete.parent, over.parent);
        summary.server_memory = over.parent.memory;
        summary
    }

    /// What became of the samples; `stored` by the local server, if it was that.
    pub(super) fn with_outcome(
        self,
        counts: Counts,
        stored: Option<u64>,
        connect: Option<Percentiles>,
        acknowledge: Option<Percentiles>,
        last_failure: Option<String>,
    ) -> Self {
        let missing = stored.map_or(0, |stored| counts.acknowledged.saturating_sub(stored));
        Self {
            online: counts.online,
            connections: counts.connected,
            failures: counts.failed,
            last_failure,
            connect,
            acknowledge,
            sampled: counts.sampled,
            acknowledged: counts.acknowledged,
            dropped: counts.dropped,
            stored,
            lost: counts.waiting() + missing,
            cut: counts.cut,
            restarts: counts.restarts,
            updates: counts.updates,
            faults: counts.faults,
            renewals: counts.renewals,
            claimable: counts.claimable,
            // Without the local server the parent only looks on.
            server_cores: self.server_cores.filter(|_| stored.is_some()),
            server_memory: self.server_memory.filter(|_| stored.is_some()),
            ..self
        }
    }

    /// How many devices were waited for in vain.
    pub(super) fn with_absent(self, absent: u64) -> Self {
        Self { absent, ..self }
    }

    /// How many were claimed at the local server.
    pub(super) fn with_claimed(self, claimed: Option<u64>) -> Self {
        Self { claimed, ..self }
    }

    /// # Errors
    ///
    /// If a device did not come online, was not to be claimed although it allowed it, or a sample was lost
    /// or dropped.
    pub fn verdict(&self) -> Result<()> {
        if self.absent > 0 {
            let last = self
                .last_failure
                .as_deref()
                .unwrap_or("nothing failed, it is only slow");
            bail!(
                "{} of {} devices did not come online; the last failure: {last}",
                self.absent,
                self.devices
            );
        }
        if let Some(claimed) = self.claimed
            && claimed < self.claimable
        {
            bail!(
                "{} devices allowed a claim, and {claimed} could be claimed",
                self.claimable
            );
        }
        match (self.lost, self.dropped) {
            (0, 0) => Ok(()),
            (0, dropped) => bail!(
                "{dropped} samples gave way in full queues: the broker is slower than the fleet \
                 (fewer devices, or a longer --interval), or was away for more than ten minutes"
            ),
            (lost, _) => bail!(
                "{lost} samples were lost: the broker never acknowledged them, or does not have them"
            ),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, what: &str, text: &str| writeln!(f, "{what:12} {text}");
        let mut devices = format!(
            "{}, of which {} online, in {} processes",
            self.devices, self.online, self.workers
        );
        if let (Some(seconds), Some(rate)) = (self.all_online_s, self.connections_per_s) {
            devices += &format!(
                "; all online after {seconds:.1} s, {rate:.0} connections a second (at most {})",
                self.ramp
            );
        }
        if self.absent > 0 {
            devices += &format!("; {} did not come online", self.absent);
        }
        row(f, "devices", &devices)?;
        let mut connections = format!("{}, {} failures", self.connections, self.failures);
        if let Some(trouble) = &self.last_failure {
            connections += &format!(", the last: {}", printable(trouble));
        }
        row(f, "connections", &connections)?;
        let times = |times: &Percentiles| {
            format!(
                "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
                times.p50_ms, times.p90_ms, times.p99_ms, times.max_ms
            )
        };
        if let Some(connect) = &self.connect {
            row(f, "connecting", &times(connect))?;
        }
        if let Some(acknowledge) = &self.acknowledge {
            row(f, "PUBACK", &times(acknowledge))?;
        }
        let mut samples = format!(
            "{} taken, {} acknowledged, {} dropped, {} lost",
            self.sampled, self.acknowledged, self.dropped, self.lost
        );
        if let Some(stored) = self.stored {
            samples += &format!("; the server has {stored}");
        }
        row(f, "samples", &samples)?;
        if self.restarts > 0 {
            let text = format!(
                "{}, of {} faults and {} updates; {} samples waited then",
                self.restarts, self.faults, self.updates, self.cut
            );
            row(f, "restarts", &text)?;
        }
        if self.renewals > 0 {
            row(f, "certificates", &format!("{} renewed", self.renewals))?;
        }
        if self.claimable > 0 {
            let mut text = format!("{} devices allowed one", self.claimable);
            if let Some(claimed) = self.claimed {
                text += &format!("; {claimed} are a customer's now");
            }
            row(f, "claims", &text)?;
        }
        if let (Some(rate), Some(seconds)) = (self.messages_per_s, self.steady_s) {
            let text = format!("{rate:.0} a second, over {seconds:.0} s with all online");
            row(f, "messages", &text)?;
        }
        if let Some(memory) = self.memory_per_device {
            let kib = memory as f64 / 1024.0;
            row(f, "memory", &format!("{kib:.1} KiB per device"))?;
        }
        if let (Some(cores), Some(devices)) = (self.device_cores, self.devices_per_core) {
            let text = format!("{cores:.2} cores for the devices: {devices:.0} devices per core");
            row(f, "processor", &text)?;
        }
        if let (Some(cores), Some(memory)) = (self.server_cores, self.server_memory) {
            let mib = memory as f64 / f64::from(1 << 20);
            row(f, "server", &format!("{cores:.2} cores, {mib:.0} MiB"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn mark(at: Instant, at_ms: u64, messages: u64, cpu_ms: u64, memory: u64) -> Mark {
        let usage = Usage {
            memory: Some(memory),
            cpu_ms: Some(cpu_ms),
            at_ms,
        };
        let counts = Counts {
            started: 5,
            online: 5,
            messages,
            ..Counts::default()
        };
        Mark {
            at,
            workers: vec![(counts, usage); 2],
            parent: usage,
        }
    }

    fn summary(sampled: u64, dropped: u64, stored: Option<u64>) -> Summary {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let before = [Usage {
            memory: Some(100),
            cpu_ms: Some(0),
            at_ms: 0,
        }; 2];
        let complete = mark(start + seconds(2), 2_000, 5, 500, 1_000);
        let over = mark(start + seconds(12), 12_000, 55, 1_500, 600);
        let counts = Counts {
            sampled,
            acknowledged: 100,
            dropped,
            ..over.counts()
        };
        Summary::new(10, 5.0, start, &before, Some(&complete), &over)
            .with_outcome(counts, stored, None, None, None)
    }

    #[test]
    fn figures_are_of_the_time_with_all_online() {
        let summary = summary(100, 0, Some(100));
        assert_eq!(summary.connections_per_s, Some(5.0));
        assert_eq!(summary.messages_per_s, Some(10.0));
        assert_eq!(summary.device_cores, Some(0.2));
        assert_eq!(summary.devices_per_core, Some(50.0));
        assert_eq!(summary.memory_per_device, Some(100));
        assert!(summary.verdict().is_ok());
    }

    #[test]
    fn a_device_that_was_waited_for_in_vain_is_a_failure() {
        let summary = summary(100, 0, Some(100)).with_absent(1);
        let told = summary.verdict().unwrap_err().to_string();
        assert!(
            told.starts_with("1 of 10 devices did not come online"),
            "{told}"
        );
        assert!(summary.to_string().contains("; 1 did not come online"));
    }

    #[test]
    fn a_claim_that_the_server_does_not_know_is_a_failure() {
        let claimable = |claimed| Summary {
            claimable: 3,
            ..summary(100, 0, Some(100)).with_claimed(claimed)
        };
        assert!(claimable(None).verdict().is_ok(), "nobody tried");
        assert!(claimable(Some(3)).verdict().is_ok());
        let told = claimable(Some(2)).verdict().unwrap_err().to_string();
        assert_eq!(told, "3 devices allowed a claim, and 2 could be claimed");
        assert!(
            claimable(Some(2))
                .to_string()
                .contains("3 devices allowed one; 2 are")
        );
    }

    #[test]
    fn a_sample_that_nobody_has_is_a_failure() {
        assert_eq!(summary(101, 0, None).lost, 1);
        assert_eq!(summary(100, 0, Some(99)).lost, 1);
        assert_eq!(
            summary(100, 0, Some(101)).lost,
            0,
            "stored, not acknowledged"
        );
        assert!(summary(100, 0, Some(99)).verdict().is_err());
        let dropped = summary(101, 1, None);
        assert_eq!(dropped.lost, 0);
        assert!(
            dropped
                .verdict()
                .unwrap_err()
                .to_string()
                .contains("gave way")
        );
    }
}
