//! What devices need on a ThingsBoard: a profile that lets them in and watches them, a rule chain that tells them the
//! time, and a dashboard.
//!
//! [`plan`] compares what is wanted with what is there, and [`Plan::apply`] makes the difference; a plan
//! that was applied is empty the next time. Only what is named here is changed: alarm rules and all else
//! that somebody added by hand stay.

mod alarms;
mod clock;
mod covers;
mod dashboard;

use serde::Serialize;
use serde_json::Value;

use crate::rest::{
    ChainProvisioning, Dashboard, DeviceProfile, Id, ProfileData, ProvisionConfiguration, Typed,
    same_certificate,
};
use crate::{Client, Error};
pub use dashboard::Series;

/// `DeviceProfileProvisionType.X509_CERTIFICATE_CHAIN`
const CHAIN: &str = "X509_CERTIFICATE_CHAIN";
/// From this version on alarm rules are calculated fields, and those of a profile do nothing
/// (thingsboard/thingsboard v4.3, d844f0bacc86eb1736762f5ae0807d0efd852397: `DeviceProfileData.alarms` is
/// hidden, `alarm/rule/AlarmRule.java`).
const ALARMS_ELSEWHERE: (u32, u32) = (4, 3);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name of the device profile.
    pub profile: String,
    /// The CA that devices send in their chain, PEM.
    pub ca_pem: String,
    /// The expression whose first group cuts the device's name from its CN.
    pub cn_pattern: String,
    /// Whether a device that is not there is made when it connects.
    pub allow_create: bool,
    /// After how long without a word a device is silent, in minutes.
    pub silent_minutes: u32,
    /// How many days before its end a certificate is warned of.
    pub certificate_days: u32,
    /// The title of the dashboard.
    pub dashboard: String,
    /// What the product sends.
    pub series: Vec<Series>,
    /// Whether the server is to tell devices the time.
    pub tell_time: bool,
}

/// What would change.
#[derive(Debug)]
pub struct Plan {
    profile: Step<DeviceProfile>,
    chain: Option<Step<clock::Chain>>,
    dashboard: Step<Dashboard>,
    /// What the operator should know beside it.
    pub notes: Vec<String>,
}

#[derive(Debug)]
struct Step<T> {
    /// As it is to be; none if it is that.
    wanted: Option<T>,
    told: Told,
}

/// A step of a plan, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `device profile`, `rule chain`, `dashboard`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub action: Action,
    /// What of it changes.
    pub changes: Vec<String>,
    /// Where it is seen; none as long as it is not there.
    pub link: Option<String>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is not there, and made.
    Create,
    /// It is there, and changed.
    Update,
    /// It is there as it should be.
    Keep,
}

/// Compares what is wanted with what is there. Nothing is changed.
///
/// # Errors
///
/// [`Error::InTheWay`] if the server has something that keeps it from being made.
pub fn plan(client: &Client, wanted: &Wanted) -> Result<Plan, Error> {
    let mut notes = Vec::new();
    let with_alarms = client.system()?.release() < ALARMS_ELSEWHERE;
    if !with_alarms {
        notes.push(
            "alarm rules were not made: this ThingsBoard keeps them as calculated fields, which esptb does not \
             write yet"
                .to_owned(),
        );
    }
    let dashboard = dashboard_step(client, wanted)?;
    let profiles = client.device_profiles()?;
    let there = profiles.iter().find(|one| one.name == wanted.profile);
    let (chain, chosen) = match there.and_then(DeviceProfile::rule_chain) {
        _ if !wanted.tell_time => (None, false),
        None => (Some(clock::step(client, &client.rule_chains()?)?), true),
        Some(own) => {
            let chains = client.rule_chains()?;
            let ours = clock::step(client, &chains)?;
            let is_ours = ours.wanted.as_ref().and_then(|chain| chain.there.as_ref()) == Some(&own);
            if !is_ours {
                let name = chains.iter().find(|one| one.id.as_ref() == Some(&own));
                let name = name.map_or("another", |one| &one.name);
                notes.push(format!(
                    "devices are not told the time: the profile has a rule chain of its own, \"{name}\", which stays. \
                     Take it out of the profile, or let that chain answer getCurrentTime"
                ));
            }
            (is_ours.then_some(ours), false)
        }
    };
    let profile = profile_step(client, wanted, profiles, with_alarms, chosen)?;
    Ok(Plan {
        profile,
        chain,
        dashboard,
        notes,
    })
}

