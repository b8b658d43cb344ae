//! A device in a campaign: how far it is, and what it was like before.

use serde::Serialize;

use super::seen::Seen;

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its turn has not come.
    Waiting,
    /// It had it before its turn came.
    Already,
    /// It was given to it, or is just about to be.
    Assigned,
    /// It has it, and is watched.
    Updated,
    /// It does well with it.
    Passed,
    /// It does not.
    Failed,
}

const STAGES: [(Stage, &str); 6] = [
    (Stage::Waiting, "waiting"),
    (Stage::Already, "already"),
    (Stage::Assigned, "assigned"),
    (Stage::Updated, "updated"),
    (Stage::Passed, "passed"),
    (Stage::Failed, "failed"),
];

impl Stage {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = STAGES.iter().find(|(stage, _)| *stage == self);
        found.map_or("", |(_, name)| name)
    }

    /// The stage of a word.
    pub(super) fn of(name: &str) -> Option<Self> {
        let found = STAGES.iter().find(|(_, known)| *known == name);
        found.map(|(stage, _)| *stage)
    }

    /// Whether it was given to it.
    pub(super) fn is_tried(self) -> bool {
        !matches!(self, Self::Waiting | Self::Already)
    }

    /// Whether its end is waited for.
    pub(super) fn is_under_way(self) -> bool {
        matches!(self, Self::Assigned | Self::Updated)
    }
}

/// A device in a campaign. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) name: String,
    /// Its place in the row.
    pub(super) place: usize,
    pub(super) stage: Stage,
    /// In which wave it was, counted from 0.
    pub(super) wave: Option<usize>,
    /// What it had before: a version, a certificate's serial number.
    pub(super) version_before: Option<String>,
    /// When it had told its last crash, and its last state, before this one.
    pub(super) crash_ms: Option<i64>,
    pub(super) state_ms: Option<i64>,
    pub(super) assigned_ms: Option<i64>,
    pub(super) updated_ms: Option<i64>,
    /// Its newest sample when it had run for long enough.
    pub(super) mark_ms: Option<i64>,
    pub(super) settled_ms: Option<i64>,
    pub(super) fault: Option<String>,
    /// The SHA-256 of the request that was answered, and by what: a certificate's serial number, its chain.
    pub(super) request: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) chain: Option<Vec<u8>>,
}

impl Member {
    pub(super) fn new(id: &str, name: &str, place: usize) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            place,
            stage: Stage::Waiting,
            wave: None,
            version_before: None,
            crash_ms: None,
            state_ms: None,
            assigned_ms: None,
            updated_ms: None,
            mark_ms: None,
            settled_ms: None,
            fault: None,
            request: None,
            serial: None,
            chain: None,
        }
    }

    /// Its turn has come.
    pub(super) fn begin(&mut self, wave: usize, seen: &Seen, now_ms: i64) {
        *self = Self {
            stage: Stage::Assigned,
            wave: Some(wave),
            version_before: seen.running.clone(),
            crash_ms: seen.device.crash.as_ref().map(|crash| crash.told_ms),
            state_ms: seen.state.as_ref().map(|(_, at)| *at),
            assigned_ms: Some(now_ms),
            ..Self::new(&self.id, &self.name, self.place)
        };
    }

    /// It was taken back before it did anything.
    pub(super) fn put_back(&mut self) {
        *self = Self::new(&self.id, &self.name, self.place);
    }

    pub(super) fn settle(&mut self, stage: Stage, now_ms: i64) {
        self.stage = stage;
        self.settled_ms = Some(now_ms);
    }
}
