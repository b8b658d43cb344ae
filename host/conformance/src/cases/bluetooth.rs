//! What the device looks like over Bluetooth: advertising, service, MTU, ways to write.

use protocomm::endpoint::Endpoint;
use protocomm::gatt;
use protocomm::wire::version;

use super::{MANAGER, NIMBLE, SCHEME_BLE};
use crate::bench::Bench;
use crate::{Case, Fault, Weight};
use provisioner::Writes;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "advertising.service",
        purpose: "Apps filter by the service's UUID before they connect.",
        wants: "Flags 0x06, and the provisioning service's 128-bit UUID in the advertisement.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(advertised_service(bench)),
    },
    Case {
        name: "advertising.name",
        purpose: "Espressif's apps list only devices whose name begins with a prefix.",
        wants: "A complete local name that begins with the prefix, at most 29 bytes long.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(advertised_name(bench)),
    },
    Case {
        name: "gatt.endpoints",
        purpose: "Clients find an endpoint by the user description of its characteristic.",
        wants: "Characteristics described (0x2901) as prov-session, prov-config, proto-ver, prov-scan \
                and prov-ctrl, each once.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(endpoints(bench)),
    },
    Case {
        name: "gatt.uuids",
        purpose: "Clients that read no descriptors know endpoints by their UUIDs.",
        wants: "Each characteristic's UUID is the service's with the 16-bit part replaced; no two are \
                the same; the standard ones have 0xFF4F to 0xFF53.",
        source: SCHEME_BLE,
        weight: Weight::Must,
        run: |bench| Box::pin(uuids(bench)),
    },
    Case {
        name: "gatt.properties",
        purpose: "A phone's Bluetooth stack refuses what the properties do not allow.",
        wants: "Every endpoint can be read and written with response.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(properties(bench)),
    },
    Case {
        name: "gatt.service-uuid",
        purpose: "A client connects because of the UUID it heard, and looks for that service.",
        wants: "The service's UUID is the one that is advertised.",
        source: SCHEME_BLE,
        weight: Weight::Must,
        run: |bench| Box::pin(same_service(bench)),
    },
    Case {
        name: "mtu.23",
        purpose: "Some phones never ask for a larger MTU.",
        wants: "A session is opened and used at an MTU of 23, with long writes and long reads.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(at_mtu(bench, 23)),
    },
    Case {
        name: "mtu.185",
        purpose: "What iPhones ask for.",
        wants: "A session is opened and used at an MTU of 185.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(at_mtu(bench, 185)),
    },
    Case {
        name: "mtu.247",
        purpose: "What fits one packet of the link layer.",
        wants: "A session is opened and used at an MTU of 247.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(at_mtu(bench, 247)),
    },
    Case {
        name: "mtu.517",
        purpose: "What Android asks for.",
        wants: "A session is opened and used at an MTU of 517, or the device's own largest.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(at_mtu(bench, 517)),
    },
    Case {
        name: "write.long",
        purpose: "Phones split what does not fit, however short the rest is.",
        wants: "Requests written by Prepare and Execute Write are answered as any other.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(long_writes(bench)),
    },
    Case {
        name: "write.abandoned",
        purpose: "A phone gives a long write up: half a message must not become one.",
        wants: "A cancelled long write does nothing, and the next request is answered.",
        source: "Core Specification 5.4, vol. 3, part F, 3.4.6.3",
        weight: Weight::Must,
        run: |bench| Box::pin(abandoned_write(bench)),
    },
];

async fn advertised_service(bench: &mut Bench) -> Result<String, Fault> {
    let heard = bench.heard().await?;
    let Some(service) = heard.service else {
        return Err(Fault::failed("no 128-bit service UUID is advertised"));
    };
    match heard.flags {
        Some(gatt::ADVERTISING_FLAGS) => Ok(format!("flags 0x06, service {}", shown(service))),
        Some(flags) => Err(Fault::failed(format!("flags {flags:#04x}"))),
        None => Err(Fault::failed("no flags are advertised")),
    }
}

async fn advertised_name(bench: &mut Bench) -> Result<String, Fault> {
    let name = bench.heard().await?.name;
    let shown = name.escape_debug();
    if name.is_empty() {
        return Err(Fault::failed(
            "no name was heard (it is in the scan response, which Bumble's controllers do not carry)",
        ));
    }
    if name.starts_with(&bench.options.prefix) && name.len() <= gatt::MAX_NAME_LEN {
        Ok(format!("`{shown}`"))
    } else {
        let prefix = &bench.options.prefix;
        Err(Fault::failed(format!(
            "`{shown}`, where `{prefix}` is the prefix"
        )))
    }
}

