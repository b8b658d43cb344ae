//! The network that an image lets its device know: from the command line, the environment or a
//! prompt into the NVS entry that the device reads. The passphrase is shown nowhere.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use device::platform::{Passphrase, Shown, Ssid};
use device::storage::keys;
use flashimage::{NvsEntry, NvsValue};
use zeroize::Zeroizing;

use crate::arguments::split;

/// Where the passphrase is looked for if the argument has none.
const PASSPHRASE: &str = "ESPTB_PASSPHRASE";

/// A network and how to join it.
pub(crate) struct Network {
    ssid: Ssid,
    passphrase: Passphrase,
}

impl Network {
    /// `SSID:PASSPHRASE`, `SSID:` for an open network, or `SSID`: then the passphrase comes from
    /// the environment, or is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with it. No message holds the passphrase.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let (name, passphrase) = split(text);
        let ssid = Ssid::new(name.as_bytes())
            .filter(|ssid| !ssid.as_bytes().is_empty())
            .context("--wifi: the name of a network has 1 to 32 bytes")?;
        let passphrase = match passphrase {
            Some(passphrase) => Zeroizing::new(passphrase.to_owned()),
            None => passphrase_of(&name)?,
        };
        let passphrase = Passphrase::new(passphrase.as_bytes())
            .filter(|passphrase| !passphrase.is_too_short())
            .context(
                "--wifi: a passphrase has 8 to 63 bytes, a key 64 hexadecimal digits; write \
                 `SSID:` for an open network",
            )?;
        Ok(Self { ssid, passphrase })
    }

    /// What the device reads at its start (`device::storage::Storage::wifi`).
    pub(crate) fn entry(&self) -> NvsEntry {
        let (ssid, passphrase) = (self.ssid.as_bytes(), self.passphrase.as_bytes());
        let mut blob = Vec::with_capacity(1 + ssid.len() + passphrase.len());
        blob.push(ssid.len() as u8);
        blob.extend_from_slice(ssid);
        blob.extend_from_slice(passphrase);
        NvsEntry {
            namespace: keys::NAMESPACE.to_string(),
            key: keys::WIFI.to_string(),
            value: NvsValue::blob(blob),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.passphrase.is_empty() {
            "open"
        } else {
            "with a passphrase"
        };
        write!(f, "joins \"{}\", {how}", Shown(&self.ssid))
    }
}

fn passphrase_of(ssid: &str) -> Result<Zeroizing<String>> {
    if let Ok(passphrase) = std::env::var(PASSPHRASE) {
        return Ok(Zeroizing::new(passphrase));
    }
    if !io::stdin().is_terminal() {
        bail!(
            "the passphrase of {ssid:?}? set {PASSPHRASE}, or write --wifi 'SSID:' for an open \
             network"
        );
    }
    let question = format!("passphrase of {ssid:?} (empty for an open network): ");
    Ok(Zeroizing::new(crate::prompt::secret(&question)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::storage::Storage;
    use flashimage::FlashImage;

    /// What the device itself finds in an image.
    fn found(text: &str) -> (Vec<u8>, Vec<u8>) {
        let network = Network::new(text).unwrap();
        let image = FlashImage::builder().nvs(network.entry()).build().unwrap();
        let (storage, faults) = Storage::open(simulator::flash::Flash::from_bytes(image));
        assert!(faults.is_empty(), "{faults:?}");
        let known = storage.wifi().unwrap().expect("a network");
        let (ssid, passphrase) = (known.ssid.as_bytes(), known.passphrase.as_bytes());
        (ssid.to_vec(), passphrase.to_vec())
    }

    #[test]
    fn the_device_finds_its_network() {
        let pair = |ssid: &str, passphrase: &str| (ssid.into(), passphrase.into());
        assert_eq!(found("home:correct horse"), pair("home", "correct horse"));
        assert_eq!(found("home:with:colons"), pair("home", "with:colons"));
        assert_eq!(found("cafe:"), pair("cafe", ""));
        assert_eq!(found(r"a\:b:12345678"), pair("a:b", "12345678"));
        let key = "0123456789abcdef".repeat(4);
        assert_eq!(found(&format!("home:{key}")), pair("home", &key));
    }

    #[test]
    fn nothing_that_is_shown_holds_the_passphrase() {
        let network = Network::new("home:correct horse").unwrap();
        assert_eq!(network.to_string(), "joins \"home\", with a passphrase");
        assert_eq!(
            Network::new("cafe:").unwrap().to_string(),
            "joins \"cafe\", open"
        );
        assert!(!format!("{:?}", network.entry()).contains("correct"));
        let long = format!("home:{}", "x".repeat(64));
        for text in ["home:short12", ":passphrase", &long] {
            if let Err(error) = Network::new(text) {
                let error = format!("{error:#}");
                assert!(
                    !error.contains("passphrase\"") && !error.contains("xxx"),
                    "{error}"
                );
            }
        }
        assert!(Network::new("home:short").is_err() && Network::new(&long).is_err());
    }
}
