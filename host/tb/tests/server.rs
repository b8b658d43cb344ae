//! The client against `devserver`, which answers as ThingsBoard does. With `ESPTB_THINGSBOARD` set, the
//! command line's tests (tests/interop) ask the same of a real one.

use devserver::{Config, Database, Datum, Profile, Server, Tls};
use pki::{Options, Pki};
use tb::campaign;
use tb::rest::{CredentialsType, Id, NewPackage, RuleChain};
use tb::setup::{Action, Series, Wanted, plan};
use tb::{Client, Error, Filter, Login, Summary};
use tokio::runtime::Runtime;

struct Desk {
    runtime: Runtime,
    server: Option<Server>,
    pki: Pki,
}

impl Desk {
    /// A server that lets in whom its own profile lets in, if it has one.
    fn new(with_profile: bool) -> Self {
        let pki = Pki::new(&Options::default()).unwrap();
        let identity = pki.server(&["127.0.0.1"]).unwrap();
        let tls = Tls::from_pem(
            identity.chain_pem().as_bytes(),
            identity.key_pem().as_bytes(),
        );
        let profile = Profile::from_pem(pki.intermediate_pem().as_bytes(), "(.*)").unwrap();
        let config = Config {
            tls: Some(tls.unwrap()),
            profile: with_profile.then_some(profile),
            ..Config::default()
        };
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        Self {
            runtime,
            server: Some(server),
            pki,
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn login(&self, password: &str) -> Result<Client, Error> {
        let login = Login::Password {
            user: "tenant@thingsboard.org".into(),
            password: password.to_owned().into(),
        };
        let address = self.server().http_url().parse().unwrap();
        Client::login(address, login, None)
    }

    fn client(&self) -> Client {
        self.login("tenant").unwrap()
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            profile: "boards".into(),
            ca_pem: self.pki.intermediate_pem().into(),
            cn_pattern: "(.*)".into(),
            allow_create: true,
            silent_minutes: 5,
            certificate_days: 30,
            dashboard: "Boards".into(),
            series: vec![Series {
                key: "temperature".into(),
                label: "Temperature".into(),
                unit: "°C".into(),
                decimals: 1,
            }],
            tell_time: true,
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

#[test]
fn a_wrong_login_is_told_as_such() {
    let desk = Desk::new(false);
    let error = desk.login("wrong").err().unwrap();
    assert!(
        matches!(&error, Error::Login { message, .. } if message == "Invalid username or password")
    );
    assert!(error.to_string().contains("esptb tb login"), "{error}");
    let address = desk.server().http_url().parse().unwrap();
    let key = Client::login(address, Login::ApiKey("tb_x".to_owned().into()), None).unwrap();
    let error = key.user().unwrap_err();
    assert!(
        error.to_string().contains("older ones know no API keys"),
        "{error}"
    );
    let user = desk.client().user().unwrap();
    assert_eq!(user.authority, "TENANT_ADMIN");
}

#[test]
fn setting_up_twice_changes_nothing() {
    let desk = Desk::new(false);
    let (client, wanted) = (desk.client(), desk.wanted());
    let first = plan(&client, &wanted).unwrap();
    assert!(
        first
            .steps()
            .iter()
            .all(|step| step.action == Action::Create)
    );
    assert!(
        client
            .device_profiles()
            .unwrap()
            .iter()
            .all(|one| one.name != "boards"),
        "a plan only"
    );
    let done = first.apply(&client).unwrap();
    assert!(done.iter().all(|step| step.link.is_some()), "{done:?}");

    let profiles = client.device_profiles().unwrap();
    let made = profiles
        .iter()
        .find(|one| one.name == "boards")
        .expect("it was made");
    let dashboards = client.dashboards().unwrap();
    assert_eq!(made.default_dashboard_id, Some(dashboards[0].id.clone()));
    assert_eq!(made.profile_data.alarms.as_ref().map(Vec::len), Some(4));
    let chains = client.rule_chains().unwrap();
    let chain = chains.iter().find(|one| one.id == made.rule_chain());
    let chain = chain.expect("it was made");
    assert_eq!(
        (chain.name.as_str(), chain.root),
        ("esptb: device time", false)
    );
    let id = chain.id.as_ref().unwrap();
    let inside = client.rule_chain_metadata(&id.id).unwrap();
    assert_eq!((inside.nodes.len(), inside.connections.len()), (5, 9));
    let error = client.delete_rule_chain(&id.id).unwrap_err().to_string();
    assert!(
        error.contains("referenced by the device profiles"),
        "{error}"
    );
    assert!(plan(&client, &wanted).unwrap().is_empty());
}

#[test]
fn only_what_differs_is_changed_and_what_others_added_stays() {
    let desk = Desk::new(false);
    let (client, mut wanted) = (desk.client(), desk.wanted());
    plan(&client, &wanted).unwrap().apply(&client).unwrap();
    let mut profile = client.device_profiles().unwrap().pop().unwrap();
    let mine = serde_json::json!({ "id": "mine", "alarmType": "Too hot", "createRules": {} });
    profile.profile_data.alarms.as_mut().unwrap().push(mine);
    profile.rest.insert("description".into(), "by hand".into());
    client.save_device_profile(&profile).unwrap();

    wanted.cn_pattern = "^(SN-.*)$".into();
    wanted.silent_minutes = 60;
    let changed = plan(&client, &wanted).unwrap();
    let [dashboard, chain, told] = changed.steps()[..] else {
        panic!("{changed:?}");
    };
    assert_eq!(
        [dashboard.action, chain.action, told.action],
        [Action::Keep, Action::Keep, Action::Update]
    );
    assert_eq!(
        told.changes,
        ["the expression for the CN", "alarm rule \"Device silent\""]
    );
    changed.apply(&client).unwrap();
    let after = client.device_profiles().unwrap().pop().unwrap();
    assert_eq!(
        after.chain().unwrap().certificate_reg_ex_pattern,
        "^(SN-.*)$"
    );
    assert_eq!(after.profile_data.alarms.as_ref().map(Vec::len), Some(5));
    assert_eq!(after.rest["description"], "by hand");
    assert!(plan(&client, &wanted).unwrap().is_empty());
}

#[test]
fn a_rule_chain_is_mended_and_what_others_added_to_it_stays() {
    let desk = Desk::new(false);
    let (client, wanted) = (desk.client(), desk.wanted());
    plan(&client, &wanted).unwrap().apply(&client).unwrap();
    let chain = client.rule_chains().unwrap().pop().unwrap();
    let mut inside = client.rule_chain_metadata(&chain.id.unwrap().id).unwrap();
    // A log of one's own, and an answer that is none.
    let mut log = inside.nodes[0].clone();
    log.name = "mine".into();
    log.rest.remove("id");
    inside.nodes.push(log);
    inside.connections.retain(|one| one.kind != "Success");
    inside.nodes[2].configuration["tbelScript"] = "return {msg: 0};".into();
    client.save_rule_chain_metadata(&inside).unwrap();
    let mending = plan(&client, &wanted).unwrap();
    let actions: Vec<_> = mending.steps().iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Keep, Action::Update, Action::Keep]);
    mending.apply(&client).unwrap();
    let after = client
        .rule_chain_metadata(&inside.rule_chain_id.id)
        .unwrap();
    assert_eq!((after.nodes.len(), after.connections.len()), (6, 9));
    assert_eq!(after.nodes[5].name, "mine");
    assert!(plan(&client, &wanted).unwrap().is_empty());
    // Another one finds it, and shares it.
    let other = Wanted {
        profile: "others".into(),
        ca_pem: desk.pki.root_pem().into(),
        dashboard: "Others".into(),
        ..desk.wanted()
    };
    let plan = plan(&client, &other).unwrap();
    let actions: Vec<_> = plan.steps().iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Create, Action::Keep, Action::Create]);
    plan.apply(&client).unwrap();
    let profiles = client.device_profiles().unwrap();
    let shared = profiles
        .iter()
        .filter(|one| one.rule_chain().as_ref() == Some(&inside.rule_chain_id));
    assert_eq!(shared.count(), 2);
}

