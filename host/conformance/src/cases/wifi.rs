//! Networks and credentials: what the device hears, takes, tries, and tells.

use protocomm::client::{Reply, Request};
use protocomm::wire::config::{self, SetConfig, StationState};
use protocomm::wire::control;
use protocomm::wire::scan;
use protocomm::wire::{Status, version};
use zeroize::Zeroizing;

use super::{CONFIG, CONTROL, MANAGER, SCAN};
use crate::bench::Bench;
use crate::{Case, Fault, Weight};
use provisioner::{Error, FailReason, LinkError, Outcome};

/// A network that is nowhere.
const NOWHERE: &str = "esptb: no such network";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "scan.list",
        purpose: "People choose their network from this list.",
        wants: "A blocking scan, a count, and as many entries, in pages of four: names of at most 32 \
                bytes, a channel, strength below 0 dBm.",
        source: SCAN,
        weight: Weight::Must,
        run: |bench| Box::pin(list(bench)),
    },
    Case {
        name: "config.status-first",
        purpose: "An app that asks too early must not be told of a failure.",
        wants: "Before credentials were applied the state is disconnected or connecting.",
        source: CONFIG,
        weight: Weight::Must,
        run: |bench| Box::pin(status_first(bench)),
    },
    Case {
        name: "config.too-long",
        purpose: "Lengths are the client's to choose and the device's to check.",
        wants: "A name of 33 bytes, a passphrase of 65 and a BSSID of 5 are each answered with \
                InvalidArgument, and the session goes on.",
        source: CONFIG,
        weight: Weight::Must,
        run: |bench| Box::pin(too_long(bench)),
    },
    Case {
        name: "config.apply-nothing",
        purpose: "Applying without credentials is the app's fault and must not start anything.",
        wants: "Apply without Set before is answered with an error, and the session goes on.",
        source: "components/wifi_provisioning/src/handlers.c",
        weight: Weight::Must,
        run: |bench| Box::pin(apply_nothing(bench)),
    },
    Case {
        name: "control.reset-early",
        purpose: "Apps may send it once too often.",
        wants: "Reset is answered while nothing has failed: with an error as in ESP-IDF v5.4.1, or with \
                success as in network_provisioning from 1.2.1 on.",
        source: CONTROL,
        weight: Weight::Must,
        run: |bench| Box::pin(reset_early(bench)),
    },
    Case {
        name: "config.not-found",
        purpose: "People mistype names, and have to be told.",
        wants: "A network that is nowhere ends as failed, network not found; the session goes on.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(not_found(bench)),
    },
    Case {
        name: "control.reset",
        purpose: "After a failure people want another try without a restart.",
        wants: "Reset after a failure succeeds, and other credentials are taken and tried.",
        source: CONTROL,
        weight: Weight::Must,
        run: |bench| Box::pin(reset(bench)),
    },
    Case {
        name: "config.wrong-passphrase",
        purpose: "People mistype passphrases most of all.",
        wants: "A wrong passphrase ends as failed, authentication.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(wrong_passphrase(bench)),
    },
    Case {
        name: "config.again",
        purpose: "Apps that never send a reset leave a device useless until it is restarted.",
        wants: "After a failure, other credentials are taken in the same session without a reset.",
        source: "ESP-IDF wants a reset first: components/wifi_provisioning/src/manager.c",
        weight: Weight::Advice,
        run: |bench| Box::pin(again(bench)),
    },
    Case {
        name: "disconnect.joining",
        purpose: "The link often breaks just when the device turns to Wi-Fi.",
        wants: "A client that comes back after applying is told what became of it.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(leave_while_joining(bench)),
    },
    Case {
        name: "control.reprovision",
        purpose: "Apps offer it; devices that stop by themselves do not.",
        wants: "Re-provisioning is answered, with success or with an error, and the session goes on.",
        source: CONTROL,
        weight: Weight::Must,
        run: |bench| Box::pin(reprovision(bench)),
    },
    Case {
        name: "scan.beyond",
        purpose: "ESP-IDF v5.4.1 follows a null pointer here, and restarts: name this case to run it.",
        wants: "Results beyond the count are answered with an error, and the session goes on.",
        source: SCAN,
        weight: Weight::Advice,
        run: |bench| Box::pin(beyond(bench)),
    },
    Case {
        name: "config.join",
        purpose: "What it is all for.",
        wants: "With credentials that work the state becomes connected, with address and name.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(join(bench)),
    },
];

