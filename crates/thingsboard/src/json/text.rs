//! A string of a document, still escaped, so that nothing has to be copied.

use core::fmt;

use super::BufferTooSmall;

/// A string as it stands in the payload; compare it, print it, or [unescape](Text::unescape) it.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// Between the quotes; the escapes have been checked.
    raw: &'a str,
}

impl<'a> Text<'a> {
    pub(super) fn from_checked(raw: &'a str) -> Self {
        Self { raw }
    }

    /// The characters it stands for.
    pub fn chars(self) -> Chars<'a> {
        Chars {
            raw: self.raw.chars(),
        }
    }

    /// The text itself if it has no escapes, as most keys and method names.
    pub fn as_plain(self) -> Option<&'a str> {
        (!self.raw.contains('\\')).then_some(self.raw)
    }

    /// Writes the text it stands for into `buffer` and returns it.
    ///
    /// # Errors
    /// [`BufferTooSmall`] with the length needed.
    pub fn unescape(self, buffer: &mut [u8]) -> Result<&str, BufferTooSmall> {
        let mut len = 0;
        for c in self.chars() {
            let end = len + c.len_utf8();
            if let Some(room) = buffer.get_mut(len..end) {
                c.encode_utf8(room);
            }
            len = end;
        }
        let written = buffer.get(..len).ok_or(BufferTooSmall { needed: len })?;
        Ok(core::str::from_utf8(written).unwrap_or_default())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.raw)
    }
}

/// The characters of a [`Text`].
///
/// Half of a surrogate pair without its other half comes out as U+FFFD.
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    raw: core::str::Chars<'a>,
}

impl Chars<'_> {
    fn code_unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | self.raw.next()?.to_digit(16)?;
        }
        Some(unit)
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let c = self.raw.next()?;
        if c != '\\' {
            return Some(c);
        }
        Some(match self.raw.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.code_unit()?;
                let mut ahead = self.clone();
                if (0xd800..0xdc00).contains(&first)
                    && ahead.raw.next() == Some('\\')
                    && ahead.raw.next() == Some('u')
                    && let Some(second @ 0xdc00..0xe000) = ahead.code_unit()
                {
                    *self = ahead;
                    let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Some(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            same => same,
        })
    }
}
