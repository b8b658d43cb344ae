//! Values as ThingsBoard understands them, from the JSON that a device sends.
//!
//! The rules are those of `JsonConverter.java` (thingsboard/thingsboard,
//! `common/proto/src/main/java/org/thingsboard/server/common/adaptor/`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd) with type cast enabled, as is its default. The
//! surprising one: text that looks like a number is stored as a number.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use thingsboard::json::{Json, Object, ParseError, ParseErrorKind};

/// One value of a series or an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A whole number.
    Long(i64),
    /// A number with decimals.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Text(String),
    /// An object or an array, as JSON.
    Json(String),
}

impl Datum {
    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Long(n) => Some(n as f64),
            Self::Double(n) => Some(n),
            _ => None,
        }
    }

    /// As ThingsBoard's REST interface gives it: text, whatever it is.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Json(text) => text.clone(),
            Self::Long(n) => n.to_string(),
            Self::Double(n) => n.to_string(),
            Self::Bool(is) => is.to_string(),
        }
    }

    /// Reads one JSON value; `None` for `null`, which ThingsBoard skips.
    pub(crate) fn from_json(json: Json<'_>) -> Option<Self> {
        if json.is_null() {
            return None;
        }
        Some(if let Some(value) = json.as_bool() {
            Self::Bool(value)
        } else if let Some(text) = json.as_text() {
            let text = text.to_string();
            if is_parsable(&text) {
                number(&text)
            } else {
                Self::Text(text)
            }
        } else if json.as_object().is_some() || json.as_array().is_some() {
            Self::Json(json.as_raw().to_owned())
        } else {
            number(json.as_raw())
        })
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Long(n) => serializer.serialize_i64(*n),
            Self::Double(n) => serializer.serialize_f64(*n),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Json(json) => match RawValue::from_string(json.clone()) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_str(json),
            },
        }
    }
}

/// Values of one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// When, in milliseconds since 1970.
    pub ts_ms: i64,
    /// The values by key, in the order sent.
    #[serde(serialize_with = "as_map")]
    pub values: Vec<(String, Datum)>,
}

fn as_map<S: Serializer>(values: &[(String, Datum)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, value)))
}

/// Reads telemetry: `{"k":v}`, `{"ts":ms,"values":{…}}`, or an array of those.
pub(crate) fn parse_telemetry(payload: &[u8], now_ms: i64) -> Result<Vec<Record>, ParseError> {
    let json = Json::parse(payload)?;
    if let Some(object) = json.as_object() {
        return Ok(vec![record(object, now_ms)?]);
    }
    let elements = json
        .as_array()
        .ok_or(expected("an object or an array of objects"))?;
    elements
        .map(|element| {
            record(
                element.as_object().ok_or(expected("an array of objects"))?,
                now_ms,
            )
        })
        .collect()
}

fn record(object: Object<'_>, now_ms: i64) -> Result<Record, ParseError> {
    let (Some(ts), Some(values)) = (object.get("ts"), object.get("values")) else {
        return Ok(Record {
            ts_ms: now_ms,
            values: values_of(object),
        });
    };
    let ts_ms = ts
        .as_i64()
        .or_else(|| ts.as_text()?.as_plain()?.parse().ok())
        .ok_or(expected("a \"ts\" in whole milliseconds"))?;
    let values = values
        .as_object()
        .ok_or(expected("an object as \"values\""))?;
    Ok(Record {
        ts_ms,
        values: values_of(values),
    })
}

/// Reads attributes: `{"k":v}`.
pub(crate) fn parse_attributes(payload: &[u8]) -> Result<Vec<(String, Datum)>, ParseError> {
    Object::parse(payload).map(values_of)
}

fn values_of(object: Object<'_>) -> Vec<(String, Datum)> {
    let members = object.members();
    members
        .filter_map(|(key, value)| Some((key.to_string(), Datum::from_json(value)?)))
        .collect()
}

fn expected(what: &'static str) -> ParseError {
    ParseError {
        offset: 0,
        kind: ParseErrorKind::Expected(what),
    }
}

/// `NumberUtils.isParsable` of Apache Commons Lang.
fn is_parsable(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.ends_with('.')
        && !digits.is_empty()
        && digits.bytes().filter(|&b| b == b'.').count() <= 1
        && digits.bytes().all(|b| b == b'.' || b.is_ascii_digit())
}

/// `buildNumericKeyValueProto`: a long, a double, or, where neither can hold it, text.
fn number(text: &str) -> Datum {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(exponent) = exponent.parse::<i32>() else {
        return Datum::Text(text.to_owned());
    };
    // value = unscaled / 10^scale, as in Java's BigDecimal.
    let unscaled = format!("{whole}{fraction}");
    let scale = fraction.len() as i64 - i64::from(exponent);
    let trailing = unscaled.bytes().rev().take_while(|&b| b == b'0').count();
    let zero = trailing == unscaled.len();
    let integral = zero || scale - trailing as i64 <= 0;
    let simple_double = text.contains('.') && !text.contains(['e', 'E']);
    if integral && !simple_double {
        let plain = plain(sign, &unscaled, scale).map(|plain| (plain.parse(), plain));
        return match plain {
            _ if zero => Datum::Long(0),
            Some((Ok(n), _)) => Datum::Long(n),
            Some((Err(_), plain)) => Datum::Text(plain),
            None => Datum::Text(text.to_owned()),
        };
    }
    match text.parse() {
        Ok(n) if scale <= 16 => Datum::Double(n),
        _ => Datum::Text(plain(sign, &unscaled, scale).unwrap_or_else(|| text.to_owned())),
    }
}

