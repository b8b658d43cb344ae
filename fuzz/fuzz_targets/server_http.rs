//! The server's page and its API: requests put together from the API's own parts, and any bytes.
//!
//! Every request is answered, nothing is changed by a request from another site, and the server
//! goes on.
#![no_main]

use fuzz::{Script, server};
use libfuzzer_sys::fuzz_target;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];
const PATHS: [&str; 10] = [
    "/",
    "/app.js",
    "/api/about",
    "/api/devices",
    "/api/devices/dev",
    "/api/devices/dev/series?key=",
    "/api/devices/dev/shared",
    "/api/devices/dev/rpc",
    "/api/events",
    "/api/devices/",
];

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    if kind & 7 == 7 {
        let request = script.rest();
        let reply = server::with(|running| server::exchange(running.http_addr(), request, false));
        assert!(
            reply.is_empty() || reply.starts_with(b"HTTP/1."),
            "{reply:02x?}"
        );
        return;
    }
    let foreign = kind & 8 != 0;
    let method = METHODS[usize::from(kind >> 4) % METHODS.len()];
    let path = PATHS[usize::from(script.byte_or_0()) % PATHS.len()];
    let rest = escaped(script.short_string());
    let body = script.rest();
    server::with(|running| {
        let address = running.http_addr();
        let host = if foreign {
            "evil.example".to_owned()
        } else {
            address.to_string()
        };
        let length = body.len();
        let mut request = format!(
            "{method} {path}{rest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        let reply = server::exchange(address, &request, true);
        let status = reply.get(9..12).expect("an answer");
        assert!(reply.starts_with(b"HTTP/1.1 "));
        assert!(!foreign || status == b"403" || status == b"400");
        // 500 is a fault of the server's own; 502 needs a device. 504 does not: a call waits for
        // one, and nobody comes.
        assert!(
            !matches!(status, b"500" | b"502"),
            "{}",
            String::from_utf8_lossy(&reply)
        );
        if method == "DELETE" && status == b"204" {
            let made = server::block_on(running.create_device(server::DEVICE, Some(server::TOKEN)));
            made.expect("the database works");
        }
    });
});

/// A piece of a URL: what may not stand in one is percent-encoded.
fn escaped(piece: &[u8]) -> String {
    let mut out = String::new();
    for &byte in piece {
        match byte {
            // Without these (RFC 3986, 2) the server would refuse the request, and hang up without a
            // word where what follows looks like HTTP/2.
            b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                out += &format!("%{byte:02X}");
            }
            b'!'..=b'~' => out.push(byte.into()),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}
