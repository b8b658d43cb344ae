//! New certificates for devices whose own end soon: each makes a key and asks, is answered with a chain, and
//! proves it at the broker (docs/certificate-renewal.md).

use super::brings::{Brings, Concern, Words};
use super::member::Member;
use super::pieces::Pieces;
use super::seen::Seen;
use crate::rest::{EntityData, Key, KeyType};
use crate::{Client, Device, Error, sha256};

/// The shared attribute by which a device is asked to make a request.
const ASK: &str = "renewCertificate";
/// The shared attributes that answer it.
const ANSWER: &str = "renewedChain";

/// Who signs what devices ask for, and which devices are to have it.
pub struct Certificates<'a> {
    /// Proves the request of the device of this name, as it stands in its attribute, and signs it.
    ///
    /// # Errors
    /// What is wrong with it, and who must act.
    pub sign: &'a (dyn Fn(&str, &str) -> Result<Issued, String> + Sync),
    /// Those whose certificate ends within so many days, or has ended.
    pub within_days: u32,
    /// And those whose certificate is of an issuer that is not called so.
    pub unless_of: Option<String>,
}

/// What was signed.
pub struct Issued {
    /// The serial number of the certificate, lower-case hexadecimal.
    pub serial: String,
    /// It, and what signed it without the root, in DER, one after the other.
    pub chain: Vec<u8>,
}

const WORDS: Words = Words {
    late: "no new certificate",
    state: "certificate_renewal",
    it: "the new certificate",
    uses: "uses the new certificate",
    used: "used the new certificate",
    old: "the certificate ",
};

const fn told(key: &'static str) -> Key<'static> {
    Key {
        kind: KeyType::ClientAttribute,
        key,
    }
}

const KEYS: [Key<'static>; 2] = [
    told("certificate_renewal_error"),
    told("certificate_request"),
];

impl Certificates<'_> {
    fn needs(&self, seen: &Seen, now_ms: i64) -> bool {
        let device = &seen.device;
        let of_another = |wanted: &String| device.certificate_issuer.as_ref() != Some(wanted);
        device.expires_within(self.within_days, now_ms)
            || self.unless_of.as_ref().is_some_and(of_another)
            || asks(seen)
    }
}

/// Whether it waits for an answer.
fn asks(seen: &Seen) -> bool {
    let state = seen.state.as_ref().map(|(state, _)| state.as_str());
    state == Some("REQUESTED") && seen.request.is_some()
}

impl Brings for Certificates<'_> {
    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn keys(&self) -> &'static [Key<'static>] {
        &KEYS
    }

    fn see(&self, data: &EntityData, device: Device) -> Seen {
        let text = |key| data.text(KeyType::ClientAttribute, key).map(str::to_owned);
        let state = data.value(KeyType::ClientAttribute, "certificate_renewal");
        Seen {
            running: device.certificate_serial.clone(),
            state: device
                .certificate_renewal
                .clone()
                .zip(state.map(|value| value.ts)),
            error: text("certificate_renewal_error"),
            request: text("certificate_request"),
            ..Seen::of(device)
        }
    }

    fn concern(&self, seen: &Seen, now_ms: i64) -> Concern {
        match self.needs(seen, now_ms) {
            false => Concern::No,
            // Firmware that renews tells it.
            true if seen.running.is_none() => Concern::Unable,
            true => Concern::Yes,
        }
    }

    fn recurs(&self) -> bool {
        true
    }

    fn has_it(&self, seen: &Seen, now_ms: i64) -> bool {
        !self.needs(seen, now_ms)
    }

    fn is_there(&self, member: &Member, seen: &Seen) -> bool {
        let state = seen.state.as_ref().map(|(state, _)| state.as_str());
        member.serial.is_some() && member.serial == seen.running && state == Some("RENEWED")
    }

    fn is_lost(&self, member: &Member, seen: &Seen) -> bool {
        seen.running.is_some() && member.serial != seen.running
    }

    fn work(&self, member: &mut Member, seen: &Seen) -> Result<bool, String> {
        let Some(request) = seen.request.as_ref().filter(|_| asks(seen)) else {
            return Ok(false);
        };
        let digest = sha256(request.as_bytes());
        if member.request.as_ref() == Some(&digest) {
            return Ok(false);
        }
        let issued = (self.sign)(&member.name, request)?;
        member.request = Some(digest);
        member.serial = Some(issued.serial);
        member.chain = Some(issued.chain);
        Ok(true)
    }

    fn give(&self, client: &Client, member: &Member) -> Result<(), Error> {
        match &member.chain {
            Some(chain) => Pieces::new(ANSWER, chain).share(client, &member.id),
            None => {
                // Another text for each time of asking, and the same for one that is asked again.
                let asked_ms = member.assigned_ms.unwrap_or_default();
                client.share(&member.id, ASK, &format!("at {asked_ms}"))
            }
        }
    }

    fn take_back(&self, client: &Client, member: &Member) -> Result<(), Error> {
        let mut keys = vec![ASK.to_owned()];
        if let Some(chain) = &member.chain {
            keys.extend(Pieces::new(ANSWER, chain).keys());
        }
        client.unshare(&member.id, &keys)
    }

    fn tidies(&self) -> bool {
        true
    }
}
