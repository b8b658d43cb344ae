//! The servers, each on as many ports as there are settings of it.

mod gnutls;
mod go;
mod haproxy;
mod java;
mod mosquitto;
mod nginx;
mod openssl;
mod relay;
mod rustls;

use std::path::Path;

use anyhow::Result;
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::setting::{Chain, Cipher, Clients, Group, Setting};
use crate::stage::{Stage, find};
use device::event::TlsVersion;

/// Whose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Maker {
    OpenSsl,
    GnuTls,
    Mosquitto,
    HaProxy,
    Nginx,
    Java,
    Go,
    Rustls,
}

/// A port, and how what listens there is to be set.
pub(crate) struct Port<'a> {
    pub(crate) number: u16,
    pub(crate) setting: &'a Setting,
}

/// Servers that run; they stop when dropped.
pub(crate) struct Running {
    pub(crate) version: String,
    processes: Vec<Child>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    fn of(version: String, processes: Vec<Child>) -> Self {
        Self {
            version,
            processes,
            tasks: Vec::new(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // They are gone when the next ones start.
        for process in &mut self.processes {
            let _ = process.start_kill();
        }
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Maker {
    pub(crate) const ALL: [Self; 8] = [
        Self::OpenSsl,
        Self::GnuTls,
        Self::Mosquitto,
        Self::HaProxy,
        Self::Nginx,
        Self::Java,
        Self::Go,
        Self::Rustls,
    ];

    /// The head of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "OpenSSL",
            Self::GnuTls => "GnuTLS",
            Self::Mosquitto => "Mosquitto",
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Java => "Java",
            Self::Go => "Go",
            Self::Rustls => "rustls",
        }
    }

    /// Programs and files that it takes, and Debian's package of each.
    fn needs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenSsl => &[("openssl", "openssl")],
            Self::GnuTls => &[
                ("cc", "gcc"),
                ("/usr/include/gnutls/gnutls.h", "libgnutls28-dev"),
            ],
            Self::Mosquitto => &[("mosquitto", "mosquitto")],
            Self::HaProxy => &[("haproxy", "haproxy")],
            Self::Nginx => &[("nginx", "nginx"), (nginx::MODULE, "libnginx-mod-stream")],
            Self::Java => &[
                ("javac", "default-jdk-headless"),
                ("java", "default-jre-headless"),
            ],
            Self::Go => &[("go", "golang-go")],
            Self::Rustls => &[],
        }
    }

    /// What of that is not there: the package.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let there = |what: &str| match what.starts_with('/') {
            true => Path::new(what).exists(),
            false => find(what).is_some(),
        };
        let mut missing = self.needs().iter().filter(|(what, _)| !there(what));
        missing.next().map(|(_, package)| *package)
    }

    /// Whether it can be set so.
    pub(crate) fn can(self, setting: &Setting) -> bool {
        match self {
            Self::OpenSsl | Self::GnuTls | Self::HaProxy | Self::Nginx | Self::Java => true,
            Self::Mosquitto => setting.clients != Clients::Optional,
            // Those of TLS 1.3 are Go's own choice.
            Self::Go => setting.cipher.is_none() || setting.version == Some(TlsVersion::Tls12),
            // It has no group P-521, and reads its own certificate as a client would.
            Self::Rustls => setting.group != Some(Group::P521) && setting.chain != Chain::Critical,
        }
    }

    /// Starts it on these ports.
    pub(crate) async fn start(self, stage: &Stage, ports: &[Port<'_>]) -> Result<Running> {
        match self {
            Self::OpenSsl => openssl::start(stage, ports).await,
            Self::GnuTls => gnutls::start(stage, ports).await,
            Self::Mosquitto => mosquitto::start(stage, ports).await,
            Self::HaProxy => haproxy::start(stage, ports).await,
            Self::Nginx => nginx::start(stage, ports).await,
            Self::Java => java::start(stage, ports).await,
            Self::Go => go::start(stage, ports).await,
            Self::Rustls => rustls::start(stage, ports),
        }
    }
}

/// A version of TLS as those say it who hand it on to OpenSSL.
fn openssl_version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}

/// The suites of OpenSSL for a setting, by whether they are of TLS 1.3; none for all of them.
fn openssl_suites(setting: &Setting) -> Option<(bool, &'static str)> {
    let cipher: Cipher = setting.cipher?;
    Some(match setting.spoken() {
        TlsVersion::Tls12 => (false, cipher.openssl_1_2()),
        TlsVersion::Tls13 => (true, cipher.suite_1_3()),
    })
}
