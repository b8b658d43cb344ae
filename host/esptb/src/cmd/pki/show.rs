//! `esptb pki show`: what is in certificates, and whether they form a chain.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use device::clock::Date;
use sha2::{Digest, Sha256};
use x509_parser::pem::Pem;
use x509_parser::prelude::{GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::console::{self, BAD, FAINT, GOOD, STRONG, WARN, paint, printable};
use crate::files;

const DAY: i64 = 24 * 60 * 60;

/// Show the certificates in files
#[derive(Args)]
#[command(after_help = "\
Examples:
  esptb pki show ca/intermediate.crt
  esptb pki show devices/SN-000001/device.crt ca/server.crt")]
pub(super) struct Cmd {
    /// PEM files with one or more certificates
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for file in &cmd.files {
        let name = file.display();
        let bytes = files::read(file)?;
        let text = describe(&bytes, now).with_context(|| name.to_string())?;
        console::line(format_args!("{}\n{}", paint(STRONG, name), text.trim_end()))?;
    }
    Ok(())
}

fn describe(bytes: &[u8], now: i64) -> Result<String> {
    let blocks: Vec<_> = Pem::iter_from_buffer(bytes)
        .filter_map(Result::ok)
        .filter(|block| block.label == "CERTIFICATE")
        .collect();
    if blocks.is_empty() {
        bail!("there is no certificate in it (PEM, between BEGIN CERTIFICATE and END CERTIFICATE)");
    }
    let certificates = (1..)
        .zip(&blocks)
        .map(|(n, block)| {
            block
                .parse_x509()
                .with_context(|| format!("certificate {n} is damaged"))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    for (index, certificate) in certificates.iter().enumerate() {
        let der = blocks.get(index).map_or(&[][..], |block| &block.contents);
        one(&mut text, index + 1, certificate, der, now)?;
        if let Some(issuer) = certificates.get(index + 1) {
            let signed = certificate
                .verify_signature(Some(issuer.public_key()))
                .is_ok();
            let line = if signed {
                paint_line(GOOD, "signed by the next one")
            } else {
                paint_line(BAD, "not signed by the next one: the chain is out of order")
            };
            line_of(&mut text, "chain", line)?;
        }
    }
    Ok(text)
}

fn one(
    text: &mut String,
    number: usize,
    certificate: &X509Certificate<'_>,
    der: &[u8],
    now: i64,
) -> Result<()> {
    let subject = certificate.subject().to_string();
    writeln!(text, "  {number}. {}", paint(STRONG, printable(&subject)))?;
    let issuer = if certificate.subject() == certificate.issuer() {
        "itself".to_owned()
    } else {
        printable(&certificate.issuer().to_string()).into_owned()
    };
    line_of(text, "issued by", issuer)?;
    let role = match certificate.is_ca() {
        true => "a CA: signs other certificates".to_owned(),
        false => purposes(certificate),
    };
    line_of(text, "is for", role)?;
    let names = alternative_names(certificate);
    if !names.is_empty() {
        line_of(text, "names", names.join(", "))?;
    }
    line_of(text, "key", key(certificate))?;
    let validity = certificate.validity();
    let (from, to) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let verdict = if now < from {
        paint_line(BAD, "not valid yet")
    } else if now > to {
        paint_line(BAD, "expired")
    } else {
        let days = (to - now) / DAY;
        let style = if days < 30 { WARN } else { GOOD };
        paint_line(style, &format!("{days} days left"))
    };
    line_of(
        text,
        "valid",
        format!("{} to {}, {verdict}", date(from), date(to)),
    )?;
    let fingerprint: Vec<_> = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    line_of(text, "SHA-256", paint_line(FAINT, &fingerprint.concat()))?;
    Ok(())
}

fn line_of(text: &mut String, what: &str, value: String) -> Result<()> {
    Ok(writeln!(text, "     {what:<10} {value}")?)
}

fn paint_line(style: anstyle::Style, text: &str) -> String {
    paint(style, text).to_string()
}

fn date(unix_s: i64) -> String {
    match u64::try_from(unix_s) {
        Ok(unix_s) => Date::from_unix_s(unix_s).to_string(),
        Err(_) => "before 1970".to_owned(),
    }
}

fn purposes(certificate: &X509Certificate<'_>) -> String {
    let Ok(Some(usage)) = certificate.extended_key_usage() else {
        return "anything".to_owned();
    };
    let usage = usage.value;
    let known = [
        (usage.any, "anything"),
        (usage.server_auth, "TLS servers"),
        (usage.client_auth, "TLS clients"),
    ];
    let named: Vec<_> = known
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| *name)
        .collect();
    if named.is_empty() {
        "something else than TLS".to_owned()
    } else {
        named.join(" and ")
    }
}

pub(crate) fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    };
    let names = names.value.general_names.iter().map(name);
    names.map(|name| printable(&name).into_owned()).collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        IpAddr::from(v6).to_string()
    } else {
        "a damaged address".to_owned()
    }
}