async fn list(bench: &mut Bench) -> Result<String, Fault> {
    if !bench.told().await?.has(version::WIFI_SCAN) {
        return Err(Fault::not_applicable("the device does not scan"));
    }
    bench.login().await?;
    let networks = bench.phone.scan_networks().await?;
    for network in &networks {
        if network.rssi >= 0 || network.channel == 0 {
            let (rssi, channel) = (network.rssi, network.channel);
            return Err(Fault::failed(format!("{rssi} dBm on channel {channel}")));
        }
    }
    bench.status().await?;
    Ok(format!("{} networks", networks.len()))
}

async fn status_first(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    match bench.status().await? {
        state @ (StationState::Disconnected | StationState::Connecting { .. }) => {
            Ok(format!("{state:?}"))
        }
        state => Err(Fault::failed(format!("{state:?}"))),
    }
}

async fn too_long(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    let right = SetConfig {
        ssid: b"a network",
        ..SetConfig::default()
    };
    let wrong = [
        SetConfig {
            ssid: &[b'x'; 33],
            ..right
        },
        SetConfig {
            passphrase: &[b'x'; 65],
            ..right
        },
        SetConfig {
            bssid: &[1; 5],
            ..right
        },
    ];
    for set in wrong {
        match bench.config(config::Request::Set(set)).await? {
            config::Response::Set(Status::InvalidArgument) => {}
            response => {
                let lengths = (set.ssid.len(), set.passphrase.len(), set.bssid.len());
                return Err(Fault::failed(format!(
                    "name, passphrase and BSSID of {lengths:?} bytes: {response:?}"
                )));
            }
        }
    }
    Ok("InvalidArgument three times".into())
}

async fn apply_nothing(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    let seen = match bench.config(config::Request::Apply).await? {
        config::Response::Apply(status) if status != Status::Success => format!("{status:?}"),
        response => return Err(Fault::failed(format!("{response:?}"))),
    };
    bench.status().await?;
    Ok(seen)
}

async fn control(bench: &mut Bench, request: control::Request) -> Result<Option<Status>, Fault> {
    match bench.control(request).await {
        Err(Error::Link(LinkError::NoEndpoint(name))) => {
            Err(Fault::not_applicable(format!("there is no {name}")))
        }
        answer => Ok(answer?),
    }
}

async fn reset_early(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    let status = control(bench, control::Request::Reset).await?;
    bench.status().await?;
    Ok(shown(status))
}

fn shown(status: Option<Status>) -> String {
    status.map_or("no status".into(), |status| format!("{status:?}"))
}

/// Tries a network and tells what became of it.
async fn attempt(bench: &mut Bench, ssid: &str, passphrase: &str) -> Result<FailReason, Fault> {
    match bench.phone.provision(ssid, passphrase).await? {
        Outcome::Refused(reason) => Ok(reason),
        Outcome::Joined(_) => Err(Fault::failed("the device says that it has joined")),
    }
}

async fn not_found(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    match attempt(bench, NOWHERE, "no passphrase").await? {
        FailReason::NetworkNotFound => {
            bench.status().await?;
            Ok("network not found".into())
        }
        reason => Err(Fault::failed(format!("{reason:?}"))),
    }
}

async fn reset(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    attempt(bench, NOWHERE, "no passphrase").await?;
    match control(bench, control::Request::Reset).await? {
        Some(Status::Success) => {}
        status => return Err(Fault::failed(shown(status))),
    }
    bench.phone.forget_failure();
    let reason = attempt(bench, NOWHERE, "another passphrase").await?;
    Ok(format!("tried once more ({reason:?})"))
}

