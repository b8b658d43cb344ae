//! The demo's renewal: the operator asks the device for a request, signs it with the demo's authority, and
//! sends the chain back in pieces.

use anyhow::{Context, Result, bail};
use devserver::{Datum, Server};
use pki::{Pki, Request};
use tb::campaign::Pieces;

/// Whoever renews certificates.
pub struct Operator {
    pki: Pki,
    asked: bool,
    answered: bool,
}

impl Operator {
    /// With this authority.
    pub fn new(pki: Pki) -> Self {
        Self {
            pki,
            asked: false,
            answered: false,
        }
    }

    /// Does what there is to do now. Returns what it was.
    pub async fn act(&mut self, server: &Server, serial: &str) -> Result<Option<String>> {
        if !self.asked {
            self.asked = true;
            let ask = "a demo".into();
            server
                .set_shared_attribute(serial, "renewCertificate", ask)
                .await?;
            return Ok(Some("the device is asked to renew its certificate".into()));
        }
        if self.answered || text(server, serial, "certificate_renewal").await? != "REQUESTED" {
            return Ok(None);
        }
        self.answered = true;
        let request = text(server, serial, "certificate_request").await?;
        let request = Request::read(request.as_bytes())?;
        request.expect(serial)?;
        let issued = self.pki.sign(&request, None)?;
        let pieces = Pieces::new("renewedChain", &issued.chain_der());
        for (key, value) in pieces.attributes() {
            server
                .set_shared_attribute(serial, &key, value.into())
                .await?;
        }
        Ok(Some(format!(
            "its request is signed, serial number {}, and sent back in {} pieces",
            issued.serial_hex(),
            pieces.count()
        )))
    }
}

/// What the server believes of the device's certificate.
///
/// # Errors
///
/// If the renewal did not end well.
pub async fn outcome(server: &Server, serial: &str) -> Result<String> {
    let state = text(server, serial, "certificate_renewal").await?;
    let number = text(server, serial, "certificate_serial").await?;
    if state != "RENEWED" {
        let why = text(server, serial, "certificate_renewal_error").await?;
        bail!("the renewal did not end well: {state} {why}");
    }
    Ok(format!("{state}: its serial number is {number}"))
}

async fn text(server: &Server, serial: &str, key: &str) -> Result<String> {
    let all = server.client_attributes(serial).await;
    match all.context("the server has lost the device")?.get(key) {
        Some(Datum::Text(text)) => Ok(text.clone()),
        _ => Ok(String::new()),
    }
}