/// Digits without an exponent; `None` if that would be absurdly long.
fn plain(sign: &str, unscaled: &str, scale: i64) -> Option<String> {
    const LONGEST: i64 = 400;
    if scale.abs() > LONGEST || unscaled.len() as i64 > LONGEST {
        return None;
    }
    let mut digits = unscaled.to_owned();
    if scale < 0 {
        digits.push_str(&"0".repeat(usize::try_from(-scale).ok()?));
    }
    let point = usize::try_from(scale.max(0)).ok()?;
    while digits.len() <= point {
        digits.insert(0, '0');
    }
    let (whole, fraction) = digits.split_at(digits.len() - point);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction_is_empty = fraction.bytes().all(|b| b == b'0');
    Some(if fraction_is_empty {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str) -> Datum {
        let payload = format!("{{\"meterReadingDelta\": {json}}}");
        parse_attributes(payload.as_bytes()).unwrap().remove(0).1
    }

    /// The cases of `JsonConverterTest.java`, commit dfe65d5abc3aa959aaa853952d74943fbd6867bd.
    #[test]
    fn numbers_are_typed_as_thingsboard_types_them() {
        assert_eq!(one("1E+1"), Datum::Long(10));
        assert_eq!(one("101E-1"), Datum::Double(10.1));
        assert_eq!(one("1E1"), Datum::Long(10));
        assert_eq!(one("42.0"), Datum::Double(42.0));
        assert_eq!(one("1.1"), Datum::Double(1.1));
        assert_eq!(one("11"), Datum::Long(11));
        let text = |digits: &str| Datum::Text(digits.to_owned());
        assert_eq!(one("9.9701010061400066E19"), text("99701010061400066000"));
        assert_eq!(one("99701010061400066001"), text("99701010061400066001"));
        assert_eq!(one("1E19"), text("10000000000000000000"));
    }

    #[test]
    fn text_that_looks_like_a_number_becomes_one() {
        assert_eq!(one("\"007\""), Datum::Long(7));
        assert_eq!(one("\"-1.50\""), Datum::Double(-1.5));
        for text in ["1.", "1e5", "+1", "", "-", "1.2.3", "v1", "0x10"] {
            let expected = Datum::Text(text.to_owned());
            assert_eq!(one(&format!("\"{text}\"")), expected);
        }
    }

    #[test]
    fn numbers_at_the_edges_are_bounded() {
        assert_eq!(one("-9223372036854775808"), Datum::Long(i64::MIN));
        assert_eq!(one("0e999999999"), Datum::Long(0));
        assert_eq!(one("1e999999999"), Datum::Text("1e999999999".to_owned()));
        assert_eq!(one("1e-999999999"), Datum::Text("1e-999999999".to_owned()));
        assert_eq!(
            one("1e99999999999"),
            Datum::Text("1e99999999999".to_owned())
        );
        assert_eq!(
            one("0.00000000000000001"),
            Datum::Text("0.00000000000000001".to_owned())
        );
        assert_eq!(one("0.0000000000000001"), Datum::Double(1e-16));
    }

    #[test]
    fn telemetry_has_three_forms() {
        let values = vec![("a".to_owned(), Datum::Long(1))];
        let now = Record {
            ts_ms: 9,
            values: values.clone(),
        };
        let then = Record { ts_ms: 5, values };
        assert_eq!(
            parse_telemetry(br#"{"a":1}"#, 9).unwrap(),
            vec![now.clone()]
        );
        let stamped = r#"{"ts":5,"values":{"a":1,"skipped":null}}"#;
        assert_eq!(
            parse_telemetry(stamped.as_bytes(), 9).unwrap(),
            vec![then.clone()]
        );
        let both = format!("[{stamped},{{\"a\":1}}]");
        assert_eq!(parse_telemetry(both.as_bytes(), 9).unwrap(), [then, now]);
        for bad in [
            "1",
            "\"a\"",
            "[1]",
            "[[]]",
            "null",
            r#"{"ts":"x","values":{}}"#,
            r#"{"ts":1,"values":1}"#,
        ] {
            assert!(parse_telemetry(bad.as_bytes(), 9).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_serialised_as_what_they_are() {
        let values = parse_attributes(br#"{"a":{"x":[1]},"b":"<b>","c":1.5,"d":true}"#).unwrap();
        let record = Record { ts_ms: 1, values };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"ts_ms":1,"values":{"a":{"x":[1]},"b":"<b>","c":1.5,"d":true}}"#
        );
    }
}
