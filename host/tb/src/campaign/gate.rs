//! What is to be said of one device of a campaign, by what it told. Pure: no clock, no server.

use super::member::{Member, Stage};
use crate::Device;

/// What the server knows of a device that matters to a campaign. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) device: Device,
    /// The version that it runs.
    pub(super) running: Option<String>,
    /// `fw_state`, and when it was told.
    pub(super) state: Option<(String, i64)>,
    pub(super) error: Option<String>,
    /// The time of its newest sample.
    pub(super) sample_ms: Option<i64>,
}

impl Seen {
    /// Of a device that the server does not know any more.
    pub(super) fn gone(member: &Member) -> Self {
        Self {
            device: Device {
                id: member.id.clone(),
                name: member.name.clone(),
                ..Device::default()
            },
            running: None,
            state: None,
            error: None,
            sample_ms: None,
        }
    }
}

/// How patient a gate is, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the new version to run, and again for samples after it.
    pub(super) step_ms: i64,
    /// How long it has to run well.
    pub(super) soak_ms: i64,
}

/// The member as it is now; whether anything changed.
pub(super) fn judge(
    member: &mut Member,
    seen: &Seen,
    version: &str,
    now_ms: i64,
    patience: Patience,
) -> bool {
    let before = member.clone();
    if let Some(fault) = fault(member, seen, version) {
        member.settle(Stage::Failed, now_ms);
        member.fault = Some(fault);
        return true;
    }
    let runs = seen.running.as_deref() == Some(version);
    match member.stage {
        Stage::Assigned if runs && seen.device.online => {
            member.stage = Stage::Updated;
            member.updated_ms = Some(now_ms);
        }
        Stage::Assigned if is_over(member.assigned_ms, patience.step_ms, now_ms) => {
            let state = seen
                .state
                .as_ref()
                .map_or("no fw_state", |(state, _)| state);
            let presence = if seen.device.online {
                "online"
            } else {
                "offline"
            };
            member.settle(Stage::Failed, now_ms);
            member.fault = Some(format!(
                "not updated in time: it is {presence}, at {state}; look at its console, or give it longer \
                 (--patience)"
            ));
        }
        Stage::Updated if !is_over(member.updated_ms, patience.soak_ms, now_ms) => {}
        Stage::Updated => match member.mark_ms {
            // From here on a new sample is waited for: one from before the end shows nothing.
            None => member.mark_ms = Some(seen.sample_ms.unwrap_or(0)),
            Some(mark) if seen.device.online && seen.sample_ms.is_some_and(|at| at > mark) => {
                member.settle(Stage::Passed, now_ms);
            }
            Some(_)
                if is_over(
                    member.updated_ms,
                    patience.soak_ms + patience.step_ms,
                    now_ms,
                ) =>
            {
                let why = match seen.device.online {
                    true => "it runs the new version, and sends no samples",
                    false => "it ran the new version, and has been offline since",
                };
                member.settle(Stage::Failed, now_ms);
                member.fault = Some(why.to_owned());
            }
            Some(_) => {}
        },
        _ => {}
    }
    *member != before
}

/// What shows that the new version is no good there, at any time after it was assigned.
fn fault(member: &Member, seen: &Seen, version: &str) -> Option<String> {
    if !matches!(
        member.stage,
        Stage::Assigned | Stage::Updated | Stage::Passed
    ) {
        return None;
    }
    if let Some(crash) = &seen.device.crash
        && Some(crash.told_ms) > member.crash_ms
    {
        let place = crash.at.as_deref().unwrap_or("an unknown place");
        return Some(format!("it crashed at {place}: {}", crash.message));
    }
    if let Some((state, at)) = &seen.state
        && state == "FAILED"
        && Some(*at) > member.state_ms
    {
        let why = seen.error.as_deref().unwrap_or("it did not say why");
        return Some(format!("it refused the update: {why}"));
    }
    let runs = seen.running.as_deref();
    match (member.stage, runs) {
        (Stage::Updated | Stage::Passed, Some(runs)) if runs != version => {
            Some(format!("it went back to {runs}"))
        }
        _ => None,
    }
}

