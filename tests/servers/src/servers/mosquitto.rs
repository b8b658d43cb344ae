//! Mosquitto, one for each port: what it has no option for is set by the configuration of its OpenSSL,
//! which is for the whole process.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::Result;
use device::event::TlsVersion;

use super::{Port, Running, openssl_suites};
use crate::setting::{Clients, Setting};
use crate::stage::{Stage, command, output, version_in};

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let version = version_in(&output("mosquitto", &["-h"]).await?);
    let mut processes = Vec::new();
    for Port { number, setting } in ports {
        let files = stage.chain(setting.chain);
        let version = match setting.version {
            Some(TlsVersion::Tls13) => "tlsv1.3",
            Some(TlsVersion::Tls12) | None => "tlsv1.2",
        };
        let mut config = format!(
            "user root\nlistener {number} 127.0.0.1\nallow_anonymous true\ntls_version {version}\n\
             certfile {}\nkeyfile {}\ncafile {}\nrequire_certificate {}\n",
            files.chain.display(),
            files.key.display(),
            stage.clients.display(),
            setting.clients == Clients::Required,
        );
        match openssl_suites(setting) {
            Some((true, suite)) => writeln!(config, "ciphers_tls1.3 {suite}")?,
            Some((false, suite)) => writeln!(config, "ciphers {suite}")?,
            None => {}
        }
        let config = stage.put(&format!("mosquitto.{number}.conf"), &config)?;
        let openssl = stage.put(&format!("mosquitto.{number}.cnf"), &openssl(setting)?)?;
        let process = command("mosquitto")?
            .arg("-c")
            .arg(config)
            .env("OPENSSL_CONF", openssl)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        processes.push(process);
    }
    Ok(Running::of(version, processes))
}

/// The configuration of OpenSSL.
fn openssl(setting: &Setting) -> Result<String> {
    let mut text =
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\n"
            .to_owned();
    if setting.version == Some(TlsVersion::Tls12) {
        text += "MaxProtocol = TLSv1.2\n";
    }
    if let Some(group) = setting.group {
        writeln!(text, "Groups = {}", group.name())?;
    }
    if !setting.tickets {
        text += "Options = -SessionTicket\n";
    }
    Ok(text)
}
