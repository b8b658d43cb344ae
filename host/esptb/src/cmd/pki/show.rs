//! `esptb pki show`: what is in certificates, and whether they form a chain.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use certfile::firmware::{self, Objection};
use certfile::{file, name, outline};
use clap::Args;
use device::calendar::Date;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use console::files;
use console::{BAD, FAINT, GOOD, OutputClosed, STRONG, WARN, paint, printable};

const DAY: i64 = 24 * 60 * 60;

/// Show the certificates in files
#[derive(Args)]
#[command(after_help = "\
Examples:
  esptb pki show ca/intermediate.crt
  esptb pki show devices/SN-000001/device.crt ca/server.crt
  esptb pki show devices/SN-000001     all that it has")]
pub(super) struct Cmd {
    /// PEM files with one or more certificates, or folders with such files
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut faults = 0;
    for path in &cmd.paths {
        if !path.is_dir() {
            show(path, &files::read(path)?, now)?;
            continue;
        }
        let mut found = certificates_in(path)?;
        if found.is_empty() {
            for folder in files::folders(path)? {
                found.extend(certificates_in(&folder)?);
            }
        }
        if found.is_empty() {
            bail!("{}: no file in it has a certificate in PEM", path.display());
        }
        for (file, bytes) in found {
            // One that is damaged does not hide the others.
            if let Err(error) = show(&file, &bytes, now) {
                if error.is::<OutputClosed>() {
                    return Err(error);
                }
                console::error(&error);
                faults += 1;
            }
        }
    }
    match faults {
        0 => Ok(()),
        1 => bail!("one file cannot be shown: see above"),
        n => bail!("{n} files cannot be shown: see above"),
    }
}

fn show(file: &Path, bytes: &[u8], now: i64) -> Result<()> {
    let name = file.display();
    let text = describe(bytes, now).with_context(|| name.to_string())?;
    console::line(format_args!("{}\n{}", paint(STRONG, name), text.trim_end()))
}

/// The files in a folder that have certificates in them, as far as they can be read.
fn certificates_in(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let entries = files::entries(folder);
    for path in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        if path.is_dir() {
            continue;
        }
        match files::read(&path) {
            Ok(bytes) if file::certificates(&bytes).next().is_some() => found.push((path, bytes)),
            Ok(_) => {}
            Err(error) => anstream::eprintln!("{} {error:#}", paint(WARN, "warning:")),
        }
    }
    Ok(found)
}

fn describe(bytes: &[u8], now: i64) -> Result<String> {
    let held: Vec<_> = file::certificates(bytes).collect();
    if held.is_empty() {
        let instead = file::remedy(certfile::pem::other(bytes)).unwrap_or(
            "there is no certificate in it (PEM, between BEGIN CERTIFICATE and END CERTIFICATE)",
        );
        bail!(instead);
    }
    let ders = held
        .iter()
        .map(|held| {
            let number = held.number;
            held.decode()
                .with_context(|| format!("certificate {number}"))
        })
        .collect::<Result<Vec<_>>>()?;
    let certificates = held
        .iter()
        .zip(&ders)
        .map(|(held, der)| {
            let damaged = || {
                let (number, line) = (held.number, held.line);
                format!("certificate {number}, in line {line}, is damaged: copy it anew, whole")
            };
            let (_, certificate) = X509Certificate::from_der(der).ok().with_context(damaged)?;
            Ok(certificate)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    for (index, (certificate, der)) in certificates.iter().zip(&ders).enumerate() {
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
    let subject = name::shown(certificate.subject().as_raw());
    writeln!(text, "  {number}. {}", paint(STRONG, printable(&subject)))?;
    let issuer = if certificate.subject() == certificate.issuer() {
        "itself".to_owned()
    } else {
        printable(&name::shown(certificate.issuer().as_raw())).into_owned()
    };
    line_of(text, "issued by", issuer)?;
    let role = match certificate.is_ca() {
        true => "a CA: signs other certificates".to_owned(),
        false => purposes(certificate),
    };
    line_of(text, "is for", role)?;
    if let Some(usage) = unusable(certificate) {
        line_of(text, "but", paint_line(BAD, usage))?;
    }
    if let Some(objection) = objection(certificate, der) {
        line_of(text, "but", paint_line(BAD, &format!("it {objection}")))?;
    }
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

/// What in its key usage has everybody refuse a certificate that is no CA's.
fn unusable(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    let usage = certificate.key_usage().ok()??.value;
    (!certificate.is_ca() && !usage.digital_signature()).then_some(
        "its key usage is without digitalSignature, so that no server and no device takes it: have \
         it made anew with digitalSignature",
    )
}

/// What the firmware has no code for. Nobody asks who signed what signed itself.
fn objection(certificate: &X509Certificate<'_>, der: &[u8]) -> Option<Objection> {
    let is_root = certificate.subject() == certificate.issuer();
    firmware::objection(&outline::Certificate::read(der)?)
        .filter(|objection| !(is_root && matches!(objection, Objection::Signature(_))))
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
