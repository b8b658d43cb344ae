//! Secrets in JSON, wiped when dropped. (Zeroize's own feature for this would have all that uses it,
//! in all of the workspace, built with serde.)

use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

/// A secret that has to be there.
pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

/// One that may be.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

/// The same, written.
pub(crate) fn serialize<S: Serializer>(
    secret: &Option<Zeroizing<String>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => to.serialize_some(secret.as_str()),
        None => to.serialize_none(),
    }
}
