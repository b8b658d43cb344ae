//! Writing into the caller's buffer, with an account of what did not fit.

use core::fmt::{self, Write as _};

use crate::Value;

/// A buffer too small for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// The length that would do, in bytes.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the buffer is too small for the message: it takes {} bytes",
            self.needed
        )
    }
}

impl core::error::Error for BufferTooSmall {}

/// Writes JSON into a buffer; past its end it only counts.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// Starts at the beginning of `buffer`.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes written and, if there was no room, not written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was written.
    ///
    /// # Errors
    /// [`BufferTooSmall`] with the length needed.
    pub fn finish(self) -> Result<&'b [u8], BufferTooSmall> {
        let needed = self.len;
        self.buffer.get(..needed).ok_or(BufferTooSmall { needed })
    }

    /// Writes text as it is: punctuation, or JSON that is known to be well-formed.
    pub fn raw(&mut self, text: &str) {
        let end = self.len.saturating_add(text.len());
        if let Some(room) = self.buffer.get_mut(self.len..end) {
            room.copy_from_slice(text.as_bytes());
        }
        self.len = end;
    }

    /// Writes a string with quotes and escapes.
    pub fn text(&mut self, text: &str) {
        self.raw("\"");
        self.escaped(text);
        self.raw("\"");
    }

    pub(crate) fn escaped(&mut self, text: &str) {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..=0x1f => "",
                _ => continue,
            };
            self.raw(text.get(plain..at).unwrap_or_default());
            if escape.is_empty() {
                self.formatted(format_args!("\\u{byte:04x}"));
            } else {
                self.raw(escape);
            }
            plain = at + 1;
        }
        self.raw(text.get(plain..).unwrap_or_default());
    }

    /// Writes a value of any kind.
    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Int(n) => self.formatted(format_args!("{n}")),
            Value::Decimal(n) => self.formatted(format_args!("{n}")),
            Value::Bool(true) => self.raw("true"),
            Value::Bool(false) => self.raw("false"),
            Value::Text(text) => self.text(text),
            Value::Object(members) => self.object(members.iter().copied()),
        }
    }

    /// Writes an object.
    pub fn object<'v>(&mut self, members: impl IntoIterator<Item = (&'v str, Value<'v>)>) {
        let mut before = "{";
        for (key, value) in members {
            self.raw(before);
            self.text(key);
            self.raw(":");
            self.value(value);
            before = ",";
        }
        self.raw(if before == "{" { "{}" } else { "}" });
    }

    /// Goes back to an earlier length.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    fn formatted(&mut self, text: fmt::Arguments<'_>) {
        // `write_str` below never fails.
        let written = self.write_fmt(text);
        debug_assert!(written.is_ok());
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.raw(text);
        Ok(())
    }
}
