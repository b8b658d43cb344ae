//! Settings, payloads, MQTT in both directions, HTTP, SNTP.

use fuzz::script::Writer;

use crate::Corpus;

const SETTINGS: [&str; 3] = [
    r#"{"broker":"mqtts://tb.example:8884","server_name":"tb.example","sntp_server":"[2001:db8::1]:123","telemetry_interval_ms":5000,"keep_alive_s":60,"provisioning":{"security":1,"username":"wifiprov","pop":"abcd1234","name_prefix":"PROV_"}}"#,
    r#"{"broker":"mqtts://192.0.2.7/"}"#,
    r#"{"provisioning":{"security":2,"pop":"caf\u00e9 \ud83d\ude00"},"other":[1,{"a":null}]}"#,
];

const PAYLOADS: [&str; 9] = [
    r#"{"method":"setInterval","params":{"ms":500}}"#,
    r#"{"method":"getStatus","params":null}"#,
    r#"{"method":"reboot"}"#,
    r#"{"method":"factoryReset","params":[1,2.5e3,-0]}"#,
    r#"{"telemetry_interval_ms":2000}"#,
    r#"{"deleted":["telemetry_interval_ms"]}"#,
    r#"{"client":{"a":true},"shared":{"telemetry_interval_ms":1e3}}"#,
    r#"{"shared":{"fw_title":"t","fw_version":"2","fw_size":70000,"fw_checksum":"ab","fw_checksum_algorithm":"SHA256"}}"#,
    r#"[{"ts":1700000000000,"values":{"temperature":21.5,"a\u0041\n":"\ud800"}}]"#,
];

/// What a server answers that has limits.
const LIMITS: &str = r#"{"maxPayloadSize":65536,"rateLimits":{"messages":"20:1,300:60","telemetryMessages":"5:1","telemetryDataPoints":"60:1,15000:3600"}}"#;

/// What a rule chain answers that tells the time.
const TIMES: [&str; 3] = [
    "1800000123456",
    "\"1600000000000\"",
    r#"{"time":4000000000000}"#,
];

const TOPICS: [&str; 6] = [
    "v1/devices/me/rpc/request/7",
    "v1/devices/me/rpc/response/2147483647",
    "v1/devices/me/attributes/response/1",
    "v2/fw/request/1/chunk/2",
    "v2/fw/response/1/chunk/0",
    "v2/fw/error",
];

/// Seeds for what is text, or text in packets.
pub(crate) fn write(corpus: &Corpus) {
    for (index, text) in SETTINGS.iter().enumerate() {
        corpus.add("settings", &format!("settings_{index}"), text.as_bytes());
    }
    for (index, text) in PAYLOADS.iter().enumerate() {
        let name = format!("payload_{index}");
        corpus.add("payloads", &name, &[b"\0", text.as_bytes()].concat());
    }
    for (index, text) in TIMES.iter().enumerate() {
        let name = format!("time_{index}");
        corpus.add("payloads", &name, &[b"\0", text.as_bytes()].concat());
    }
    for (index, topic) in TOPICS.iter().enumerate() {
        let mut script = Writer::default();
        script.byte(1).short_string(topic.as_bytes());
        corpus.add("payloads", &format!("topic_{index}"), &script.0);
    }
    let mut written = Writer::default();
    written
        .byte(2)
        .short_string(b"temperature")
        .short_string("21,5 \u{b0}C\n".as_bytes());
    written.0.extend(215_i64.to_le_bytes());
    written.byte(1).short(600);
    corpus.add("payloads", "written", &written.0);
    broker(corpus);
    server(corpus);
    time(corpus);
}

