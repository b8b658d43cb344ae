//! Sessions: that they come about for whoever has the secret, and for nobody else.

use protocomm::client::{Reply, Request};
use protocomm::wire::config::{self, SetConfig};
use protocomm::wire::session::Handshake;
use protocomm::wire::{Status, version};

use super::{HTTPD, NIMBLE, SECURITY, SECURITY_2};
use crate::bench::{Bench, handshake_refused, refused};
use crate::{Case, Fault, Weight};
use provisioner::{Error, Provisioner, Secrets};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "session.good",
        purpose: "What all else needs.",
        wants: "A handshake with the right secret opens a session; the device proves that it knows the \
                secret too; a request is answered.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(good(bench)),
    },
    Case {
        name: "session.wrong-proof",
        purpose: "Who has not read the label must not set the network.",
        wants: "A handshake with another proof of possession is refused, and opens nothing.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(wrong_proof(bench)),
    },
    Case {
        name: "session.tampered-proof",
        purpose: "The whole proof is compared, not a part of it.",
        wants: "A proof with one bit changed, the first or the last, is refused, and opens nothing.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(tampered_proof(bench)),
    },
    Case {
        name: "session.skipped",
        purpose: "A proof without a challenge proves nothing.",
        wants: "The second step of a handshake without the first is refused, and opens nothing.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(skipped(bench)),
    },
    Case {
        name: "session.replayed",
        purpose: "Who has listened to a phone must not be able to do as it did.",
        wants: "Both messages of a good handshake, sent again, are refused in the second step.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(replayed(bench)),
    },
    Case {
        name: "session.other-scheme",
        purpose: "A client must not be able to choose a weaker scheme than the device's.",
        wants: "A handshake of any other scheme is refused, and opens nothing.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(other_scheme(bench)),
    },
    Case {
        name: "session.required",
        purpose: "Nothing is done for a client without a session.",
        wants: "prov-config, prov-scan and prov-ctrl refuse requests in the clear.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(required(bench)),
    },
    Case {
        name: "session.request-replayed",
        purpose: "Who has listened must not be able to repeat a request.",
        wants: "An encrypted request, sent once more, is not answered as the first one was.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(request_replayed(bench)),
    },
    Case {
        name: "session.request-altered",
        purpose: "With security 2 nobody on the way can change a request.",
        wants: "An encrypted request with one bit changed is refused.",
        source: SECURITY_2,
        weight: Weight::Must,
        run: |bench| Box::pin(request_altered(bench)),
    },
    Case {
        name: "session.anew",
        purpose: "A phone that has lost count begins again without connecting again.",
        wants: "A second handshake on the same link opens a session as the first did.",
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(anew(bench)),
    },
    Case {
        name: "session.two-clients",
        purpose: "Two phones at once must not share a session.",
        wants: "While a second client has a session, requests of the first are refused; or the second \
                is.",
        source: HTTPD,
        weight: Weight::Must,
        run: |bench| Box::pin(two_clients(bench)),
    },
    Case {
        name: "session.reconnect",
        purpose: "Phones lose links; a session of a lost link must not be anybody's.",
        wants: "After a reconnect, the session of before is not there, and a new one can be opened.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(reconnect(bench)),
    },
    Case {
        name: "session.zero-key",
        purpose: "A public key of zero makes the shared secret known to everybody.",
        wants: "A first step with a key of zeros is refused.",
        source: "RFC 5054, 2.5.4 (SRP-6a); RFC 7748, 6.1 (X25519)",
        weight: Weight::Advice,
        run: |bench| Box::pin(zero_key(bench)),
    },
];

async fn good(bench: &mut Bench) -> Result<String, Fault> {
    let scheme = bench.told().await?.scheme;
    bench.login().await?;
    bench.status().await?;
    Ok(format!("security {scheme}"))
}

async fn wrong_proof(bench: &mut Bench) -> Result<String, Fault> {
    bench.secret_scheme().await?;
    let mut wrong = Secrets::proof("esptb-conformance-wrong");
    wrong.username.clone_from(&bench.options.secrets.username);
    let (mut client, first) = bench.begin(&wrong).await?;
    let second = bench.second(&mut client, &first).await?;
    let seen = handshake_refused(bench.post("prov-session", &second).await)?;
    bench.is_locked().await?;
    bench.alive().await?;
    Ok(seen)
}

