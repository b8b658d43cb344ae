//! A server's certificate that MbedTLS passes over, with the true ones behind it.

use embassy_futures::join::join;

use super::pipe::pipe;
use super::server::{Options, Server};
use super::{INTERMEDIATE, ROOT, SERVER, SERVER_KEY, alone, bundle, client};
use crate::credentials::Fault;
use crate::testing::run;
use crate::tls::TlsVersion;
use crate::tls::{CertificateFault, Resumption, Stream, TlsError};

/// Of the same key, signed by a CA of Ed25519.
const UNKNOWN: &str = vector!("serverbyed.crt");

/// A server whose own certificate is not the first is not believed (RFC 8446, 4.4.2): what is judged by
/// the first would be judged by another than the one that proves itself.
#[test]
fn a_certificate_with_an_unknown_signature_is_not_passed_over_for_the_next() {
    let _alone = alone();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let server = Server::with(Options {
            versions: &[version],
            identity: (&[UNKNOWN, SERVER, INTERMEDIATE], SERVER_KEY),
            ..Options::default()
        });
        let bundle = bundle(ROOT);
        let mut resumption = Resumption::new();
        let (here, mut there) = pipe(4096);
        let (error, refused) = run(join(
            async {
                let stream = Stream::connect(here, client(&bundle), &mut resumption).await;
                stream.err()
            },
            async { server.accept(&mut there).await.err() },
        ));
        assert!(
            matches!(
                error,
                Some(TlsError::ServerCertificate(CertificateFault::Unusable(
                    Fault::Signature { number: 1, .. }
                )))
            ),
            "{version:?}: {error:?}"
        );
        let alert = rustls::AlertDescription::UnsupportedCertificate;
        assert_eq!(refused, Some(rustls::Error::AlertReceived(alert)));
    }
}
