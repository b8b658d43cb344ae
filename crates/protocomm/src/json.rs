//! As much JSON as provisioning needs: a writer into a fixed buffer, and a tokenizer.
//!
//! The tokenizer accepts some texts that are not JSON, but never reads a JSON text wrongly. It
//! does not recurse, so nesting costs nothing.

use crate::buffer::BufferTooSmall;

/// Writes text into a buffer, and counts what did not fit.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// The length of what was written.
    pub(crate) fn finish(self) -> Result<usize, BufferTooSmall> {
        if self.len > self.buffer.len() {
            return Err(BufferTooSmall { needed: self.len });
        }
        Ok(self.len)
    }

    pub(crate) fn raw(&mut self, text: &str) {
        let end = self.len + text.len();
        if let Some(target) = self.buffer.get_mut(self.len..end) {
            target.copy_from_slice(text.as_bytes());
        }
        self.len = end;
    }

    /// A string in quotes, escaped.
    pub(crate) fn string(&mut self, text: &str) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.raw("\"");
        for c in text.chars() {
            match c {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\0'..='\x1f' => {
                    self.raw("\\u00");
                    for nibble in [c as usize >> 4, c as usize & 0x0F] {
                        self.raw(char::from(DIGITS[nibble]).encode_utf8(&mut [0; 4]));
                    }
                }
                _ => self.raw(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.raw("\"");
    }

    pub(crate) fn digit(&mut self, digit: u8) {
        debug_assert!(digit < 10);
        self.raw(char::from(b'0' + digit % 10).encode_utf8(&mut [0; 4]));
    }
}

/// A token of a JSON text. Commas are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `{` or `[`
    Open,
    /// `}` or `]`
    Close,
    /// `:`
    Colon,
    /// A string, between its quotes, with escapes as they are.
    String(&'a str),
    /// A number or a literal.
    Scalar(&'a str),
}

/// The tokens of a JSON text. `None` at the end, also at an unterminated string.
#[derive(Clone)]
pub(crate) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    /// Splits `len` bytes off the rest. All callers end at an ASCII character.
    fn take(&mut self, len: usize) -> &'a str {
        let (head, tail) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        let token = match self.rest.as_bytes().first()? {
            b'{' | b'[' => Token::Open,
            b'}' | b']' => Token::Close,
            b':' => Token::Colon,
            b'"' => {
                self.take(1);
                let mut escaped = false;
                let end = self.rest.bytes().position(|byte| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                })?;
                let string = self.take(end);
                self.take(1);
                return Some(Token::String(string));
            }
            _ => {
                let end = self
                    .rest
                    .find([' ', '\t', '\n', '\r', ',', ':', '{', '}', '[', ']', '"']);
                return Some(Token::Scalar(self.take(end.unwrap_or(self.rest.len()))));
            }
        };
        self.take(1);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut buffer = [0; 32];
        let mut writer = Writer::new(&mut buffer);
        writer.string("a\"b\\c\nd\u{e9}");
        let len = writer.finish().unwrap();
        assert_eq!(&buffer[..len], "\"a\\\"b\\\\c\\u000ad\u{e9}\"".as_bytes());

        let mut writer = Writer::new(&mut buffer[..4]);
        writer.string("abc");
        assert_eq!(writer.finish(), Err(BufferTooSmall { needed: 5 }));
    }

    #[test]
    fn tokens() {
        let text = r#" {"a\"b" : [1, -2.5e3,null],"é":"\\"} "#;
        let tokens = [
            Token::Open,
            Token::String(r#"a\"b"#),
            Token::Colon,
            Token::Open,
            Token::Scalar("1"),
            Token::Scalar("-2.5e3"),
            Token::Scalar("null"),
            Token::Close,
            Token::String("é"),
            Token::Colon,
            Token::String(r"\\"),
            Token::Close,
        ];
        assert!(Tokens::new(text).eq(tokens));
        assert_eq!(Tokens::new("\"open").next(), None);
        assert!(Tokens::new("é1").eq([Token::Scalar("é1")]));
    }
}
