//! Java's own TLS (JSSE), which ThingsBoard's broker has. Groups and tickets are set for a whole
//! process.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{Port, Running, relay};
use crate::setting::Group;
use crate::stage::{Stage, command};

const SOURCE: &str = include_str!("../../peers/Relay.java");

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let source = stage.put("Relay.java", SOURCE)?;
    let compiled = command("javac")?
        .arg("-d")
        .arg(stage.folder.path())
        .arg(source)
        .status()
        .await?;
    if !compiled.success() {
        bail!("tests/servers/peers/Relay.java does not compile");
    }
    let mut processes = BTreeMap::<_, Vec<_>>::new();
    for port in ports {
        let group = port.setting.group.map(|group| match group {
            Group::P256 => "secp256r1",
            Group::P384 => "secp384r1",
            Group::X25519 => "x25519",
            Group::P521 => "secp521r1",
        });
        let all = processes.entry((group, port.setting.tickets));
        all.or_default().push(port);
    }
    let mut running = Running::of(String::new(), Vec::new());
    for ((group, tickets), ports) in processes {
        let mut java = command("java")?;
        java.args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
        ]);
        java.arg(format!(
            "-Djdk.tls.server.enableSessionTicketExtension={tickets}"
        ));
        if let Some(group) = group {
            java.arg(format!("-Djdk.tls.namedGroups={group}"));
        }
        java.arg("-cp").arg(stage.folder.path()).arg("Relay");
        let (version, process) = relay::start(stage, java, ports).await?;
        running.version = version;
        running.processes.push(process);
    }
    Ok(running)
}
