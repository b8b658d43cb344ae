//! The operator's side of a renewal.

use devserver::{Datum, Server};
use pki::{Issued, Request};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::pieces::{digest, pieces};

/// Somebody at the server, and the device whose certificate he renews.
pub struct Operator {
    /// The server.
    pub server: Server,
    /// The device's name.
    device: String,
}

impl Operator {
    /// One who renews the certificate of this device.
    #[must_use]
    pub fn of(server: Server, device: &str) -> Self {
        let device = device.to_owned();
        Self { server, device }
    }

    /// Where devices connect.
    pub fn port(&self) -> u16 {
        self.server.mqtt_addr().port()
    }

    /// A client attribute of the device.
    pub async fn attribute(&self, key: &str) -> Option<Datum> {
        let all = self.server.client_attributes(&self.device).await.ok()?;
        all.get(key).cloned()
    }

    /// A client attribute of the device, as text.
    pub async fn text(&self, key: &str) -> String {
        match self.attribute(key).await {
            Some(Datum::Text(text)) => text,
            _ => String::new(),
        }
    }

    /// Calls without params, and returns the answer.
    pub async fn call(&self, method: &str) -> Value {
        let answer = self
            .server
            .send_rpc(&self.device, method, Value::Null)
            .await;
        serde_json::from_str(answer.expect("an answer").get()).expect("JSON")
    }

    /// Sets a shared attribute.
    pub async fn share(&self, key: &str, value: Value) {
        let set = self
            .server
            .set_shared_attribute(&self.device, key, value)
            .await;
        set.expect("it is set");
    }

    /// Waits until the device tells this state.
    pub async fn until_state(&self, state: &str) {
        self.until("certificate_renewal", state).await;
    }

    /// Waits until a client attribute is this.
    pub async fn until(&self, key: &str, wanted: &str) {
        while self.text(key).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The request, once there is one.
    pub async fn request(&self) -> Request {
        self.until_state("REQUESTED").await;
        Request::read(self.text("certificate_request").await.as_bytes()).expect("a request")
    }

    /// Signs the request, once there is one, and sends the chain. Returns what was issued.
    pub async fn sign_request(&self, desk: &Desk) -> Issued {
        let request = self.request().await;
        let issued = desk.pki.sign(&request, None).expect("a certificate");
        self.send_chain(&issued.chain_der()).await;
        issued
    }

    /// Waits until the device tells that it has this one.
    pub async fn until_renewed(&self, issued: &Issued) {
        self.until_state("RENEWED").await;
        self.until("certificate_serial", issued.serial_hex()).await;
    }

    /// Sends a chain (DER) in pieces.
    pub async fn send_chain(&self, der: &[u8]) {
        self.send("renewedChain", der, &digest(der)).await;
    }

    /// Sends new CAs for the broker (DER) in pieces.
    pub async fn send_anchors(&self, der: &[u8]) {
        self.send("serverChain", der, &digest(der)).await;
    }

    /// Ends the device's connection.
    pub async fn cut(&self) {
        self.server
            .cut(&self.device)
            .await
            .expect("the device is known");
    }

    /// A client attribute, once it begins with this.
    pub async fn text_once(&self, key: &str, start: &str) -> String {
        loop {
            let text = self.text(key).await;
            if text.starts_with(start) {
                return text;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Signs each request that the device makes until it has a certificate, and each once.
    pub async fn answer_until_renewed(&self, desk: &Desk, answered: &mut Option<Request>) {
        loop {
            match self.text("certificate_renewal").await.as_str() {
                "RENEWED" => return,
                "REQUESTED" => {
                    let request = self.text("certificate_request").await;
                    let request = Request::read(request.as_bytes()).expect("a request");
                    if answered.as_ref() != Some(&request) {
                        let issued = desk.pki.sign(&request, None).expect("a certificate");
                        self.send_chain(&issued.chain_der()).await;
                        *answered = Some(request);
                    }
                }
                _ => {}
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Sends certificates in pieces, and tells this digest.
    pub async fn send(&self, name: &str, der: &[u8], digest: &str) {
        for (key, value) in pieces(name, der, digest) {
            self.share(&key, json!(value)).await;
        }
    }
}