async fn tampered_proof(bench: &mut Bench) -> Result<String, Fault> {
    bench.secret_scheme().await?;
    let secrets = bench.options.secrets.clone();
    let mut seen = String::new();
    for last in [false, true] {
        let (mut client, first) = bench.begin(&secrets).await?;
        let mut second = bench.second(&mut client, &first).await?;
        // The proof is the last field of the message: 32 bytes, or 64.
        let length = if bench.told().await?.scheme == 1 {
            32
        } else {
            64
        };
        let at = second.len() - if last { 1 } else { length };
        if let Some(byte) = second.get_mut(at) {
            *byte ^= 0x01;
        }
        seen = handshake_refused(bench.post("prov-session", &second).await)?;
        bench.is_locked().await?;
        bench.fresh().await?;
    }
    bench.alive().await?;
    Ok(seen)
}

/// A message of a handshake.
fn encoded(message: &Handshake<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; 512];
    let length = message.encode(&mut bytes).map_err(|_| Error::Unexpected)?;
    bytes.truncate(length);
    Ok(bytes)
}

async fn skipped(bench: &mut Bench) -> Result<String, Fault> {
    let message = match bench.told().await?.scheme {
        0 => return Err(Fault::not_applicable("security 0 has one step")),
        1 => encoded(&Handshake::Sec1Command1 {
            client_verify: &[0; 32],
        })?,
        _ => encoded(&Handshake::Sec2Command1 {
            client_proof: &[0; 64],
        })?,
    };
    let seen = handshake_refused(bench.post("prov-session", &message).await)?;
    bench.is_locked().await?;
    bench.alive().await?;
    Ok(seen)
}

async fn replayed(bench: &mut Bench) -> Result<String, Fault> {
    let secrets = bench.options.secrets.clone();
    let (mut client, first) = bench.begin(&secrets).await?;
    let second = bench.second(&mut client, &first).await?;
    bench.post("prov-session", &second).await?;
    bench.fresh().await?;
    bench.post("prov-session", &first).await?;
    let seen = handshake_refused(bench.post("prov-session", &second).await)?;
    bench.is_locked().await?;
    bench.alive().await?;
    Ok(seen)
}

async fn other_scheme(bench: &mut Bench) -> Result<String, Fault> {
    let scheme = bench.told().await?.scheme;
    let mut seen = String::new();
    let messages = [
        Handshake::Sec0Command,
        Handshake::Sec1Command0 {
            client_key: &[9; 32],
        },
        Handshake::Sec2Command0 {
            username: b"wifiprov",
            client_key: &[9; 384],
        },
    ];
    for message in messages.iter().filter(|m| m.scheme() != scheme) {
        seen = handshake_refused(bench.post("prov-session", &encoded(message)?).await)?;
        bench.fresh().await?;
        if scheme != 0 {
            bench.is_locked().await?;
        }
    }
    bench.alive().await?;
    Ok(seen)
}

async fn required(bench: &mut Bench) -> Result<String, Fault> {
    if bench.told().await?.scheme == 0 {
        return Err(Fault::not_applicable(
            "with security 0 there is nothing to wait for",
        ));
    }
    // Get Status, Scan Start, Reset: each is right but for the session.
    let requests: [(&str, &[u8]); 3] = [
        ("prov-config", &[0x52, 0x00]),
        ("prov-scan", &[0x52, 0x02, 0x08, 0x01]),
        ("prov-ctrl", &[0x08, 0x01, 0x5A, 0x00]),
    ];
    for (endpoint, request) in requests {
        let answer = bench.post(endpoint, request).await;
        if let Err(seen) = refused(answer) {
            return Err(Fault::failed(format!("{endpoint}: {seen}")));
        }
        bench.fresh().await?;
    }
    bench.alive().await?;
    Ok("all three refuse".into())
}

/// Credentials that no device takes: a BSSID of five bytes. The answer to them is like no other.
fn unmistakable() -> Request<'static> {
    Request::Config(config::Request::Set(SetConfig {
        ssid: b"a name",
        bssid: &[1; 5],
        ..SetConfig::default()
    }))
}

fn is_its_answer(reply: &Reply<'_>) -> bool {
    matches!(reply, Reply::Config(config::Response::Set(status)) if *status != Status::Success)
}

