//! Provisioning: ESP-IDF's conversations, as steps of the targets' scripts.

use std::fs;
use std::path::Path;

use fuzz::script::Writer;

use crate::Corpus;

/// A request to an endpoint: its name and its plain text.
type Request = (String, Vec<u8>);

/// Seeds for both ends.
pub(crate) fn write(corpus: &Corpus, vectors: &Path) {
    let mut files: Vec<_> = fs::read_dir(vectors)
        .expect("the vectors are there")
        .map(|file| file.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    for path in files {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("it can be read");
        let number = match () {
            () if name.starts_with("security0") => 0,
            () if name.starts_with("security1_without") => 1,
            () if name.starts_with("security1") => 2,
            () if name.contains("fixed") => 3,
            () => 4,
        };
        let wrong = name.contains("wrong");
        let requests = requests(&text);
        corpus.add("protocomm_device", &name, &device(number, wrong, &requests));
        corpus.add("protocomm_client", &name, &client(number, requests.len()));
    }
    let version = br#"{"prov":{"ver":"v1.1","sec_ver":2,"sec_patch_ver":1,"cap":["wifi_scan"]}}"#;
    corpus.add(
        "protocomm_client",
        "version",
        &[&[255], &version[..]].concat(),
    );
    let label = br#"{"ver":"v1","name":"PROV_1A2B3C","username":"wifiprov","pop":"abcd1234","transport":"ble","security":2}"#;
    corpus.add("protocomm_client", "label", &[&[255], &label[..]].concat());
}

/// The requests of a conversation to endpoints that a session protects.
fn requests(text: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [">", endpoint, plain, _] = words[..]
            && !matches!(endpoint, "proto-ver" | "prov-session")
            && plain != "-"
        {
            requests.push((endpoint.to_owned(), unhex(plain)));
        }
    }
    requests
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// As `protocomm_device` reads it: a handshake, the requests, news of the station in between.
fn device(number: u8, wrong: bool, requests: &[Request]) -> Vec<u8> {
    let mut script = Writer::default();
    script.byte(number).byte(1);
    if number > 0 {
        script.byte(2).byte(wrong.into()).byte(0);
        script.byte(4).byte(0).byte(0);
        script.byte(4).byte(0).byte(0);
    } else {
        script.byte(2).byte(0).byte(0);
        script.byte(4).byte(0);
    }
    for (index, (endpoint, plain)) in requests.iter().enumerate() {
        let place = match endpoint.as_str() {
            "prov-ctrl" => 0,
            "prov-scan" => 1,
            "prov-config" => 3,
            _ => 5,
        };
        script
            .byte(5)
            .byte(place << 4 | 11)
            .string(plain)
            .byte(0)
            .byte(0);
        // The scan is done; joining failed, and worked at last.
        if index % 3 == 2 {
            script.byte(10).byte(20);
            script.byte(12).byte(if index > 12 { 0 } else { 2 });
        }
    }
    script.byte(8);
    script.0
}

/// As `protocomm_client` reads it: an honest device, and a reply that was changed at the end.
fn client(number: u8, requests: usize) -> Vec<u8> {
    let mut script = Writer::default();
    script.byte(number);
    for _ in 0..if number > 0 { 2 } else { 1 } {
        script.byte(0).byte(0);
    }
    for index in 0..requests.min(7) {
        script.byte(index as u8).byte(0).byte(0);
    }
    script.byte(4).byte(0).byte(1).byte(0).short(3).byte(0x10);
    script.0
}
