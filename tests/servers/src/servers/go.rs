//! Go's crypto/tls.

use anyhow::{Result, bail};

use tokio::process::Command;

use super::{Port, Running, relay};
use crate::stage::{Stage, command};

const SOURCE: &str = include_str!("../../peers/relay.go");

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let source = stage.put("relay.go", SOURCE)?;
    let program = stage.folder.path().join("relay-go");
    let built = command("go")?
        .args(["build", "-o"])
        .arg(&program)
        .arg(source)
        // Nothing but what comes with Go.
        .env("GO111MODULE", "off")
        .status()
        .await?;
    if !built.success() {
        bail!("tests/servers/peers/relay.go does not compile");
    }
    let (version, process) = relay::start(stage, Command::new(program), ports).await?;
    Ok(Running::of(version, vec![process]))
}
