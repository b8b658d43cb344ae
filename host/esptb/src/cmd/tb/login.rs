//! `esptb tb login`, `logout`, `servers`: logins by name.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use tb::{Address, Servers};
use zeroize::Zeroizing;

use super::server::{from_environment, open};
use crate::prompt;
use console::files;
use console::{FAINT, GOOD, paint, printable};

/// Log in to a server, and keep the login under a name
///
/// It is kept in esptb/servers.json of this user's configuration folder, which nobody else may read.
/// The password is asked for, or taken from ESPTB_TB_PASSWORD.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  esptb tb login plant https://tb.example.com --user me@example.com\n  \
                        esptb tb login desk http://127.0.0.1:8080 --user tenant@thingsboard.org\n  \
                        esptb tb login cloud https://eu.thingsboard.cloud --api-key"
)]
pub(super) struct Login {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: String,
    /// Where its page is
    #[arg(value_name = "URL")]
    url: Address,
    /// The user: a tenant administrator's e-mail address [default: ESPTB_TB_USER]
    #[arg(long, value_name = "E-MAIL")]
    user: Option<String>,
    /// Ask for an API key in place of user and password; ThingsBoard 4.3 and newer
    #[arg(long, conflicts_with = "user")]
    api_key: bool,
    /// PEM of the CA of its web page, where that is not one of the web's
    #[arg(long, value_name = "FILE")]
    page_ca: Option<PathBuf>,
}

/// Forget a kept login
#[derive(Args)]
pub(super) struct Logout {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
}

/// List the kept logins, without their secrets
#[derive(Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn keep(cmd: &Login) -> Result<()> {
    let login = match cmd.api_key && std::env::var_os("ESPTB_TB_API_KEY").is_none() {
        true => tb::Login::ApiKey(Zeroizing::new(prompt::secret("API key: ")?)),
        false => from_environment(cmd.user.as_deref())?,
    };
    let ca = cmd.page_ca.as_deref().map(files::read).transpose()?;
    // Only what works is kept.
    let client = open(cmd.url.clone(), login.clone(), ca.as_deref())?;
    let (user, system) = (client.user()?, client.system()?);
    let mut servers = Servers::open(&Servers::default_path()?)?;
    let ca = ca.map(|pem| String::from_utf8_lossy(&pem).into_owned());
    servers.keep(&cmd.name, &cmd.url, &login, ca.as_deref())?;
    console::line(format_args!(
        "{} {}: {} {}, as {} ({})",
        paint(GOOD, "kept"),
        cmd.name,
        cmd.url,
        printable(&system.version),
        printable(&user.email),
        printable(&user.authority),
    ))?;
    console::line(paint(FAINT, servers.path().display()))
}

pub(super) fn forget(cmd: &Logout) -> Result<()> {
    let mut servers = Servers::open(&Servers::default_path()?)?;
    match servers.forget(&cmd.name)? {
        true => console::line(format_args!("{} is forgotten", cmd.name)),
        false => bail!("no server is kept under the name `{}`", cmd.name),
    }
}

pub(super) fn list(cmd: &List) -> Result<()> {
    let servers = Servers::open(&Servers::default_path()?)?;
    if cmd.json {
        let all: Vec<_> = servers
            .names()
            .map(|(name, url)| json!({ "name": name, "url": url }))
            .collect();
        return console::line(json!(all));
    }
    for (name, url) in servers.names() {
        console::line(format_args!("{name}  {}", paint(FAINT, url)))?;
    }
    Ok(())
}
