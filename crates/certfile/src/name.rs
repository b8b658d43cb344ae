//! Distinguished names (RFC 5280, 4.1.2.4), for people and for those who look for one part.

use alloc::format;
use alloc::string::String;

use crate::Oid;
use crate::der::{Element, OBJECT_IDENTIFIER, Reader, SEQUENCE};
use crate::text;

/// The common name.
pub const COMMON_NAME: &[u8] = b"\x55\x04\x03";

/// What parts of names are called (RFC 4514, section 3, and what `openssl` calls the others).
const KINDS: &[(&[u8], &str)] = &[
    (COMMON_NAME, "CN"),
    (b"\x55\x04\x05", "serialNumber"),
    (b"\x55\x04\x06", "C"),
    (b"\x55\x04\x07", "L"),
    (b"\x55\x04\x08", "ST"),
    (b"\x55\x04\x0a", "O"),
    (b"\x55\x04\x0b", "OU"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"),
];

/// The first part of this kind in a name, DER.
#[must_use]
pub fn first<'a>(name: &'a [u8], kind: &[u8]) -> Option<Element<'a>> {
    let parts = Reader::new(name).read(SEQUENCE)?;
    let mut all = Reader::new(parts.content).flat_map(|set| Reader::new(set.content));
    all.find_map(|part| read(part).filter(|(of, _)| of.content == kind))
        .map(|(_, value)| value)
}

/// A name, DER, as people read it: `CN=SN-1, O=esptb`.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    let mut shown = String::new();
    let Some(sets) = Reader::new(name).read(SEQUENCE) else {
        return shown;
    };
    for set in Reader::new(sets.content) {
        let mut separator = ", ";
        for (kind, value) in Reader::new(set.content).filter_map(read) {
            if !shown.is_empty() {
                shown.push_str(separator);
            }
            separator = " + ";
            let known = KINDS.iter().find(|(oid, _)| *oid == kind.content);
            match known {
                Some((_, name)) => shown.push_str(name),
                None => shown.push_str(&format!("{}", Oid::new(kind.content))),
            }
            shown.push('=');
            shown.push_str(&text::decode(value.tag, value.content).unwrap_or_else(|| hex(value)));
        }
    }
    shown
}

/// What is no text, as RFC 4514 (section 2.4) and BouncyCastle write it.
#[must_use]
pub fn hex(value: Element<'_>) -> String {
    let digits = value.whole.iter().map(|byte| format!("{byte:02x}"));
    core::iter::once(String::from("#")).chain(digits).collect()
}

/// The kind and the value of a part.
fn read(part: Element<'_>) -> Option<(Element<'_>, Element<'_>)> {
    let mut fields = Reader::new(part.content);
    Some((fields.read(OBJECT_IDENTIFIER)?, fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CN=Gerät` as BMPString, `O=a + 1.2.3=` as UniversalString.
    const NAME: &[u8] = b"\x30\x2f\x31\x13\x30\x11\x06\x03\x55\x04\x03\x1e\x0a\0G\0e\0r\0\xe4\0t\
        \x31\x18\x30\x08\x06\x03\x55\x04\x0a\x0c\x01a\x30\x0c\x06\x02\x2a\x03\x1c\x06\0\0\0G\0\0";

    #[test]
    fn a_name_is_shown_in_every_encoding() {
        assert_eq!(shown(NAME), "CN=Gerät, O=a + 1.2.3=#1c06000000470000");
        let cn = first(NAME, COMMON_NAME).unwrap();
        assert_eq!(text::decode(cn.tag, cn.content).unwrap(), "Gerät");
        assert!(first(NAME, b"\x55\x04\x06").is_none());
        for at in 0..NAME.len() {
            let _ = (shown(&NAME[..at]), first(&NAME[at..], COMMON_NAME));
        }
    }
}