#[test]
fn a_rule_chain_that_the_profile_has_already_stays() {
    let desk = Desk::new(false);
    let (client, wanted) = (desk.client(), desk.wanted());
    let without = Wanted {
        tell_time: false,
        ..wanted.clone()
    };
    plan(&client, &without).unwrap().apply(&client).unwrap();
    assert_eq!(client.rule_chains().unwrap().len(), 1, "the root");
    let mine = client.save_rule_chain(&RuleChain {
        id: None,
        name: "mine".into(),
        root: false,
        rest: serde_json::Map::new(),
    });
    let mine = mine.unwrap().id.unwrap();
    let mut profile = client.device_profiles().unwrap().pop().unwrap();
    profile.set_rule_chain(&mine);
    client.save_device_profile(&profile).unwrap();
    let plan = plan(&client, &wanted).unwrap();
    assert!(plan.is_empty() && plan.steps().len() == 2);
    assert!(
        plan.notes[0].contains("rule chain of its own, \"mine\""),
        "{:?}",
        plan.notes
    );
}

#[test]
fn a_ca_of_another_profile_is_in_the_way() {
    let desk = Desk::new(true);
    let error = plan(&desk.client(), &desk.wanted()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"default\"") && text.contains("--profile"),
        "{text}"
    );
    // Nor does the server let it pass.
    let client = desk.client();
    let mut profile = client.device_profiles().unwrap().pop().unwrap();
    (profile.id, profile.name) = (None, "boards".into());
    let error = client.save_device_profile(&profile).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("such certificate already exists"),
        "{error}"
    );
}

