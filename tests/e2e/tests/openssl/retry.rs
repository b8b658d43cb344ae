//! HelloRetryRequest: a server that does not take the group that the device sent a key for.

use device::event::TlsVersion;
use e2e::scenario;
use pki::KeyAlgorithm;

use crate::{OpenSsl, prepare};

#[test]
fn a_server_that_wants_p384_alone_is_talked_to() {
    scenario(async {
        for (options, version) in [
            (&["-tls1_3", "-groups", "P-384"][..], TlsVersion::Tls13),
            // In TLS 1.2 the server chooses.
            (&["-tls1_2", "-groups", "P-384"], TlsVersion::Tls12),
        ] {
            let (folder, mut device) = prepare(KeyAlgorithm::P256);
            let server = OpenSsl::start(&folder, options).await;
            for resumed in [false, true, true] {
                let visit = device.visit(&server, "localhost").await;
                assert_eq!(visit, (version, resumed));
            }
        }
    });
}
