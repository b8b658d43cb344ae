//! The device's TLS with a server that we did not write: OpenSSL's, which tells on a page whether
//! it resumed the session over which it is asked.

mod keys;
mod resumption;
mod retry;

use std::io;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use device::credentials::{Bundle, Files};
use device::event::TlsVersion;
use device::tls::{Client, Library, Resumption, Stream};
use embedded_io_async::{ErrorType, Read, Write};
use pki::{KeyAlgorithm, Options, Pki, Profile};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use simulator::tls;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A socket of the host, as the device sees one.
struct Socket(TcpStream);

impl ErrorType for Socket {
    type Error = io::Error;
}

impl Read for Socket {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).await
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

/// `openssl s_server`, which demands client certificates; it stops when dropped.
struct OpenSsl {
    port: u16,
    process: Child,
}

impl OpenSsl {
    /// One that answers with a page.
    async fn start(folder: &TempDir, options: &[&str]) -> Self {
        Self::start_with(folder, &[&["-www"], options].concat()).await
    }

    async fn start_with(folder: &TempDir, options: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .current_dir(folder.path())
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", "server.pem", "-cert_chain", "server.pem"])
            .args(["-key", "server.key", "-CAfile", "ca.pem"])
            .args(["-Verify", "3", "-verify_return_error"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl starts: apt-get install openssl");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = loop {
            let line = lines.next_line().await.expect("output");
            let line = line.expect("openssl ended before it listened");
            println!(" openssl {line}");
            if let Some((_, port)) = line
                .strip_prefix("ACCEPT ")
                .and_then(|address| address.rsplit_once(':'))
            {
                break port.parse().expect("a port");
            }
        };
        Self { port, process }
    }
}

/// The device's end.
struct Device {
    library: Library<'static>,
    bundle: Bundle,
    unix_s: u64,
    resumption: Resumption,
}

impl Device {
    fn new(pki: &Pki, profile: &Profile) -> Self {
        let identity = pki.device_with("SN-000020", profile);
        let identity = identity.expect("a device certificate");
        let chain = identity.chain_pem();
        let files = Files {
            certificate: chain.as_bytes(),
            key: identity.key_pem().as_bytes(),
            server_chain: identity.trust_pem().as_bytes(),
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            library: tls::library(),
            bundle: Bundle::prove(files, &mut UnwrapErr(SysRng)).expect("credentials"),
            unix_s: since_1970.expect("a time after 1970").as_secs(),
            resumption: Resumption::new(),
        }
    }

    async fn connect<'a>(
        &'a mut self,
        server: &OpenSsl,
        server_name: &'a str,
    ) -> Stream<'a, Socket> {
        let socket = TcpStream::connect(("127.0.0.1", server.port)).await;
        let client = Client {
            library: self.library,
            credentials: self.bundle.at(self.unix_s).expect("good dates"),
            server_name,
            unix_s: self.unix_s,
        };
        let socket = Socket(socket.expect("a connection"));
        Stream::connect(socket, client, &mut self.resumption)
            .await
            .expect("a handshake")
    }

    /// Connects, asks for the page, hangs up, and returns the version and whether the session was
    /// resumed: both ends must be of one opinion.
    async fn visit(&mut self, server: &OpenSsl, server_name: &str) -> (TlsVersion, bool) {
        let mut stream = self.connect(server, server_name).await;
        stream
            .write_all(b"GET / HTTP/1.0\r\n\r\n")
            .await
            .expect("writing");
        stream.flush().await.expect("flushing");
        let mut page = Vec::new();
        let mut buffer = [0; 512];
        loop {
            match stream.read(&mut buffer).await.expect("reading") {
                0 => break,
                length => page.extend_from_slice(&buffer[..length]),
            }
        }
        let page = String::from_utf8(page).expect("text");
        let outcome = (stream.version(), stream.resumed());
        let verdict = page
            .lines()
            .find(|line| line.starts_with("New, ") || line.starts_with("Reused, "))
            .expect("what the server thinks");
        println!(" openssl {verdict}");
        assert_eq!(verdict.starts_with("Reused, "), outcome.1, "{page}");
        stream.close().await;
        outcome
    }
}

/// Certificates for a server, in a folder, and a device that trusts it.
fn prepare(algorithm: KeyAlgorithm) -> (TempDir, Device) {
    let pki = Pki::new(&Options {
        algorithm,
        ..Options::default()
    });
    let pki = pki.expect("certificates");
    let profile = Profile {
        algorithm,
        ..Profile::default()
    };
    let identity = pki.server_with(&["localhost", "127.0.0.1"], &profile);
    let identity = identity.expect("a server certificate");
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("ca.pem", pki.root_pem()),
        ("server.pem", &identity.chain_pem()),
        ("server.key", identity.key_pem()),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file for openssl");
    }
    let device = Device::new(&pki, &profile);
    (folder, device)
}