impl Plan {
    /// The steps, in the order in which they are done.
    #[must_use]
    pub fn steps(&self) -> Vec<&Told> {
        let chain = self.chain.as_ref().map(|chain| &chain.told);
        let (first, last) = (&self.dashboard.told, &self.profile.told);
        [Some(first), chain, Some(last)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps().iter().all(|step| step.action == Action::Keep)
    }

    /// Does it, and tells of what was done.
    ///
    /// # Errors
    ///
    /// [`Error`]; what was done before stays done, and another plan goes on from there.
    pub fn apply(self, client: &Client) -> Result<Vec<Told>, Error> {
        let (mut dashboard, mut profile) = (self.dashboard, self.profile);
        let mut done = Vec::new();
        if let Some(wanted) = &dashboard.wanted {
            let made = client.save_dashboard(wanted)?;
            dashboard.told.link = made.id.as_ref().map(|id| dashboard_link(client, id));
            if let Some(profile) = profile.wanted.as_mut()
                && profile.default_dashboard_id.is_none()
            {
                profile.default_dashboard_id = made.id;
            }
        }
        done.push(dashboard.told);
        if let Some(Step { wanted, mut told }) = self.chain {
            if let Some(chain) = wanted {
                let id = chain.apply(client)?;
                told.link = Some(clock::link(client, &id));
                if let Some(profile) = &mut profile.wanted {
                    profile.set_rule_chain(&id);
                }
            }
            done.push(told);
        }
        if let Some(wanted) = &profile.wanted {
            let made = client.save_device_profile(wanted)?;
            profile.told.link = made.id.as_ref().map(|id| profile_link(client, id));
        }
        done.push(profile.told);
        Ok(done)
    }
}

fn profile_link(client: &Client, id: &Id) -> String {
    client
        .address()
        .join(&format!("/profiles/deviceProfiles/{}", id.id))
}

fn dashboard_link(client: &Client, id: &Id) -> String {
    client.address().join(&format!("/dashboards/{}", id.id))
}

fn dashboard_step(client: &Client, wanted: &Wanted) -> Result<Step<Dashboard>, Error> {
    let configuration =
        dashboard::configuration(&wanted.profile, &wanted.series, wanted.certificate_days);
    let mut told = Told {
        what: "dashboard",
        name: wanted.dashboard.clone(),
        action: Action::Create,
        changes: Vec::new(),
        link: None,
    };
    let there = client.dashboards()?;
    let there = there.into_iter().find(|one| one.title == wanted.dashboard);
    let Some(there) = there else {
        told.changes.push(format!(
            "{} charts and tables",
            dashboard::widgets(&configuration)
        ));
        let wanted = Some(Dashboard {
            id: None,
            title: wanted.dashboard.clone(),
            configuration,
            rest: serde_json::Map::new(),
        });
        return Ok(Step { wanted, told });
    };
    told.link = Some(dashboard_link(client, &there.id));
    let mut dashboard = client.dashboard(&there.id.id)?;
    if dashboard::is_that(&dashboard.configuration, &configuration) {
        told.action = Action::Keep;
        return Ok(Step { wanted: None, told });
    }
    told.action = Action::Update;
    told.changes.push("what it shows".to_owned());
    dashboard::update(&mut dashboard.configuration, &configuration);
    Ok(Step {
        wanted: Some(dashboard),
        told,
    })
}

fn profile_step(
    client: &Client,
    wanted: &Wanted,
    profiles: Vec<DeviceProfile>,
    with_alarms: bool,
    with_chain: bool,
) -> Result<Step<DeviceProfile>, Error> {
    let ca_of = |profile: &DeviceProfile| {
        let chain = profile.chain();
        chain.is_some_and(|chain| same_certificate(&chain.provision_device_secret, &wanted.ca_pem))
    };
    if let Some(other) = profiles
        .iter()
        .find(|one| one.name != wanted.profile && ca_of(one))
    {
        return Err(Error::InTheWay(format!(
            "the CA is that of the device profile \"{}\" already, and one CA belongs to one profile: set that one up \
             (--profile '{}'), or take the CA out of it",
            other.name, other.name
        )));
    }
    let alarms = match with_alarms {
        true => alarms::rules(wanted.silent_minutes, wanted.certificate_days),
        false => Vec::new(),
    };
    let chain = ChainProvisioning {
        provision_device_secret: wanted.ca_pem.clone(),
        certificate_reg_ex_pattern: wanted.cn_pattern.clone(),
        allow_create: wanted.allow_create,
    };
    let mut told = Told {
        what: "device profile",
        name: wanted.profile.clone(),
        action: Action::Create,
        changes: Vec::new(),
        link: None,
    };
    let there = profiles.into_iter().find(|one| one.name == wanted.profile);
    let Some(mut profile) = there else {
        told.changes = vec![
            format!("X.509 chain provisioning, CN by {}", wanted.cn_pattern),
            "transport type Default".to_owned(),
        ];
        told.changes.extend(
            alarms
                .iter()
                .map(|rule| format!("alarm rule \"{}\"", alarms::name(rule))),
        );
        told.changes.extend(with_chain.then(chosen));
        let wanted = Some(new_profile(wanted, chain, alarms));
        return Ok(Step { wanted, told });
    };
    told.link = profile.id.as_ref().map(|id| profile_link(client, id));
    told.changes = change(&mut profile, chain, alarms);
    told.changes.extend(with_chain.then(chosen));
    told.action = match told.changes.is_empty() {
        true => Action::Keep,
        false => Action::Update,
    };
    let wanted = (told.action == Action::Update).then_some(profile);
    Ok(Step { wanted, told })
}

/// That a profile gets the rule chain.
fn chosen() -> String {
    format!("rule chain \"{}\"", clock::NAME)
}

fn new_profile(wanted: &Wanted, chain: ChainProvisioning, alarms: Vec<Value>) -> DeviceProfile {
    DeviceProfile {
        id: None,
        name: wanted.profile.clone(),
        kind: "DEFAULT".to_owned(),
        transport_type: "DEFAULT".to_owned(),
        provision_type: CHAIN.to_owned(),
        default_dashboard_id: None,
        profile_data: ProfileData {
            configuration: Typed::default_one(),
            transport_configuration: Typed::default_one(),
            provision_configuration: ProvisionConfiguration::Chain(chain),
            alarms: Some(alarms),
            rest: serde_json::Map::new(),
        },
        rest: serde_json::Map::new(),
    }
}

/// Changes a profile into what is wanted, and tells what that is.
fn change(
    profile: &mut DeviceProfile,
    chain: ChainProvisioning,
    alarms: Vec<Value>,
) -> Vec<String> {
    let mut changes = Vec::new();
    let data = &mut profile.profile_data;
    if profile.transport_type != "DEFAULT" {
        changes.push(format!(
            "transport type {} becomes Default, which ThingsBoard takes only as long as the profile has no devices",
            profile.transport_type
        ));
        profile.transport_type = "DEFAULT".to_owned();
        data.transport_configuration = Typed::default_one();
    }
    let provisioning = differences(&data.provision_configuration, &chain);
    if !provisioning.is_empty() {
        changes.extend(provisioning);
        profile.provision_type = CHAIN.to_owned();
        // Of the old way; ThingsBoard makes it anew from the CA.
        profile.rest.remove("provisionDeviceKey");
        data.provision_configuration = ProvisionConfiguration::Chain(chain);
    }
    let there = data.alarms.get_or_insert_default();
    for rule in alarms {
        let same_id = |one: &&mut Value| one["id"] == rule["id"];
        match there.iter_mut().find(same_id) {
            Some(one) if covers::covers(&rule, one) => {}
            Some(one) => {
                changes.push(format!("alarm rule \"{}\"", alarms::name(&rule)));
                *one = rule;
            }
            None => {
                changes.push(format!("alarm rule \"{}\"", alarms::name(&rule)));
                there.push(rule);
            }
        }
    }
    changes
}

/// In what a way of provisioning differs from this one.
fn differences(there: &ProvisionConfiguration, chain: &ChainProvisioning) -> Vec<String> {
    let ProvisionConfiguration::Chain(there) = there else {
        return vec!["X.509 chain provisioning".to_owned()];
    };
    let other_ca = !same_certificate(
        &there.provision_device_secret,
        &chain.provision_device_secret,
    );
    let other_pattern = there.certificate_reg_ex_pattern != chain.certificate_reg_ex_pattern;
    let other_creation = there.allow_create != chain.allow_create;
    [
        (other_ca, "the CA"),
        (other_pattern, "the expression for the CN"),
        (other_creation, "whether devices are made as they connect"),
    ]
    .into_iter()
    .filter(|(differs, _)| *differs)
    .map(|(_, what)| what.to_owned())
    .collect()
}
