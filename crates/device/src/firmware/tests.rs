//! Offers in words; whole updates are the end-to-end tests'.

use thingsboard::json::Object;

use super::offer::Offered;

fn why(json: &str) -> alloc::string::String {
    match Offered::read(Object::parse(json.as_bytes()).ok()) {
        Offered::Refused { why, .. } => why.as_str().into(),
        Offered::Package(_) => "taken".into(),
        Offered::Nothing => "nothing".into(),
    }
}

#[test]
fn what_cannot_be_fetched_is_refused_with_what_to_do() {
    assert_eq!(why("{}"), "nothing");
    assert_eq!(why(r#"{"telemetryIntervalMs":1}"#), "nothing");
    let url = why(r#"{"fw_title":"a","fw_version":"1","fw_url":"https://example.com/a"}"#);
    assert!(url.contains("not by URL"), "{url}");
    let part = why(r#"{"fw_title":"a","fw_version":"1"}"#);
    assert!(part.contains("size and checksum"), "{part}");
    let with = |algorithm: &str, checksum: &str| {
        let json = alloc::format!(
            r#"{{"fw_title":"a","fw_version":"1","fw_size":9,"fw_checksum":"{checksum}",
            "fw_checksum_algorithm":"{algorithm}"}}"#
        );
        why(&json)
    };
    assert!(with("MD5", "00").contains("upload it with SHA256"));
    assert!(with("CRC32", "0").contains("is none"));
    assert_eq!(with("CRC32", "26f0db00"), "taken");
}
