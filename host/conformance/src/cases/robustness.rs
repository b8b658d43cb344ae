//! Clients that send nonsense or leave: they must cost nothing but their own link.

use embassy_time::{Duration, Timer};

use super::{CONFIG, CONTROL, NIMBLE, PROTOCOMM, SCAN, SECURITY};
use crate::bench::Bench;
use crate::{Case, Fault, Weight};
use provisioner::{Error, LinkError};

const WANTS: &str =
    "Noise of 1 to 500 bytes is refused or answered, and the next client is served.";
const PURPOSE: &str = "Anybody in reach can send anything, without a secret.";
const WANTS_WITHIN: &str = "Nonsense that is encrypted rightly is refused or answered with an error, and the next client \
     is served.";
const PURPOSE_WITHIN: &str = "Apps have faults, too.";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "garbage.prov-session",
        purpose: PURPOSE,
        wants: WANTS,
        source: SECURITY,
        weight: Weight::Must,
        run: |bench| Box::pin(garbage(bench, "prov-session")),
    },
    Case {
        name: "garbage.proto-ver",
        purpose: PURPOSE,
        wants: WANTS,
        source: PROTOCOMM,
        weight: Weight::Must,
        run: |bench| Box::pin(garbage(bench, "proto-ver")),
    },
    Case {
        name: "garbage.prov-config",
        purpose: PURPOSE,
        wants: WANTS,
        source: CONFIG,
        weight: Weight::Must,
        run: |bench| Box::pin(garbage(bench, "prov-config")),
    },
    Case {
        name: "garbage.prov-scan",
        purpose: PURPOSE,
        wants: WANTS,
        source: SCAN,
        weight: Weight::Must,
        run: |bench| Box::pin(garbage(bench, "prov-scan")),
    },
    Case {
        name: "garbage.prov-ctrl",
        purpose: PURPOSE,
        wants: WANTS,
        source: CONTROL,
        weight: Weight::Must,
        run: |bench| Box::pin(garbage(bench, "prov-ctrl")),
    },
    Case {
        name: "garbage.encrypted-config",
        purpose: PURPOSE_WITHIN,
        wants: WANTS_WITHIN,
        source: CONFIG,
        weight: Weight::Must,
        run: |bench| Box::pin(encrypted(bench, "prov-config")),
    },
    Case {
        name: "garbage.encrypted-scan",
        purpose: PURPOSE_WITHIN,
        wants: WANTS_WITHIN,
        source: SCAN,
        weight: Weight::Must,
        run: |bench| Box::pin(encrypted(bench, "prov-scan")),
    },
    Case {
        name: "garbage.encrypted-ctrl",
        purpose: PURPOSE_WITHIN,
        wants: WANTS_WITHIN,
        source: CONTROL,
        weight: Weight::Must,
        run: |bench| Box::pin(encrypted(bench, "prov-ctrl")),
    },
    Case {
        name: "disconnect.handshake",
        purpose: "Phones go out of reach at any moment.",
        wants: "A client that leaves between the steps of a handshake keeps nobody out.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(leave_in_handshake(bench)),
    },
    Case {
        name: "disconnect.session",
        purpose: "Phones go out of reach at any moment.",
        wants: "A client that leaves with a session open keeps nobody out.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(leave_in_session(bench)),
    },
    Case {
        name: "disconnect.at-once",
        purpose: "Samsung's phones drop the first connection.",
        wants: "Three connections that end at once keep nobody out.",
        source: NIMBLE,
        weight: Weight::Must,
        run: |bench| Box::pin(leave_at_once(bench)),
    },
];

/// Repeatable noise (splitmix64).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut byte = || {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) as u8
        };
        (0..length).map(|_| byte()).collect()
    }
}

async fn garbage(bench: &mut Bench, endpoint: &str) -> Result<String, Fault> {
    let mut noise = Noise(1);
    let (mut answered, mut refused) = (0, 0);
    for length in [1, 2, 3, 7, 16, 20, 33, 64, 180, 245, 300, 500] {
        match bench.post(endpoint, &noise.bytes(length)).await {
            Ok(_) => answered += 1,
            Err(LinkError::Refused { .. }) => refused += 1,
            Err(LinkError::Lost) => {
                refused += 1;
                bench.fresh().await?;
            }
            Err(LinkError::NoEndpoint(name)) => {
                return Err(Fault::not_applicable(format!("there is no {name}")));
            }
            Err(error) => return Err(Fault::failed(format!("{length} bytes: {error}"))),
        }
    }
    bench.alive().await?;
    Ok(format!("{refused} refused, {answered} answered"))
}

async fn encrypted(bench: &mut Bench, endpoint: &str) -> Result<String, Fault> {
    // No such message; a field that is longer than the message; noise.
    let noise = Noise(2).bytes(40);
    let nonsense: [&[u8]; 3] = [&[0x08, 0x63], &[0x08, 0x02, 0x62, 0x7F, 0x0A], &noise];
    let (mut answered, mut refused) = (0, 0);
    for message in nonsense {
        bench.login().await?;
        match bench.phone.custom(endpoint, message).await {
            Ok(_) => answered += 1,
            Err(Error::Link(LinkError::NoEndpoint(name))) => {
                return Err(Fault::not_applicable(format!("there is no {name}")));
            }
            Err(Error::Session(_) | Error::Link(LinkError::Lost | LinkError::Refused { .. })) => {
                refused += 1;
                bench.fresh().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    bench.alive().await?;
    Ok(format!("{refused} refused, {answered} answered"))
}

async fn leave_in_handshake(bench: &mut Bench) -> Result<String, Fault> {
    let secrets = bench.options.secrets.clone();
    let (mut client, first) = bench.begin(&secrets).await?;
    bench.second(&mut client, &first).await?;
    bench.alive().await?;
    Ok("the next client is let in".into())
}

async fn leave_in_session(bench: &mut Bench) -> Result<String, Fault> {
    bench.login().await?;
    bench.status().await?;
    bench.alive().await?;
    Ok("the next client is let in".into())
}

async fn leave_at_once(bench: &mut Bench) -> Result<String, Fault> {
    bench.over_bluetooth()?;
    for _ in 0..3 {
        bench.hang_up().await;
        // A device that has just noticed is back in the air within a moment.
        Timer::after(Duration::from_millis(100)).await;
        bench.fresh().await?;
    }
    bench.alive().await?;
    Ok("the next client is let in".into())
}
