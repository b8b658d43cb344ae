//! How a campaign begins, goes on after an interruption, or begins anew.

use std::collections::HashSet;

use super::{Campaign, Order};
use crate::campaign::brings::Concern;
use crate::campaign::ledger::{Ledger, Standing};
use crate::campaign::member::{Member, Stage};
use crate::rest::EntityData;
use crate::{Client, Device, Error};

impl<'a> Campaign<'a> {
    /// Begins a campaign, or goes on with it. One that recurs and has ended begins anew, with those that
    /// need it now.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn begin(
        client: &'a Client,
        ledger: &'a mut Ledger,
        order: Order<'a, '_>,
        now_ms: i64,
    ) -> Result<Self, Error> {
        let Order {
            rules,
            filter,
            goal,
            task,
            first,
            again,
        } = order;
        ledger.begin(&goal, now_ms)?;
        let (brings, mut standing) = (task.brings(), ledger.standing()?);
        let mut members = ledger.members()?;
        let read = |data: &EntityData, device: Device| brings.see(data, device);
        let mut found = filter.find_with(client, now_ms, brings.keys(), read, |_, _| ())?;
        if let Some(missing) = first
            .iter()
            .find(|name| found.iter().all(|seen| seen.device.name != **name))
        {
            return Err(Error::InTheWay(format!(
                "there is no device {missing} among those that are meant: `esptb tb devices` lists them"
            )));
        }
        found.sort_by_key(|seen| !first.contains(&seen.device.name));
        let concerned = |concern| {
            let found = found.iter();
            found.filter(move |seen| brings.concern(seen, now_ms) == concern)
        };
        let ended = brings.recurs() && standing.ended_ms.is_some() && standing.halted.is_none();
        let known: HashSet<_> = match (ended, again) {
            (true, true) => HashSet::new(),
            (true, false) => ledger.failed()?,
            (false, _) => members.iter().map(|member| member.id.clone()).collect(),
        };
        let new: Vec<_> = concerned(Concern::Yes)
            .map(|seen| &seen.device)
            .filter(|device| !known.contains(&device.id))
            .collect();
        let rests = ended && new.is_empty();
        if ended && !rests {
            standing = Standing {
                begun_ms: now_ms,
                ended_ms: None,
                halted: None,
                forgiven: 0,
                round: standing.round + 1,
            };
            members.clear();
        } else if !rests {
            standing.ended_ms = None;
        }
        ledger.stand(&standing)?;
        let new: Vec<_> = (members.len()..)
            .zip(new)
            .map(|(place, device)| Member::new(&device.id, &device.name, place))
            .collect();
        ledger.write(&new)?;
        members.extend(new);
        let unable = concerned(Concern::Unable).count();
        let assigned = members.iter().enumerate();
        let assigned = assigned.filter(|(_, member)| member.stage == Stage::Assigned);
        // An interruption may have come between the ledger and the server: to say it twice changes nothing.
        let unsent = assigned.map(|(index, _)| index).collect();
        Ok(Self {
            client,
            ledger,
            rules,
            filter,
            goal,
            task,
            members,
            unable,
            rests,
            standing,
            series: Vec::new(),
            unsent,
            unreturned: Vec::new(),
            told: None,
        })
    }
}