fn is_over(begun_ms: Option<i64>, patience_ms: i64, now_ms: i64) -> bool {
    begun_ms.is_some_and(|begun| now_ms - begun >= patience_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Crash;

    const PATIENCE: Patience = Patience {
        step_ms: 1_000,
        soak_ms: 100,
    };

    fn seen(running: &str, online: bool, sample_ms: i64) -> Seen {
        Seen {
            device: Device {
                name: "a".into(),
                online,
                ..Device::default()
            },
            running: Some(running.into()),
            state: None,
            error: None,
            sample_ms: Some(sample_ms),
        }
    }

    fn assigned() -> Member {
        let mut member = Member::new("id", "a", 0);
        member.begin(0, &seen("1", true, 10), 0);
        member
    }

    fn judged(member: &mut Member, seen: &Seen, now_ms: i64) -> Stage {
        judge(member, seen, "2", now_ms, PATIENCE);
        member.stage
    }

    #[test]
    fn a_device_passes_once_it_runs_the_version_for_a_while_and_samples_come() {
        let mut member = assigned();
        assert_eq!(
            judged(&mut member, &seen("1", true, 20), 10),
            Stage::Assigned
        );
        assert_eq!(
            judged(&mut member, &seen("2", false, 20), 20),
            Stage::Assigned,
            "not online yet"
        );
        assert_eq!(
            judged(&mut member, &seen("2", true, 20), 30),
            Stage::Updated
        );
        assert_eq!(
            judged(&mut member, &seen("2", true, 50), 129),
            Stage::Updated
        );
        assert_eq!(
            judged(&mut member, &seen("2", true, 50), 130),
            Stage::Updated,
            "none came since"
        );
        assert_eq!(
            judged(&mut member, &seen("2", false, 60), 131),
            Stage::Updated,
            "it is away"
        );
        assert_eq!(
            judged(&mut member, &seen("2", true, 60), 140),
            Stage::Passed
        );
        assert_eq!(member.settled_ms, Some(140));
    }

    #[test]
    fn who_does_not_come_back_or_sends_nothing_fails() {
        let mut member = assigned();
        assert_eq!(
            judged(&mut member, &seen("1", false, 10), 999),
            Stage::Assigned
        );
        assert_eq!(
            judged(&mut member, &seen("1", false, 10), 1_000),
            Stage::Failed
        );
        assert!(member.fault.unwrap().contains("offline"));
        let mut member = assigned();
        for (now, stage) in [
            (30, Stage::Updated),
            (500, Stage::Updated),
            (1_129, Stage::Updated),
            (1_130, Stage::Failed),
        ] {
            assert_eq!(
                judged(&mut member, &seen("2", true, 10), now),
                stage,
                "{now}"
            );
        }
        assert!(member.fault.unwrap().contains("no samples"));
    }

    #[test]
    fn a_crash_or_a_refusal_counts_if_it_is_new() {
        let crash = |told_ms| Crash {
            told_ms,
            message: "overflow".into(),
            at: Some("src/a.rs:1".into()),
            backtrace: None,
            build: None,
        };
        let mut told = seen("2", true, 10);
        told.device.crash = Some(crash(5));
        told.state = Some(("FAILED".into(), 5));
        let mut member = Member::new("id", "a", 0);
        member.begin(0, &told, 6);
        assert_eq!(
            judged(&mut member, &told, 7),
            Stage::Updated,
            "of a former life"
        );
        told.device.crash = Some(crash(8));
        let mut passed = member.clone();
        assert_eq!(judged(&mut member, &told, 9), Stage::Failed);
        assert_eq!(
            member.fault.as_deref(),
            Some("it crashed at src/a.rs:1: overflow")
        );
        passed.stage = Stage::Passed;
        assert_eq!(
            judged(&mut passed, &told, 9),
            Stage::Failed,
            "whenever it crashes"
        );

        let mut refused = seen("1", true, 10);
        refused.state = Some(("FAILED".into(), 8));
        refused.error = Some("it is older".into());
        let mut member = assigned();
        assert_eq!(judged(&mut member, &refused, 9), Stage::Failed);
        assert!(member.fault.unwrap().ends_with("it is older"));
    }

    #[test]
    fn who_goes_back_to_the_old_version_fails() {
        let mut member = assigned();
        judged(&mut member, &seen("2", true, 10), 30);
        assert_eq!(judged(&mut member, &seen("1", true, 20), 40), Stage::Failed);
        assert_eq!(member.fault.as_deref(), Some("it went back to 1"));
    }
}
