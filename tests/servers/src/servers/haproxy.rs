//! HAProxy, which ends TLS before a broker that has none.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::Result;

use super::{Port, Running, openssl_suites, openssl_version};
use crate::setting::Clients;
use crate::stage::{Stage, command, output, version_in};

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let version = version_in(&output("haproxy", &["-v"]).await?);
    let mut config = format!(
        "global\n nbthread 1\n\
         defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n\
         backend broker\n server one 127.0.0.1:{}\n",
        stage.broker
    );
    for Port { number, setting } in ports {
        let files = stage.chain(setting.chain);
        write!(
            config,
            "frontend of{number}\n default_backend broker\n bind 127.0.0.1:{number} ssl crt {}",
            files.both.display()
        )?;
        if let Some(version) = setting.version {
            let version = openssl_version(version);
            write!(config, " ssl-min-ver {version} ssl-max-ver {version}")?;
        }
        if let Some(group) = setting.group {
            write!(config, " curves {}", group.name())?;
        }
        match openssl_suites(setting) {
            Some((true, suite)) => write!(config, " ciphersuites {suite}")?,
            Some((false, suite)) => write!(config, " ciphers {suite}")?,
            None => {}
        }
        if !setting.tickets {
            config += " no-tls-tickets";
        }
        let verify = match setting.clients {
            Clients::Unasked => None,
            Clients::Optional => Some("optional"),
            Clients::Required => Some("required"),
        };
        if let Some(verify) = verify {
            write!(
                config,
                " verify {verify} ca-file {}",
                stage.clients.display()
            )?;
        }
        config.push('\n');
    }
    let config = stage.put("haproxy.cfg", &config)?;
    let process = command("haproxy")?
        .arg("-db")
        .arg("-f")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Running::of(version, vec![process]))
}
