//! `esptb pki sign-request`: a certificate for a key that a device made itself.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use device::calendar::Date;
use pki::{Request, Validity};
use std::time::UNIX_EPOCH;

use super::{CaDir, load, tell_shortened};
use console::files;
use console::printable;

/// No request is longer: what is longer is another file.
const LONGEST: u64 = 64 * 1024;

/// Sign a device's request for a certificate
///
/// A device whose certificate ends makes a new key, which never leaves it, and tells the request for
/// its certificate (PKCS#10) in the client attribute certificate_request. This checks the request (it is
/// signed by its own key, which is one that devices take, and has one name), and issues the certificate
/// with the intermediate CA. Nothing else that the request asks for is granted. `esptb tb renew` does all
/// of it for many devices, and brings them what it issued.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Cmd {
    /// The request, in PEM, DER, or Base64 on one line as in the attribute; - is the standard input
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The serial number of whoever asks: a request that has another name is refused. Without it,
    /// look at the name that is told: whoever has that name's certificate is that device
    #[arg(long, value_name = "SERIAL")]
    name: Option<String>,
    #[command(flatten)]
    ca: CaDir,
    /// The file for the certificate and the intermediate CA's, in PEM [default: SERIAL.crt]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many days it is valid [default: 20 years]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// Replace the file if it is there
    #[arg(long)]
    replace: bool,
}

const AFTER_HELP: &str = "\
Examples:
  esptb pki sign-request request.txt --name SN-000001
  openssl req -in SN-000001.csr -noout -text           what a request in PEM asks for
  esptb pki sign-request SN-000001.csr --out devices/SN-000001/device.crt --replace

A request in PEM of one's own, for a key in a file:
  openssl req -new -key device.key -subj /CN=SN-000001 -out SN-000001.csr";

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let request = Request::read(&read(&cmd.request)?);
    let request = request.with_context(|| cmd.request.display().to_string())?;
    if let Some(name) = &cmd.name {
        request.expect(name)?;
    }
    let validity = cmd.days.map(Validity::days).transpose()?;
    let issued = load(&cmd.ca)?.sign(&request, validity)?;
    let serial = issued.common_name();
    let out = cmd.out.clone();
    let out = out.unwrap_or_else(|| format!("{serial}.crt").into());
    if !cmd.replace && out.symlink_metadata().is_ok() {
        bail!(
            "{} is there already: name another file, or give --replace",
            out.display()
        );
    }
    files::write(&out, issued.chain_pem())?;
    let ends = issued
        .not_after()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ends = Date::from_unix_s(ends.as_secs());
    let what = format!(
        "CN {}, serial number {}, until {ends}",
        printable(serial),
        issued.serial_hex()
    );
    console::made(&out, &what);
    tell_shortened(issued.shortened());
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path != Path::new("-") {
        return files::read(path);
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_end(&mut bytes);
    read.context("cannot read the standard input")?;
    Ok(bytes)
}
