//! Credential files that cannot be used.

use std::time::{Duration, SystemTime};

use device::cloud::CloudError;
use device::credentials::{CredentialsError, Fault, File};
use device::event::Event;
use device::storage::FileError;
use device::tls::{CertificateFault, TlsError};
use devserver::{Config, Tls};
use e2e::Line;
use e2e::{Desk, Diary, PROOF, hide_key, scenario};
use flashimage::FlashImage;
use pki::{Options, Pki, Profile, Validity};
use simulator::flash::Flash;

use super::{failure, play};

/// Boots a blank board with these three files, `None` for one that is not there, and returns what
/// it says of them. It waits to be provisioned all the same.
async fn verdict(desk: &Desk, files: [Option<String>; 3]) -> Option<CredentialsError> {
    let settings = format!(r#"{{"provisioning":{{"pop":"{PROOF}"}}}}"#);
    let mut image = FlashImage::builder().file("settings.json", settings);
    let names = [File::Certificate, File::Key, File::ServerChain].map(File::name);
    for (name, contents) in names.into_iter().zip(files) {
        if let Some(contents) = contents {
            if contents.contains("PRIVATE KEY") {
                hide_key(&contents);
            }
            image = image.file(name, contents);
        }
    }
    let flash = Flash::from_bytes(image.build().expect("an image"));
    let board = desk.board(flash, 40);
    let mut diary = Diary::of(&board);
    tokio::select! {
        _ = board.live() => panic!("the device restarted"),
        _ = diary.until_named("provisioning.started") => {}
    }
    diary.read.iter().find_map(|(_, event)| match event {
        Event::CredentialsRefused(error) => Some(*error),
        _ => None,
    })
}

#[test]
fn files_that_cannot_be_used_are_named_and_the_device_waits_to_be_provisioned() {
    scenario(async {
        let desk = Desk::set().await;
        let identity = desk.pki.device("SN-40").expect("a certificate");
        let other = desk.pki.device("SN-41").expect("a certificate");
        let chain = identity.chain_pem();
        let key = identity.key_pem().to_owned();
        let trust = identity.trust_pem().to_owned();
        let reversed = format!("{}{}", desk.pki.intermediate_pem(), identity.leaf_pem());
        let right = [&chain, &key, &trust].map(|text| Some(text.clone()));
        assert_eq!(verdict(&desk, right.clone()).await, None);

        let half = |text: &str| text[..text.len() / 2].to_owned();
        let not_ascii = "\u{0}\u{7f}ÿ".repeat(100);
        let (crt, ky, srv) = (File::Certificate, File::Key, File::ServerChain);
        let cases: [(&str, usize, Option<String>, CredentialsError); 15] = [
            ("no certificate", 0, None, crt.has(Fault::Missing)),
            ("no key", 1, None, ky.has(Fault::Missing)),
            ("no CA", 2, None, srv.has(Fault::Missing)),
            (
                "an empty certificate",
                0,
                Some(String::new()),
                crt.has(Fault::Empty),
            ),
            ("an empty key", 1, Some(String::new()), ky.has(Fault::Empty)),
            ("an empty CA", 2, Some(String::new()), srv.has(Fault::Empty)),
            (
                "half a certificate",
                0,
                Some(half(identity.leaf_pem())),
                crt.has(Fault::Damaged { number: 1 }),
            ),
            (
                "half a key",
                1,
                Some(half(&key)),
                ky.has(Fault::Damaged { number: 1 }),
            ),
            (
                "half a CA",
                2,
                Some(half(&trust)),
                srv.has(Fault::Damaged { number: 1 }),
            ),
            (
                "the key as certificate",
                0,
                Some(key.clone()),
                crt.has(Fault::NotPem),
            ),
            (
                "the certificate as key",
                1,
                Some(chain.clone()),
                ky.has(Fault::NotPem),
            ),
            (
                "the key as CA",
                2,
                Some(key.clone()),
                srv.has(Fault::NotPem),
            ),
            (
                "another device's key",
                1,
                Some(other.key_pem().to_owned()),
                ky.has(Fault::Mismatch),
            ),
            (
                "the chain upside down",
                0,
                Some(reversed),
                crt.has(Fault::OutOfOrder { number: 1 }),
            ),
            ("noise", 2, Some(not_ascii), srv.has(Fault::NotPem)),
        ];
        for (what, which, contents, expected) in cases {
            let mut files = right.clone();
            files[which] = contents;
            let error = verdict(&desk, files).await;
            assert_eq!(error, Some(expected), "{what}");
        }
        // The root as device.crt is a whole certificate, but signs no handshake.
        let swapped = [&trust, &key, &chain].map(|text| Some(text.clone()));
        let error = verdict(&desk, swapped).await;
        assert_eq!(error, Some(crt.has(Fault::KeyUsage)));
    });
}

#[test]
fn a_flash_without_a_file_system_is_named() {
    scenario(async {
        let desk = Desk::set().await;
        let mut image = FlashImage::builder().build().expect("an image");
        image[0x29_0000..0x2d_0000].fill(0xff);
        let board = desk.board(Flash::from_bytes(image), 42);
        let mut diary = Diary::of(&board);
        tokio::select! {
            _ = board.live() => panic!("the device restarted"),
            event = diary.until_named("credentials.refused") => {
                let fault = Fault::Unreadable(FileError::NoVolume);
                assert_eq!(event, Event::CredentialsRefused(File::Certificate.has(fault)));
            }
        }
    });
}

/// A device certificate that is good at other times only: the clock is doubted first, the
/// operator told each time, and the button still works.
async fn out_of_date(from_days: i64, to_days: i64, number: u8, expected: impl Fn(Fault) -> bool) {
    let desk = Desk::set().await;
    let server = desk.server().await;
    let profile = Profile {
        validity: Some(days_from_now(from_days, to_days)),
        ..Profile::default()
    };
    let identity = desk.pki.device_with("SN-43", &profile);
    let flash = desk.flash_of(
        &identity.expect("a certificate"),
        server.mqtt_addr().port(),
        "",
    );
    told_again_and_again(&desk, flash, number, File::Certificate, expected).await;
}

fn days_from_now(from: i64, to: i64) -> Validity {
    let day = |days: i64| {
        let span = Duration::from_secs(days.unsigned_abs() * 86_400);
        let now = SystemTime::now();
        if days < 0 { now - span } else { now + span }
    };
    Validity::between(day(from), day(to)).expect("in order")
}

/// A board with this flash says three times what is wrong with a file, the clock being set again in
/// between.
async fn told_again_and_again(
    desk: &Desk,
    flash: Flash,
    number: u8,
    file: File,
    expected: impl Fn(Fault) -> bool,
) {
    // The clock is asked for again after a minute each time.
    let board = desk.board(flash, number);
    play(desk, &board, number, async |diary| {
        for _ in 0..3 {
            let Event::CredentialsRefused(error) = diary.until_named("credentials.refused").await
            else {
                unreachable!()
            };
            assert!(error.file == file && expected(error.fault), "{error:?}");
            diary.until_named("clock.set").await;
        }
        board.chip.hold_button();
        diary.until_named("provisioning.started").await;
    })
    .await;
}

#[test]
fn an_expired_device_certificate_is_told_again_and_again() {
    scenario(out_of_date(-20, -10, 43, |fault| {
        matches!(fault, Fault::Expired { number: 1, .. })
    }));
}

#[test]
fn a_device_certificate_of_the_future_is_told_again_and_again() {
    scenario(out_of_date(10, 20, 44, |fault| {
        matches!(fault, Fault::NotYetValid { number: 1, .. })
    }));
}

/// Authorities whose root has expired.
fn old_authorities() -> Pki {
    let options = Options {
        root_validity: Some(days_from_now(-20, -10)),
        ..Options::default()
    };
    Pki::new(&options).expect("certificates")
}

#[test]
fn an_expired_root_to_trust_is_told_again_and_again() {
    scenario(async {
        let desk = Desk::set().await;
        let server = desk.server().await;
        let device = desk.pki.device("SN-45").expect("a certificate");
        let old = old_authorities();
        let port = server.mqtt_addr().port();
        let flash = desk.flash_trusting(&device, old.root_pem(), port);
        let expired = |fault| matches!(fault, Fault::Expired { number: 1, .. });
        told_again_and_again(&desk, flash, 45, File::ServerChain, expired).await;
    });
}

#[test]
fn an_expired_root_beside_a_good_one_does_no_harm_and_opens_no_door() {
    scenario(async {
        let desk = Desk::set().await;
        let device = desk.pki.device("SN-46").expect("a certificate");
        let old = old_authorities();
        let trust = format!("{}{}", old.root_pem(), desk.pki.root_pem());
        // A server of the old ones first, and then one of the new ones.
        let (good, line) = (
            desk.server().await,
            Line::lay(&desk.world.internet).await.expect("a line"),
        );
        let profile = Profile {
            validity: Some(days_from_now(-19, -11)),
            ..Profile::default()
        };
        let identity = old.server_with(&["localhost"], &profile);
        let identity = identity.expect("a certificate");
        let tls = Tls::from_pem(
            identity.chain_pem().as_bytes(),
            identity.key_pem().as_bytes(),
        );
        let config = Config {
            tls: Some(tls.expect("TLS")),
            ..Config::default()
        };
        let outdated = desk.serve(config).await;
        line.lead_to(Some(outdated.mqtt_addr().port()));
        let board = desk.board(desk.flash_trusting(&device, &trust, line.port), 46);
        play(&desk, &board, 46, async |diary| {
            let (error, _) = failure(diary).await;
            let fault = CertificateFault::Expired;
            assert_eq!(error, CloudError::Tls(TlsError::ServerCertificate(fault)));
            line.lead_to(Some(good.mqtt_addr().port()));
            diary.until_named("cloud.online").await;
        })
        .await;
    });
}
