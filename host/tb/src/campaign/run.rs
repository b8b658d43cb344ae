//! A campaign under way: one look at the devices after the other.

mod begin;

use std::collections::HashMap;
use std::time::Duration;

use super::brings::Brings;
use super::gate::{Patience, judge};
use super::ledger::{Ledger, Standing};
use super::member::{Member, Stage};
use super::report::Report;
use super::requests::each;
use super::seen::Seen;
use super::task::Task;
use super::{Goal, Rules};
use crate::rest::{EntityData, Key, KeyType};
use crate::{Client, Device, Error, Filter};

/// What is not a product's series: what server and device tell of updates begins so.
const OF_UPDATES: [&str; 3] = ["fw_", "current_fw_", "target_fw_"];
/// By so many series samples are seen to flow: one may be of a sensor that is broken.
const SERIES: usize = 4;

/// A campaign.
pub struct Campaign<'a> {
    client: &'a Client,
    ledger: &'a mut Ledger,
    rules: Rules,
    filter: Filter,
    goal: Goal,
    task: Task<'a>,
    members: Vec<Member>,
    /// How many would be in it, had they newer firmware.
    unable: usize,
    /// Whether it ended before, and nothing has come up since.
    rests: bool,
    standing: Standing,
    /// The series by which samples are seen to flow.
    series: Vec<String>,
    /// Those to whom it may not have been given yet.
    unsent: Vec<usize>,
    /// Those from whom it is to be taken back.
    unreturned: Vec<usize>,
    /// The wave that was told of last.
    told: Option<usize>,
}

/// What a campaign needs to know.
pub struct Order<'a, 'f> {
    /// How it goes.
    pub rules: Rules,
    /// For which devices.
    pub filter: Filter,
    /// What it brings.
    pub goal: Goal,
    /// The same, for what is to be done.
    pub task: Task<'a>,
    /// Devices that go before the others, which go by their names.
    pub first: &'f [String],
    /// Whether those are tried once more that failed before, where a campaign begins anew.
    pub again: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another look, after a while.
    Look,
    /// Nothing: all that are to have it have been tried.
    Done,
    /// Nothing, for too many failed.
    Halted(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A wave begins, which reaches so many devices of all.
    Wave {
        /// Counted from 0.
        wave: usize,
        /// So many are reached after it.
        target: usize,
        /// So many there are.
        all: usize,
    },
    /// A device does well with it.
    Passed(String),
    /// A device does not, and why.
    Failed(String, String),
    /// How many are how.
    Counts(Vec<(Stage, usize)>),
}

/// What a campaign would do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Planned {
    /// Devices that it is about.
    pub devices: usize,
    /// Those that have it already.
    pub already: usize,
    /// Those that need it, and cannot be brought it before newer firmware.
    pub unable: usize,
    /// Those that are offline, and get it once they are online.
    pub offline: usize,
    /// The devices of each wave, as they are online now.
    pub waves: Vec<Vec<String>>,
}

impl<'a> Campaign<'a> {
    /// How many would be in it, had they newer firmware.
    #[must_use]
    pub fn unable(&self) -> usize {
        self.unable
    }

