extern crate std;

use super::super::Writer;
use super::*;
use crate::Value;
use std::string::{String, ToString};
use std::vec::Vec;

fn parse(text: &str) -> Result<Json<'_>, ParseErrorKind> {
    Json::parse(text.as_bytes()).map_err(|e| e.kind)
}

fn number(text: &str) -> Option<Decimal> {
    parse(text).unwrap().as_decimal()
}

#[test]
fn what_is_json_is_taken_and_nothing_else() {
    for good in [
        "{}",
        "[]",
        " null ",
        "0",
        "-0",
        "-1.5e+3",
        "\"\"",
        "\"\\u00e9\\n\"",
        "[1,[2,{\"a\":[]}],3]",
        "{\"a\":{\"b\":[{}]},\"c\":true}",
        "\t[ 1 , 2 ]\r\n",
    ] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        " ",
        "{",
        "}",
        "[1",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "nul",
        "truee",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "{} {}",
        "[}",
        "{]",
        "'a'",
        "NaN",
        "\u{feff}{}",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Json::parse(b"\"\xff\"").unwrap_err().kind,
        ParseErrorKind::NotUtf8
    );
}

#[test]
fn depth_is_limited() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(parse(&nested(32)).is_ok());
    assert_eq!(parse(&nested(33)), Err(ParseErrorKind::TooDeep));
    assert_eq!(
        parse(&"{\"a\":".repeat(100_000)),
        Err(ParseErrorKind::TooDeep)
    );
}

#[test]
fn every_beginning_of_a_document_is_an_error() {
    let whole = br#"{"a":[1,-2.5e3,"x\u00e9\n"],"b":{"c":null,"d":[true,false]}}"#;
    assert!(Json::parse(whole).is_ok());
    for len in 0..whole.len() {
        assert!(Json::parse(&whole[..len]).is_err(), "{len}");
    }
}

/// Every single-byte change of a document gives a value that can be walked, or an error.
#[test]
fn no_byte_makes_it_panic() {
    let whole = br#"{"a":[1,-2.5e3,"x\ud83d\ude00"],"b":{"c":null}}"#;
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            if let Ok(json) = Json::parse(&bytes) {
                walk(json);
            }
        }
    }
}

fn walk(json: Json<'_>) -> usize {
    let mut seen = 1 + usize::from(json.as_decimal().is_some());
    seen += json.as_text().map_or(0, |text| text.chars().count());
    seen += json
        .as_array()
        .map_or(0, |elements| elements.map(walk).sum());
    seen + json.as_object().map_or(0, |object| {
        object.members().map(|(_, value)| walk(value)).sum()
    })
}

#[test]
fn members_and_elements_are_walked_in_order() {
    let object = Object::parse(br#" { "a" : 1 , "b" : [ true , "x" , { } ] , "a" : 2 } "#).unwrap();
    let keys: Vec<String> = object.members().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, ["a", "b", "a"]);
    assert_eq!(
        object.get("a").and_then(Json::as_i64),
        Some(2),
        "the last of two counts"
    );
    assert_eq!(object.get("c"), None);
    let elements: Vec<Json<'_>> = object.get("b").unwrap().as_array().unwrap().collect();
    assert_eq!(elements[0].as_bool(), Some(true));
    assert_eq!(elements[1].as_text().unwrap(), "x");
    assert!(elements[2].as_object().unwrap().members().next().is_none());
    assert!(parse("[]").unwrap().as_array().unwrap().next().is_none());
}

#[test]
fn numbers_are_exact_or_refused() {
    // Numbers of JsonConverterTest.java, thingsboard commit
    // dfe65d5abc3aa959aaa853952d74943fbd6867bd.
    assert_eq!(number("1E+1"), Some(Decimal::new(10, 0)));
    assert_eq!(number("101E-1"), Some(Decimal::new(101, 1)));
    assert_eq!(number("42.0"), Some(Decimal::new(42, 0)));
    assert_eq!(number("99701010061400066001"), None);
    assert_eq!(number("1E19"), None);

    assert_eq!(
        number("-9223372036854775808"),
        Some(Decimal::new(i64::MIN, 0))
    );
    assert_eq!(number("9223372036854775808"), None);
    assert_eq!(number("0e999"), Some(Decimal::new(0, 0)));
    assert_eq!(number("1e-99"), None);
    assert_eq!(number("1e99999"), None);
    assert_eq!(number("0.00"), Some(Decimal::new(0, 0)));
    assert_eq!(number("-0.50"), Some(Decimal::new(-5, 1)));
    assert_eq!(parse("5000.0").unwrap().as_i64(), Some(5000));
    assert_eq!(parse("0.5").unwrap().as_i64(), None);
    assert_eq!(parse("\"5\"").unwrap().as_i64(), None);
}

#[test]
fn escapes_are_undone() {
    let json = parse(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d!""#).unwrap();
    let text = json.as_text().unwrap();
    let expected = "a\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}!";
    assert_eq!(text, expected);
    assert_eq!(text.to_string(), expected);
    assert_eq!(text.as_plain(), None);
    let mut small = [0; 4];
    let needed = text.unescape(&mut small).unwrap_err().needed;
    assert_eq!(needed, expected.len());
    let mut buffer = [0; 64];
    assert_eq!(text.unescape(&mut buffer), Ok(expected));
    assert_eq!(
        parse("\"plain\"").unwrap().as_text().unwrap().as_plain(),
        Some("plain")
    );
}

#[test]
fn what_is_written_can_be_read() {
    let text = "quote\" back\\ line\n tab\t bell\u{7} é 😀";
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    writer.object([
        (text, Value::Text(text)),
        ("n", Value::Int(i64::MIN)),
        ("d", Decimal::new(-5, 2).into()),
        (
            "o",
            Value::Object(&[("b", true.into()), ("e", Value::Object(&[]))]),
        ),
    ]);
    let object = Object::parse(writer.finish().unwrap()).unwrap();
    assert_eq!(object.get(text).unwrap().as_text().unwrap(), text);
    assert_eq!(object.get("n").unwrap().as_i64(), Some(i64::MIN));
    assert_eq!(
        object.get("d").unwrap().as_decimal(),
        Some(Decimal::new(-5, 2))
    );
    assert_eq!(object.get("o").unwrap().as_raw(), r#"{"b":true,"e":{}}"#);
}

#[test]
fn a_full_buffer_tells_the_length_it_should_have() {
    let mut writer_buffer = [0; 8];
    let mut writer = Writer::new(&mut writer_buffer);
    writer.object([("temperature", Value::Int(20))]);
    assert_eq!(
        writer.finish().unwrap_err().needed,
        r#"{"temperature":20}"#.len()
    );
}
