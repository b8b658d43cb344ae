//! Sessions resumed, by ticket and by number.

use device::event::TlsVersion;
use e2e::scenario_with_peers;
use pki::KeyAlgorithm;

use super::{OpenSsl, prepare};

async fn resumes(options: &[&str], version: TlsVersion, algorithm: KeyAlgorithm) {
    let (folder, mut device) = prepare(algorithm);
    let server = OpenSsl::start(&folder, options).await;
    let full = (version, false);
    let resumed = (version, true);
    assert_eq!(device.visit(&server, "localhost").await, full);
    // Whoever resumes gets what it takes to do so again.
    assert_eq!(device.visit(&server, "localhost").await, resumed);
    assert_eq!(device.visit(&server, "localhost").await, resumed);
    // What was agreed upon with one name is not for another, though the certificate has both.
    assert_eq!(device.visit(&server, "127.0.0.1").await, full);
    assert_eq!(device.visit(&server, "127.0.0.1").await, resumed);
    // A server that has forgotten all about it.
    drop(server);
    let server = OpenSsl::start(&folder, options).await;
    assert_eq!(device.visit(&server, "127.0.0.1").await, full);
    assert_eq!(device.visit(&server, "127.0.0.1").await, resumed);
}

#[test]
fn tls_1_2_by_ticket() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(resumes(&["-tls1_2"], TlsVersion::Tls12, keys));
}

#[test]
fn tls_1_2_by_number() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(resumes(&["-tls1_2", "-no_ticket"], TlsVersion::Tls12, keys));
}

#[test]
fn tls_1_3_by_ticket() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(resumes(&["-tls1_3"], TlsVersion::Tls13, keys));
}

#[test]
fn tls_1_3_by_number() {
    let keys = KeyAlgorithm::P256;
    scenario_with_peers(resumes(&["-tls1_3", "-no_ticket"], TlsVersion::Tls13, keys));
}

#[test]
fn tls_1_2_with_rsa() {
    let keys = KeyAlgorithm::Rsa2048;
    scenario_with_peers(resumes(&["-tls1_2"], TlsVersion::Tls12, keys));
}

#[test]
fn tls_1_3_with_rsa() {
    let keys = KeyAlgorithm::Rsa2048;
    scenario_with_peers(resumes(&["-tls1_3"], TlsVersion::Tls13, keys));
}
