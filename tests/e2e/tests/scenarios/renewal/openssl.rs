//! The request, by OpenSSL's judgement, and a certificate of another name that OpenSSL makes for it.

use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{beside, chain_der, scenario};
use pki::Existing;

use super::{SERIAL, bench};

/// Runs OpenSSL in a folder, and returns what it wrote.
fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed (Debian: openssl)");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "openssl {arguments:?}: {text}");
    text
}

#[test]
fn a_request_is_one_that_openssl_verifies_and_signs() {
    scenario(async {
        let (desk, operator, board, mut diary) = bench().await;
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        desk.pki
            .write_to(folder, Existing::Refuse)
            .expect("the authority's files");
        beside(&board, async {
            diary.until_named("telemetry.acknowledged").await;
            operator.call("renewCertificate").await;
            operator.request().await;
            let request = operator.text("certificate_request").await;
            let pem = format!(
                "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
                request
                    .as_bytes()
                    .chunks(64)
                    .map(|line| String::from_utf8_lossy(line))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
            std::fs::write(folder.join("request.pem"), pem).expect("a file");
            let said = openssl(
                folder,
                &["req", "-verify", "-in", "request.pem", "-noout", "-text"],
            );
            assert!(said.contains("self-signature verify OK"), "{said}");
            assert!(said.contains(&format!("Subject: CN = {SERIAL}")), "{said}");
            assert!(said.contains("prime256v1"), "{said}");
            std::fs::write(
                folder.join("use"),
                "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n",
            )
            .expect("a file");
            let sign = [
                "x509",
                "-req",
                "-in",
                "request.pem",
                "-days",
                "30",
                "-CA",
                "intermediate.crt",
                "-CAkey",
                "intermediate.key",
                "-extfile",
                "use",
                "-out",
                "signed.pem",
            ];
            // First in another's name.
            openssl(folder, &[&sign[..], &["-subj", "/CN=SN-999999"]].concat());
            operator.send_chain(&signed(folder)).await;
            operator.until_state("FAILED").await;
            let why = operator.text("certificate_renewal_error").await;
            assert!(why.contains("is another device's"), "{why}");
            diary.until_named("renewal.failed").await;
            diary.acknowledged(2).await;
            // Then as it is to be, for another request.
            operator.call("renewCertificate").await;
            let request = operator.request().await;
            drop(request);
            let text = operator.text("certificate_request").await;
            let pem = format!(
                "-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n"
            );
            std::fs::write(folder.join("request.pem"), pem).expect("a file");
            openssl(folder, &sign);
            operator.send_chain(&signed(folder)).await;
            operator.until_state("RENEWED").await;
            diary.until_named("renewal.renewed").await;
        })
        .await;
    });
}

/// The chain that was made (DER).
fn signed(folder: &Path) -> Vec<u8> {
    let read = |name| std::fs::read_to_string(folder.join(name)).expect("a file");
    chain_der(&[read("signed.pem"), read("intermediate.crt")].concat())
}
