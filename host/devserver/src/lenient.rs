//! JSON as ThingsBoard's Gson reads it, made into JSON as it is written.
//!
//! Only for what is no JSON: what is, is taken as it stands. Nothing is nested here by the call stack.
//!
//! Source: google/gson, `JsonReader` with `Strictness.LENIENT`, which `JsonParser.parseString` sets and
//! ThingsBoard's `JsonMqttAdaptor` calls; tag gson-parent-2.10.1.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use thingsboard::json::Json;

/// Nested deeper, Gson gives up as well.
const DEEPEST: usize = 255;

/// The payload as JSON; `None` if even Gson finds none, or nothing at all.
pub(crate) fn json(payload: &[u8]) -> Option<Cow<'_, str>> {
    let text = String::from_utf8_lossy(payload);
    if Json::parse(text.as_bytes()).is_ok() {
        return Some(text);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = Reader {
        rest: text.chars().peekable(),
        strict: String::with_capacity(text.len() + 16),
        open: Vec::new(),
    };
    reader.document()?;
    Some(Cow::Owned(reader.strict))
}

/// What is open around the place where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    strict: String,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        self.value()?;
        while let Some(open) = self.open.last().copied() {
            // Behind a value.
            match self.next()? {
                ']' if open == Open::Array => self.close(']'),
                '}' if open == Open::Object => self.close('}'),
                ',' | ';' => {
                    self.strict.push(',');
                    if open == Open::Object {
                        self.name()?;
                    }
                    self.value()?;
                }
                _ => return None,
            }
        }
        self.next().is_none().then_some(())
    }

    /// A value that is written, or the beginning of one with others in it: its first, or its end.
    fn value(&mut self) -> Option<()> {
        loop {
            let in_array = self.open.last() == Some(&Open::Array);
            match self.peek()? {
                '[' => {
                    self.begin('[', Open::Array)?;
                    if self.peek()? == ']' {
                        self.next();
                        self.close(']');
                        return Some(());
                    }
                }
                '{' => {
                    self.begin('{', Open::Object)?;
                    if self.peek()? == '}' {
                        self.next();
                        self.close('}');
                        return Some(());
                    }
                    self.name()?;
                }
                // Nothing between two commas is null.
                ',' | ';' | ']' if in_array => {
                    self.strict.push_str("null");
                    return Some(());
                }
                quote @ ('"' | '\'') => {
                    self.next();
                    let text = self.quoted(quote)?;
                    self.write(&text);
                    return Some(());
                }
                _ => {
                    let text = self.unquoted()?;
                    let literal = text.to_ascii_lowercase();
                    if matches!(literal.as_str(), "true" | "false" | "null") {
                        self.strict.push_str(&literal);
                    } else if is_number(&text) {
                        self.strict.push_str(&text);
                    } else {
                        self.write(&text);
                    }
                    return Some(());
                }
            }
        }
    }

    fn begin(&mut self, bracket: char, open: Open) -> Option<()> {
        self.next();
        self.strict.push(bracket);
        self.open.push(open);
        (self.open.len() <= DEEPEST).then_some(())
    }

    fn close(&mut self, bracket: char) {
        self.open.pop();
        self.strict.push(bracket);
    }

    /// A name, and what stands between it and its value: `:`, `=` or `=>`.
    fn name(&mut self) -> Option<()> {
        let name = match self.peek()? {
            quote @ ('"' | '\'') => {
                self.next();
                self.quoted(quote)?
            }
            _ => self.unquoted()?,
        };
        self.write(&name);
        self.strict.push(':');
        match self.next()? {
            ':' => {}
            '=' => {
                self.rest.next_if_eq(&'>');
            }
            _ => return None,
        }
        Some(())
    }

    fn write(&mut self, text: &str) {
        // A text can always be written.
        self.strict
            .push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn unquoted(&mut self) -> Option<String> {
        let ends = |c: char| "/\\;#={}[]:, \t\u{c}\r\n".contains(c);
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|&c| !ends(c)) {
            text.push(c);
        }
        (!text.is_empty()).then_some(text)
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut units = Vec::new();
        loop {
            let c = match self.rest.next()? {
                c if c == quote => return Some(String::from_utf16_lossy(&units)),
                '\\' => match self.rest.next()? {
                    'u' => {
                        let digits: String = self.rest.by_ref().take(4).collect();
                        let whole =
                            digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
                        let unit = u16::from_str_radix(&digits, 16).ok()?;
                        units.push(whole.then_some(unit)?);
                        continue;
                    }
                    't' => '\t',
                    'b' => '\u{8}',
                    'n' => '\n',
                    'r' => '\r',
                    'f' => '\u{c}',
                    c @ ('\n' | '\'' | '"' | '\\' | '/') => c,
                    _ => return None,
                },
                c => c,
            };
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }

    /// The next character that is neither space nor in a comment, left where it is.
    fn peek(&mut self) -> Option<char> {
        self.skip()?;
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        self.skip()?;
        self.rest.next()
    }

    /// Skips space and comments; `None` if a comment does not end.
    fn skip(&mut self) -> Option<()> {
        while let Some(&c) = self.rest.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' => {
                    self.rest.next();
                }
                '#' => self.skip_line(),
                '/' => {
                    self.rest.next();
                    match self.rest.next()? {
                        '/' => self.skip_line(),
                        '*' => {
                            let mut before = ' ';
                            loop {
                                let c = self.rest.next()?;
                                if before == '*' && c == '/' {
                                    break;
                                }
                                before = c;
                            }
                        }
                        _ => return None,
                    }
                }
                _ => break,
            }
        }
        Some(())
    }

    fn skip_line(&mut self) {
        while self.rest.next_if(|&c| c != '\n' && c != '\r').is_some() {}
    }
}

