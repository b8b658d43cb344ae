//! What ThingsBoard sends: topics, RPCs, shared attributes, firmware offers, and the JSON beneath.
//!
//! serde_json is asked for a second opinion on what is JSON and on what a value is.
#![no_main]

use fuzz::Script;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use thingsboard::json::{Json, MAX_DEPTH, Object, ParseErrorKind};
use thingsboard::{
    Decimal, FromDevice, FromServer, Value, attributes, firmware, rpc, telemetry, time,
};

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    if kind & 1 == 1 {
        topics(&String::from_utf8_lossy(script.short_string()));
    }
    if kind & 2 == 2 {
        write(&mut script);
    }
    let payload = script.rest();
    let ((), peak) = fuzz::heap::peak_of(|| read(payload));
    assert_eq!(peak, 0, "reading takes no heap");
    compare(payload);
});

fn topics(topic: &str) {
    if let Some(parsed) = FromServer::parse(topic) {
        assert_eq!(FromServer::parse(&parsed.topic()), Some(parsed));
    }
    if let Some(parsed) = FromDevice::parse(topic) {
        assert_eq!(FromDevice::parse(&parsed.topic()), Some(parsed));
    }
}

/// Does with a payload what a device may do.
fn read(payload: &[u8]) {
    if let Ok(request) = rpc::Request::parse(payload) {
        let mut buffer = [0; 64];
        let _ = request.method.unescape(&mut buffer);
        let _ = request.method.as_plain();
        let _ = request.params.map(walk);
    }
    if let Ok(update) = attributes::Update::parse(payload) {
        let changed = update.changed().count();
        let _ = update.deleted().count();
        assert!(changed > 0 || update.get("telemetry_interval_ms").is_none());
    }
    if let Ok(response) = attributes::Response::parse(payload) {
        for side in [response.client, response.shared].into_iter().flatten() {
            if let Some(offer) = firmware::Offer::find(side) {
                let count = offer.chunk_count(1024).unwrap_or(0);
                let last = count.checked_sub(1).map(|last| offer.chunk_len(last, 1024));
                assert!(last.is_none_or(|length| length.is_some_and(|n| n > 0)));
                assert_eq!(offer.chunk_len(count, 1024), None);
            }
        }
    }
    if let Some(unix_ms) = time::parse(payload) {
        assert!(Json::parse(payload).is_ok() && i64::try_from(unix_ms).is_ok());
    }
    if let Ok(json) = Json::parse(payload) {
        walk(json);
    }
}

/// Looks at everything that is in a value, with a stack of its own: nothing here may recurse.
fn walk(json: Json<'_>) {
    let mut open = [const { None }; MAX_DEPTH as usize + 1];
    let mut depth = 0;
    look(json);
    open[0] = Some(children(json));
    loop {
        match open[depth].as_mut().and_then(Iterator::next) {
            Some(child) => {
                look(child);
                depth += 1;
                assert!(depth <= MAX_DEPTH as usize, "deeper than the limit");
                open[depth] = Some(children(child));
            }
            None if depth == 0 => return,
            None => depth -= 1,
        }
    }
}

/// The values inside a value.
struct Children<'a> {
    members: Option<thingsboard::json::Members<'a>>,
    elements: Option<thingsboard::json::Elements<'a>>,
}

fn children(json: Json<'_>) -> Children<'_> {
    Children {
        members: json.as_object().map(Object::members),
        elements: json.as_array(),
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        match (&mut self.members, &mut self.elements) {
            (Some(members), _) => members.next().map(|(_, value)| value),
            (_, Some(elements)) => elements.next(),
            _ => None,
        }
    }
}

fn look(json: Json<'_>) {
    let kinds = [
        json.is_null(),
        json.as_bool().is_some(),
        json.as_text().is_some(),
        json.as_object().is_some(),
        json.as_array().is_some(),
    ];
    assert!(kinds.iter().filter(|kind| **kind).count() <= 1);
    let _ = json.as_decimal();
    let _ = json.as_i64();
    // A value is JSON by itself.
    assert!(Json::parse(json.as_raw().as_bytes()) == Ok(json));
}

/// What serde_json says of the same bytes.
fn compare(payload: &[u8]) {
    let theirs = serde_json::from_slice::<&RawValue>(payload);
    match (Json::parse(payload), theirs) {
        (Ok(ours), Ok(_)) => same(ours),
        (Err(_), Err(_)) => {}
        (Ok(ours), Err(error)) => panic!("serde_json refuses {}: {error}", ours.as_raw()),
        (Err(error), Ok(_)) => assert!(error.kind == ParseErrorKind::TooDeep, "{error}"),
    }
}

/// Scalars have the same value.
fn same(ours: Json<'_>) {
    let Ok(theirs) = serde_json::from_str::<serde_json::Value>(ours.as_raw()) else {
        // Numbers beyond f64, and halves of surrogate pairs.
        return;
    };
    assert_eq!(ours.as_bool(), theirs.as_bool());
    assert_eq!(ours.is_null(), theirs.is_null());
    if let Some(text) = theirs.as_str() {
        let ours = ours.as_text().expect("it is text");
        assert!(ours.chars().eq(text.chars()));
    }
    if let Some(number) = theirs.as_i64() {
        let negative_zero = number == 0;
        assert!(negative_zero || ours.as_i64() == Some(number), "{number}");
    }
}

/// What a device writes can be read again, whatever the text in it.
fn write(script: &mut Script<'_>) {
    let key = String::from_utf8_lossy(script.short_string()).into_owned();
    let text = String::from_utf8_lossy(script.short_string()).into_owned();
    let number = i64::from_le_bytes(std::array::from_fn(|_| script.byte_or_0()));
    let places = script.byte_or_0();
    let mut buffer = vec![0; usize::from(script.short() % 1024)];
    let values = [
        (key.as_str(), Value::Text(&text)),
        ("n", Value::Int(number)),
        ("d", Value::Decimal(Decimal::new(number, places))),
    ];
    if let Ok(written) = rpc::write_request(&mut buffer, &key, &values) {
        let request = rpc::Request::parse(written).expect("what we write, we read");
        assert!(request.method == key.as_str());
        let object = request.params.and_then(Json::as_object).expect("it is one");
        // The last of two members of the same name counts.
        if key != "n" && key != "d" {
            let got = object.get(&key).and_then(Json::as_text);
            assert!(got.expect("it is there") == text.as_str());
        }
        assert_eq!(object.get("n").and_then(Json::as_i64), Some(number));
        assert!(serde_json::from_slice::<serde_json::Value>(written).is_ok());
    }
    let length = buffer.len();
    let mut batch = telemetry::Batch::new(&mut buffer);
    let pushed = (0..20)
        .take_while(|n| {
            batch
                .push(number as u64 >> n, values.iter().copied())
                .is_ok()
        })
        .count();
    assert_eq!(batch.records(), pushed);
    if let Some(written) = batch.finish() {
        assert!(written.len() <= length);
        let all: Vec<serde_json::Value> = serde_json::from_slice(written).expect("JSON");
        assert_eq!(all.len(), pushed);
    }
}
