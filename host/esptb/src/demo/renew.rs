//! The demo's renewal: the operator asks the device for a request, signs it with the demo's authority, and
//! sends the chain back in pieces.

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding};
use devserver::{Datum, Server};
use pki::{Pki, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How many characters a piece has at most: a device takes packets of 1,024 bytes.
const PIECE: usize = 512;

/// Whoever renews certificates.
pub(crate) struct Operator {
    pki: Pki,
    asked: bool,
    answered: bool,
}

impl Operator {
    /// With this authority.
    pub(crate) fn new(pki: Pki) -> Self {
        Self {
            pki,
            asked: false,
            answered: false,
        }
    }

    /// Does what there is to do now. Returns what it was.
    pub(crate) async fn act(&mut self, server: &Server, serial: &str) -> Result<Option<String>> {
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
        let der = issued.chain_der();
        let chain = Base64::encode_string(&der);
        let pieces = chain.as_bytes().chunks(PIECE);
        let count = pieces.len();
        let share = async |key: String, value: Value| {
            server.set_shared_attribute(serial, &key, value).await
        };
        for (number, piece) in (1..).zip(pieces) {
            let piece = String::from_utf8_lossy(piece);
            share(format!("renewedChain{number}"), json!(piece)).await?;
        }
        let digest = Sha256::digest(&der);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        share("renewedChain".into(), json!(format!("{count} {digest}"))).await?;
        Ok(Some(format!(
            "its request is signed, serial number {}, and sent back in {count} pieces",
            issued.serial_hex()
        )))
    }
}

/// What the server believes of the device's certificate.
///
/// # Errors
///
/// If the renewal did not end well.
pub(crate) async fn outcome(server: &Server, serial: &str) -> Result<String> {
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
