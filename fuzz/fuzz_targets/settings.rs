//! `settings.json`: any bytes give settings that the device can live with, or an error that says
//! what to write instead.
#![no_main]

use device::settings::{LEAST_INTERVAL_MS, MOST_INTERVAL_MS, Proof, Security, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let (parsed, peak) = fuzz::heap::peak_of(|| Settings::parse(file));
    // Those of two times three servers, the default and the given ones, and texts.
    assert!(peak <= 1280, "{peak} bytes of heap");
    let settings = match parsed {
        Ok(settings) => settings,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("settings.json"), "{text}");
            assert!(!text.contains('\n') && text.len() < 400, "{text}");
            return;
        }
    };
    assert!(!settings.broker.host.is_empty() && settings.broker.port != 0);
    assert!(!settings.sntp_servers.is_empty());
    for server in &settings.sntp_servers {
        assert!(server.host.bytes().all(|b| b.is_ascii_graphic()));
        assert!(!server.host.is_empty() && server.port != 0);
    }
    assert!(!settings.server_name.is_empty());
    assert!((LEAST_INTERVAL_MS..=MOST_INTERVAL_MS).contains(&settings.telemetry_interval_ms));
    assert!((5..=3_600).contains(&settings.keep_alive_s));
    let provisioning = &settings.provisioning;
    assert!(!provisioning.username.is_empty());
    assert!(
        provisioning
            .name_prefix
            .bytes()
            .all(|b| (b' '..0x7F).contains(&b))
    );
    assert!(provisioning.security != Security::Srp6a || provisioning.pop != Proof::None);
    for host in [&settings.broker.host, &settings.server_name] {
        assert!(host.bytes().all(|b| b.is_ascii_graphic()), "{host:?}");
    }
    // The proof of possession is in no log, unless something public says the same.
    if let Proof::Given(pop) = &provisioning.pop
        && let Ok(secret) = std::str::from_utf8(pop.expose())
        && secret.len() >= 8
    {
        let mut masked = settings.clone();
        masked.provisioning.pop = Proof::MadeByDevice;
        let (shown, public) = (format!("{settings:?}"), format!("{masked:?}"));
        assert!(!shown.contains(secret) || public.contains(secret));
    }
});
