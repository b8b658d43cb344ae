//! The crate `conformance` on this crate's bench: the device passes, and broken devices fail in the right case.

use std::rc::Rc;

use bodykit::http::Endpoints;
use conformance::{Options, Report, Target, Verdict};
use device::platform::Mailbox;
use protocomm::refusal::Refusal;
use protocomm::security::{IvMode, Security};
use protocomm::wire::Status;
use protocomm::wire::session::Handshake;
use provisioner::Secrets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vhci::{ControllerConfig, HciSpec, SharedAir};
use zeroize::Zeroizing;

use crate::bench::{NAME, PROOF, device, local, local_with_sockets, security, serve_http};

fn options(scheme: u8, only: &[&str]) -> Options {
    Options {
        network: Some(("home".into(), Zeroizing::new("correct horse".into()))),
        only: only.iter().map(|name| (*name).to_owned()).collect(),
        ..Options::new(Secrets::proof(if scheme == 0 { "" } else { PROOF }))
    }
}

/// What did not pass, with what was seen.
fn faults(report: &Report) -> Vec<(&'static str, String)> {
    let findings = report.findings.iter();
    findings
        .filter(|finding| {
            matches!(
                finding.verdict,
                Verdict::Failed | Verdict::Advised | Verdict::NotRun
            )
        })
        .map(|finding| (finding.case.name, finding.seen.clone()))
        .collect()
}

async fn over_bluetooth(scheme: u8, iv_mode: IvMode) {
    let bench = device(security(scheme, iv_mode)).await;
    let target = Target::Bluetooth {
        hci: HciSpec::Virtual,
        air: bench.air.clone(),
        name: Some(NAME.into()),
    };
    let report = conformance::run(target, &options(scheme, &[]), |_| {}).await;
    let report = report.unwrap();
    assert_eq!(faults(&report), []);
    assert!(report.conforms());
    let least = if scheme == 0 { 35 } else { 44 };
    assert!(
        report.count(Verdict::Passed) >= least,
        "{}",
        report.to_json()
    );
    bench.done.await.unwrap().unwrap();
}

#[test]
fn the_device_conforms_over_bluetooth_with_security_0() {
    local(over_bluetooth(0, IvMode::Counter));
}

#[test]
fn the_device_conforms_over_bluetooth_with_security_1() {
    local(over_bluetooth(1, IvMode::Counter));
}

#[test]
fn the_device_conforms_over_bluetooth_with_security_2() {
    local(over_bluetooth(2, IvMode::Counter));
}

#[test]
fn the_device_conforms_over_http_with_each_security() {
    local_with_sockets(async {
        for scheme in 0..=2 {
            let bench = device(security(scheme, IvMode::Counter)).await;
            let target = Target::Http(serve_http(bench.mailbox.clone()).await);
            let report = conformance::run(target, &options(scheme, &[]), |_| {}).await;
            let report = report.unwrap();
            assert_eq!(faults(&report), []);
            assert!(report.conforms());
            assert!(report.count(Verdict::Passed) >= 20, "{}", report.to_json());
            bench.done.await.unwrap().unwrap();
        }
    });
}

/// Why nothing could be said of a device.
async fn refusal(target: Target, options: &Options) -> String {
    let mut told = 0;
    let report = conformance::run(target, options, |finding| {
        told += u32::from(finding.verdict == Verdict::Failed);
    });
    let error = report.await.err().expect("no report").to_string();
    assert_eq!(told, 0, "{error}");
    error
}

#[test]
fn what_the_operator_has_to_mend_is_no_fault_of_the_devices() {
    local_with_sockets(async {
        for scheme in [1, 2] {
            for (proof, says) in [("", "demands a proof"), ("wrong-one", "wrong proof")] {
                let bench = device(security(scheme, IvMode::Counter)).await;
                let target = Target::Http(serve_http(bench.mailbox.clone()).await);
                let options = Options::new(Secrets::proof(proof));
                let error = refusal(target, &options).await;
                assert!(error.contains(says), "{error}");
            }
        }
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap().to_string();
        drop(closed);
        let error = refusal(Target::Http(address), &options(2, &[])).await;
        assert!(error.contains("no HTTP to"), "{error}");
    });
}

