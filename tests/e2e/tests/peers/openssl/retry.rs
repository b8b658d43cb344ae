//! HelloRetryRequest: a server that does not take the group that the device sent a key for.

use device::event::TlsVersion;
use e2e::scenario_with_peers;
use pki::KeyAlgorithm;

use super::{OpenSsl, prepare};

#[test]
fn a_server_that_wants_p384_alone_is_talked_to() {
    scenario_with_peers(async {
        for (option, version, keys) in [
            ("-tls1_3", TlsVersion::Tls13, KeyAlgorithm::P256),
            // In TLS 1.2 the server chooses, and its groups are those of certificates, too.
            ("-tls1_2", TlsVersion::Tls12, KeyAlgorithm::P384),
        ] {
            let (folder, mut device) = prepare(keys);
            let server = OpenSsl::start(&folder, &[option, "-groups", "P-384"]).await;
            for resumed in [false, true, true] {
                let visit = device.visit(&server, "localhost").await;
                assert_eq!(visit, (version, resumed));
            }
        }
    });
}