async fn endpoints(bench: &mut Bench) -> Result<String, Fault> {
    let survey = bench.survey().await?;
    let found: Vec<_> = survey
        .characteristics
        .iter()
        .map(|c| c.description.as_deref())
        .collect();
    for endpoint in Endpoint::STANDARD {
        let name = endpoint.name(&[]);
        if found.iter().filter(|f| **f == name).count() != 1 {
            let found: Vec<_> = found.iter().map(|f| f.unwrap_or("(none)")).collect();
            let name = name.unwrap_or_default();
            let found = found.join(", ").escape_debug().to_string();
            return Err(Fault::failed(format!("no {name}, or several: {found}")));
        }
    }
    Ok(format!("{} endpoints", found.len()))
}

async fn uuids(bench: &mut Bench) -> Result<String, Fault> {
    let survey = bench.survey().await?;
    let mut seen = Vec::new();
    for c in &survey.characteristics {
        const NUMBER: u128 = 0xFFFF << 96;
        if c.uuid & !NUMBER != survey.service & !NUMBER || seen.contains(&c.uuid) {
            return Err(Fault::failed(format!(
                "{} under the service {}",
                shown(c.uuid),
                shown(survey.service)
            )));
        }
        seen.push(c.uuid);
        let standard = Endpoint::STANDARD
            .into_iter()
            .find(|e| e.name(&[]) == c.description.as_deref());
        if let Some(endpoint) = standard
            && c.uuid != gatt::characteristic_uuid(survey.service, endpoint)
        {
            let name = c.description.as_deref().unwrap_or_default();
            return Err(Fault::failed(format!("{name} is {}", shown(c.uuid))));
        }
    }
    Ok(format!("{} in order", seen.len()))
}

async fn properties(bench: &mut Bench) -> Result<String, Fault> {
    let survey = bench.survey().await?;
    for c in &survey.characteristics {
        if !(c.read && c.write) {
            let name = c.description.as_deref().unwrap_or("one without a name");
            let (read, write) = (c.read, c.write);
            let name = name.escape_debug();
            return Err(Fault::failed(format!("{name}: read {read}, write {write}")));
        }
    }
    Ok("all of them".into())
}

async fn same_service(bench: &mut Bench) -> Result<String, Fault> {
    let survey = bench.survey().await?;
    let heard = bench.heard().await?.service;
    if heard == Some(survey.service) {
        Ok(shown(survey.service))
    } else {
        let heard = heard.map_or("none".into(), shown);
        let service = shown(survey.service);
        Err(Fault::failed(format!(
            "{heard} is advertised, {service} is there"
        )))
    }
}

async fn at_mtu(bench: &mut Bench, mtu: usize) -> Result<String, Fault> {
    bench.over_bluetooth()?;
    bench.fresh_with_mtu(mtu).await?;
    let agreed = bench.survey().await?.mtu;
    if agreed > mtu {
        return Err(Fault::failed(format!("{agreed} was agreed on")));
    }
    bench.login().await?;
    bench.status().await?;
    Ok(format!("{agreed} was agreed on"))
}

async fn long_writes(bench: &mut Bench) -> Result<String, Fault> {
    bench.over_bluetooth()?;
    let plain = bench.post("proto-ver", version::REQUEST).await?;
    let long = bench
        .post_as("proto-ver", version::REQUEST, Writes::Long)
        .await?;
    if plain != long {
        return Err(Fault::failed("proto-ver answers something else"));
    }
    let secrets = bench.options.secrets.clone();
    let (_, first) = bench.begin(&secrets).await?;
    let reply = bench.post_as("prov-session", &first, Writes::Long).await?;
    match protocomm::wire::session::Handshake::decode(&reply) {
        Ok(_) => Ok(format!("the first message, {} bytes", first.len())),
        Err(_) => Err(Fault::failed("prov-session answers no handshake")),
    }
}

async fn abandoned_write(bench: &mut Bench) -> Result<String, Fault> {
    bench.over_bluetooth()?;
    let secrets = bench.options.secrets.clone();
    let (_, first) = bench.begin(&secrets).await?;
    bench
        .post_as("prov-session", &first, Writes::Abandoned)
        .await?;
    bench.login().await?;
    bench.status().await?;
    Ok("nothing came of it".into())
}

/// A UUID as people write it.
fn shown(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}
