//! Flash: SPIFFS images, NVS pages, credentials.

use std::fs;
use std::path::Path;

use backlog::Ring;
use backlog::record::{self, Entry, Head, Time};
use bodykit::flash::{Flash, SECTOR};
use device::platform::{Passphrase, Ssid, WifiCredentials};
use device::storage::Storage;
use fuzz::body;
use fuzz::script::Writer;
use fuzz::{board, sparse};
use spiffs::{Builder, Geometry, Image, Partition, Spiffs};

use crate::Corpus;

/// Seeds for what is in flash.
pub(crate) fn write(corpus: &Corpus, golden: &Path) {
    for file in fs::read_dir(golden).expect("the vectors are there") {
        let path = file.expect("it can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(name) = name.strip_suffix(".image.z") else {
            continue;
        };
        let packed = fs::read(&path).expect("it can be read");
        let image = miniz_oxide::inflate::decompress_to_vec_zlib(&packed).expect("zlib");
        corpus.add("spiffs_image", name, &spiffs(&image, None));
        if name == "credentials" {
            credentials(corpus, &image);
        }
    }
    let files = [
        ("a.txt", &b"hello"[..]),
        ("empty", b""),
        ("long", &[7; 1500]),
    ];
    for (name, page, block, magic) in [("page_64", 0, 1024, 0), ("page_512", 3, 8192, 1)] {
        let geometry = Geometry {
            page_size: 64 << page,
            block_size: block,
            name_len: 16,
            meta_len: magic,
            ..Geometry::ESP_IDF
        };
        let builder = Builder::new(block * 4, geometry).expect("it is possible");
        let add = |builder: Builder<'static>, (name, bytes)| builder.file(name, bytes);
        let image = files
            .into_iter()
            .try_fold(builder, add)
            .expect("good names")
            .build();
        let image = image.expect("it fits");
        corpus.add("spiffs_image", name, &spiffs(&image, Some(geometry)));
    }
    model(corpus);
    storage(corpus);
    backlog(corpus);
}

/// As `spiffs_image` reads it.
fn spiffs(image: &[u8], geometry: Option<Geometry>) -> Vec<u8> {
    let mut script = Writer::default();
    match geometry {
        None => script.byte(0x02).short(0).byte(0).byte(0),
        Some(g) => script
            .byte(0x90 | g.page_size.ilog2() as u8 - 6)
            .short((g.block_size / 4) as u16)
            .byte(g.name_len as u8)
            .byte(g.meta_len as u8),
    };
    script.short((image.len() / 8) as u16);
    script.0.extend(sparse::pack(image));
    script.0
}

/// A few bytes are enough for a volume; the fuzzer finds others.
fn model(corpus: &Corpus) {
    let mut bytes = vec![2, 15, 8, 32, 4, 0, 0, 0, 0, 9, 0, 0, 0];
    bytes.extend((0..120_u8).map(|n| n.wrapping_mul(37)));
    corpus.add("spiffs_model", "volume", &bytes);
}

/// Flash as a provisioned device leaves it, and as ESP-IDF's Wi-Fi driver does.
fn storage(corpus: &Corpus) {
    let network = WifiCredentials {
        ssid: Ssid::new(b"home").expect("short"),
        passphrase: Passphrase::new(fuzz::body::PASSPHRASE).expect("short"),
        bssid: None,
        channel: None,
    };
    let (storage, _) = Storage::open(body::flash(board::blank()));
    storage.keep_wifi(&network).expect("there is room");
    storage
        .keep_last_good_time(1_800_000_000)
        .expect("there is room");
    storage.keep_interval_ms(2_000).expect("there is room");
    storage
        .keep_proof_of_possession("abcd1234")
        .expect("there is room");
    let mut flash = storage.release().to_bytes();
    flash_seeds(corpus, "provisioned", &flash);
    let geometry = Geometry::ESP_IDF;
    let (at, length) = board::SPIFFS;
    let image = Builder::new(length as u32, geometry)
        .and_then(|builder| builder.file("settings.json", b"{\"keep_alive_s\":60}"))
        .and_then(Builder::build)
        .expect("it fits");
    flash[at..at + length].copy_from_slice(&image);
    flash_seeds(corpus, "with_settings", &flash);
    let (storage, _) = Storage::open(body::flash(flash));
    for _ in 0..20 {
        storage.keep_wifi(&network).expect("there is room");
        storage.erase_wifi().expect("the flash works");
    }
    flash_seeds(corpus, "much_used", &storage.release().to_bytes());
    flash_seeds(corpus, "blank", &board::blank());
}