    /// Lets a campaign go on that was halted: what failed so far does not count any more.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn go_on(&mut self) -> Result<(), Error> {
        if self.standing.halted.take().is_some() {
            self.standing.forgiven = self.count(Stage::Failed);
        }
        Ok(self.ledger.stand(&self.standing)?)
    }

    /// The series by which samples are seen to flow: of those that are a product's, the newest ones of some
    /// device.
    fn find_series(&mut self, device_id: &str) -> Result<(), Error> {
        let mut keys = self.client.series(device_id)?;
        keys.retain(|key| !OF_UPDATES.iter().any(|begin| key.starts_with(begin)));
        if keys.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = keys.iter().map(String::as_str).collect();
        let latest = self.client.latest(device_id, &names)?;
        keys.sort_by_key(|key| std::cmp::Reverse(latest[key.as_str()][0]["ts"].as_i64()));
        keys.truncate(SERIES);
        self.series = keys;
        Ok(())
    }

    fn look(&mut self, now_ms: i64) -> Result<HashMap<String, Seen>, Error> {
        let brings = self.task.brings();
        let samples = self.series.iter().map(|name| Key {
            kind: KeyType::TimeSeries,
            key: name,
        });
        let keys: Vec<_> = brings.keys().iter().copied().chain(samples).collect();
        let read = |data: &EntityData, device: Device| {
            let at = |key| data.value(KeyType::TimeSeries, key).map(|value| value.ts);
            let mut seen = brings.see(data, device);
            seen.sample_ms = self.series.iter().filter_map(|key| at(key)).max();
            (seen.device.id.clone(), seen)
        };
        let found = self
            .filter
            .find_with(self.client, now_ms, &keys, read, |_, _| ())?;
        let seen: HashMap<_, _> = found.into_iter().collect();
        if self.series.is_empty()
            && let Some((id, _)) = seen.iter().find(|(_, seen)| seen.device.online)
        {
            self.find_series(id)?;
        }
        Ok(seen)
    }

    fn brings(&self) -> &dyn Brings {
        self.task.brings()
    }

    fn count(&self, stage: Stage) -> usize {
        self.members
            .iter()
            .filter(|member| member.stage == stage)
            .count()
    }

    fn tried(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.stage.is_tried())
            .count()
    }

    fn under_way(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.stage.is_under_way())
            .count()
    }

    fn targets(&self) -> Vec<usize> {
        self.rules.waves.targets(self.members.len())
    }

    /// Those whose turn may come, in their order.
    fn candidates<'s>(&self, seen: &'s HashMap<String, Seen>) -> Vec<(usize, &'s Seen)> {
        let waiting = self.indices(Stage::Waiting);
        let waiting = waiting.filter_map(|index| {
            let seen = seen.get(&self.members[index].id)?;
            seen.device.online.then_some((index, seen))
        });
        waiting.collect()
    }

    /// What would be done from here on, by how the devices are now. Changes nothing on the server.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn plan(&mut self, now_ms: i64) -> Result<Planned, Error> {
        let seen = self.look(now_ms)?;
        let mut planned = Planned {
            devices: self.members.len(),
            already: self.count(Stage::Already),
            unable: self.unable,
            offline: 0,
            waves: Vec::new(),
        };
        let waiting = self
            .members
            .iter()
            .filter(|member| member.stage == Stage::Waiting);
        for member in waiting {
            match seen.get(&member.id) {
                Some(seen) if self.brings().has_it(seen, now_ms) => planned.already += 1,
                Some(seen) if seen.device.online => {}
                _ => planned.offline += 1,
            }
        }
        let next = self
            .candidates(&seen)
            .into_iter()
            .filter(|(_, seen)| !self.brings().has_it(seen, now_ms));
        let mut next = next.map(|(_, seen)| seen.device.name.clone());
        let mut reached = self.tried();
        for target in self.targets() {
            let wave: Vec<_> = next.by_ref().take(target.saturating_sub(reached)).collect();
            reached += wave.len();
            if !wave.is_empty() {
                planned.waves.push(wave);
            }
        }
        Ok(planned)
    }

    /// Looks once, and does what is to be done. Interrupted anywhere, the next campaign with the same
    /// ledger goes on.
    ///
    /// # Errors
    ///
    /// [`Error`]: another look may do better, if the server was busy or away.
    pub fn step(&mut self, now_ms: i64, tell: &mut dyn FnMut(Told)) -> Result<Next, Error> {
        if let Some(why) = self.standing.halted.clone() {
            self.take_back()?;
            return Ok(Next::Halted(why));
        }
        if self.rests {
            return Ok(Next::Done);
        }
        let seen = self.look(now_ms)?;
        self.judge_all(&seen, now_ms, tell)?;
        if let Some(why) = self.too_many() {
            self.standing.halted = Some(why.clone());
            self.ledger.stand(&self.standing)?;
            self.take_back()?;
            return Ok(Next::Halted(why));
        }
        let targets = self.targets();
        let under_way = self.under_way();
        let (tried, mut target) = (self.tried(), None);
        for (wave, &reach) in targets.iter().enumerate() {
            if tried < reach || (under_way > 0 && tried == reach) {
                target = Some((wave, reach));
                break;
            }
        }
        let mut more = false;
        if let Some((wave, reach)) = target {
            if self.told != Some(wave) {
                self.told = Some(wave);
                let all = self.members.len();
                tell(Told::Wave {
                    wave,
                    target: reach,
                    all,
                });
            }
            let room = (reach - tried).min(self.rules.at_once.saturating_sub(under_way));
            let mut next = Vec::new();
            let mut already = Vec::new();
            for (index, seen) in self.candidates(&seen) {
                match self.brings().has_it(seen, now_ms) {
                    true => already.push(index),
                    false if next.len() < room => next.push((index, seen)),
                    false => {
                        more = true;
                        break;
                    }
                }
            }
            for index in already {
                self.members[index].settle(Stage::Already, now_ms);
                self.ledger.write([&self.members[index]])?;
            }
            for &(index, seen) in &next {
                self.members[index].begin(wave, seen, now_ms);
                // Who asks already need not be asked; what is wrong with it is told at the next look.
                let _ = self.task.brings().work(&mut self.members[index], seen);
            }
            // On the disk before the first request goes out.
            self.ledger
                .write(next.iter().map(|(index, _)| &self.members[*index]))?;
            self.unsent.extend(next.iter().map(|(index, _)| *index));
        }
        let (brings, client) = (self.task.brings(), self.client);
        let give = |member: &Member| brings.give(client, member);
        each(&self.members, &self.unsent, give)?;
        self.unsent.clear();
        tell(Told::Counts(self.counts()));
        if self.under_way() > 0 || more {
            return Ok(Next::Look);
        }
        self.standing.ended_ms = Some(now_ms);
        self.ledger.stand(&self.standing)?;
        Ok(Next::Done)
    }

    fn indices(&self, stage: Stage) -> impl Iterator<Item = usize> + '_ {
        let all = self.members.iter().enumerate();
        all.filter(move |(_, member)| member.stage == stage)
            .map(|(index, _)| index)
    }

    fn judge_all(
        &mut self,
        seen: &HashMap<String, Seen>,
        now_ms: i64,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), Error> {
        let patience = Patience {
            step_ms: ms(self.rules.patience),
            soak_ms: ms(self.rules.soak),
        };
        let brings = self.task.brings();
        let (mut changed, mut done_with, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        for (index, member) in self.members.iter_mut().enumerate() {
            // Who was deleted meanwhile fails when patience ends.
            let gone = Seen::gone(&member.id, &member.name);
            let seen = seen.get(&member.id).unwrap_or(&gone);
            let before = member.stage;
            let mut is_changed = judge(member, seen, brings, now_ms, patience);
            if member.stage == Stage::Assigned {
                match brings.work(member, seen) {
                    Ok(true) => answered.push(index),
                    Ok(false) => {}
                    Err(why) => {
                        member.settle(Stage::Failed, now_ms);
                        member.fault = Some(why);
                    }
                }
                is_changed |= answered.last() == Some(&index) || member.stage == Stage::Failed;
            }
            if !is_changed {
                continue;
            }
            changed.push(index);
            match member.stage {
                Stage::Passed if before != Stage::Passed => {
                    done_with.extend(brings.tidies().then_some(index));
                    tell(Told::Passed(member.name.clone()));
                }
                Stage::Failed => {
                    done_with.push(index);
                    let fault = member.fault.clone().unwrap_or_default();
                    tell(Told::Failed(member.name.clone(), fault));
                }
                _ => {}
            }
        }
        // On the disk before the first request goes out.
        self.ledger
            .write(changed.iter().map(|&index| &self.members[index]))?;
        self.unsent.extend(answered);
        // They try no more, or have it.
        let members = &self.members;
        self.unsent
            .retain(|&index| members[index].stage == Stage::Assigned);
        self.unreturned.extend(done_with);
        self.return_all()
    }

    /// Takes it back from those from whom it is to be taken.
    fn return_all(&mut self) -> Result<(), Error> {
        let (brings, client) = (self.task.brings(), self.client);
        let back = |member: &Member| brings.take_back(client, member);
        each(&self.members, &self.unreturned, back)?;
        self.unreturned.clear();
        Ok(())
    }

    /// Why the campaign is to be halted, if it is.
    fn too_many(&self) -> Option<String> {
        let failed = self
            .count(Stage::Failed)
            .saturating_sub(self.standing.forgiven);
        let tried = self.tried();
        let most = self.rules.most_failures.at_most(tried);
        (failed > most).then(|| format!("{failed} of {tried} failed, and {most} may"))
    }

    /// Takes it back from those that do not have it yet: their turn comes again.
    fn take_back(&mut self) -> Result<(), Error> {
        let back: Vec<_> = self.indices(Stage::Assigned).collect();
        self.unreturned.extend(&back);
        self.return_all()?;
        self.unsent.clear();
        for &index in &back {
            self.members[index].put_back();
        }
        let back = back.iter().map(|&index| &self.members[index]);
        Ok(self.ledger.write(back)?)
    }

    fn counts(&self) -> Vec<(Stage, usize)> {
        let stages = [
            Stage::Waiting,
            Stage::Already,
            Stage::Assigned,
            Stage::Updated,
            Stage::Passed,
            Stage::Failed,
        ];
        stages.map(|stage| (stage, self.count(stage))).to_vec()
    }

    /// What it has come to.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.goal, &self.standing, &self.members)
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
