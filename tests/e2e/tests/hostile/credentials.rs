//! Credential files that cannot be used.

use std::time::{Duration, SystemTime};

use device::credentials::{CredentialsError, Fault, File};
use device::event::Event;
use device::storage::FileError;
use e2e::{Desk, Diary, PROOF, hide_key, scenario};
use flashimage::FlashImage;
use pki::{Profile, Validity};
use simulator::flash::Flash;

use crate::play;

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
    let day = |days: i64| {
        let span = Duration::from_secs(days.unsigned_abs() * 86_400);
        let now = SystemTime::now();
        if days < 0 { now - span } else { now + span }
    };
    // The clock is asked for again after a minute each time.
    hosttime::set_rate(100);
    let desk = Desk::set().await;
    let server = desk.server().await;
    let profile = Profile {
        validity: Some(Validity::between(day(from_days), day(to_days)).expect("in order")),
        ..Profile::default()
    };
    let identity = desk.pki.device_with("SN-43", &profile);
    let flash = desk.flash_of(
        &identity.expect("a certificate"),
        server.mqtt_addr().port(),
        "",
    );
    let board = desk.board(flash, number);
    play(&desk, &board, number, async |diary| {
        for _ in 0..3 {
            let Event::CredentialsRefused(error) = diary.until_named("credentials.refused").await
            else {
                unreachable!()
            };
            assert!(
                error.file == File::Certificate && expected(error.fault),
                "{error:?}"
            );
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
