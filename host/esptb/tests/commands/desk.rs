//! An empty tenant on a `devserver`, and an operator's folder, for the tests of `esptb tb`.

use std::fs;
use std::path::Path;
use std::process::Output;

use devserver::{Config, Server, Tls};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::program::{done, esptb, esptb_with};

pub(crate) const USER: &str = "tenant@thingsboard.org";
pub(crate) const PASSWORD: (&str, &str) = ("ESPTB_TB_PASSWORD", "tenant");

/// An empty tenant, and an operator's folder with CAs.
pub(crate) struct Desk {
    pub(crate) runtime: Runtime,
    server: Option<Server>,
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        done(&esptb(folder.path(), &["pki", "init"]));
        done(&esptb(folder.path(), &["pki", "server", "127.0.0.1"]));
        let read = |name: &str| fs::read(folder.path().join("ca").join(name)).expect("it was made");
        let tls = Tls::from_pem(&read("server.crt"), &read("server.key")).expect("good files");
        Self::with(folder, Some(tls))
    }

    /// A server without TLS, for devices with tokens.
    pub(crate) fn in_the_clear() -> Self {
        Self::with(tempfile::tempdir().expect("a folder"), None)
    }

    fn with(folder: TempDir, tls: Option<Tls>) -> Self {
        let config = Config {
            tls,
            ..Config::default()
        };
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::start(config)).expect("it starts");
        Self {
            runtime,
            server: Some(server),
            folder,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn esptb(&self, arguments: &[&str]) -> Output {
        esptb(self.path(), arguments)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&done(&self.esptb(arguments))).expect("JSON")
    }

    pub(crate) fn log_in(&self) {
        let url = self.server().http_url();
        let login = ["tb", "login", "desk", &url, "--user", USER];
        let said = done(&esptb_with(self.path(), &login, &[PASSWORD]));
        assert!(
            said.contains("kept desk") && said.contains("TENANT_ADMIN"),
            "{said}"
        );
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}
