//! Text: the strings in names of certificates (X.520, DirectoryString), and what is around the text
//! of a file.

use alloc::string::String;
use alloc::vec::Vec;

/// The characters of a string, by the tag of its element; `None` for what is no text, or no string
/// that has a reading which all agree on.
///
/// T61String is read as Latin-1 and BMPString as UTF-16, as OpenSSL does and as BouncyCastle does
/// for ThingsBoard. UniversalString is none: BouncyCastle shows it as hexadecimal digits
/// (`IETFUtils.valueToString`).
#[must_use]
pub fn decode(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => core::str::from_utf8(bytes).ok().map(String::from),
        // TeletexString
        0x14 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        // BMPString
        0x1e => {
            let (units, []) = bytes.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<_> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// The text of a file without what is none: the byte order mark that editors of Windows put before
/// it, and the zeros that a C program writes along.
#[must_use]
pub fn bare(mut file: &[u8]) -> &[u8] {
    file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    while let Some(shorter) = file.strip_suffix(b"\0") {
        file = shorter;
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_around_it_only() {
        assert_eq!(bare(b"\xef\xbb\xbf{\0}\0\0"), b"{\0}");
        assert_eq!(bare(b"{}"), b"{}");
        assert_eq!(bare(b"\xef\xbb\xbf"), b"");
    }

    #[test]
    fn all_that_people_use_is_read() {
        assert_eq!(decode(0x0c, "Gerät".as_bytes()).unwrap(), "Gerät");
        assert_eq!(decode(0x14, b"Ger\xe4t").unwrap(), "Gerät");
        assert_eq!(decode(0x1e, b"\0G\0e\0r\0\xe4\0t").unwrap(), "Gerät");
        assert_eq!(decode(0x1e, b"\0G\0"), None);
        assert_eq!(decode(0x1c, b"\0\0\0G"), None);
        assert_eq!(decode(0x0c, b"\xe4"), None);
    }
}
