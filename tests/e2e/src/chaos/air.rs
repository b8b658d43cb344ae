//! What comes over the air in a chaos run: firmware, certificates, CAs, from an operator who does not give up.
//!
//! He sits at the server, which others kill, and sees only what the device told there. Whatever he began must come
//! about, faults or not; what nobody signed must not. What in fact ran is looked up in flash.

use std::collections::BTreeMap;
use std::path::PathBuf;

use embassy_time::{Duration, Instant, Timer, with_timeout};
use pki::{Options, Pki, Request};
use serde_json::json;
use simulator::image::Image;

use super::world::World;
use crate::maker::Maker;
use crate::pieces::{chain_der, digest, pieces};

/// How long the operator tries before he calls the device broken: through a server that is away for long, and
/// images that are given up for it.
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);

/// How soon he does again what had no effect: the server may have been gone.
const AGAIN: Duration = Duration::from_secs(90);

/// How soon he begins anew what does not come to an end: the device's files may have been written meanwhile.
const ANEW: Duration = Duration::from_secs(1_200);

/// What the device told, by key.
type Told = BTreeMap<String, String>;

fn is(told: &Told, key: &str, wanted: &str) -> bool {
    told.get(key).is_some_and(|text| text == wanted)
}

impl World {
    /// Another version, until it runs. One that is given up, as it may be while the server is away, is followed by the
    /// next.
    pub(super) async fn update(&self, len: u32) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut why = String::from("nothing was told");
        while Instant::now() < end {
            let version = self.another_version();
            let package = self.bring_out(&self.maker, &version, len)?;
            self.forget("fw_state");
            let over = |told: &Told| {
                is(told, "current_fw_version", &version) || is(told, "fw_state", "FAILED")
            };
            let told = self
                .insist(ANEW, over, || self.assign(&version, &package))
                .await;
            match told {
                Some(told) if is(&told, "current_fw_version", &version) => return Ok(()),
                Some(told) => {
                    self.lives.counts.borrow_mut().given_up += 1;
                    why = told.get("fw_error").cloned().unwrap_or_default();
                }
                None => {}
            }
        }
        Err(format!("the device takes no other version: {why}"))
    }

    /// One that is taken away again.
    pub(super) async fn withdraw(&self, len: u32, after: Timer) -> Result<(), String> {
        let version = self.another_version();
        let package = self.bring_out(&self.maker, &version, len)?;
        self.assign(&version, &package).await;
        after.await;
        self.tell_server("firmware-away _ 0").await;
        Ok(())
    }

    /// One of somebody else, until it is refused.
    pub(super) async fn forge(&self, len: u32) -> Result<(), String> {
        let version = format!("{}-forged", self.another_version());
        let package = self.bring_out(&Maker::new(), &version, len)?;
        self.forget("fw_state");
        let refused = |told: &Told| is(told, "fw_state", "FAILED");
        let assign = || self.assign(&version, &package);
        let told = self.insist(PATIENCE, refused, assign).await;
        self.tell_server("firmware-away _ 0").await;
        told.map(drop)
            .ok_or_else(|| "somebody else's version is not refused".into())
    }

    /// Another certificate, until the device has it.
    pub(super) async fn renew_certificate(&self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut why = String::from("nothing was told");
        while Instant::now() < end {
            let asked = json!(format!("asked {}", self.another()));
            self.forget("certificate_renewal");
            self.forget("certificate_request");
            let told = self
                .insist(ANEW, has_request, || async {
                    self.tell_server(&format!("attribute renewCertificate {asked}"))
                        .await;
                })
                .await;
            let Some(request) = told.and_then(|told| told.get("certificate_request").cloned())
            else {
                continue;
            };
            let request = Request::read(request.as_bytes()).map_err(|e| e.to_string())?;
            let issued = self.desk.pki.sign(&request, None);
            let issued = issued.map_err(|e| e.to_string())?;
            let chain = issued.chain_der();
            let over = |told: &Told| {
                is(told, "certificate_serial", issued.serial_hex())
                    || is(told, "certificate_renewal", "FAILED")
            };
            let told = self
                .insist(ANEW, over, || self.send_pieces("renewedChain", &chain))
                .await;
            match told {
                Some(told) if !is(&told, "certificate_renewal", "FAILED") => return Ok(()),
                Some(_) => why = "the device calls it FAILED".into(),
                None => why = "its files may have been written".into(),
            }
            self.lives.counts.borrow_mut().renewals_failed += 1;
        }
        Err(format!("the device gets no other certificate: {why}"))
    }

    /// Another CA for the server. Nobody else touches the server meanwhile.
    pub(super) async fn change_anchors(&self) -> Result<(), String> {
        let next = Pki::new(&Options::default()).map_err(|e| e.to_string())?;
        let anchors = chain_der(next.root_pem());
        self.forget("server_chain_renewal");
        let send = || self.send_pieces("serverChain", &anchors);
        let state =
            |wanted: &'static str| move |told: &Told| is(told, "server_chain_renewal", wanted);
        self.insist(PATIENCE, state("TRYING"), send)
            .await
            .ok_or("the device does not take another CA")?;
        self.authority.replace(Some(next));
        let identity = self.server_identity()?;
        self.server_identity.replace(identity);
        self.stop_server().await?;
        self.start_server().await?;
        let wait = || async {};
        self.insist(PATIENCE, state("RENEWED"), wait)
            .await
            .map(drop)
            .ok_or_else(|| "the device does not follow the server to another CA".into())
    }

    /// Does something again and again until the device told what is waited for; returns all that it told.
    async fn insist<F: Future<Output = ()>>(
        &self,
        patience: Duration,
        wanted: impl Fn(&Told) -> bool,
        mut act: impl FnMut() -> F,
    ) -> Option<Told> {
        let mut told = self.folder.told.subscribe();
        let end = Instant::now() + patience;
        while Instant::now() < end {
            act().await;
            if let Ok(Ok(told)) = with_timeout(AGAIN, told.wait_for(&wanted)).await {
                return Some(told.clone());
            }
        }
        None
    }

    /// What was told before does not count.
    fn forget(&self, key: &str) {
        self.folder.told.send_modify(|told| drop(told.remove(key)));
    }

    fn another_version(&self) -> String {
        format!("1.{}.0", self.another())
    }

    /// Signs a package, and puts it where the server finds it.
    fn bring_out(&self, maker: &Maker, version: &str, len: u32) -> Result<PathBuf, String> {
        let image = Image {
            len: len as usize,
            ..Image::of(version)
        };
        let file = self.folder.folder.join("firmware.bin");
        std::fs::write(&file, maker.package(&image)).map_err(|e| e.to_string())?;
        Ok(file)
    }

    async fn assign(&self, version: &str, package: &std::path::Path) {
        let file = json!(package);
        self.tell_server(&format!("firmware {version} {file}"))
            .await;
    }

    async fn send_pieces(&self, name: &str, der: &[u8]) {
        for (key, value) in pieces(name, der, &digest(der)) {
            self.tell_server(&format!("attribute {key} {}", json!(value)))
                .await;
        }
    }
}

fn has_request(told: &Told) -> bool {
    is(told, "certificate_renewal", "REQUESTED")
        && told
            .get("certificate_request")
            .is_some_and(|text| !text.is_empty())
}