async fn request_replayed(bench: &mut Bench) -> Result<String, Fault> {
    let told = bench.told().await?;
    if told.scheme == 0 || (told.scheme == 2 && told.patch == 0) {
        return Err(Fault::not_applicable(
            "this scheme (or its patch version 0) does not tell requests apart",
        ));
    }
    bench.login().await?;
    let mut client = bench.phone.take_session().ok_or(Error::NoSession)?;
    let mut message = vec![0; 64];
    let length = client
        .request(&unmistakable(), &mut message)
        .map_err(Error::from)?;
    message.truncate(length);
    let mut reply = bench.post("prov-config", &message).await?;
    if !is_its_answer(&client.reply(&mut reply).map_err(Error::from)?) {
        return Err(Fault::failed("the first one is not answered as it should"));
    }
    let seen = match bench.post("prov-config", &message).await {
        Ok(mut reply) => {
            // Security 1 has no integrity: what was decrypted wrongly may have been answered. It
            // must not have been understood.
            let mut again = vec![0; 64];
            client
                .request(&unmistakable(), &mut again)
                .map_err(Error::from)?;
            match client.reply(&mut reply) {
                Ok(reply) if is_its_answer(&reply) => {
                    return Err(Fault::failed("the device answers it again"));
                }
                _ => "not understood".into(),
            }
        }
        refusal => refused(refusal).map_err(Fault::Failed)?,
    };
    bench.alive().await?;
    Ok(seen)
}

async fn request_altered(bench: &mut Bench) -> Result<String, Fault> {
    if bench.told().await?.scheme != 2 {
        return Err(Fault::not_applicable("only security 2 notices"));
    }
    bench.login().await?;
    let mut client = bench.phone.take_session().ok_or(Error::NoSession)?;
    let mut message = vec![0; 64];
    let request = Request::Config(config::Request::Status);
    let length = client
        .request(&request, &mut message)
        .map_err(Error::from)?;
    message.truncate(length);
    if let Some(byte) = message.first_mut() {
        *byte ^= 0x10;
    }
    let seen = refused(bench.post("prov-config", &message).await).map_err(Fault::Failed)?;
    bench.alive().await?;
    Ok(seen)
}

async fn anew(bench: &mut Bench) -> Result<String, Fault> {
    bench.login().await?;
    bench.status().await?;
    bench.login().await?;
    bench.status().await?;
    Ok("twice on one link".into())
}

async fn two_clients(bench: &mut Bench) -> Result<String, Fault> {
    let address = bench.over_http()?.to_owned();
    if bench.told().await?.scheme == 0 {
        return Err(Fault::not_applicable(
            "with security 0 there are no sessions to mix up",
        ));
    }
    bench.login().await?;
    let mut other = Provisioner::http(&address);
    let seen = match other.open_session(&bench.options.secrets).await {
        Err(error) => {
            bench.status().await?;
            format!("the second is refused ({error})")
        }
        Ok(_) => match bench.status().await {
            Ok(_) => return Err(Fault::failed("both have a session")),
            Err(error) => format!("the first has lost it ({error})"),
        },
    };
    bench.alive().await?;
    Ok(seen)
}

async fn reconnect(bench: &mut Bench) -> Result<String, Fault> {
    bench.login().await?;
    bench.fresh().await?;
    if bench.told().await?.scheme != 0 {
        bench.is_locked().await?;
    }
    bench.fresh().await?;
    bench.login().await?;
    bench.status().await?;
    Ok("a new session, and none before".into())
}

async fn zero_key(bench: &mut Bench) -> Result<String, Fault> {
    let told = bench.told().await?;
    let message = match told.scheme {
        0 => return Err(Fault::not_applicable("security 0 has no keys")),
        1 if told.has(version::NO_PROOF) => {
            return Err(Fault::not_applicable("there is no secret to betray"));
        }
        1 => encoded(&Handshake::Sec1Command0 {
            client_key: &[0; 32],
        })?,
        _ => encoded(&Handshake::Sec2Command0 {
            username: bench.options.secrets.username.as_bytes(),
            client_key: &[0; 384],
        })?,
    };
    let seen = handshake_refused(bench.post("prov-session", &message).await)?;
    bench.alive().await?;
    Ok(seen)
}
