//! `esptb tb` and `esptb doctor` against `devserver`, which answers as ThingsBoard does.

use std::fs;

use serde_json::Value;

use crate::desk::{Desk, PASSWORD, USER};
use crate::program::{done, err, esptb_with, failed, failed_at_the_end, out};

#[test]
fn a_login_is_kept_by_name_once_it_works() {
    let desk = Desk::new();
    let url = desk.server().http_url();
    let login = ["tb", "login", "desk", &url, "--user", USER];
    let wrong = esptb_with(desk.path(), &login, &[("ESPTB_TB_PASSWORD", "wrong")]);
    failed(&wrong, "Invalid username or password");
    assert!(
        !desk.path().join("configuration").exists(),
        "what does not work is not kept"
    );
    desk.log_in();
    let kept = desk.path().join("configuration/esptb/servers.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&kept)
            .expect("it is kept")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(desk.json(&["tb", "servers", "--json"])[0]["name"], "desk");
    assert!(
        desk.json(&["tb", "devices", "--json"])
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    failed(
        &desk.esptb(&["tb", "devices", "--server", "other"]),
        "but desk",
    );
    done(&desk.esptb(&["tb", "logout", "desk"]));
    assert_eq!(desk.esptb(&["tb", "devices"]).status.code(), Some(2));
    // By the environment alone, and nothing kept.
    let user = ("ESPTB_TB_USER", USER);
    done(&esptb_with(
        desk.path(),
        &["tb", "devices", "--server", &url],
        &[user, PASSWORD],
    ));
    assert_eq!(fs::read_to_string(kept).expect("it is there").trim(), "{}");
}

#[test]
fn an_empty_tenant_is_set_up_and_a_device_comes_online() {
    let desk = Desk::new();
    desk.log_in();
    let broker = desk.server().mqtt_url();
    let plan = desk.json(&["tb", "setup", "--broker", &broker, "--dry-run", "--json"]);
    assert_eq!(
        (&plan["steps"][2]["action"], &plan["trial"]),
        (&"create".into(), &Value::Null)
    );
    // The trial device is made by the profile, sends, and is gone.
    let made = desk.json(&["tb", "setup", "--broker", &broker, "--json"]);
    assert!(
        made["trial"]
            .as_str()
            .is_some_and(|told| told.contains("its sample arrived")),
        "{made}"
    );
    assert!(
        made["steps"][1]["link"]
            .as_str()
            .is_some_and(|link| link.contains("/ruleChains/"))
    );
    assert!(
        made["steps"][2]["link"]
            .as_str()
            .is_some_and(|link| link.contains("/profiles/deviceProfiles/"))
    );
    assert!(
        desk.json(&["tb", "devices", "--json"])
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    let again = done(&desk.esptb(&["tb", "setup"]));
    assert_eq!(again.matches("is as it should be").count(), 3, "{again}");

    done(&desk.esptb(&["pki", "device", "SN-1", "--days", "20", "--broker", &broker]));
    let device = "devices/SN-1";
    let doctor = done(&desk.esptb(&[
        "doctor",
        "--device",
        device,
        "--server",
        "desk",
        "--no-sntp",
    ]));
    assert!(doctor.contains("takes the CN as \"SN-1\""), "{doctor}");
    // Not too far off: a busy computer takes a second or two itself.
    assert!(
        doctor.contains("the server tells devices its time, ")
            && !doctor.contains("its time, which is"),
        "{doctor}"
    );
    done(&desk.esptb(&[
        "image",
        "--spiffs",
        device,
        "--wifi",
        "esptb:correct horse",
        "--out",
        "f.bin",
    ]));
    done(&desk.esptb(&["simulate", "--flash", "f.bin", "--headless", "--for", "4s"]));

    let all = desk.json(&["tb", "devices", "--expires-within", "30", "--json"]);
    let one = &all[0];
    assert_eq!(
        (&one["name"], &one["profile"], &one["online"]),
        (&"SN-1".into(), &"esptb".into(), &false.into())
    );
    assert!(
        one["firmware"].is_string() && one["dropped"] == 0 && one["since_ms"].is_i64(),
        "{one}"
    );
    assert!(
        desk.json(&["tb", "devices", "--online", "--json"])
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    let csv = done(&desk.esptb(&["tb", "devices", "--format", "csv"]));
    assert!(
        csv.lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("SN-1,esptb,offline,")),
        "{csv}"
    );
    let status = done(&desk.esptb(&["tb", "status"]));
    assert!(
        status.contains("0 of 1 device online") && status.contains("1 with a certificate"),
        "{status}"
    );
    let one = done(&desk.esptb(&["tb", "status", "SN-1"]));
    assert!(
        one.contains("SN-1 is offline since") && one.contains("in 19 days"),
        "{one}"
    );
    let watched = done(&desk.esptb(&["tb", "watch", "--for", "1s"]));
    assert!(
        watched.starts_with("SN-1 offline\nSN-1 firmware "),
        "{watched}"
    );
    failed(&desk.esptb(&["tb", "status", "SN-2"]), "esptb tb devices");
}

#[test]
fn a_mistake_is_told_with_who_mends_it() {
    let desk = Desk::new();
    desk.log_in();
    let broker = desk.server().mqtt_url();
    done(&desk.esptb(&["pki", "device", "SN-1", "--broker", &broker]));
    let doctor = [
        "doctor",
        "--device",
        "devices/SN-1",
        "--server",
        "desk",
        "--no-sntp",
    ];
    let output = desk.esptb(&doctor);
    failed_at_the_end(
        &output,
        "2 mistakes would keep the device from getting online",
    );
    let said = out(&output);
    assert!(
        said.contains("no device profile provisions by X.509 chain"),
        "{said}"
    );
    assert!(said.contains("the tenant's administrator: "), "{said}");
    let mut json = doctor.to_vec();
    json.push("--json");
    let output = desk.esptb(&json);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let found: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let bad = found
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["verdict"] == "bad");
    assert!(
        bad.clone().all(|one| one["remedy"]["who"] == "tenant"),
        "{found}"
    );
    assert_eq!(bad.count(), 2);
    failed(
        &desk.esptb(&["doctor", "--device", "devices/SN-2"]),
        "esptb pki device",
    );
    // A trial tells the same, and leaves nothing.
    let trial = ["tb", "setup", "--broker", "mqtts://127.0.0.1:1"];
    failed_at_the_end(&desk.esptb(&trial), "cannot be reached");
    assert!(
        desk.json(&["tb", "devices", "--json"])
            .as_array()
            .is_some_and(Vec::is_empty)
    );
}
