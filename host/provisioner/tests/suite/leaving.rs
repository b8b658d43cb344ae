//! Clients that are lost, or locked out: whoever comes next is served.

use std::time::Duration;

use protocomm::client;
use protocomm::security::IvMode;
use provisioner::{Error, FailReason, Outcome, Provisioner, Secrets};
use vhci::{ControllerConfig, HciSpec};

use crate::bench::{Bench, NAME, PROOF, device, local, security};

async fn phone(bench: &Bench) -> Provisioner {
    let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 3]);
    let transport = HciSpec::Virtual.open(&bench.air, config).await.unwrap();
    Provisioner::ble(transport)
}

/// From the connection to a refusal by the network, after which all can be done again.
async fn all_but_joining(phone: &mut Provisioner) -> Result<(), Error> {
    let found = phone.find(Some(NAME), Duration::from_secs(60)).await?;
    phone.connect(&found).await?;
    phone.open_session(&Secrets::proof(PROOF)).await?;
    let outcome = phone.provision("home", "wrong").await?;
    assert_eq!(outcome, Outcome::Refused(FailReason::AuthError));
    phone.disconnect().await;
    Ok(())
}

#[test]
fn a_link_may_end_at_any_packet() {
    local(async {
        let bench = device(security(1, IvMode::Counter)).await;
        let mut phone = phone(&bench).await;
        let mut last = 0;
        // After each packet that the device sends or receives, from the first to the last one.
        for packet in 0.. {
            bench.faults.set(|faults| faults.drop_after = Some(packet));
            // Early on the client tries again by itself, and gets through.
            let got_through = all_but_joining(&mut phone).await.is_ok();
            phone.disconnect().await;
            let mut left = None;
            bench.faults.set(|faults| left = faults.drop_after.take());
            last = packet;
            if left.is_some() {
                assert!(got_through, "without a fault it works");
                break;
            }
        }
        assert!(last > 50, "{last} packets are a short conversation");
        all_but_joining(&mut phone).await.unwrap();
        let names = bench.console.names();
        assert_eq!(names.first(), Some(&"provisioning.started"));
        assert_eq!(bench.console.count("provisioning.started"), 1, "one life");
    });
}

#[test]
fn guessing_locks_and_time_unlocks() {
    local(async {
        let bench = device(security(2, IvMode::Counter)).await;
        let mut phone = phone(&bench).await;
        let found = phone
            .find(Some(NAME), Duration::from_secs(60))
            .await
            .unwrap();
        for guess in 0..5 {
            // A new link does not make the device forget.
            phone.connect(&found).await.unwrap();
            let secrets = Secrets::proof(&format!("guess {guess}"));
            let wrong = phone.open_session(&secrets).await.unwrap_err();
            assert!(matches!(wrong, Error::Session(client::Error::WrongProof)));
        }
        phone.connect(&found).await.unwrap();
        let right = Secrets::proof(PROOF);
        let Err(Error::Session(client::Error::CoolingDown(time))) =
            phone.open_session(&right).await
        else {
            panic!("the right proof is not heard either, for a while");
        };
        assert!(time > Duration::from_secs(30) && time <= Duration::from_secs(60));
        embassy_time::Timer::after_millis(time.as_millis() as u64).await;
        phone.connect(&found).await.unwrap();
        phone.open_session(&right).await.unwrap();
    });
}
