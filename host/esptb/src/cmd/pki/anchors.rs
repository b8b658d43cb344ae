//! Whom the devices trust: the CAs that their broker's certificate may come from.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use pki::Pki;

/// Where they are.
#[derive(Args)]
pub(crate) struct Anchors {
    /// The CAs that the broker's certificate may come from, where that is not the root CA here: they become
    /// server_chain.pem of each device
    #[arg(long, value_name = "FILE")]
    server_ca: Option<PathBuf>,
}

impl Anchors {
    /// Has the devices to come trust them.
    ///
    /// # Errors
    ///
    /// If the devices would not take them.
    pub(crate) fn apply(&self, pki: &mut Pki) -> Result<()> {
        match &self.server_ca {
            Some(path) => Ok(pki.trust(path)?),
            None => Ok(()),
        }
    }
}