/// Flash as samples leave it that waited there: none, some, and more than there was room for; then more of them.
fn backlog(corpus: &Corpus) {
    for (name, records) in [("blank", 0_u64), ("some", 40), ("round", 400)] {
        let mut flash = body::flash(vec![0xFF; 3 * SECTOR]);
        let mut ring = Ring::new::<Flash>(0..3 * SECTOR as u32).expect("whole sectors");
        for number in 0..records {
            ring.push(&mut flash, &record(number))
                .expect("the flash works");
        }
        let packed = sparse::pack(&flash.to_bytes());
        let mut script = Writer::default();
        script.byte(1).short(packed.len() as u16);
        script.0.extend(&packed);
        for number in 0..20 {
            script.byte(0).short_string(&record(number));
            script.byte(4 + number as u8 % 4).short(number as u16);
        }
        corpus.add("backlog", name, &script.0);
    }
}

/// A record of a few samples that stand still.
fn record(number: u64) -> Vec<u8> {
    let time = Time::Calendar {
        boot_unix_ms: 1_800_000_000_000,
    };
    let head = Head {
        time,
        series: 7,
        body: 3,
    };
    let mut writer = record::Writer::new(head).expect("a short body");
    for second in 0..12 {
        writer.push(&Entry {
            uptime_ms: 1_000 * (12 * number + second),
            body: &[215, 3, number as u8],
            tail: if second == 0 { &[1, 2, 3] } else { &[] },
        });
    }
    writer.bytes().to_vec()
}

fn flash_seeds(corpus: &Corpus, name: &str, flash: &[u8]) {
    let mut script = Writer::default();
    script
        .byte(1)
        .short_string(b"home")
        .short_string(b"another secret");
    script.0.extend(sparse::pack(flash));
    corpus.add("storage", name, &script.0);
    let mut script = Writer::default();
    script.byte(9);
    script.0.extend(sparse::pack(flash));
    corpus.add("flashimage", name, &script.0);
}

/// The three files of a device, as DER and as text.
fn credentials(corpus: &Corpus, image: &[u8]) {
    let partition = Partition::whole(image.len() as u32);
    let mut volume = Spiffs::mount(Image(image), partition, None).expect("a golden image");
    let [certificate, key, server_chain] = ["device.crt", "device.key", "server_chain.pem"]
        .map(|name| volume.read_to_vec(name).expect("it is there"));
    let mut script = Writer::default();
    script.byte(0x10);
    for file in [&certificate, &key, &server_chain] {
        let blocks = ders(&String::from_utf8_lossy(file));
        script.byte(blocks.len() as u8);
        for block in blocks {
            script.string(&block);
        }
    }
    script.short(0x6B49);
    corpus.add("credentials", "device_der", &script.0);
    let mut script = Writer::default();
    script.byte(7);
    for file in [&certificate, &key, &server_chain] {
        script.string(file);
    }
    script.short(0x6B49);
    corpus.add("credentials", "device_pem", &script.0);
}

/// The bytes within each of a file's armours.
fn ders(file: &str) -> Vec<Vec<u8>> {
    file.split("-----BEGIN").skip(1).map(der).collect()
}

/// The bytes within PEM's armour, from behind its first word.
fn der(pem: &str) -> Vec<u8> {
    let digits = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .flat_map(str::bytes);
    let (mut out, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    out
}
