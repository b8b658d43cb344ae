//! What a campaign has come to.

use serde::Serialize;

use super::Goal;
use super::ledger::{Ledger, Standing};
use super::member::{Member, Stage};
use crate::LedgerError;

/// A campaign's report. Times are milliseconds since 1970, durations in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it brought, and where to.
    #[serde(flatten)]
    pub goal: Goal,
    /// When it began.
    pub begun_ms: i64,
    /// When all that were to be tried had been; none if that is still to come.
    pub ended_ms: Option<i64>,
    /// Why it was halted.
    pub halted: Option<String>,
    /// All devices.
    pub devices: usize,
    /// Those whose turn has not come: they were offline, or it did not go so far.
    pub waiting: usize,
    /// Those that had it before.
    pub already: usize,
    /// Those that are at it.
    pub under_way: usize,
    /// Those that do well with it.
    pub passed: usize,
    /// Those that do not, and why.
    pub failed: Vec<Failure>,
    /// How its waves went.
    pub waves: Vec<WaveReport>,
    /// From when it was given until the device had it, of those that came so far.
    pub update_s: Option<Spread>,
}

/// A device that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Which.
    pub device: String,
    /// Why.
    pub fault: String,
    /// What it had before.
    pub version_before: Option<String>,
    /// When that was found.
    pub at_ms: Option<i64>,
}

/// A wave.
#[derive(Clone, Debug, Serialize)]
pub struct WaveReport {
    /// Counted from 1.
    pub wave: usize,
    /// When it was given to its first device.
    pub begun_ms: i64,
    /// When its last was done with.
    pub ended_ms: Option<i64>,
    /// How many were tried.
    pub tried: usize,
    /// How many do well with it.
    pub passed: usize,
    /// How many do not.
    pub failed: usize,
}

/// How long it took some of many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them.
    pub p50: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    fn of(mut seconds: Vec<f64>) -> Option<Self> {
        seconds.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (seconds.len() as f64 * part).ceil() as usize;
            seconds.get(index.saturating_sub(1)).copied()
        };
        Some(Self {
            p50: at(0.5)?,
            p99: at(0.99)?,
            max: at(1.0)?,
        })
    }
}

impl Report {
    /// What a campaign has come to by what it wrote down; none if none was begun.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]
    pub fn read(ledger: &Ledger) -> Result<Option<Self>, LedgerError> {
        let Some(goal) = ledger.goal()? else {
            return Ok(None);
        };
        let (standing, members) = (ledger.standing()?, ledger.members()?);
        Ok(Some(Self::new(&goal, &standing, &members)))
    }

    pub(super) fn new(goal: &Goal, standing: &Standing, members: &[Member]) -> Self {
        let count =
            |is: &dyn Fn(&Member) -> bool| members.iter().filter(|member| is(member)).count();
        let at = |stage| count(&|member| member.stage == stage);
        let failed = members
            .iter()
            .filter(|member| member.stage == Stage::Failed);
        let failed = failed.map(|member| Failure {
            device: member.name.clone(),
            fault: member.fault.clone().unwrap_or_default(),
            version_before: member.version_before.clone(),
            at_ms: member.settled_ms,
        });
        let updates = members.iter().filter_map(|member| {
            let took_ms = member.updated_ms? - member.assigned_ms?;
            Some(took_ms as f64 / 1_000.0)
        });
        let last = members.iter().filter_map(|member| member.wave).max();
        let waves = last.map_or(0, |last| last + 1);
        Self {
            goal: goal.clone(),
            begun_ms: standing.begun_ms,
            ended_ms: standing.ended_ms,
            halted: standing.halted.clone(),
            devices: members.len(),
            waiting: at(Stage::Waiting),
            already: at(Stage::Already),
            under_way: count(&|member| member.stage.is_under_way()),
            passed: at(Stage::Passed),
            failed: failed.collect(),
            waves: (0..waves)
                .filter_map(|wave| WaveReport::new(wave, members))
                .collect(),
            update_s: Spread::of(updates.collect()),
        }
    }
}

impl WaveReport {
    /// None if nobody was in it.
    fn new(wave: usize, members: &[Member]) -> Option<Self> {
        let its: Vec<_> = members
            .iter()
            .filter(|member| member.wave == Some(wave))
            .collect();
        let at = |stage| its.iter().filter(|member| member.stage == stage).count();
        let under_way = its.iter().any(|member| member.stage.is_under_way());
        let ended = its.iter().filter_map(|member| member.settled_ms).max();
        Some(Self {
            wave: wave + 1,
            begun_ms: its.iter().filter_map(|member| member.assigned_ms).min()?,
            ended_ms: ended.filter(|_| !under_way),
            tried: its.len(),
            passed: at(Stage::Passed),
            failed: at(Stage::Failed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_accounts_for_every_device() {
        let goal = Goal {
            title: "climate".into(),
            version: "2".into(),
            sha256: String::new(),
            server: String::new(),
        };
        let standing = Standing {
            begun_ms: 0,
            ended_ms: None,
            halted: None,
            forgiven: 0,
            round: 0,
        };
        let stages = [
            Stage::Passed,
            Stage::Failed,
            Stage::Updated,
            Stage::Waiting,
            Stage::Already,
        ];
        let members: Vec<_> = (0..)
            .zip(stages)
            .map(|(place, stage)| {
                let mut member = Member::new("id", "SN", place);
                member.stage = stage;
                if stage.is_tried() {
                    member.wave = Some(place.min(1));
                    member.assigned_ms = Some(1_000);
                    member.updated_ms = Some(3_000 + place as i64 * 1_000);
                }
                member
            })
            .collect();
        let report = Report::new(&goal, &standing, &members);
        let sum = report.waiting + report.already + report.under_way + report.passed;
        assert_eq!(sum + report.failed.len(), report.devices);
        let waves: Vec<_> = report
            .waves
            .iter()
            .map(|wave| (wave.wave, wave.tried))
            .collect();
        assert_eq!(waves, [(1, 1), (2, 2)]);
        assert_eq!(
            report.update_s.map(|times| (times.p50, times.max)),
            Some((3.0, 4.0))
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
