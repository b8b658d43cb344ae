//! `esptb serve`: the local server, for devices on the desk.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::{Result, bail};
use clap::Args;
use device::calendar::Date;
use devserver::{
    Config, ConfigError, Database, Error, Event, Limits, Profile, RateLimit, Server, Tls,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pki::show::alternative_names;
use console::{BAD, FAINT, GOOD, STRONG, paint};
use console::{interrupted, now_ms, on_one_thread};
use demo::happening::Tone;
use demo::server::{MQTTS_PORT, note};

/// Run a light ThingsBoard-compatible server for the desk
///
/// Serves ThingsBoard's MQTT device API over TLS and a live page. Devices come by certificate: any
/// whose chain holds the CA of the profile is created under its CN. It is no ThingsBoard: move on
/// to one by pasting intermediate.crt into a device profile there.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    /// Folder with server.crt, server.key and intermediate.crt, as `esptb pki` makes them
    #[arg(long, default_value = "ca", value_name = "DIR")]
    ca: PathBuf,
    /// Where devices connect; port 0 takes a free one
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, MQTTS_PORT)), value_name = "ADDR:PORT")]
    mqtt: SocketAddr,
    /// Where the page is. It has no login: keep it on this computer unless the network is trusted
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), value_name = "ADDR:PORT")]
    http: SocketAddr,
    /// Host names under which the page may be opened, besides localhost and addresses
    #[arg(long, value_name = "NAME")]
    http_name: Vec<String>,
    /// Where the data is kept
    #[arg(long, default_value = "esptb.sqlite", value_name = "FILE")]
    database: PathBuf,
    /// The expression whose first group cuts the device's name from its CN
    #[arg(long, default_value = "(.*)", value_name = "REGEX")]
    cn_pattern: String,
    /// Let in only devices that exist already
    #[arg(long)]
    no_create: bool,
    /// Turn clients without a certificate away in the handshake, as Mosquitto does
    #[arg(long)]
    require_client_certificate: bool,
    /// MQTT without TLS: for devices with access tokens, on a network that is trusted
    #[arg(long, conflicts_with_all = ["ca", "cn_pattern", "no_create", "require_client_certificate"])]
    plain: bool,
    /// Print telemetry too
    #[arg(long)]
    telemetry: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What each device may send, as a tenant profile of ThingsBoard says it. A device that sends more
/// is cut off with DISCONNECT 0x83.
#[derive(Args)]
#[command(next_help_heading = "Limits for each device, as COUNT:SECONDS,… (10:1,300:60)")]
struct LimitArgs {
    /// Messages without values: connects, subscriptions, requests, answers
    #[arg(long, value_name = "LIMIT")]
    limit_messages: Option<RateLimit>,
    /// Messages with telemetry or attributes
    #[arg(long, value_name = "LIMIT")]
    limit_telemetry_messages: Option<RateLimit>,
    /// Values in them; ThingsBoard's public cloud has 15000:3600
    #[arg(long, value_name = "LIMIT")]
    limit_data_points: Option<RateLimit>,
    /// The largest packet, in bytes behind its length
    #[arg(long, default_value_t = Limits::default().max_payload, value_name = "BYTES")]
    limit_payload: u32,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            messages: self.limit_messages.clone(),
            telemetry_messages: self.limit_telemetry_messages.clone(),
            telemetry_data_points: self.limit_data_points.clone(),
            max_payload: self.limit_payload,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  esptb pki init && esptb pki server 192.168.1.20 && esptb serve
  esptb serve --mqtt 0.0.0.0:0 --http 127.0.0.1:0    on free ports, which are printed
  esptb serve --limit-data-points 15000:3600         as strict as ThingsBoard's public cloud

Devices find it by their settings.json: {\"broker\": \"mqtts://192.168.1.20\"}.
Ctrl-C ends it; the data is kept.";

/// Serves until it is told to end.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    on_one_thread(serve(cmd))
}

async fn serve(cmd: Cmd) -> Result<()> {
    let server = Server::start(cmd.config()?)
        .await
        .map_err(|error| match error {
            Error::Store(_) => {
                anyhow::Error::from(error).context(cmd.database.display().to_string())
            }
            error => error.into(),
        })?;
    for url in cmd.urls(&server) {
        console::line(format_args!("devices   {}", paint(STRONG, url)))?;
    }
    console::line(format_args!(
        "page      {}",
        paint(STRONG, server.http_url())
    ))?;
    let data = format!("data      {}", cmd.database.display());
    console::line(paint(FAINT, data))?;
    let mut events = server.events();
    let mut first = pin!(interrupted());
    let told = loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => {
                    if let Err(closed) = print(&event, cmd.telemetry) {
                        break Err(closed);
                    }
                }
                None => break Ok(()),
            },
            () = &mut first => break Ok(()),
        }
    };
    // Somebody may have no patience.
    let again = interrupted();
    tokio::select! {
        () = server.stop() => told,
        () = again => bail!("interrupted twice: ended without waiting for the server"),
    }
}

