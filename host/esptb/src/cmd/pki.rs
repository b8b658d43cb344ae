//! `esptb pki`: certificates of one's own, made, shown and checked.

pub(crate) mod anchors;
pub(crate) mod check;
pub(crate) mod makers;
pub(crate) mod settings;
pub(crate) mod show;
mod sign_request;
pub(crate) mod warnings;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use pki::{Existing, KeyAlgorithm, KeyEncoding, Options, Pki, Profile, Validity};

use console::{FAINT, WARN, paint};

/// Make, show and check certificates
///
/// A root CA signs an intermediate CA, and that signs one certificate for the server and one for
/// each device. A device's common name (CN) is its serial number: the server names the device
/// after it.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Examples, from nothing to a device's SPIFFS image:
  esptb pki init
  esptb pki server tb.example.com
  esptb pki device SN-000001
  esptb image --spiffs devices/SN-000001 --spiffs-out spiffs.bin

Into ThingsBoard's device profile (X.509 certificate chain) goes ca/intermediate.crt.
Keep ca/root.key offline: it is needed for a new intermediate only.";

#[derive(Subcommand)]
enum Task {
    Init(Init),
    Server(Server),
    Device(Device),
    Show(show::Cmd),
    Check(check::Cmd),
    SignRequest(sign_request::Cmd),
}

/// Make a root CA and an intermediate CA
#[derive(Args)]
struct Init {
    #[command(flatten)]
    ca: CaDir,
    /// The organization in the names of the CAs
    #[arg(long, default_value = "esptb", value_name = "NAME")]
    organization: String,
    /// The kind of their keys
    #[arg(long, value_enum, default_value_t = KeyKind::P256, value_name = "KIND")]
    key: KeyKind,
    /// Replace the CAs that are there: everything they issued becomes worthless
    #[arg(long)]
    replace: bool,
}

/// Issue a certificate for a server
#[derive(Args)]
struct Server {
    /// DNS names and addresses under which devices and browsers reach it
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    ca: CaDir,
    /// Folder for server.crt and server.key [default: that of the CA]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    kind: Kind,
}

/// Issue certificates for devices
///
/// Makes a folder for each device with what its SPIFFS needs: device.crt (its certificate, then
/// the intermediate CA's), device.key, and server_chain.pem (the root CA, or --server-ca). With
/// --broker or --settings also settings.json, with a proof of possession of the device's own.
#[derive(Args)]
#[command(after_help = DEVICE_HELP)]
struct Device {
    /// Serial numbers, 1 to 64 characters each
    #[arg(required = true, value_name = "SERIAL")]
    serials: Vec<String>,
    #[command(flatten)]
    ca: CaDir,
    /// Folder in which each device gets a folder of its own
    #[arg(long, default_value = "devices", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    kind: Kind,
    /// Leave alone the devices that have theirs already, as after a run that was interrupted
    #[arg(long, conflicts_with = "replace")]
    missing: bool,
    /// How the private key is written
    #[arg(long, value_enum, default_value_t = Encoding::Pkcs8, value_name = "FORM")]
    encoding: Encoding,
    #[command(flatten)]
    anchors: anchors::Anchors,
    #[command(flatten)]
    makers: makers::Makers,
    #[command(flatten)]
    settings: settings::Options,
}

const DEVICE_HELP: &str = "\
Examples:
  esptb pki device SN-000001 --broker mqtts://tb.example.com
  seq -f 'SN-%06g' 1 10000 | xargs esptb pki device --broker mqtts://tb.example.com
  xargs esptb pki device --settings common.json < serials.txt";

#[derive(Args)]
pub(crate) struct CaDir {
    /// Folder of the CAs
    #[arg(long = "ca", default_value = "ca", value_name = "DIR")]
    path: PathBuf,
}

#[derive(Args)]
struct Kind {
    /// The kind of key; P-256 is the fastest on a chip
    #[arg(long, value_enum, default_value_t = KeyKind::P256, value_name = "KIND")]
    key: KeyKind,
    /// How many days it is valid [default: 825 for a server, 20 years for a device]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// Replace files that are there
    #[arg(long)]
    replace: bool,
}