/// As JSON writes numbers: anything else without quotes is text.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && Json::parse(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gson_lets_pass_becomes_json() {
        for (sent, read) in [
            ("{a:1}", r#"{"a":1}"#),
            ("{'a':'it\\'s \"so\"'}", r#"{"a":"it's \"so\""}"#),
            (
                r#"{"nan":NaN,"t":TRUE,"n":Null}"#,
                r#"{"nan":"NaN","t":true,"n":null}"#,
            ),
            ("{a=1;b=>[1,,2,]}", r#"{"a":1,"b":[1,null,2,null]}"#),
            ("[007,0x10,1.,-,1e5]", r#"["007","0x10","1.","-",1e5]"#),
            ("// a comment\n{/*b*/a /*c*/: #d\n 1}", r#"{"a":1}"#),
            ("\u{feff}{\"a\":[[],{}]}", r#"{"a":[[],{}]}"#),
            ("text", r#""text""#),
            (
                "{\"a\":\"\\ud83d\\ude00\\'\",b:1}",
                "{\"a\":\"\u{1f600}'\",\"b\":1}",
            ),
        ] {
            assert_eq!(json(sent.as_bytes()).as_deref(), Some(read), "{sent}");
            assert!(Json::parse(read.as_bytes()).is_ok(), "{read}");
        }
        assert_eq!(
            json(b"{\"a\":\"\xff\"}").as_deref(),
            Some("{\"a\":\"\u{fffd}\"}")
        );
    }

    #[test]
    fn what_is_nonsense_to_gson_is_nonsense_here() {
        for sent in [
            "",
            " ",
            "not json",
            "{\"a\":1}x",
            "{a:1",
            "[1",
            "{a}",
            "{a:1,}",
            "{,}",
            "}",
            "'a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "/",
            "/*",
            "{a:}",
            "[1 2]",
            "[1}",
            ":",
            "{1:2]",
        ] {
            assert_eq!(json(sent.as_bytes()), None, "{sent}");
        }
    }

    #[test]
    fn any_bytes_are_taken_and_nothing_nests_by_the_stack() {
        let deep = format!("[{}", "[".repeat(100_000));
        assert_eq!(json(deep.as_bytes()), None);
        let seed = br#"{a:'b',"c":[1,2.5e3;tRue]/*x*/,d=>{}}"#;
        for at in 0..seed.len() {
            for byte in 0..=255 {
                let mut bytes = seed.to_vec();
                bytes[at] = byte;
                if let Some(strict) = json(&bytes) {
                    assert!(
                        serde_json::from_str::<serde_json::Value>(&strict).is_ok(),
                        "{strict}"
                    );
                }
            }
        }
    }
}
