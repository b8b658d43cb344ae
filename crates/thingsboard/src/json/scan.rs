//! Checks that bytes are one JSON value (RFC 8259) and finds where it ends.

use core::fmt;

/// How many arrays and objects may stand inside each other.
pub const MAX_DEPTH: u32 = 32;

/// Bytes that are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where in the payload it was noticed, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Not UTF-8.
    NotUtf8,
    /// The payload ends in the middle of a value.
    Truncated,
    /// A byte that may not stand here.
    UnexpectedByte(u8),
    /// A control character, or an escape that JSON does not have, in a string.
    BadString,
    /// More than [`MAX_DEPTH`] arrays and objects inside each other.
    TooDeep,
    /// Something follows the value.
    TrailingBytes,
    /// Well-formed, but not what this message has to be, which is named here.
    Expected(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ParseErrorKind::NotUtf8 => f.write_str("the payload is not UTF-8")?,
            ParseErrorKind::Truncated => f.write_str("the payload ends inside a JSON value")?,
            ParseErrorKind::UnexpectedByte(byte) => write!(f, "unexpected byte 0x{byte:02x}")?,
            ParseErrorKind::BadString => {
                f.write_str("a string with a control character or a bad escape")?
            }
            ParseErrorKind::TooDeep => write!(f, "more than {MAX_DEPTH} levels of nesting")?,
            ParseErrorKind::TrailingBytes => f.write_str("bytes after the JSON value")?,
            ParseErrorKind::Expected(what) => write!(f, "expected {what}")?,
        }
        write!(f, " (at byte {})", self.offset)
    }
}

impl core::error::Error for ParseError {}

/// A position in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next, after any space.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let next = self.peek() == Some(byte);
        if next {
            self.at += 1;
        }
        next
    }

    pub(super) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError {
            offset: self.at,
            kind,
        }
    }

    fn unexpected(&self) -> ParseError {
        self.error(
            self.peek()
                .map_or(ParseErrorKind::Truncated, ParseErrorKind::UnexpectedByte),
        )
    }

    /// Steps over one value of any kind.
    ///
    /// The open brackets are bits of one word, an object being 1, so the loop needs no stack.
    pub(super) fn skip_value(&mut self) -> Result<(), ParseError> {
        let mut open_objects: u32 = 0;
        let mut depth = 0;
        loop {
            self.skip_space();
            // A value starts here.
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(self.error(ParseErrorKind::TooDeep));
                    }
                    self.at += 1;
                    depth += 1;
                    open_objects = open_objects << 1 | u32::from(open == b'{');
                    let close = if open == b'{' { b'}' } else { b']' };
                    if !self.take(close) {
                        if open == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                    depth -= 1;
                    open_objects >>= 1;
                }
                Some(b'"') => self.skip_string()?,
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                Some(b't') => self.skip_word(b"true")?,
                Some(b'f') => self.skip_word(b"false")?,
                Some(b'n') => self.skip_word(b"null")?,
                _ => return Err(self.unexpected()),
            }
            // A value has ended here; so may the containers around it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = open_objects & 1 == 1;
                if self.take(b',') {
                    if in_object {
                        self.skip_key()?;
                    }
                    break;
                }
                if !self.take(if in_object { b'}' } else { b']' }) {
                    return Err(self.unexpected());
                }
                depth -= 1;
                open_objects >>= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        self.skip_string()?;
        if self.take(b':') {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over a string with its quotes.
    pub(super) fn skip_string(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.error(ParseErrorKind::Truncated)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1
                        }
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                match self.peek() {
                                    Some(digit) if digit.is_ascii_hexdigit() => self.at += 1,
                                    None => return Err(self.error(ParseErrorKind::Truncated)),
                                    _ => return Err(self.error(ParseErrorKind::BadString)),
                                }
                            }
                        }
                        None => return Err(self.error(ParseErrorKind::Truncated)),
                        _ => return Err(self.error(ParseErrorKind::BadString)),
                    }
                }
                Some(0..=0x1f) => return Err(self.error(ParseErrorKind::BadString)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn skip_number(&mut self) -> Result<(), ParseError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.unexpected())
        } else {
            Ok(())
        }
    }

    fn skip_word(&mut self, word: &[u8]) -> Result<(), ParseError> {
        for &byte in word {
            if self.peek() != Some(byte) {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(())
    }
}