#[test]
fn devices_are_found_page_by_page() {
    let desk = Desk::new(false);
    let client = desk.client();
    for number in 0..1_005 {
        let name = format!("SN-{number:04}");
        let made = desk.server().create_device(&name, Some(&name));
        desk.runtime.block_on(made).unwrap();
    }
    let mut steps = Vec::new();
    let all = Filter::default()
        .find(&client, 0, |done, of| steps.push((done, of)))
        .unwrap();
    assert_eq!(steps, [(1_000, 1_005), (1_005, 1_005)]);
    assert_eq!((all.len(), all[1_004].name.as_str()), (1_005, "SN-1004"));
    assert_eq!(Summary::of(&all, 0).online, 0);
    let some = Filter {
        name: Some("sn-000".into()),
        profile: Some("default".into()),
        ..Filter::default()
    };
    assert_eq!(some.find(&client, 0, |_, _| ()).unwrap().len(), 10);
    let none = Filter {
        profile: Some("boards".into()),
        ..Filter::default()
    };
    assert!(none.find(&client, 0, |_, _| ()).unwrap().is_empty());
}

#[test]
fn a_device_is_made_looked_at_and_deleted() {
    let desk = Desk::new(false);
    let client = desk.client();
    assert!(client.device("bench 1/ä").unwrap().is_none());
    let made = client.create_device("bench 1/ä").unwrap();
    assert_eq!(client.device("bench 1/ä").unwrap().unwrap().id, made.id);
    let credentials = client.credentials(&made.id.id).unwrap();
    assert_eq!(credentials.credentials_type, CredentialsType::AccessToken);
    let latest = client.latest(&made.id.id, &["temperature"]).unwrap();
    assert!(latest["temperature"][0]["value"].is_null());
    assert!(
        client
            .create_device("bench 1/ä")
            .unwrap_err()
            .to_string()
            .contains("already exists")
    );
    client.delete_device(&made.id.id).unwrap();
    assert!(client.device("bench 1/ä").unwrap().is_none());
    assert!(matches!(
        client.delete_device(&made.id.id),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn the_default_profile_stays() {
    let desk = Desk::new(true);
    let client = desk.client();
    let profile = client.device_profiles().unwrap().pop().unwrap();
    let id = profile.id.unwrap().id;
    let error = client.delete_device_profile(&id).unwrap_err();
    assert!(
        error.to_string().contains("Default Device Profile"),
        "{error}"
    );
}

/// What the server offers a device by its shared attributes.
fn offered(desk: &Desk, device: &str) -> Option<String> {
    let shared = desk.server().shared_attributes(device);
    let shared = desk.runtime.block_on(shared).unwrap();
    shared.get("fw_version").map(|version| match version {
        Datum::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_profiles_firmware_is_for_devices_that_have_none_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config {
        database: Database::File(folder.path().join("devserver.sqlite")),
        ..Config::default()
    };
    let mut desk = Desk::new(false);
    let restart = |desk: &mut Desk| {
        let old = desk.server.take().unwrap();
        desk.runtime.block_on(old.stop());
        desk.server = Some(desk.runtime.block_on(Server::start(config())).unwrap());
    };
    restart(&mut desk);
    let create = |desk: &Desk, name: &str| {
        let made = desk.server().create_device(name, Some(name));
        desk.runtime.block_on(made).unwrap();
    };
    create(&desk, "a");
    create(&desk, "b");
    let client = desk.client();
    let mut profile = client.device_profiles().unwrap().pop().unwrap();
    let id = profile.id.clone().unwrap();
    let package = |version: &str| {
        let new = NewPackage {
            device_profile_id: &id,
            title: "climate",
            version,
        };
        campaign::upload(&client, &new, version.as_bytes())
            .unwrap()
            .id
    };
    let (one, two, three) = (package("v1"), package("v2"), package("v3"));
    let own = client.device("b").unwrap().unwrap().id.id;
    client.assign_package(&own, Some(&two.id)).unwrap();
    let mut save = |client: &Client, firmware: Option<&Id>| {
        profile
            .rest
            .insert("firmwareId".into(), serde_json::json!(firmware));
        client.save_device_profile(&profile)
    };
    save(&client, Some(&one)).unwrap();
    assert_eq!(
        (offered(&desk, "a"), offered(&desk, "b")),
        (Some("v1".into()), Some("v2".into()))
    );
    // A device that comes later follows as well.
    create(&desk, "c");
    assert_eq!(offered(&desk, "c"), Some("v1".into()));
    let error = client.delete_package(&one.id).unwrap_err().to_string();
    assert!(
        error.contains("referenced by the device profile"),
        "{error}"
    );
    let error = client.delete_package(&two.id).unwrap_err().to_string();
    assert!(error.contains("referenced by the devices"), "{error}");

    // All of it is there after a restart, and so is what follows from it.
    restart(&mut desk);
    let client = desk.client();
    assert_eq!(client.packages().unwrap().len(), 3);
    assert_eq!(
        client.assign_package(&own, Some(&two.id)).unwrap(),
        Some(two.id.clone())
    );
    save(&client, Some(&three)).unwrap();
    let now = ["a", "b", "c"].map(|name| offered(&desk, name));
    assert_eq!(
        now,
        [Some("v3".into()), Some("v2".into()), Some("v3".into())]
    );
    client.assign_package(&own, None).unwrap();
    assert_eq!(
        offered(&desk, "b"),
        Some("v3".into()),
        "its profile's comes in its place"
    );
    save(&client, None).unwrap();
    assert_eq!(
        ["a", "b", "c"].map(|name| offered(&desk, name)),
        [None, None, None]
    );
    client.delete_package(&one.id).unwrap();
    let missing = save(&client, Some(&one)).unwrap_err().to_string();
    assert!(
        missing.contains("Can't assign non-existent firmware!"),
        "{missing}"
    );
}