impl Kind {
    fn profile(&self, encoding: KeyEncoding) -> Result<Profile> {
        let validity = self.days.map(Validity::days).transpose()?;
        Ok(Profile {
            algorithm: self.key.into(),
            encoding,
            validity,
        })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyKind {
    P256,
    P384,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

impl From<KeyKind> for KeyAlgorithm {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::P256 => Self::P256,
            KeyKind::P384 => Self::P384,
            KeyKind::Rsa2048 => Self::Rsa2048,
            KeyKind::Rsa3072 => Self::Rsa3072,
            KeyKind::Rsa4096 => Self::Rsa4096,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    /// BEGIN PRIVATE KEY, for every kind
    Pkcs8,
    /// BEGIN EC PRIVATE KEY
    Sec1,
    /// BEGIN RSA PRIVATE KEY
    Pkcs1,
}

impl From<Encoding> for KeyEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Pkcs8 => Self::Pkcs8,
            Encoding::Sec1 => Self::Sec1,
            Encoding::Pkcs1 => Self::Pkcs1,
        }
    }
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match cmd.task {
        Task::Init(init) => make_authorities(&init),
        Task::Server(server) => issue_server(&server),
        Task::Device(device) => issue_devices(&device),
        Task::Show(cmd) => show::run(&cmd),
        Task::Check(cmd) => check::run(&cmd),
        Task::SignRequest(cmd) => sign_request::run(&cmd),
    }
}

fn make_authorities(init: &Init) -> Result<()> {
    let options = Options {
        organization: init.organization.clone(),
        algorithm: init.key.into(),
        ..Options::default()
    };
    let folder = &init.ca.path;
    Pki::new(&options)?
        .write_to(folder, existing(init.replace))
        .map_err(or_replace)?;
    console::made(
        &folder.join("root.crt"),
        "the root CA: whoever verifies needs it",
    );
    console::made(&folder.join("root.key"), "its key: keep it offline");
    console::made(
        &folder.join("intermediate.crt"),
        "the intermediate CA: goes into ThingsBoard's device profile",
    );
    console::made(
        &folder.join("intermediate.key"),
        "its key: issues certificates",
    );
    Ok(())
}

fn issue_server(server: &Server) -> Result<()> {
    let pki = load(&server.ca)?;
    let names: Vec<_> = server.names.iter().map(String::as_str).collect();
    let identity = pki.server_with(&names, &server.kind.profile(KeyEncoding::Pkcs8)?)?;
    let folder = server.out.as_ref().unwrap_or(&server.ca.path);
    identity
        .write_to(folder, existing(server.kind.replace))
        .map_err(or_replace)?;
    let names = server.names.join(", ");
    console::made(
        &folder.join("server.crt"),
        &format!("certificate chain for {names}"),
    );
    console::made(&folder.join("server.key"), "its key");
    tell_shortened(identity.shortened());
    Ok(())
}

fn issue_devices(device: &Device) -> Result<()> {
    let mut pki = load(&device.ca)?;
    device.anchors.apply(&mut pki)?;
    let profile = device.kind.profile(device.encoding.into())?;
    let there = match (device.kind.replace, device.missing) {
        (true, _) => settings::There::Replace,
        (false, true) => settings::There::Keep,
        (false, false) => settings::There::Refuse,
    };
    let template = device.settings.template(&device.out, there)?;
    let makers = device.makers.read()?;
    // What a folder has beside its certificate.
    let complete = |serial: &str, folder: &std::path::Path| {
        if let Some(makers) = &makers {
            makers.write(folder)?;
        }
        match &template {
            Some(template) => template.write(serial, folder),
            None => Ok(()),
        }
    };
    for serial in &device.serials {
        let folder = device.out.join(serial);
        if device.missing && pki.has_device(&folder, serial)? {
            console::made(&folder, "is there already");
            complete(serial, &folder)?;
            continue;
        }
        let identity = pki.device_with(serial, &profile)?;
        identity
            .write_to(&folder, existing(device.kind.replace || device.missing))
            .map_err(or_replace)?;
        complete(serial, &folder)?;
        let what = format!("CN {serial}, {}", profile.algorithm);
        console::made(&folder, &what);
        tell_shortened(identity.shortened());
    }
    makers::tell(makers.as_ref());
    if let Some(template) = &template {
        return template.tell();
    }
    let line = "a settings.json beside the three files sets broker and proof of possession";
    console::line(paint(FAINT, line))
}

fn tell_shortened(shortened: bool) {
    if shortened {
        let line = "its dates end with those of the CA, earlier than was asked for";
        anstream::eprintln!("{}", paint(WARN, line));
    }
}

/// The authorities in a folder.
pub(crate) fn load(ca: &CaDir) -> Result<Pki> {
    Pki::load(&ca.path).map_err(|error| {
        let folder = ca.path.display();
        let error = anyhow::Error::from(error);
        if console::is_denied(&error) {
            return error.context(format!("the CA in {folder} is not for this user to read"));
        }
        error.context(format!(
            "no usable CA in {folder} (make one with `esptb pki init --ca {folder}`)"
        ))
    })
}

fn existing(replace: bool) -> Existing {
    if replace {
        Existing::Replace
    } else {
        Existing::Refuse
    }
}

/// Names the option that lets it pass.
fn or_replace(error: pki::Error) -> anyhow::Error {
    match error {
        pki::Error::Exists(path) => {
            anyhow::anyhow!(
                "{} is there already: choose another folder, or give --replace",
                path.display()
            )
        }
        other => other.into(),
    }
}