fn key(certificate: &X509Certificate<'_>) -> String {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA-{}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match point.key_size() {
            bits @ (256 | 384) => format!("P-{bits}"),
            bits => format!("elliptic curve of {bits} bits"),
        },
        _ => certificate.public_key().algorithm.algorithm.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki::{Options, Pki};

    fn shown(pem: &str, now: i64) -> String {
        anstream::adapter::strip_str(&describe(pem.as_bytes(), now).unwrap()).to_string()
    }

    fn now() -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64
    }

    #[test]
    fn a_chain_is_shown_link_by_link() {
        let pki = Pki::new(&Options::default()).unwrap();
        let server = pki.server(&["tb.example", "10.0.0.5", "::1"]).unwrap();
        let text = shown(&server.chain_pem(), now());
        assert!(text.contains("1. CN=tb.example\n"), "{text}");
        assert!(
            text.contains("names      tb.example, 10.0.0.5, ::1\n"),
            "{text}"
        );
        assert!(text.contains("is for     TLS servers\n"), "{text}");
        assert!(text.contains("key        P-256\n"), "{text}");
        assert!(text.contains("signed by the next one\n"), "{text}");
        assert!(text.contains("is for     a CA"), "{text}");
        assert!(
            text.contains(" 825 days left") || text.contains(" 824 days left"),
            "{text}"
        );
    }

    #[test]
    fn names_in_a_certificate_do_not_command_the_terminal() {
        let pki = Pki::new(&Options::default()).unwrap();
        let server = pki.server(&["evil.example"]).unwrap();
        let mut block = pem::parse(server.leaf_pem()).unwrap().into_contents();
        let name = b"evil.example";
        let mut changed = 0;
        for at in 0..block.len() - name.len() {
            if block[at..].starts_with(name) {
                block[at] = 0x1b;
                block[at + 1] = b'\n';
                changed += 1;
            }
        }
        assert_eq!(changed, 2, "the common name, and the alternative one");
        let text = shown(&pem::encode(&pem::Pem::new("CERTIFICATE", block)), now());
        assert!(text.contains(r"1. CN=\u{1b}\nil.example"), "{text}");
        assert!(text.contains(r"names      \u{1b}\nil.example"), "{text}");
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let pki = Pki::new(&Options::default()).unwrap();
        let device = pki.device("SN-1").unwrap();
        let reversed = [pki.intermediate_pem(), device.leaf_pem()].concat();
        assert!(shown(&reversed, now()).contains("the chain is out of order"));
        assert!(shown(device.leaf_pem(), 0).contains("not valid yet"));
        assert!(shown(device.leaf_pem(), now() + 30 * 366 * DAY).contains(", expired"));
        assert!(describe(device.key_pem().as_bytes(), 0).is_err());
        assert!(describe(&[0xff; 100], 0).is_err());
    }
}
