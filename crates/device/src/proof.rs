//! The proof of possession that this device asks for: given by its settings or by a file of its own, else
//! made by itself and kept; and the verifier that security 2 has in its place.
//!
//! Provisioning asks for it, and claiming makes its secret of it. How it is asked for is `provisioning`'s.

mod verifier;

use alloc::string::String;

use zeroize::Zeroizing;

use crate::context::Context;
use crate::event::Event;
use crate::files;
use crate::platform::{Platform, System};
use crate::settings::{Proof, ProofOfPossession, Security};

pub(crate) use verifier::verifier;

/// Letters and digits that nobody mistakes for one another, 32 of them: five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters of a proof that the device makes: 60 bits, far beyond five guesses a minute.
const PROOF_LETTERS: usize = 12;

/// The proof that clients must have, none if they need not have any; made and kept if this is the
/// first time that it is needed.
pub(crate) fn proof<P: Platform>(context: &Context<'_, P>) -> Option<Zeroizing<String>> {
    let settings = &context.settings.provisioning;
    match &settings.pop {
        _ if settings.security == Security::None => None,
        Proof::None => None,
        Proof::Given(given) => Some(text(given)),
        Proof::MadeByDevice => {
            match files::proof(context.storage) {
                Ok(Some(given)) => return Some(text(&given)),
                Ok(None) => {}
                Err(error) => context.tell(&Event::SettingsRefused(error)),
            }
            match context.storage.proof_of_possession() {
                Ok(Some(kept)) => return Some(kept),
                Ok(None) => {}
                Err(error) => context.tell(&Event::StorageFailed(error)),
            }
            let mut random = Zeroizing::new([0; PROOF_LETTERS]);
            context.system.fill_random(&mut *random);
            let letters = random
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
            let made = Zeroizing::new(letters.collect::<String>());
            if let Err(error) = context.storage.keep_proof_of_possession(&made) {
                context.tell(&Event::KeptInMemory(error));
            }
            Some(made)
        }
    }
}

/// A proof of a file, which was looked at to be text.
fn text(proof: &ProofOfPossession) -> Zeroizing<String> {
    Zeroizing::new(
        core::str::from_utf8(proof.expose())
            .unwrap_or_default()
            .into(),
    )
}
