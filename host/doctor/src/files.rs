//! The device's files, by the device's own judgement, and what only ThingsBoard has against them.

use std::path::Path;

use device::calendar::Date;
use device::credentials::{Bundle, File, Files};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use crate::{Check, Finding, Who};

/// How soon an end is worth a word, in seconds: 30 days.
const SOON_S: u64 = 30 * 86_400;

/// What goes into the device's SPIFFS.
pub struct Folder {
    /// `device.crt`
    pub certificate: Vec<u8>,
    /// `device.key`
    pub key: Vec<u8>,
    /// `server_chain.pem`
    pub server_chain: Vec<u8>,
    /// `settings.json`, if there is one.
    pub settings: Option<Vec<u8>>,
}

impl Folder {
    /// Reads what is there; what is not is empty, and told by the examination.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let read = |file: File| {
            let mut names = file.names().map(|name| hostfile::read(&folder.join(name)));
            names.find_map(Result::ok).unwrap_or_default()
        };
        Self {
            certificate: read(File::Certificate),
            key: read(File::Key),
            server_chain: read(File::ServerChain),
            settings: hostfile::read(&folder.join("settings.json")).ok(),
        }
    }

    /// The certificates of `device.crt`, DER.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        certificates(&self.certificate)
    }

    /// Those of `server_chain.pem`.
    pub(crate) fn anchors(&self) -> Vec<Vec<u8>> {
        certificates(&self.server_chain)
    }
}

fn certificates(file: &[u8]) -> Vec<Vec<u8>> {
    let all = certfile::file::certificates(file);
    all.filter_map(|one| Some(one.decode().ok()?.to_vec()))
        .collect()
}

/// Proves the files. The bundle is there as soon as the device would have one, whatever the dates.
pub(crate) fn examine(folder: &Folder, now_unix_s: u64) -> (Option<Bundle>, Vec<Finding>) {
    let files = Files {
        certificate: &folder.certificate,
        key: &folder.key,
        server_chain: &folder.server_chain,
    };
    let bundle = match Bundle::prove(files, &mut UnwrapErr(SysRng)) {
        Ok(bundle) => bundle,
        Err(error) => {
            return (
                None,
                vec![Finding::of_error(Check::Files, error, Who::Maker)],
            );
        }
    };
    let mut findings = Vec::new();
    let name = bundle.common_name();
    let end = bundle.expires_unix_s();
    match bundle.at(now_unix_s) {
        Ok(_) if end < now_unix_s + SOON_S => findings.push(Finding::note(
            Check::Files,
            format!(
                "a certificate of device.crt ends at {}",
                Date::from_unix_s(end)
            ),
            Who::Maker,
            "issue another one before the device is shipped",
        )),
        Ok(_) => findings.push(Finding::good(
            Check::Files,
            format!(
                "CN {name}, key and chain fit, valid until {}",
                Date::from_unix_s(end)
            ),
        )),
        Err(error) => findings.push(Finding::of_error(Check::Files, error, Who::Maker)),
    }
    if folder.chain().len() < 2 {
        findings.push(Finding::bad(
            Check::Files,
            "device.crt holds the device's certificate alone, and ThingsBoard finds the profile by the CA behind it",
            Who::Maker,
            "put the certificate of the CA that issued it behind it",
        ));
    }
    for error in bundle.unused_anchors() {
        let bad = Finding::of_error(Check::Files, error, Who::Maker);
        let what = bad.remedy.map_or_else(String::new, |remedy| remedy.what);
        findings.push(Finding::note(Check::Files, bad.says, Who::Maker, what));
    }
    (Some(bundle), findings)
}
