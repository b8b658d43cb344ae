//! What is to be said of one device of a campaign, by what it told. Pure: no clock, no server.

use super::brings::Brings;
use super::member::{Member, Stage};
use super::seen::Seen;

/// How patient a gate is, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the device to have it, and again for samples after it.
    pub(super) step_ms: i64,
    /// How long it has to do well with it.
    pub(super) soak_ms: i64,
}

/// The member as it is now; whether anything changed.
pub(super) fn judge(
    member: &mut Member,
    seen: &Seen,
    brings: &dyn Brings,
    now_ms: i64,
    patience: Patience,
) -> bool {
    let (before, words) = (member.clone(), brings.words());
    if let Some(fault) = fault(member, seen, brings) {
        member.settle(Stage::Failed, now_ms);
        member.fault = Some(fault);
        return true;
    }
    match member.stage {
        Stage::Assigned if seen.device.online && brings.is_there(member, seen) => {
            member.stage = Stage::Updated;
            member.updated_ms = Some(now_ms);
        }
        Stage::Assigned if is_over(member.assigned_ms, patience.step_ms, now_ms) => {
            let state = match &seen.state {
                Some((state, _)) => state.clone(),
                None => format!("no {}", words.state),
            };
            let presence = if seen.device.online {
                "online"
            } else {
                "offline"
            };
            member.settle(Stage::Failed, now_ms);
            member.fault = Some(format!(
                "{} in time: it is {presence}, at {state}; look at its console, or give it longer (--patience)",
                words.late
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
                    true => format!("it {}, and sends no samples", words.uses),
                    false => format!("it {}, and has been offline since", words.used),
                };
                member.settle(Stage::Failed, now_ms);
                member.fault = Some(why);
            }
            Some(_) => {}
        },
        _ => {}
    }
    *member != before
}

/// What shows that it is no good there, at any time after it was given.
fn fault(member: &Member, seen: &Seen, brings: &dyn Brings) -> Option<String> {
    let words = brings.words();
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
        return Some(format!("it refused {}: {why}", words.it));
    }
    let had_it = matches!(member.stage, Stage::Updated | Stage::Passed);
    (had_it && brings.is_lost(member, seen)).then(|| {
        let now = seen.running.as_deref().unwrap_or("none");
        format!("it went back to {}{now}", words.old)
    })
}

fn is_over(begun_ms: Option<i64>, patience_ms: i64, now_ms: i64) -> bool {
    begun_ms.is_some_and(|begun| now_ms - begun >= patience_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Firmware;
    use crate::{Crash, Device};

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
            request: None,
            sample_ms: Some(sample_ms),
        }
    }

    fn assigned() -> Member {
        let mut member = Member::new("id", "a", 0);
        member.begin(0, &seen("1", true, 10), 0);
        member
    }

    fn judged(member: &mut Member, seen: &Seen, now_ms: i64) -> Stage {
        let version = Firmware {
            package: "id".into(),
            version: "2".into(),
        };
        judge(member, seen, &version, now_ms, PATIENCE);
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
