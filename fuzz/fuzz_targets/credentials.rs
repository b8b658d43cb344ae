//! `device.crt`, `device.key` and `server_chain.pem` with anything in them: credentials that
//! belong together, or an error that names the file.
#![no_main]

use device::credentials::{Bundle, CredentialsError, Files, MOST_CERTIFICATES};
use fuzz::{Noise, Script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let kind = script.byte_or_0();
    // As DER, which the fuzzer can change without breaking the armour around it; or as text.
    let file = |label: &str, raw: bool, script: &mut Script<'_>| {
        if raw {
            return script.string().to_vec();
        }
        let mut text = String::new();
        for _ in 0..script.byte_or_0() % (MOST_CERTIFICATES as u8 + 2) {
            text += &pem(label, script.string());
        }
        text.into_bytes()
    };
    let certificate = file("CERTIFICATE", kind & 1 != 0, &mut script);
    let label = match kind >> 4 & 3 {
        0 => "PRIVATE KEY",
        1 => "RSA PRIVATE KEY",
        _ => "EC PRIVATE KEY",
    };
    let key = file(label, kind & 2 != 0, &mut script);
    let server_chain = file("CERTIFICATE", kind & 4 != 0, &mut script);
    let now = u64::from(script.short()) << 16;
    let files = Files {
        certificate: &certificate,
        key: &key,
        server_chain: &server_chain,
    };
    match Bundle::prove(files, &mut Noise(3)) {
        Ok(bundle) => {
            let name = bundle.common_name();
            assert!(!name.trim().is_empty() && !name.chars().any(char::is_control));
            // Whoever has not the key has no such certificate.
            match bundle.at(now) {
                Ok(_) => assert!(now < bundle.expires_unix_s()),
                Err(error) => told(error),
            }
        }
        Err(error) => told(error),
    }
});

fn told(error: CredentialsError) {
    let text = error.to_string();
    let files = ["device.crt", "device.key", "server_chain.pem"];
    assert!(files.iter().any(|file| text.contains(file)), "{text}");
    assert!(text.len() < 500 && !text.contains('\n'), "{text}");
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, three) in der.chunks(3).enumerate() {
        let word = three
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit) & 63) as usize;
            let padding = digit > three.len() as u32;
            text.push(if padding {
                '='
            } else {
                char::from(DIGITS[index])
            });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    text + &format!("\n-----END {label}-----\n")
}
