//! Provisioning that is open for a while only.

use std::time::Duration;

use protocomm::security::IvMode;
use provisioner::{Outcome, Provisioner, Secrets};
use vhci::{ControllerConfig, HciSpec};

use crate::bench::{Bench, NAME, PROOF, device_for, local, security};

const WINDOW: Duration = Duration::from_secs(20);

async fn connected(bench: &Bench) -> Provisioner {
    let config = ControllerConfig::with_address([0xC0, 0, 0, 0, 0, 4]);
    let transport = HciSpec::Virtual.open(&bench.air, config).await.unwrap();
    let mut phone = Provisioner::ble(transport);
    let found = phone.find(Some(NAME), WINDOW).await.unwrap();
    phone.connect(&found).await.unwrap();
    phone
}

async fn beyond_the_window() {
    embassy_time::Timer::after_millis(WINDOW.as_millis() as u64 + 5_000).await;
}

#[test]
fn it_ends_where_nobody_comes() {
    local(async {
        let bench = device_for(security(1, IvMode::Counter), Some(WINDOW)).await;
        assert!(bench.done.await.unwrap().is_none());
        assert_eq!(bench.console.names(), ["provisioning.started"]);
    });
}

#[test]
fn a_client_that_only_lingers_is_shown_out() {
    local(async {
        let bench = device_for(security(1, IvMode::Counter), Some(WINDOW)).await;
        let mut phone = connected(&bench).await;
        beyond_the_window().await;
        assert!(bench.done.is_finished());
        // Its link was closed, not left to time out.
        assert_eq!(
            bench.console.names().last(),
            Some(&"provisioning.disconnected")
        );
        phone
            .open_session(&Secrets::proof(PROOF))
            .await
            .unwrap_err();
    });
}

#[test]
fn a_client_in_the_middle_of_it_comes_to_its_end() {
    local(async {
        let bench = device_for(security(1, IvMode::Counter), Some(WINDOW)).await;
        let mut phone = connected(&bench).await;
        phone.open_session(&Secrets::proof(PROOF)).await.unwrap();
        beyond_the_window().await;
        let outcome = phone.provision("home", "correct horse").await.unwrap();
        assert!(matches!(outcome, Outcome::Joined(_)), "{outcome:?}");
        assert!(bench.done.await.unwrap().is_some());
    });
}
