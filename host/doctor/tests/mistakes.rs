//! Each mistake that keeps a device from getting online, made on purpose, and what is said of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device::settings::Settings;
use device::tls::Library;
use devserver::{Config, Limits, Profile, Server, Tls};
use doctor::{Check, Examination, Finding, Folder, Who};
use pki::{Options, Pki, Validity};
use simulator::tls;
use tb::setup::{Wanted, plan};
use tb::{Client, Login};

/// MbedTLS, which one test at a time may have.
fn library() -> (MutexGuard<'static, ()>, Library<'static>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (turn, tls::library())
}

/// A server and the files of a device, good until a test spoils something.
struct Desk {
    pki: Pki,
    config: Config,
    folder: Folder,
    settings: String,
    /// Something to do once the server runs.
    prepare: Box<dyn Fn(&Client)>,
}

impl Desk {
    fn new() -> Self {
        let pki = Pki::new(&Options::default()).unwrap();
        let server = pki.server(&["127.0.0.1"]).unwrap();
        let tls = Tls::from_pem(server.chain_pem().as_bytes(), server.key_pem().as_bytes());
        let profile = Profile::from_pem(pki.intermediate_pem().as_bytes(), "^(SN-.*)$");
        let config = Config {
            tls: Some(tls.unwrap()),
            profile: Some(profile.unwrap()),
            ..Config::default()
        };
        let folder = folder(&pki, "SN-1");
        Self {
            pki,
            config,
            folder,
            settings: String::new(),
            prepare: Box::new(|_| ()),
        }
    }

    fn serve_as(&mut self, identity: &pki::Identity) {
        let tls = Tls::from_pem(
            identity.chain_pem().as_bytes(),
            identity.key_pem().as_bytes(),
        );
        self.config.tls = Some(tls.unwrap());
    }

    /// What is found, with a login if `with_login`.
    fn found(self, with_login: bool) -> Vec<Finding> {
        let (_lock, library) = library();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let server = Server::start(self.config).await.unwrap();
            let url = server.http_url();
            let login = Login::Password {
                user: "tenant@thingsboard.org".into(),
                password: "tenant".to_owned().into(),
            };
            let client = Client::login(url.parse().unwrap(), login, None).unwrap();
            (self.prepare)(&client);
            let settings = match self.settings.is_empty() {
                true => format!(r#"{{"broker":"{}"}}"#, server.mqtt_url()),
                false => self.settings.replace("BROKER", &server.mqtt_url()),
            };
            let examination = Examination {
                library,
                client: with_login.then_some(&client),
                now_unix_s: now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
                asks_time: false,
            };
            let settings = Settings::parse(settings.as_bytes()).unwrap();
            let found = examination.of(&self.folder, &settings, |_| ()).await;
            server.stop().await;
            found
        })
    }
}

