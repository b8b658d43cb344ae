//! GnuTLS, by a program of our own: its `gnutls-serv` listens on all interfaces, and cannot pass on
//! what it decrypts.

use anyhow::{Result, bail};

use tokio::process::Command;

use super::{Port, Running, relay};
use crate::stage::{Stage, command};

const SOURCE: &str = include_str!("../../peers/relay.c");

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let source = stage.put("relay.c", SOURCE)?;
    let program = stage.folder.path().join("relay-gnutls");
    let built = command("cc")?
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source)
        .arg("-lgnutls")
        .status()
        .await?;
    if !built.success() {
        bail!("tests/servers/peers/relay.c does not compile");
    }
    let (version, process) = relay::start(stage, Command::new(program), ports).await?;
    Ok(Running::of(version, vec![process]))
}
