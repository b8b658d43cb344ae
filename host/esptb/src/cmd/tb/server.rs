//! Which ThingsBoard, and by which login.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use tb::{Address, Client, Login, Servers};
use zeroize::Zeroizing;

use crate::prompt;
use console::Exit;
use console::files;
use console::{WARN, paint};

/// Which server.
#[derive(Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// A server that `esptb tb login` keeps, or the URL of one [default: the only one that is kept]
    #[arg(long, env = "ESPTB_SERVER", value_name = "NAME|URL")]
    pub(crate) server: Option<String>,
    /// PEM of the CA of its web page, where that is not one of the web's
    #[arg(long, value_name = "FILE")]
    pub(crate) page_ca: Option<PathBuf>,
}

impl ServerArgs {
    /// Logs in.
    pub(crate) fn client(&self) -> Result<Client> {
        match self.client_if_any()? {
            Some(client) => Ok(client),
            None => Err(Exit::WrongArguments(
                "which server? `esptb tb login NAME URL` keeps one; --server names one, or gives its URL".to_owned(),
            )
            .into()),
        }
    }

    /// Logs in, if there is a server to log in to.
    pub(crate) fn client_if_any(&self) -> Result<Option<Client>> {
        let own_ca = self.page_ca.as_deref().map(files::read).transpose()?;
        let name = match &self.server {
            Some(url) if url.contains("://") => {
                let (address, login) = (url.parse()?, from_environment(None)?);
                return Ok(Some(open(address, login, own_ca.as_deref())?));
            }
            name => name,
        };
        let kept = Servers::open(&Servers::default_path()?)?;
        let name = match name {
            Some(name) => name.clone(),
            None => {
                let mut names = kept.names();
                match (names.next(), names.next()) {
                    (Some((name, _)), None) => name.to_owned(),
                    (None, _) => return Ok(None),
                    (Some(_), Some(_)) => {
                        let all: Vec<_> = kept.names().map(|(name, _)| name).collect();
                        let all = all.join(", ");
                        let text = format!("which server? --server says one of {all}");
                        return Err(Exit::WrongArguments(text).into());
                    }
                }
            }
        };
        let (address, login, ca) = kept.get(&name)?;
        let ca = own_ca.or(ca.map(String::into_bytes));
        Ok(Some(open(address, login, ca.as_deref())?))
    }
}

/// Logs in, with a warning where the login can be read on the way.
pub(super) fn open(address: Address, login: Login, ca: Option<&[u8]>) -> Result<Client> {
    if address.is_in_the_clear() {
        let line = format!(
            "{address} is not encrypted: whoever is on the way can read the login; use https://"
        );
        anstream::eprintln!("{}", paint(WARN, line));
    }
    Ok(Client::login(address, login, ca)?)
}

/// The login that the environment has, or that is typed.
pub(super) fn from_environment(user: Option<&str>) -> Result<Login> {
    let from = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(key), None) = (from("ESPTB_TB_API_KEY"), user) {
        return Ok(Login::ApiKey(Zeroizing::new(key)));
    }
    let Some(user) = user.map(str::to_owned).or_else(|| from("ESPTB_TB_USER")) else {
        bail!(
            "there is no login: set ESPTB_TB_USER and ESPTB_TB_PASSWORD, or ESPTB_TB_API_KEY, or keep one with `esptb \
             tb login NAME URL --user USER`"
        )
    };
    let password = match from("ESPTB_TB_PASSWORD") {
        Some(password) => password,
        None => prompt::secret(&format!("Password of {}: ", console::printable(&user)))?,
    };
    Ok(Login::Password {
        user,
        password: Zeroizing::new(password),
    })
}
