//! OpenSSL's `s_server`, one for each port. It writes what the device says to its output, and sends
//! what comes to its input.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use device::event::TlsVersion;
use tokio::io::{copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::{Port, Running, openssl_suites};
use crate::setting::Clients;
use crate::stage::{Stage, command, free_ports, listens, output, version_in};

/// How long what is on its way to the server's input may take.
const DRAIN: Duration = Duration::from_millis(100);

pub(super) async fn start(stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
    let version = version_in(&output("openssl", &["version"]).await?);
    let mut running = Running::of(version, Vec::new());
    let mut inners = Vec::new();
    // These first: what is free then is free for the servers.
    let listeners = ports
        .iter()
        .map(|port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number)))
        .collect::<Result<Vec<_>, _>>()?;
    let places = listeners.into_iter().zip(free_ports(ports.len())?);
    for (Port { setting, .. }, (listener, inner)) in ports.iter().zip(places) {
        let files = stage.chain(setting.chain);
        let mut server = command("openssl")?;
        server
            .args(["s_server", "-quiet", "-accept"])
            .arg(format!("127.0.0.1:{inner}"))
            .arg("-cert")
            .arg(&files.chain)
            .arg("-cert_chain")
            .arg(&files.chain)
            .arg("-key")
            .arg(&files.key);
        match setting.version {
            Some(TlsVersion::Tls12) => server.arg("-tls1_2"),
            Some(TlsVersion::Tls13) => server.arg("-tls1_3"),
            None => &mut server,
        };
        if let Some(group) = setting.group {
            server.args(["-groups", group.name()]);
        }
        match openssl_suites(setting) {
            Some((true, suite)) => server.args(["-ciphersuites", suite]),
            Some((false, suite)) => server.args(["-cipher", suite]),
            None => &mut server,
        };
        if !setting.tickets {
            server.arg("-no_ticket");
        }
        let clients = match setting.clients {
            Clients::Unasked => None,
            Clients::Optional => Some("-verify"),
            Clients::Required => Some("-Verify"),
        };
        if let Some(option) = clients {
            server.args([option, "3", "-verify_return_error", "-CAfile"]);
            server.arg(&stage.clients);
        }
        let mut process = server
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take().context("its input")?;
        let output = process.stdout.take().context("its output")?;
        let broker = stage.broker;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        running.tasks.push(tokio::task::spawn_local(async move {
            // It ends with the server.
            let _ = pass_on(listener, inner, broker, input, output).await;
        }));
        running.processes.push(process);
        inners.push(inner);
    }
    for inner in inners {
        listens(inner).await?;
    }
    Ok(running)
}

/// Lets clients to the server at `inner`, one after the other, and passes on to the broker what comes out
/// of its output, and back.
async fn pass_on(
    listener: TcpListener,
    inner: u16,
    broker: u16,
    mut input: ChildStdin,
    mut output: ChildStdout,
) -> Result<()> {
    loop {
        let (mut device, _) = listener.accept().await?;
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, inner)).await?;
        let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).await?;
        let (mut from_server, mut to_server) = server.split();
        {
            let (mut from_device, mut to_device) = device.split();
            let (mut from_broker, mut to_broker) = broker.split();
            // Until one of them hangs up.
            tokio::select! {
                _ = copy(&mut from_device, &mut to_server) => {}
                _ = copy(&mut from_server, &mut to_device) => {}
                _ = copy(&mut output, &mut to_broker) => {}
                _ = copy(&mut from_broker, &mut input) => {}
            }
        }
        drop((device, broker));
        // What is on its way to the server's input must not reach the next client.
        let _ = timeout(DRAIN, async {
            let (mut one, mut other) = (sink(), sink());
            tokio::join!(
                copy(&mut from_server, &mut one),
                copy(&mut output, &mut other)
            )
        })
        .await;
    }
}
