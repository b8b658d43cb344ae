//! What a client's certificates say.

use certfile::{name, text};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::event::Refusal;

/// What TLS tells of a client's certificates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// The leaf, then those behind it; empty if the client sent none.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// They were sent when the session began, and this is not then.
    pub(crate) resumed: bool,
}

/// The certificates that a client sent: the leaf, then those behind it, in order.
#[derive(Clone, Debug)]
pub(crate) struct ClientChain {
    certificates: Vec<CertificateDer<'static>>,
    common_name: Option<String>,
    valid_now: bool,
    resumed: bool,
}

impl ClientChain {
    /// Reads the leaf; `None` if there is no certificate or it cannot be read.
    pub(crate) fn read(sent: Certificates) -> Option<Self> {
        let Certificates { chain, resumed } = sent;
        let certificates = chain;
        let (_, leaf) = X509Certificate::from_der(certificates.first()?).ok()?;
        let common_name = common_name(leaf.subject().as_raw());
        let valid_now = leaf.validity().is_valid();
        Some(Self {
            common_name,
            valid_now,
            resumed,
            certificates,
        })
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The client's own certificate, DER.
    pub(crate) fn leaf(&self) -> &[u8] {
        // `read` makes sure that there is one.
        self.certificates.first().map_or(&[], |leaf| leaf.as_ref())
    }

    pub(crate) fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// Whether the TLS session was resumed.
    pub(crate) fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether the leaf's dates include this moment, as `MqttTransportHandler.processX509CertConnect`
    /// checks on CONNECT (thingsboard/thingsboard, commit dfe65d5abc3aa959aaa853952d74943fbd6867bd).
    pub(crate) fn check_dates(&self) -> Result<(), Refusal> {
        let common_name = self.common_name.clone().unwrap_or_default();
        if self.valid_now {
            Ok(())
        } else {
            Err(Refusal::NotValidNow { common_name })
        }
    }

    /// The refusal of a chain in which nothing is known.
    pub(crate) fn unknown(&self) -> Refusal {
        let common_name = self.common_name.clone().unwrap_or_default();
        if self.resumed {
            return Refusal::UnknownResumed { common_name };
        }
        Refusal::UnknownCertificate {
            common_name,
            chain_len: self.certificates.len(),
        }
    }
}

/// The common name in a name, DER, in whatever encoding.
fn common_name(name: &[u8]) -> Option<String> {
    let value = name::first(name, name::COMMON_NAME)?;
    let text = text::decode(value.tag, value.content);
    // What has no reading that all agree on, ThingsBoard shows by its bytes.
    Some(text.map_or_else(|| name::hex(value), |text| escaped(&text)))
}

/// A common name as ThingsBoard reads it: by BouncyCastle's `IETFUtils.valueToString`, which puts a
/// backslash before the special characters of RFC 4514 (`SslUtil.parseCommonName`, same commit).
/// The profile's expression sees it so, and a device may be called `a\,b`.
fn escaped(common_name: &str) -> String {
    let inner = common_name.trim_matches(' ');
    let (before, after) = common_name.split_once(inner).unwrap_or_default();
    let spaces = |text: &str| "\\ ".repeat(text.len());
    let mut name = spaces(before);
    if common_name.starts_with('#') {
        name.push('\\');
    }
    // It takes this for a number sign that it has escaped itself.
    let done = usize::from(common_name.starts_with("\\#"));
    for (index, char) in inner.chars().enumerate() {
        if index >= done && matches!(char, ',' | '"' | '\\' | '+' | '=' | '<' | '>' | ';') {
            name.push('\\');
        }
        name.push(char);
    }
    name + &spaces(after)
}

/// Checks that each certificate is signed by the next, as ThingsBoard does during the handshake
/// (`MqttSslHandlerProvider.validateCertificateChain`, same commit); neither dates nor the CA
/// matter there.
///
/// # Errors
/// The text for whoever has to put the chain in order.
pub(crate) fn check_order(
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) -> Result<(), String> {
    let mut below = leaf;
    for (index, above) in others.iter().enumerate() {
        let position = index + 1;
        let unreadable =
            |at: usize| format!("certificate {at} of the client's chain cannot be read");
        let (_, lower) = X509Certificate::from_der(below).map_err(|_| unreadable(position))?;
        let (_, upper) = X509Certificate::from_der(above).map_err(|_| unreadable(position + 1))?;
        lower.verify_signature(Some(upper.public_key())).map_err(|_| {
            format!(
                "the client's chain is out of order: certificate {position} ({}) is not signed by the next one \
                 ({}); the device has to send its own certificate first and behind each the one that signed it",
                name::shown(lower.subject().as_raw()),
                name::shown(upper.subject().as_raw()),
            )
        })?;
        below = above;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pki::{KeyAlgorithm, Options, Pki};
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn order(pem: &str) -> Result<(), String> {
        let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        check_order(&all[0], &all[1..])
    }

    #[test]
    fn each_certificate_is_signed_by_the_next_whatever_the_keys() {
        for algorithm in [
            KeyAlgorithm::P256,
            KeyAlgorithm::P384,
            KeyAlgorithm::Rsa2048,
        ] {
            let pki = Pki::new(&Options {
                algorithm,
                ..Options::default()
            })
            .unwrap();
            let device = pki.device("SN-1").unwrap();
            let (leaf, ca, root) = (device.leaf_pem(), pki.intermediate_pem(), pki.root_pem());
            assert_eq!(order(leaf), Ok(()));
            assert_eq!(order(&format!("{leaf}{ca}")), Ok(()));
            assert_eq!(order(&format!("{leaf}{ca}{root}")), Ok(()));
            for wrong in [
                format!("{leaf}{root}"),
                format!("{ca}{leaf}"),
                format!("{leaf}{root}{ca}"),
            ] {
                let reason = order(&wrong).unwrap_err();
                assert!(
                    reason.contains("certificate 1") && reason.contains("SN-1")
                        || wrong.starts_with(ca)
                );
            }
            let reason = order(&format!("{leaf}{ca}{leaf}")).unwrap_err();
            assert!(reason.contains("certificate 2"), "{reason}");
        }
    }

    /// Worked out by hand from `IETFUtils.valueToString` of BouncyCastle.
    #[test]
    fn a_common_name_is_escaped_as_thingsboard_escapes_it() {
        for (cn, read) in [
            ("SN-000001", "SN-000001"),
            ("Gerät 1", "Gerät 1"),
            ("a,b+c=d", r"a\,b\+c\=d"),
            (r#"<"\">;"#, r#"\<\"\\\"\>\;"#),
            ("#1#", r"\#1#"),
            (" #1  ", r"\ #1\ \ "),
            (r"\#,", r"\#\,"),
            ("", ""),
        ] {
            assert_eq!(escaped(cn), read);
        }
        let pki = Pki::new(&Options::default()).unwrap();
        let leaf = pki.device("a,b").unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.leaf_pem().as_bytes()).unwrap()];
        let resumed = false;
        let chain = ClientChain::read(Certificates { chain, resumed }).unwrap();
        assert_eq!(chain.common_name(), Some(r"a\,b"));
    }

    /// Files as people have them. What is in the certificates is the device's business; that they are
    /// read, and under which name, is ours.
    #[test]
    fn every_file_of_the_field_is_read_and_its_name_is_thingsboards() {
        let field = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../crates/device/tests/vectors/field"
        );
        let mut folders = 0;
        for entry in std::fs::read_dir(field).unwrap() {
            let path = entry.unwrap().path();
            let read = |file: &str| std::fs::read(path.join(file)).unwrap();
            if path.ends_with("server_chain") {
                for file in std::fs::read_dir(&path).unwrap() {
                    let file = std::fs::read(file.unwrap().path()).unwrap();
                    crate::Profile::from_pem(&file, "(.*)").unwrap();
                }
                continue;
            }
            let folder = path.file_name().unwrap().to_str().unwrap();
            let (chain, key) = (read("device.crt"), read("device.key"));
            let tls = crate::Tls::from_pem(&chain, &key).unwrap();
            crate::Profile::from_pem(&read("server_chain.pem"), "(.*)").unwrap();
            assert_eq!(tls.chain.len(), 2, "{folder}");
            check_order(&tls.chain[0], &tls.chain[1..]).unwrap();
            let (chain, resumed) = (tls.chain.clone(), false);
            let read = ClientChain::read(Certificates { chain, resumed }).unwrap();
            let name = match folder {
                "n20-bmpstring" => "Gerät 7",
                "n21-t61" => "Device7",
                "e32-inhibitany" => "D2",
                "i02-namec" => "D3",
                "c02-bom" | "c18-joined" | "c24-nulend" => "SN-000001",
                _ => "E",
            };
            assert_eq!(read.common_name(), Some(name), "{folder}");
            // Of their critical extensions rustls knows as few as the device.
            let usable = !matches!(
                folder.as_bytes(),
                [b'e', b'0', b'7' | b'8', ..] | [b'e', b'3', ..]
            );
            assert_eq!(crate::tls::server_config(tls).is_ok(), usable, "{folder}");
            folders += 1;
        }
        assert_eq!(folders, 11);
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let pki = Pki::new(&Options::default()).unwrap();
        let leaf =
            CertificateDer::from_pem_slice(pki.device("SN-1").unwrap().leaf_pem().as_bytes())
                .unwrap();
        for length in 0..leaf.len() {
            let cut = CertificateDer::from(&leaf[..length]);
            assert!(check_order(&cut, std::slice::from_ref(&leaf)).is_err());
            assert!(check_order(&leaf, std::slice::from_ref(&cut)).is_err());
            let chain = vec![cut.into_owned()];
            let resumed = false;
            assert!(ClientChain::read(Certificates { chain, resumed }).is_none());
        }
        assert!(ClientChain::read(Certificates::default()).is_none());
    }
}
