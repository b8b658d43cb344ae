//! A checked document, and the walk through it.

use core::fmt;

use super::scan::{ParseError, ParseErrorKind, Scanner};
use super::text::Text;
use crate::Decimal;

/// A JSON value inside a payload, known to be well-formed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Json<'a> {
    /// The text of the value, without space around it.
    text: &'a str,
}

impl<'a> Json<'a> {
    /// Checks that `payload` is one JSON value.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with it, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let text = core::str::from_utf8(payload).map_err(|e| ParseError {
            offset: e.valid_up_to(),
            kind: ParseErrorKind::NotUtf8,
        })?;
        let mut scanner = Scanner::new(payload);
        scanner.skip_space();
        let start = scanner.at;
        scanner.skip_value()?;
        let end = scanner.at;
        scanner.skip_space();
        if scanner.peek().is_some() {
            return Err(scanner.error(ParseErrorKind::TrailingBytes));
        }
        Ok(Self {
            text: text.get(start..end).unwrap_or("null"),
        })
    }

    /// The value as it stands in the payload.
    pub fn as_raw(self) -> &'a str {
        self.text
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.text == "null"
    }

    /// The truth value, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The whole number, also one written as `5.0` or `5e3`; `None` if out of range.
    pub fn as_i64(self) -> Option<i64> {
        self.as_decimal()?.to_integer()
    }

    /// The number, if its digits fit.
    ///
    /// `None` for anything but a number, for more than 16 decimals other than zeros at the
    /// end, and for a mantissa beyond `i64`.
    pub fn as_decimal(self) -> Option<Decimal> {
        if !self
            .text
            .starts_with(|c: char| c == '-' || c.is_ascii_digit())
        {
            return None;
        }
        let (digits, exponent) = match self.text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i16>().ok()?),
            None => (self.text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let negative = whole.starts_with('-');
        let mut mantissa: i64 = 0;
        for digit in whole
            .trim_start_matches('-')
            .bytes()
            .chain(fraction.bytes())
        {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            // Downwards, for there is one more negative number than positive ones.
            mantissa = mantissa.checked_mul(10)?.checked_sub(digit)?;
        }
        if !negative {
            mantissa = mantissa.checked_neg()?;
        }
        let mut places = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        while places < 0 && mantissa != 0 {
            mantissa = mantissa.checked_mul(10)?;
            places += 1;
        }
        while places > 0 && mantissa % 10 == 0 && mantissa != 0 {
            mantissa /= 10;
            places -= 1;
        }
        if mantissa == 0 {
            places = 0;
        }
        let places = u8::try_from(places)
            .ok()
            .filter(|&p| p <= Decimal::MAX_PLACES)?;
        Some(Decimal::new(mantissa, places))
    }

    /// The string, if it is one.
    pub fn as_text(self) -> Option<Text<'a>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text::from_checked(inner))
    }

    /// The object, if it is one.
    pub fn as_object(self) -> Option<Object<'a>> {
        self.text.starts_with('{').then_some(Object { json: self })
    }

    /// The elements, if it is an array.
    pub fn as_array(self) -> Option<Elements<'a>> {
        let inner = self.text.strip_prefix('[')?;
        Some(Elements {
            walk: Walk::new(inner),
        })
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A JSON object inside a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    json: Json<'a>,
}

impl<'a> Object<'a> {
    /// Checks that `payload` is one JSON object.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with it, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        Json::parse(payload)?.as_object().ok_or(ParseError {
            offset: 0,
            kind: ParseErrorKind::Expected("an object"),
        })
    }

    /// The members, in the order of the payload.
    pub fn members(self) -> Members<'a> {
        let inner = self.json.text.strip_prefix('{').unwrap_or_default();
        Members {
            walk: Walk::new(inner),
        }
    }

    /// The value of a key; the last one if it is there twice, as the server has it.
    pub fn get(self, key: &str) -> Option<Json<'a>> {
        self.members()
            .filter(|(name, _)| *name == *key)
            .last()
            .map(|(_, value)| value)
    }

    /// The object as a value.
    pub fn as_json(self) -> Json<'a> {
        self.json
    }
}

/// Steps through the inside of a checked container; ends at whatever is unexpected.
#[derive(Clone, Debug)]
struct Walk<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Walk<'a> {
    fn new(inner: &'a str) -> Self {
        Self {
            text: inner,
            scanner: Scanner::new(inner.as_bytes()),
        }
    }

    fn value(&mut self) -> Option<Json<'a>> {
        self.scanner.take(b',');
        self.scanner.skip_space();
        let start = self.scanner.at;
        self.scanner.skip_value().ok()?;
        Some(Json {
            text: self.text.get(start..self.scanner.at)?,
        })
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    walk: Walk<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        self.walk.value()
    }
}

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    walk: Walk<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.walk.value()?.as_text()?;
        if !self.walk.scanner.take(b':') {
            return None;
        }
        Some((key, self.walk.value()?))
    }
}

#[cfg(test)]
mod tests;
