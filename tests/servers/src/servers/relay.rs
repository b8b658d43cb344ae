//! Small servers of our own, each in another language with its own TLS (tests/servers/peers): they end
//! TLS before a broker that has none. All are told by the same arguments what to do: the broker's
//! port, the file with the authority of clients, and a file with a line for each port,
//!
//! ```text
//! PORT VERSION GROUP CIPHER TICKETS CLIENTS CHAIN KEY
//! ```
//!
//! in which `-` stands for whatever is usual. The first line that they write is their version.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result};
use device::event::TlsVersion;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Port;
use crate::setting::Clients;
use crate::stage::Stage;

/// Starts the program, and returns its version.
pub(super) async fn start<'a>(
    stage: &Stage,
    mut program: Command,
    ports: impl IntoIterator<Item = &'a Port<'a>>,
) -> Result<(String, Child)> {
    let mut lines = String::new();
    let mut first = 0;
    for Port { number, setting } in ports {
        first = *number;
        let version = match setting.version {
            None => "-",
            Some(TlsVersion::Tls12) => "1.2",
            Some(TlsVersion::Tls13) => "1.3",
        };
        let clients = match setting.clients {
            Clients::Unasked => "unasked",
            Clients::Optional => "optional",
            Clients::Required => "required",
        };
        let files = stage.chain(setting.chain);
        writeln!(
            lines,
            "{number} {version} {} {} {} {clients} {} {}",
            setting.group.map_or("-", |group| group.name()),
            setting.cipher.map_or("-", |cipher| cipher.name()),
            if setting.tickets { "on" } else { "off" },
            files.chain.display(),
            files.key.display(),
        )?;
    }
    let lines = stage.put(&format!("relay.{first}"), &lines)?;
    let mut process = program
        .arg(stage.broker.to_string())
        .arg(&stage.clients)
        .arg(lines)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let output = process.stdout.take().context("its output")?;
    let mut lines = BufReader::new(output).lines();
    let version = lines.next_line().await?.context("it does not start")?;
    // Whatever else it writes is read by nobody.
    Ok((version, process))
}
