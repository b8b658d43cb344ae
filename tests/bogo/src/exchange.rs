//! One connection to the runner: handshake, words, farewell.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use device::credentials::{Bundle, CredentialsError, Fault, File, Files};
use device::tls::{Client, Library, Resumption, Stream, TlsError};
use embedded_io_async::{Read as _, Write as _};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use crate::options::Exchange;
use crate::wire::Wire;

/// Who the device is where the runner does not say.
const CERTIFICATE: &str = concat!(
    include_str!("../../../crates/device/tests/vectors/credentials/p256.crt"),
    include_str!("../../../crates/device/tests/vectors/credentials/intermediate.crt")
);
const KEY: &str = include_str!("../../../crates/device/tests/vectors/credentials/p256.key");
/// A CA that the runner's servers do not come from.
const ANOTHER_CA: &str = include_str!("../../../crates/device/tests/vectors/credentials/root.crt");
/// The name in the certificates of the runner's servers.
const SERVER_NAME: &str = "test";
/// How much is read at once: less than a record may have.
const READ: usize = 512;
const FIRST_WORDS: &str = "hello";

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client's own error.
    Tls(TlsError),
    /// It did not do what the runner expects.
    Unexpected(String),
    /// The device takes no such credentials, by the flag that named them.
    Unimplemented(&'static str),
}

/// An error by its name, to which the configuration maps the runner's names of errors; and in words.
pub(crate) fn named(error: TlsError) -> String {
    let name = match error {
        TlsError::Other(code) => format!("Other(-0x{:04x})", code.unsigned_abs()),
        error => format!("{error:?}"),
    };
    format!("{name}: {error}")
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// The files that the runner names, or those of the device.
fn bundle(exchange: &Exchange) -> Result<Bundle, Failure> {
    let read = |path: &Option<PathBuf>, default: &str| match path {
        // Empty where no CA issued the certificate.
        Some(path) if path == Path::new("") => Ok(default.as_bytes().to_vec()),
        Some(path) => {
            fs::read(path).map_err(|error| Failure::Unexpected(format!("{path:?}: {error}")))
        }
        None => Ok(default.as_bytes().to_vec()),
    };
    let trusted = read(&exchange.trusted, ANOTHER_CA)?;
    let files = Files {
        certificate: &read(&exchange.certificate, CERTIFICATE)?,
        key: &read(&exchange.key, KEY)?,
        server_chain: if exchange.verify_fail {
            ANOTHER_CA.as_bytes()
        } else {
            &trusted
        },
    };
    Bundle::prove_nameless(files, &mut UnwrapErr(SysRng)).map_err(refused)
}

/// Opens a connection over the wire, says and hears what is to be said, and closes it.
pub(crate) async fn run(
    wire: &Wire,
    exchange: &Exchange,
    library: Library<'_>,
    resumption: &mut Resumption,
    resumes: bool,
) -> Result<(), Failure> {
    let bundle = bundle(exchange)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let unix_s = now.map_err(io::Error::other).map_or(0, |now| now.as_secs());
    let credentials = bundle.at(unix_s).map_err(refused)?;
    let client = Client {
        library,
        credentials,
        server_name: exchange.host_name.as_deref().unwrap_or(SERVER_NAME),
        unix_s,
    };
    let mut stream = Stream::connect(wire, client, resumption).await?;
    if let Some(expected) = exchange.expect_version
        && stream.version() != expected
    {
        let version = stream.version();
        return unexpected(format!("version {version:?} instead of {expected:?}"));
    }
    let expected = resumes && !exchange.expect_session_miss;
    if stream.resumed() != expected {
        return unexpected(format!("resumed: {}", stream.resumed()));
    }
    if exchange.writes_first {
        let words = exchange.first_words.as_deref().unwrap_or(FIRST_WORDS);
        for _ in 0..exchange.repeat.max(1) {
            write_all(&mut stream, words.as_bytes()).await?;
        }
    }
    if !exchange.shuts_down {
        answer(&mut stream, exchange).await?;
    }
    stream.close().await;
    if exchange.shuts_down && exchange.check_close_notify {
        let mut buffer = [0; READ];
        let length = stream.read(&mut buffer).await?;
        if length != 0 {
            return unexpected(format!("{length} bytes instead of close_notify"));
        }
    }
    Ok(())
}

/// Sends everything back with its bits turned, until the runner has enough.
async fn answer(stream: &mut Stream<'_, &Wire>, exchange: &Exchange) -> Result<(), Failure> {
    let mut buffer = vec![0; exchange.read_size.unwrap_or(READ)];
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            // Cut off without a word.
            Err(TlsError::Broken(_)) if !exchange.check_close_notify => return Ok(()),
            length => length?,
        };
        let words = buffer.get_mut(..length).unwrap_or_default();
        words.iter_mut().for_each(|byte| *byte ^= 0xff);
        write_all(stream, words).await?;
    }
}

async fn write_all(stream: &mut Stream<'_, &Wire>, words: &[u8]) -> Result<(), Failure> {
    stream.write_all(words).await?;
    Ok(stream.flush().await?)
}

/// Credentials may be of a kind that the device refuses. Anything else that is wrong with them is a
/// fault.
fn refused(error: CredentialsError) -> Failure {
    let flag = match error.file {
        File::ServerChain => "-trust-cert",
        _ => "-cert-file",
    };
    match error.fault {
        Fault::KeyKind { .. } | Fault::Curve { .. } | Fault::RsaSize { .. } => {
            Failure::Unimplemented(flag)
        }
        _ => Failure::Unexpected(error.to_string()),
    }
}

fn unexpected(what: String) -> Result<(), Failure> {
    Err(Failure::Unexpected(what))
}
