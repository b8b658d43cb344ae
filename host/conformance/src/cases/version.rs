//! `proto-ver`: what the device says of itself.

use protocomm::wire::version;
use serde_json::Value;

use super::{MANAGER, PROTOCOMM};
use crate::bench::Bench;
use crate::{Case, Fault, Weight};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "version.json",
        purpose: "Clients choose the security scheme by it, with a strict JSON parser.",
        wants: "A JSON object: prov.ver a text such as v1.1, prov.sec_ver 0, 1 or 2, prov.cap a list of \
                texts.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(json(bench)),
    },
    Case {
        name: "version.capabilities",
        purpose: "Apps ask for a proof of possession, or leave the list of networks out, by it.",
        wants: "no_sec with security 0 only, no_pop with security 1 only, wifi_scan where prov-scan is.",
        source: MANAGER,
        weight: Weight::Must,
        run: |bench| Box::pin(capabilities(bench)),
    },
    Case {
        name: "version.always",
        purpose: "Clients send whatever they like here, before a session and within.",
        wants: "The same answer whatever is asked, and a session that goes on.",
        source: PROTOCOMM,
        weight: Weight::Must,
        run: |bench| Box::pin(always(bench)),
    },
];

async fn json(bench: &mut Bench) -> Result<String, Fault> {
    let reply = bench.post("proto-ver", version::REQUEST).await?;
    let text = String::from_utf8_lossy(&reply);
    let fault = |what: &str| Fault::failed(format!("{what}: {}", text.escape_debug()));
    let whole: Value =
        serde_json::from_str(text.trim_end_matches('\0')).map_err(|_| fault("no JSON"))?;
    let prov = &whole["prov"];
    let Some(version) = prov["ver"].as_str() else {
        return Err(fault("no prov.ver"));
    };
    // Before ESP-IDF 5.0 there was no such field.
    let scheme = prov["sec_ver"].as_u64();
    if !prov["sec_ver"].is_null() && scheme.is_none_or(|scheme| scheme > 2) {
        return Err(fault("prov.sec_ver is not 0, 1 or 2"));
    }
    match prov["cap"].as_array() {
        Some(cap) if cap.iter().all(Value::is_string) => {}
        _ => return Err(fault("prov.cap is no list of texts")),
    }
    let scheme = scheme.map_or("unnamed".into(), |scheme| scheme.to_string());
    Ok(format!("{version}, security {scheme}"))
}

async fn capabilities(bench: &mut Bench) -> Result<String, Fault> {
    let told = bench.told().await?;
    let named = told.capabilities.join(", ").escape_debug().to_string();
    let fault = |what: &str| Err(Fault::failed(format!("{what}; it names: {named}")));
    if told.has(version::NO_SECURITY) != (told.scheme == 0) {
        return fault("no_sec does not fit the scheme");
    }
    if told.has(version::NO_PROOF) && told.scheme != 1 {
        return fault("no_pop does not fit the scheme");
    }
    let scans = match bench.survey().await {
        Ok(survey) => survey.handle("prov-scan").is_some(),
        Err(_) => told.has(version::WIFI_SCAN),
    };
    if scans != told.has(version::WIFI_SCAN) {
        return fault("wifi_scan and the endpoint prov-scan do not fit");
    }
    Ok(named)
}

async fn always(bench: &mut Bench) -> Result<String, Fault> {
    let told = bench.told().await?.text;
    let asked: [&[u8]; 3] = [
        b"ESP",
        b"\0",
        b"\xFF\xFE a longer one, that is no text at all",
    ];
    for question in asked {
        if bench.post("proto-ver", question).await? != told.as_bytes() {
            return Err(Fault::failed("the answers differ"));
        }
    }
    bench.login().await?;
    if bench.post("proto-ver", version::REQUEST).await? != told.as_bytes() {
        return Err(Fault::failed("it answers otherwise within a session"));
    }
    bench.status().await?;
    Ok("five times the same".into())
}
