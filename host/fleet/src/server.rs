//! The broker of a fleet: the local server for the run alone, or somebody else's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use devserver::{CallError, Config, Database, Profile, Server, Tls};
use pki::{Existing, Pki};
use tempfile::TempDir;

/// The local server, with all it has in a folder that goes with it.
pub(super) struct LocalServer {
    server: Server,
    /// The authority whose devices it knows.
    pub(super) ca: PathBuf,
    _folder: TempDir,
}

impl LocalServer {
    /// Starts it on a free port, with the authority in `ca`, or one of its own if there is none.
    ///
    /// # Errors
    ///
    /// If the authority cannot be used, or the system gives no folder or port.
    pub(super) async fn start(ca: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the server's data")?;
        let (ca, pki) = if ca.join("intermediate.key").exists() {
            (ca.to_owned(), Pki::load(ca)?)
        } else {
            let ca = folder.path().join("ca");
            let pki = Pki::new(&pki::Options::default())?;
            pki.write_to(&ca, Existing::Refuse)?;
            (ca, pki)
        };
        let identity = pki.server(&["localhost", "127.0.0.1"])?;
        let chain = identity.chain_pem();
        let config = Config {
            tls: Some(Tls::from_pem(
                chain.as_bytes(),
                identity.key_pem().as_bytes(),
            )?),
            profile: Some(Profile::from_pem(
                pki.intermediate_pem().as_bytes(),
                "(.*)",
            )?),
            // On a disk, for a device's sample is acknowledged when it is there.
            database: Database::File(folder.path().join("fleet.sqlite")),
            ..Config::default()
        };
        Ok(Self {
            server: Server::start(config).await?,
            ca,
            _folder: folder,
        })
    }

    /// As `settings.json` names it.
    pub(super) fn url(&self) -> String {
        self.server.mqtt_url()
    }

    /// How many samples it has: no sample counts twice.
    ///
    /// # Errors
    ///
    /// If the database failed.
    pub(super) async fn samples(&self) -> Result<u64> {
        Ok(self.server.samples().await?)
    }

    /// Claims these devices for a customer by this proof of possession: how many allowed it.
    ///
    /// # Errors
    ///
    /// If the database failed.
    pub(super) async fn claim(
        &self,
        devices: impl Iterator<Item = String>,
        proof: &str,
    ) -> Result<u64> {
        let secret = protocomm::claim::secret(proof);
        let mut claimed = 0;
        for device in devices {
            match self.server.claim(&device, &secret).await {
                Ok(taken) => claimed += u64::from(taken),
                // It was never online.
                Err(CallError::NoSuchDevice) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(claimed)
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}
