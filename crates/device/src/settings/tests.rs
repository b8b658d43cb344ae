//! Every key of the file, right and wrong.

use super::*;
use alloc::format;
use alloc::string::ToString;

fn broker(uri: &str) -> Result<Endpoint, Fault> {
    match Settings::parse(format!(r#"{{"broker":"{uri}"}}"#).as_bytes()) {
        Ok(settings) => Ok(settings.broker),
        Err(SettingsError::Value {
            key: "broker",
            fault,
        }) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_empty_object_is_the_defaults() {
    let settings = Settings::parse(b" {} ").unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.telemetry_interval_ms, 1_000);
    assert_eq!(settings.vitals_interval_s, 60);
    let trial = settings.firmware_trial;
    assert_eq!((trial.starts, trial.minutes), (3, 10));
    assert_eq!(settings.claim_minutes, 15);
    assert_eq!(settings.provisioning.security.number(), 2);
    assert_eq!(settings.provisioning.username, "wifiprov");
    assert_eq!(settings.provisioning.name_prefix, "PROV_");
    let servers = settings.sntp_servers.iter();
    let servers: Vec<_> = servers.map(|s| (s.host.as_str(), s.port)).collect();
    assert_eq!(servers, DEFAULT_TIME_SERVERS.map(|host| (host, 123)));
    assert_eq!(settings.server_name, settings.broker.host);
}

#[test]
fn what_editors_and_c_programs_put_around_it_does_not_matter() {
    for file in [&b"\xef\xbb\xbf{}"[..], b"{}\0", b"\xef\xbb\xbf {}\r\n\0\0"] {
        assert_eq!(Settings::parse(file).unwrap(), Settings::default());
    }
    for file in [&b"{}\0{}"[..], b"\xff\xfe{\0}\0", b"\xef\xbb{}"] {
        assert!(Settings::parse(file).is_err());
    }
}

#[test]
fn every_key_is_read_and_strange_ones_are_passed_over() {
    let settings = Settings::parse(
        br#"{
            "server_name": "tb.example", "broker": "mqtts://10.0.0.5:18883",
            "sntp_server": "10.0.0.6:1123", "telemetry_interval_ms": 250, "keep_alive_s": 60,
            "vitals_interval_s": 0,
            "claim_minutes": 0,
            "firmware_trial_starts": 8,
            "firmware_trial_minutes": 1440,
            "country": "DE",
            "colour": ["green"],
            "provisioning": {"security": 1, "username": "u", "pop": "ab\"cd",
                             "name_prefix": "LAB ", "x": null}
        }"#,
    )
    .unwrap();
    assert_eq!(settings.server_name, "tb.example");
    assert_eq!(settings.broker.address(), "10.0.0.5".parse().ok());
    assert_eq!(settings.broker.port, 18_883);
    let [server] = &settings.sntp_servers[..] else {
        panic!("{:?}", settings.sntp_servers)
    };
    assert_eq!(server.address(), "10.0.0.6".parse().ok());
    assert_eq!(server.port, 1_123);
    assert_eq!(settings.telemetry_interval_ms, 250);
    assert_eq!(settings.vitals_interval_s, 0);
    let trial = settings.firmware_trial;
    assert_eq!((trial.starts, trial.minutes), (8, 1440));
    assert_eq!(settings.claim_minutes, 0);
    assert_eq!(settings.keep_alive_s, 60);
    assert_eq!(settings.country, Some(*b"DE"));
    for wrong in ["de", "D", "DEU", "D1", ""] {
        let error = Settings::parse(format!(r#"{{"country":"{wrong}"}}"#).as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("country is no country"),
            "{error}"
        );
    }
    let provisioning = settings.provisioning;
    assert_eq!(provisioning.security, Security::X25519);
    assert_eq!(provisioning.username, "u");
    let Proof::Given(pop) = provisioning.pop else {
        panic!("a proof was given")
    };
    assert_eq!(pop.expose(), b"ab\"cd");
    assert_eq!(provisioning.name_prefix, "LAB ");
}

#[test]
fn brokers_are_names_and_addresses_with_tls() {
    for (uri, host, port) in [
        ("mqtts://tb.example", "tb.example", 8883),
        ("mqtts://tb.example/", "tb.example", 8883),
        ("mqtts://192.0.2.1:1", "192.0.2.1", 1),
        ("mqtts://192.0.2.1:65535", "192.0.2.1", 65_535),
    ] {
        let endpoint = broker(uri).unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
    }
    let long = format!("mqtts://{}", "a".repeat(129));
    for (uri, fault) in [
        ("mqtt://tb.example", Fault::NoTls),
        ("", Fault::NotABroker),
        ("tb.example", Fault::NotABroker),
        ("https://tb.example", Fault::NotABroker),
        ("mqtts://", Fault::BadHost),
        ("mqtts://:8883", Fault::BadHost),
        ("mqtts://tb.example/x", Fault::BadHost),
        ("mqtts://user@tb.example", Fault::UserInBroker),
        ("mqtts://t\u{e4}st", Fault::BadHost),
        ("mqtts://[2001:db8::1]", Fault::Ipv6),
        ("mqtts://[2001:db8::1]:65535", Fault::Ipv6),
        ("mqtts://[::1", Fault::Ipv6),
        ("mqtts://2001:db8::1", Fault::Ipv6),
        ("mqtts://::1", Fault::Ipv6),
        ("mqtts://user:pw@tb.example", Fault::UserInBroker),
        ("mqtts://token@tb.example:8883", Fault::UserInBroker),
        ("mqtts://tb.example:", Fault::BadPort),
        ("mqtts://tb.example:0", Fault::BadPort),
        ("mqtts://tb.example:+1", Fault::BadPort),
        ("mqtts://tb.example:65536", Fault::BadPort),
        ("mqtts://tb.example:999999", Fault::BadPort),
        (long.as_str(), Fault::BadHost),
    ] {
        assert_eq!(broker(uri), Err(fault), "{uri}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_remedy() {
    for (file, message) in [
        (
            r#"{"broker":7}"#,
            "settings.json: broker is not text: put it in double quotes",
        ),
        (
            r#"{"keep_alive_s":"30"}"#,
            "settings.json: keep_alive_s is not a number: write one from 5 to 3600",
        ),
        (
            r#"{"telemetry_interval_ms":1000.5}"#,
            "settings.json: telemetry_interval_ms is out of range: write a number from 100 to 3600000",
        ),
        (
            r#"{"provisioning":[]}"#,
            "settings.json: provisioning is not an object: put its keys in braces",
        ),
        (
            r#"{"provisioning":{"security":3}}"#,
            "settings.json: provisioning.security is out of range: write a number from 0 to 2",
        ),
        (
            r#"{"provisioning":{"pop":""}}"#,
            "settings.json: provisioning.pop is empty, which security 2 cannot be: write 1 to 64 bytes, or leave the key out",
        ),
        (
            r#"{"provisioning":{"name_prefix":"t\u0001"}}"#,
            "settings.json: provisioning.name_prefix has a backslash: write it without",
        ),
        (
            "{\"provisioning\":{\"name_prefix\":\"\u{e4}\"}}",
            "settings.json: provisioning.name_prefix is not printable: write ASCII characters only",
        ),
        (
            r#"{"server_name":"a b"}"#,
            "settings.json: server_name has no usable host: write a name or an IPv4 address, and its port if any",
        ),
        (
            "{",
            "settings.json: the payload ends inside a JSON value (at byte 1): make it one JSON object",
        ),
    ] {
        let error = Settings::parse(file.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let long = format!(r#"{{"provisioning":{{"pop":"{}"}}}}"#, "x".repeat(65));
    assert!(Settings::parse(long.as_bytes()).is_err());
}

#[test]
fn the_proof_of_possession_is_never_printed() {
    let settings = Settings::parse(br#"{"provisioning":{"pop":"abcd1234"}}"#).unwrap();
    let printed = format!("{settings:?}");
    assert!(printed.contains("ProofOfPossession(..)") && !printed.contains("abcd"));
}

#[test]
fn no_bytes_panic() {
    let file = br#"{"broker":"mqtts://a:1","provisioning":{"security":0,"pop":"\u0041"}}"#;
    for at in 0..file.len() {
        let _ = Settings::parse(&file[..at]);
        for byte in [0, b'"', b'{', b'\\', 0xc3, 0xff] {
            let mut spoilt = *file;
            spoilt[at] = byte;
            let _ = Settings::parse(&spoilt);
        }
    }
}

#[test]
fn the_c_firmware_s_provisioning_without_a_proof_can_be_had() {
    let settings = Settings::parse(br#"{"provisioning":{"pop":"","security":1}}"#).unwrap();
    assert_eq!(settings.provisioning.pop, Proof::None);
    assert_eq!(Settings::default().provisioning.pop, Proof::MadeByDevice);
}

#[test]
fn the_keys_are_those_that_are_read() {
    for key in KEYS {
        assert!(
            Settings::parse(format!(r#"{{"{key}":null}}"#).as_bytes()).is_err(),
            "{key}"
        );
    }
    for key in PROVISIONING_KEYS {
        let json = format!(r#"{{"provisioning":{{"{key}":null}}}}"#);
        assert!(Settings::parse(json.as_bytes()).is_err(), "{key}");
    }
    assert!(Settings::parse(br#"{"colour":null}"#).is_ok());
}

#[test]
fn up_to_three_time_servers_stand_in_one_line() {
    let of = |value: &str| {
        let text = format!(r#"{{"sntp_server":"{value}"}}"#);
        Settings::parse(text.as_bytes()).map(|settings| settings.sntp_servers)
    };
    let three = of("ntp1.example, 10.0.0.6:1123 ,ntp3.example").unwrap();
    let ports: Vec<_> = three.iter().map(|server| server.port).collect();
    assert_eq!(ports[..], [123, 1_123, 123]);
    assert_eq!(three[2].host, "ntp3.example");
    let fault = |value| match of(value) {
        Err(SettingsError::Value { key, fault }) => (key, fault),
        other => panic!("{other:?}"),
    };
    assert_eq!(fault("a,b,c,d"), ("sntp_server", Fault::TooMany(3)));
    for nobody in ["", ",", "a,", "a,,b", "a b"] {
        assert_eq!(fault(nobody), ("sntp_server", Fault::BadHost), "{nobody}");
    }
}
