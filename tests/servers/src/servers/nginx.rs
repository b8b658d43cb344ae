//! nginx as a proxy of streams, which ends TLS before a broker that has none.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::Result;

use super::{Port, Running, openssl_suites, openssl_version};
use crate::setting::Clients;
use crate::stage::{Stage, command, output, version_in};

/// What it needs for streams.
pub(super) const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let version = version_in(&output("nginx", &["-v"]).await?);
    let folder = stage.folder.path().display();
    let mut config = format!(
        "load_module {MODULE};\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n\
         error_log stderr;\nevents {{ worker_connections 1024; }}\nstream {{\n"
    );
    for Port { number, setting } in ports {
        let files = stage.chain(setting.chain);
        write!(
            config,
            "server {{ listen 127.0.0.1:{number} ssl; proxy_pass 127.0.0.1:{}; \
             ssl_certificate {}; ssl_certificate_key {}; ssl_session_cache shared:of{number}:1m; \
             ssl_session_tickets {}; ",
            stage.broker,
            files.chain.display(),
            files.key.display(),
            if setting.tickets { "on" } else { "off" },
        )?;
        let versions = setting.version.map_or("TLSv1.2 TLSv1.3", openssl_version);
        write!(config, "ssl_protocols {versions}; ")?;
        if let Some(group) = setting.group {
            write!(config, "ssl_ecdh_curve {}; ", group.name())?;
        }
        match openssl_suites(setting) {
            Some((true, suite)) => write!(config, "ssl_conf_command Ciphersuites {suite}; ")?,
            Some((false, suite)) => write!(config, "ssl_ciphers {suite}; ")?,
            None => {}
        }
        let verify = match setting.clients {
            Clients::Unasked => None,
            Clients::Optional => Some("optional"),
            Clients::Required => Some("on"),
        };
        if let Some(verify) = verify {
            write!(
                config,
                "ssl_verify_client {verify}; ssl_verify_depth 3; ssl_client_certificate {}; ",
                stage.clients.display()
            )?;
        }
        config += "}\n";
    }
    config += "}\n";
    let config = stage.put("nginx.conf", &config)?;
    let process = command("nginx")?
        .args(["-e", "stderr", "-p"])
        .arg(stage.folder.path())
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Running::of(version, vec![process]))
}