/// What a broker says to the device.
fn broker(corpus: &Corpus) {
    for (index, payload) in PAYLOADS.iter().enumerate() {
        let topic = if index < 4 {
            0
        } else {
            1 + u8::from(index > 5)
        };
        let mut script = Writer::default();
        script.byte(1).byte(3).byte(3).byte(3);
        script.byte(0x16).byte(topic).string(payload.as_bytes());
        script
            .byte(0x2C)
            .byte(13)
            .short(2_000)
            .byte(3)
            .byte(3)
            .byte(10)
            .byte(13)
            .short(30_000);
        corpus.add("cloud", &format!("message_{index}"), &script.0);
    }
    let mut learned = Writer::default();
    learned.byte(1).byte(3).byte(3).byte(3);
    learned.byte(0x16).byte(3).string(LIMITS.as_bytes());
    learned.byte(0x2C).byte(13).short(2_000).byte(3).byte(3);
    corpus.add("cloud", "limits_learned", &learned.0);
    for (index, text) in TIMES.iter().enumerate() {
        let mut told = Writer::default();
        told.byte(1).byte(3).byte(3).byte(3).byte(3);
        told.byte(0x16).byte(7).string(text.as_bytes());
        told.byte(0x2C).byte(13).short(2_000).byte(3).byte(3);
        corpus.add("cloud", &format!("time_{index}"), &told.0);
    }
    // Blanks after a call make it larger than the device takes.
    let mut large = Writer::default();
    large.byte(1).byte(3).byte(3).byte(3);
    large.byte(0x56).byte(0).string(PAYLOADS[2].as_bytes());
    large.byte(0).short(5_000).byte(3).byte(10);
    corpus.add("cloud", "large", &large.0);
    let mut refused = Writer::default();
    refused
        .byte(0)
        .byte(2)
        .byte(0x87)
        .short_string(&[0x1F, 0, 1, b'x'])
        .byte(0);
    corpus.add("cloud", "refused", &refused.0);
    let mut limits = Writer::default();
    let properties = [
        0x27, 0, 0, 1, 0, 0x21, 0, 2, 0x24, 1, 0x13, 0, 60, 0x12, 0, 1, b'c',
    ];
    limits
        .byte(0)
        .byte(2)
        .byte(0)
        .short_string(&properties)
        .byte(0)
        .byte(3)
        .byte(3)
        .byte(5)
        .byte(0x97);
    limits.byte(11).short_string(&[0x8E, 0]).byte(14);
    corpus.add("cloud", "limits_then_kicked", &limits.0);
    let mut stalled = Writer::default();
    stalled
        .byte(1)
        .byte(3)
        .byte(3)
        .byte(15)
        .byte(0xFC)
        .byte(13)
        .short(40_000)
        .byte(15)
        .byte(3);
    corpus.add("cloud", "stalled", &stalled.0);
}

/// What clients say to the server.
fn server(corpus: &Corpus) {
    for (index, payload) in PAYLOADS.iter().enumerate() {
        for version in [0, 1] {
            let mut script = Writer::default();
            script.byte(version);
            script.byte(0x15).byte(1).byte(1).byte(0x35).byte(7).byte(1);
            script
                .byte(0x12)
                .byte(index as u8 % 7)
                .string(payload.as_bytes());
            script
                .byte(7)
                .byte(0x16)
                .byte(1)
                .byte(0x87)
                .short_string(&[]);
            corpus.add(
                "server_mqtt",
                &format!("v{}_{index}", 4 + version),
                &script.0,
            );
        }
    }
    corpus.add("server_mqtt", "somebody_else", &[0x3C, 0, 2, 0, 0xC0, 0]);
    let requests: [(u8, u8, &str, &str); 8] = [
        (0x00, 4, "", ""),
        (0x10, 3, "", r#"{"name":"SN-2"}"#),
        (0x20, 6, "", r#"{"telemetry_interval_ms":500,"gone":null}"#),
        (
            0x10,
            7,
            "",
            r#"{"method":"getStatus","params":{},"one_way":true,"timeout_ms":5}"#,
        ),
        (0x00, 5, "temperature&from_ms=0&to_ms=99&limit=3", ""),
        (0x30, 4, "", ""),
        (0x00, 8, "", ""),
        (0x08, 0, "", ""),
    ];
    for (index, (kind, path, rest, body)) in requests.into_iter().enumerate() {
        let mut script = Writer::default();
        script.byte(kind).byte(path).short_string(rest.as_bytes());
        script.0.extend(body.bytes());
        corpus.add("server_http", &format!("request_{index}"), &script.0);
    }
    let raw = b"\x07POST /api/devices HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n0\r\n\r\n";
    corpus.add("server_http", "raw", raw);
}

/// What a time server answers: NTP's 48 bytes, mode 4, stratum 2, of the year 2027.
fn time(corpus: &Corpus) {
    let mut answer = [0; 48];
    answer[..4].copy_from_slice(&[0x24, 2, 6, 0xEC]);
    for at in [16, 32, 40] {
        answer[at..at + 4].copy_from_slice(&(2_208_988_800_u32 + 1_800_000_000).to_be_bytes());
    }
    for kind in 0..4 {
        let mut script = Writer::default();
        script
            .short(0x6500)
            .byte(16)
            .byte(0)
            .byte(kind)
            .short_string(&answer);
        corpus.add("sntp", &format!("answer_{kind}"), &script.0);
    }
}