async fn wrong_passphrase(bench: &mut Bench) -> Result<String, Fault> {
    let (ssid, passphrase) = network(bench)?;
    if passphrase.is_empty() {
        return Err(Fault::not_applicable("the network has no passphrase"));
    }
    bench.ready().await?;
    match attempt(bench, &ssid, "esptb: a wrong one").await? {
        FailReason::AuthError => Ok("authentication".into()),
        reason => Err(Fault::failed(format!("{reason:?}"))),
    }
}

async fn again(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    attempt(bench, NOWHERE, "no passphrase").await?;
    // The client of this crate would send a reset now.
    bench.phone.forget_failure();
    let reason = attempt(bench, NOWHERE, "another passphrase").await?;
    Ok(format!("tried once more ({reason:?})"))
}

async fn leave_while_joining(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    let set = SetConfig {
        ssid: NOWHERE.as_bytes(),
        passphrase: b"no passphrase",
        ..SetConfig::default()
    };
    for request in [config::Request::Set(set), config::Request::Apply] {
        match bench.config(request).await? {
            config::Response::Set(Status::Success) | config::Response::Apply(Status::Success) => {}
            response => return Err(Fault::failed(format!("{response:?}"))),
        }
    }
    bench.fresh().await?;
    bench.login().await?;
    match bench.phone.joining().await? {
        Outcome::Refused(reason) => Ok(format!("{reason:?}")),
        Outcome::Joined(_) => Err(Fault::failed("the device says that it has joined")),
    }
}

async fn reprovision(bench: &mut Bench) -> Result<String, Fault> {
    bench.ready().await?;
    let status = control(bench, control::Request::Reprovision).await?;
    bench.status().await?;
    Ok(shown(status))
}

async fn beyond(bench: &mut Bench) -> Result<String, Fault> {
    if !bench.options.only.iter().any(|name| name == "scan.beyond") {
        return Err(Fault::not_applicable(
            "it would restart a device with ESP-IDF v5.4.1; name this case to run it",
        ));
    }
    if !bench.told().await?.has(version::WIFI_SCAN) {
        return Err(Fault::not_applicable("the device does not scan"));
    }
    bench.login().await?;
    let networks = bench.phone.scan_networks().await?;
    let request = Request::Scan(scan::Request::Results {
        start_index: networks.len() as u32,
        count: 2,
    });
    let asked = bench.phone.request(&request, |reply| match reply {
        Reply::Scan(scan::Response::Results { status, entries }) => {
            Ok((status, entries.iter().count()))
        }
        _ => Err(Error::Unexpected),
    });
    match asked.await {
        Ok((Status::Success, entries)) if entries > 0 => Err(Fault::failed(format!(
            "{entries} entries that are not there"
        ))),
        Ok((status, _)) => {
            bench.status().await?;
            Ok(format!("{status:?}"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The network that was given for the purpose.
fn network(bench: &Bench) -> Result<(String, Zeroizing<String>), Fault> {
    let network = bench.options.network.as_ref();
    let (ssid, passphrase) =
        network.ok_or_else(|| Fault::not_applicable("no network was given"))?;
    Ok((ssid.clone(), passphrase.clone()))
}

async fn join(bench: &mut Bench) -> Result<String, Fault> {
    let (ssid, passphrase) = network(bench)?;
    bench.ready().await?;
    match bench.phone.provision(&ssid, &passphrase).await? {
        Outcome::Joined(connected) if connected.ssid.as_bytes() == ssid.as_bytes() => {
            Ok(format!("joined as {}", connected.ip4))
        }
        Outcome::Joined(connected) => Err(Fault::failed(format!("joined {:?}", connected.ssid))),
        Outcome::Refused(reason) => Err(Fault::failed(format!("{reason:?}"))),
    }
}