impl Cmd {
    fn config(&self) -> Result<Config> {
        let (tls, profile) = if self.plain {
            (None, None)
        } else {
            self.certificates()?
        };
        Ok(Config {
            mqtt: self.mqtt,
            tls,
            profile,
            http: self.http,
            http_names: self.http_name.clone(),
            database: Database::File(self.database.clone()),
            limits: self.limits.limits(),
        })
    }

    /// Where devices find the server: where it listens or, if that is everywhere, by each name of
    /// its certificate.
    fn urls(&self, server: &Server) -> Vec<String> {
        let address = server.mqtt_addr();
        let pem = hostfile::read(&self.ca.join("server.crt")).unwrap_or_default();
        let names = match self.plain || !address.ip().is_unspecified() {
            true => Vec::new(),
            false => names_of(&pem),
        };
        if names.is_empty() {
            return vec![server.mqtt_url()];
        }
        let port = address.port();
        let url = |name: &String| match name.contains(':') {
            true => format!("mqtts://[{name}]:{port}"),
            false => format!("mqtts://{name}:{port}"),
        };
        names.iter().map(url).collect()
    }

    fn certificates(&self) -> Result<(Option<Tls>, Option<Profile>)> {
        let [chain, key, profile_ca] =
            ["server.crt", "server.key", "intermediate.crt"].map(|name| read(&self.ca.join(name)));
        let mut tls = Tls::from_pem(&chain?, &key?).map_err(|error| {
            let file = match error {
                ConfigError::ServerKey { .. } => "server.key",
                _ => "server.crt",
            };
            anyhow::Error::from(error).context(self.ca.join(file).display().to_string())
        })?;
        tls.require_client_certificate = self.require_client_certificate;
        let mut profile = Profile::from_pem(&profile_ca?, &self.cn_pattern).map_err(|error| {
            let is_ca = matches!(error, ConfigError::ProfileCa { .. });
            let error = anyhow::Error::from(error);
            match is_ca {
                true => error.context(self.ca.join("intermediate.crt").display().to_string()),
                false => error,
            }
        })?;
        profile.allow_create = !self.no_create;
        Ok((Some(tls), Some(profile)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    hostfile::read(path).map_err(|error| {
        let name = path.display();
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => "it is not for this user to read",
            ErrorKind::Unsupported => "put the file there",
            _ => "`esptb pki init` and `esptb pki server NAME` make what the server needs",
        };
        anyhow::Error::from(error).context(format!("cannot read {name} ({remedy})"))
    })
}

/// The names of the first certificate.
fn names_of(pem: &[u8]) -> Vec<String> {
    let first = certfile::file::certificates(pem).next();
    let Some(Ok(der)) = first.map(|held| held.decode()) else {
        return Vec::new();
    };
    let certificate = X509Certificate::from_der(&der);
    certificate.map_or_else(|_| Vec::new(), |(_, it)| alternative_names(&it))
}

fn print(event: &Event, telemetry: bool) -> Result<()> {
    if !telemetry && matches!(event, Event::Telemetry { .. }) {
        return Ok(());
    }
    let Some(note) = note(event) else {
        return Ok(());
    };
    let now = Date::from_unix_s(u64::try_from(now_ms() / 1000).unwrap_or(0));
    let time = paint(FAINT, now);
    match note.tone {
        Tone::Plain => console::line(format_args!("{time}  {}", note.text)),
        Tone::Good => console::line(format_args!("{time}  {}", paint(GOOD, note.text))),
        Tone::Bad => console::line(format_args!("{time}  {}", paint(BAD, note.text))),
    }
}