fn folder(pki: &Pki, name: &str) -> Folder {
    let identity = pki.device(name).unwrap();
    Folder {
        certificate: identity.chain_pem().into_bytes(),
        key: identity.key_pem().as_bytes().to_vec(),
        server_chain: identity.trust_pem().as_bytes().to_vec(),
        settings: None,
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn days_ago(from: u64, to: u64) -> pki::Profile {
    let day = Duration::from_secs(86_400);
    let ago = |days: u64| now() - day * u32::try_from(days).unwrap();
    pki::Profile {
        validity: Some(Validity::between(ago(from), ago(to)).unwrap()),
        ..pki::Profile::default()
    }
}

/// That something is wrong in this step, with these words, and who mends it.
#[track_caller]
fn told(found: &[Finding], check: Check, words: &str, who: Who) {
    let is_it = |one: &&Finding| one.check == check && one.is_bad() && one.says.contains(words);
    let one = found
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{words:?} is not told: {found:#?}"));
    let remedy = one.remedy.as_ref().unwrap();
    assert!(remedy.who == who && !remedy.what.is_empty(), "{one:?}");
}

#[test]
fn nothing_is_wrong_where_nothing_is() {
    let found = Desk::new().found(true);
    assert!(found.iter().all(|one| !one.is_bad()), "{found:#?}");
    for (check, words) in [
        (Check::Files, "CN SN-1"),
        (Check::Tcp, "127.0.0.1"),
        (Check::Server, "TLS 1.3 with"),
        (Check::Server, "TLS 1.2 with"),
        (Check::Server, "it is for 127.0.0.1"),
        (Check::Server, "anchor 1 of server_chain.pem"),
        (Check::Tls, "by the device's own TLS"),
        (Check::Mqtt, "lets SN-1 in"),
        (Check::Limits, "within the server's limits"),
        (Check::Clock, "the server does not tell devices its time"),
        (Check::Profile, "takes the CN as \"SN-1\""),
    ] {
        assert!(
            found
                .iter()
                .any(|one| one.check == check && one.says.contains(words)),
            "{words:?}: {found:#?}"
        );
    }
}

#[test]
fn a_server_that_tells_its_time_is_compared_with_this_computer() {
    let mut desk = Desk::new();
    let ca_pem = desk.pki.intermediate_pem().to_owned();
    desk.prepare = Box::new(move |client| {
        let wanted = Wanted {
            profile: "default".into(),
            ca_pem: ca_pem.clone(),
            cn_pattern: "^(SN-.*)$".into(),
            allow_create: true,
            silent_minutes: 5,
            certificate_days: 30,
            dashboard: "Boards".into(),
            series: Vec::new(),
            tell_time: true,
        };
        plan(client, &wanted).unwrap().apply(client).unwrap();
    });
    let found = desk.found(false);
    let is_it = |one: &Finding| {
        one.check == Check::Clock && one.says.contains("the server tells devices its time")
    };
    assert!(found.iter().any(is_it), "{found:#?}");
    assert!(found.iter().all(|one| !one.is_bad()), "{found:#?}");
}

#[test]
fn a_name_without_an_address() {
    let mut desk = Desk::new();
    // No label of a name has more than 63 bytes (RFC 1035, 2.3.4): nobody's DNS is asked.
    let label = "no".repeat(32);
    desk.settings = format!(r#"{{"broker":"mqtts://{label}.invalid"}}"#);
    told(
        &desk.found(false),
        Check::Dns,
        "does not resolve",
        Who::Maker,
    );
}

#[test]
fn a_port_where_nobody_listens() {
    let mut desk = Desk::new();
    desk.settings = r#"{"broker":"mqtts://127.0.0.1:1"}"#.into();
    told(
        &desk.found(false),
        Check::Tcp,
        "cannot be reached",
        Who::Server,
    );
}

#[test]
fn a_port_without_tls() {
    let mut desk = Desk::new();
    desk.config.tls = None;
    desk.settings = r#"{"broker":"BROKER"}"#.replace("BROKER", "mqtts://127.0.0.1:PORT");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    desk.settings = desk.settings.replace("PORT", &port.to_string());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::Write as _;
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    told(&desk.found(false), Check::Server, "no TLS at", Who::Server);
}

#[test]
fn a_server_certificate_that_has_ended() {
    let mut desk = Desk::new();
    let old = desk
        .pki
        .server_with(&["127.0.0.1"], &days_ago(400, 30))
        .unwrap();
    desk.serve_as(&old);
    let found = desk.found(false);
    told(
        &found,
        Check::Server,
        "certificate 1 of the server",
        Who::Server,
    );
    told(&found, Check::Tls, "has expired", Who::Server);
}

#[test]
fn a_server_of_another_name() {
    let mut desk = Desk::new();
    let other = desk.pki.server(&["tb.example.com"]).unwrap();
    desk.serve_as(&other);
    let found = desk.found(false);
    told(
        &found,
        Check::Server,
        "is for tb.example.com, not for 127.0.0.1",
        Who::Maker,
    );
    assert!(
        found
            .iter()
            .any(|one| one.check == Check::Tls && one.is_bad()),
        "{found:#?}"
    );
}

#[test]
fn a_server_of_a_ca_that_the_device_does_not_trust() {
    let mut desk = Desk::new();
    let stranger = Pki::new(&Options::default()).unwrap();
    desk.folder.server_chain = stranger.root_pem().as_bytes().to_vec();
    let found = desk.found(false);
    told(
        &found,
        Check::Server,
        "no CA of server_chain.pem",
        Who::Maker,
    );
    told(&found, Check::Tls, "server's certificate", Who::Maker);
}

#[test]
fn a_chain_out_of_order() {
    let mut desk = Desk::new();
    let chain = String::from_utf8(desk.folder.certificate).unwrap();
    let leaf = &chain[..chain.rfind("-----BEGIN").unwrap()];
    desk.folder.certificate = format!("{leaf}{}", desk.pki.root_pem()).into_bytes();
    told(&desk.found(false), Check::Files, "device.crt", Who::Maker);
}

#[test]
fn a_certificate_alone() {
    let mut desk = Desk::new();
    let identity = desk.pki.device("SN-1").unwrap();
    desk.folder.certificate = identity.leaf_pem().as_bytes().to_vec();
    desk.folder.key = identity.key_pem().as_bytes().to_vec();
    let found = desk.found(true);
    told(
        &found,
        Check::Files,
        "the device's certificate alone",
        Who::Maker,
    );
    told(
        &found,
        Check::Profile,
        "no device profile has a CA of this chain",
        Who::Tenant,
    );
}

#[test]
fn a_key_of_another_certificate() {
    let mut desk = Desk::new();
    desk.folder.key = desk
        .pki
        .device("SN-1")
        .unwrap()
        .key_pem()
        .as_bytes()
        .to_vec();
    told(&desk.found(false), Check::Files, "device.key", Who::Maker);
}

#[test]
fn a_device_certificate_that_has_ended() {
    let mut desk = Desk::new();
    let old = desk.pki.device_with("SN-1", &days_ago(400, 30)).unwrap();
    desk.folder.certificate = old.chain_pem().into_bytes();
    desk.folder.key = old.key_pem().as_bytes().to_vec();
    told(&desk.found(false), Check::Files, "expired", Who::Maker);
}

#[test]
fn a_file_that_is_missing() {
    let mut desk = Desk::new();
    desk.folder.server_chain.clear();
    told(
        &desk.found(false),
        Check::Files,
        "server_chain.pem",
        Who::Maker,
    );
}

#[test]
fn a_ca_that_no_profile_has() {
    let mut desk = Desk::new();
    let other = Pki::new(&Options::default()).unwrap();
    let trust = desk.folder.server_chain;
    desk.folder = folder(&other, "SN-1");
    desk.folder.server_chain = trust;
    let found = desk.found(true);
    told(&found, Check::Mqtt, "refuses the device", Who::Tenant);
    told(
        &found,
        Check::Profile,
        "no device profile has a CA of this chain; \"default\"",
        Who::Tenant,
    );
}

#[test]
fn no_profile_that_provisions() {
    let mut desk = Desk::new();
    desk.config.profile = None;
    let found = desk.found(true);
    told(
        &found,
        Check::Profile,
        "no device profile provisions by X.509 chain",
        Who::Tenant,
    );
}

#[test]
fn a_name_that_the_expression_does_not_match() {
    let mut desk = Desk::new();
    let trust = desk.folder.server_chain;
    desk.folder = folder(&desk.pki, "GH-1");
    desk.folder.server_chain = trust;
    let found = desk.found(true);
    told(&found, Check::Mqtt, "refuses the device", Who::Tenant);
    told(
        &found,
        Check::Profile,
        "does not match the CN GH-1",
        Who::Tenant,
    );
}

#[test]
fn a_name_that_is_taken_with_a_token() {
    let mut desk = Desk::new();
    desk.prepare = Box::new(|client| drop(client.create_device("SN-1").unwrap()));
    let found = desk.found(true);
    told(&found, Check::Mqtt, "refuses the device", Who::Tenant);
    told(
        &found,
        Check::Profile,
        "another kind of credentials",
        Who::Tenant,
    );
}

#[test]
fn a_profile_that_makes_no_devices() {
    let mut desk = Desk::new();
    if let Some(profile) = &mut desk.config.profile {
        profile.allow_create = false;
    }
    let found = desk.found(true);
    told(
        &found,
        Check::Profile,
        "there is no device \"SN-1\"",
        Who::Tenant,
    );
}

#[test]
fn a_profile_for_another_protocol() {
    let mut desk = Desk::new();
    desk.prepare = Box::new(|client| {
        let mut profile = client.device_profiles().unwrap().pop().unwrap();
        profile.transport_type = "COAP".into();
        client.save_device_profile(&profile).unwrap();
    });
    let found = desk.found(true);
    told(&found, Check::Mqtt, "refuses the device", Who::Tenant);
    told(
        &found,
        Check::Profile,
        "the transport type COAP",
        Who::Tenant,
    );
}

#[test]
fn limits_that_are_less_than_the_device_sends() {
    let mut desk = Desk::new();
    desk.config.limits = Limits {
        telemetry_data_points: Some("60:60".parse().unwrap()),
        ..Limits::default()
    };
    let found = desk.found(false);
    let limit = found.iter().find(|one| one.check == Check::Limits).unwrap();
    assert!(limit.says.contains("60 data points in 60 s"), "{limit:?}");
    assert!(
        limit
            .remedy
            .as_ref()
            .unwrap()
            .what
            .contains("telemetry_interval_ms")
    );
}