#[test]
fn a_device_that_is_not_heard_is_not_judged() {
    local(async {
        let target = Target::Bluetooth {
            hci: HciSpec::Virtual,
            air: SharedAir::new(),
            name: Some(NAME.into()),
        };
        let error = refusal(target, &options(2, &[])).await;
        assert!(
            error.contains("no provisioning device was heard"),
            "{error}"
        );
    });
}

/// Answers of the device, spoilt.
struct Spoilt<F> {
    mailbox: Rc<Mailbox>,
    spoil: F,
}

type Answer = Option<Result<Vec<u8>, Refusal>>;

impl<F: Fn(&str, &[u8], Answer) -> Answer> Endpoints for Spoilt<F> {
    async fn request(&self, fresh: bool, endpoint: &str, body: Vec<u8>) -> Answer {
        let answer = self.mailbox.request(fresh, endpoint, body.clone()).await;
        (self.spoil)(endpoint, &body, answer)
    }
}

/// The cases that a device with these answers fails.
async fn failures(
    security: Security,
    only: &[&str],
    spoil: impl Fn(&str, &[u8], Answer) -> Answer + 'static,
) -> Vec<&'static str> {
    let scheme = security.scheme();
    let bench = device(security).await;
    let mailbox = bench.mailbox.clone();
    let target = Target::Http(serve_http(Spoilt { mailbox, spoil }).await);
    let report = conformance::run(target, &options(scheme, only), |_| {}).await;
    faults(&report.unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn one() -> Security {
    security(1, IvMode::Counter)
}

fn encoded(message: &Handshake<'_>) -> Option<Result<Vec<u8>, Refusal>> {
    let mut bytes = vec![0; 512];
    let length = message.encode(&mut bytes).unwrap();
    bytes.truncate(length);
    Some(Ok(bytes))
}

#[test]
fn a_device_that_accepts_any_proof_is_found_out() {
    local_with_sockets(async {
        let accepts = |endpoint: &str, body: &[u8], answer: Answer| {
            let refused = matches!(answer, Some(Err(_)));
            match Handshake::decode(body) {
                Ok(Handshake::Sec1Command1 { .. }) if refused && endpoint == "prov-session" => {
                    encoded(&Handshake::Sec1Response1 {
                        status: Status::Success,
                        device_verify: &[7; 32],
                    })
                }
                _ => answer,
            }
        };
        let failed = failures(one(), &["session", "version"], accepts).await;
        let expected = [
            "session.wrong-proof",
            "session.tampered-proof",
            "session.skipped",
            "session.replayed",
        ];
        assert_eq!(failed, expected);
    });
}

#[test]
fn a_device_that_takes_requests_in_the_clear_is_found_out() {
    local_with_sockets(async {
        let clear = |endpoint: &str, body: &[u8], answer: Answer| match (endpoint, body) {
            ("prov-config", [0x52, 0x00]) => Some(Ok(vec![0x08, 0x01, 0x5A, 0x02, 0x10, 0x02])),
            _ => answer,
        };
        let failed = failures(one(), &["session.required", "session.good"], clear).await;
        assert_eq!(failed, ["session.required"]);
    });
}

#[test]
fn a_device_that_tells_nonsense_of_itself_is_found_out() {
    local_with_sockets(async {
        let strange = |endpoint: &str, _: &[u8], answer: Answer| match endpoint {
            // A comma that cJSON would not write, and a capability that does not fit.
            "proto-ver" => Some(Ok(
                br#"{"prov":{"ver":"v1.1","sec_ver":1,"cap":["wifi_scan","no_sec",]}}"#.to_vec(),
            )),
            _ => answer,
        };
        let failed = failures(one(), &["version", "session.good"], strange).await;
        assert_eq!(failed, ["version.json", "version.capabilities"]);
    });
}

#[test]
fn a_device_that_dies_of_garbage_is_found_out() {
    local_with_sockets(async {
        let dead = std::cell::Cell::new(false);
        let dies = move |endpoint: &str, body: &[u8], answer: Answer| {
            if endpoint == "prov-scan" && body.len() > 200 {
                dead.set(true);
            }
            if dead.get() { None } else { answer }
        };
        let failed = failures(one(), &["garbage.prov"], dies).await;
        assert_eq!(failed, ["garbage.prov-scan", "garbage.prov-ctrl"]);
    });
}

#[test]
fn a_device_that_never_tells_of_a_failure_is_found_out() {
    local_with_sockets(async {
        // Security 0: the answers can be read, and changed.
        let joins = |endpoint: &str, body: &[u8], answer: Answer| match (endpoint, body, &answer) {
            // A status with the state "connected", where the device says "failed".
            ("prov-config", [0x52, 0x00], Some(Ok(reply))) if reply.contains(&0x03) => {
                Some(Ok(vec![0x08, 0x01, 0x5A, 0x00]))
            }
            _ => answer,
        };
        let only = [
            "config.not-found",
            "config.wrong-passphrase",
            "config.apply-nothing",
        ];
        let failed = failures(security(0, IvMode::Counter), &only, joins).await;
        assert!(failed.contains(&"config.not-found"), "{failed:?}");
        assert!(failed.contains(&"config.wrong-passphrase"), "{failed:?}");
        assert!(!failed.contains(&"config.apply-nothing"), "{failed:?}");
    });
}

/// Passes H4 on between a host and a controller, with some bytes of the controller's changed.
async fn spoil_h4(air: &SharedAir, from: &'static [u8], to: &'static [u8]) -> HciSpec {
    let controllers = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind = controllers.local_addr().unwrap();
    let config = |n: usize| ControllerConfig::with_address([0xC0, 0, 0, 0, 1, n as u8]);
    tokio::task::spawn_local(vhci::serve(air.clone(), controllers, config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((mut host, _)) = listener.accept().await {
            let mut controller = TcpStream::connect(behind).await.unwrap();
            tokio::task::spawn_local(async move {
                let (mut commands, mut answers) = ([0; 4096], [0; 4096]);
                loop {
                    tokio::select! {
                        n = host.read(&mut commands) => match n {
                            Ok(n) if n > 0 => controller.write_all(&commands[..n]).await.unwrap(),
                            _ => return,
                        },
                        n = controller.read(&mut answers) => match n {
                            Ok(n) if n > 0 => {
                                for at in 0..=n.saturating_sub(from.len()) {
                                    if answers[at..].starts_with(from) {
                                        answers[at..at + to.len()].copy_from_slice(to);
                                    }
                                }
                                if host.write_all(&answers[..n]).await.is_err() {
                                    return;
                                }
                            }
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    HciSpec::Tcp(address.to_string())
}

/// The cases that a device with these bytes over the air fails.
async fn failures_in_the_air(
    only: &[&str],
    from: &'static [u8],
    to: &'static [u8],
) -> Vec<&'static str> {
    assert_eq!(from.len(), to.len());
    let bench = device(one()).await;
    let target = Target::Bluetooth {
        hci: spoil_h4(&bench.air, from, to).await,
        air: SharedAir::new(),
        name: None,
    };
    let report = conformance::run(target, &options(1, only), |_| {}).await;
    faults(&report.unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

const SEEN_FROM_OUTSIDE: &[&str] = &["advertising", "gatt", "session.good"];

#[test]
fn what_is_wrong_over_the_air_is_found_in_its_case() {
    local_with_sockets(async {
        let all = SEEN_FROM_OUTSIDE;
        let failed = failures_in_the_air(all, b"nothing to change", b"nothing to change").await;
        assert_eq!(failed, [""; 0]);
        let failed = failures_in_the_air(all, b"prov-scan", b"prov-scam").await;
        assert_eq!(failed, ["gatt.endpoints"], "a user description");
        let failed = failures_in_the_air(all, b"PROV_", b"PROV-").await;
        assert_eq!(failed, ["advertising.name"]);
        let failed = failures_in_the_air(all, &[2, 1, 6, 17, 7], &[2, 1, 4, 17, 7]).await;
        assert_eq!(failed, ["advertising.service"], "flags");
        // The end of the UUID of prov-ctrl, 1775ff4f-…, least significant byte first.
        let uuid = failures_in_the_air(all, &[0x6B, 0x4F, 0xFF, 0x75], &[0x6B, 0x3F, 0xFF, 0x75]);
        assert_eq!(uuid.await, ["gatt.uuids"]);
    });
}
