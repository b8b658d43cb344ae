//! The HTTP client's side of ESP-IDF's SoftAP provisioning: every endpoint is the path of a `POST`.
//!
//! The device knows a session by its socket, or by the cookie `session=N` that its first answer
//! sets (ESP-IDF v5.4.1, 4c2820d, `components/protocomm/src/transports/protocomm_httpd.c`). Both
//! are kept here. The content type is what Espressif's own `esp_prov` sends.

use std::io;
use std::time::Duration;

use protocomm::refusal::Refused;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::link_error::LinkError;

/// How long a device may take to answer; a blocking scan of all channels takes seconds.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer, head included.
const LONGEST: usize = 64 * 1024;

/// A device's HTTP server.
pub(crate) struct Http {
    address: String,
    stream: Option<TcpStream>,
    cookie: Option<String>,
}

impl Http {
    /// `address` is `HOST:PORT`, or a host, whose port is then 80.
    pub(crate) fn new(address: &str) -> Self {
        let bare_ipv6 = address.matches(':').count() > 1 && !address.contains(']');
        let has_port = !bare_ipv6
            && address
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = match (has_port, bare_ipv6) {
            (true, _) => address.to_owned(),
            (false, true) => format!("[{address}]:80"),
            (false, false) => format!("{address}:80"),
        };
        Self {
            address,
            stream: None,
            cookie: None,
        }
    }

    /// Forgets the session: the next request begins a new one.
    pub(crate) fn disconnect(&mut self) {
        self.stream = None;
        self.cookie = None;
    }

    /// Posts a request to an endpoint and returns the answer's body.
    pub(crate) async fn exchange(
        &mut self,
        endpoint: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        let kept = self.stream.is_some();
        let answer = tokio::time::timeout(ANSWER, self.post(endpoint, request)).await;
        let (answer, kept) = match answer {
            // The server may have closed an idle connection; the cookie keeps the session.
            Ok(Err(LinkError::Lost)) if kept && self.cookie.is_some() => (
                tokio::time::timeout(ANSWER, self.post(endpoint, request)).await,
                false,
            ),
            other => (other, kept),
        };
        match answer {
            Ok(answer) => answer,
            Err(_) => {
                self.stream = None;
                log::debug!("no answer from {} (kept connection: {kept})", self.address);
                Err(LinkError::Timeout(ANSWER))
            }
        }
    }

    async fn post(&mut self, endpoint: &str, body: &[u8]) -> Result<Vec<u8>, LinkError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let failed = |source| LinkError::Http {
                    address: self.address.clone(),
                    source,
                };
                TcpStream::connect(&self.address).await.map_err(failed)?
            }
        };
        let cookie = self
            .cookie
            .as_ref()
            .map_or(String::new(), |c| format!("Cookie: {c}\r\n"));
        let head = format!(
            "POST /{endpoint} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Accept: text/plain\r\n{cookie}Content-Length: {}\r\n\r\n",
            self.address,
            body.len(),
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request).await.map_err(lost)?;
        let answer = self.read_answer(&mut stream).await?;
        if let Some(cookie) = answer.cookie {
            self.cookie = Some(cookie);
        }
        if !answer.close {
            self.stream = Some(stream);
        }
        match answer.status {
            200 => Ok(answer.body),
            404 | 405 => Err(LinkError::NoEndpoint(endpoint.to_owned())),
            status => Err(LinkError::Refused {
                endpoint: endpoint.to_owned(),
                reason: format!("HTTP status {status}"),
                refused: Refused::from_http(status, answer.retry_after),
            }),
        }
    }

    async fn read_answer(&self, stream: &mut TcpStream) -> Result<Answer, LinkError> {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = [0; 2048];
            let n = stream.read(&mut buffer).await.map_err(lost)?;
            bytes.extend_from_slice(&buffer[..n]);
            let malformed = |fault: String| LinkError::MalformedHttp {
                address: self.address.clone(),
                fault,
            };
            if let Some(answer) = Answer::parse(&bytes, n == 0).map_err(malformed)? {
                return Ok(answer);
            }
            if n == 0 {
                return Err(LinkError::Lost);
            }
            if bytes.len() > LONGEST {
                return Err(malformed("it does not end".into()));
            }
        }
    }
}

fn lost(_: io::Error) -> LinkError {
    LinkError::Lost
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    cookie: Option<String>,
    close: bool,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    /// `None`: more has to be read. `ended`: nothing more will come.
    fn parse(bytes: &[u8], ended: bool) -> Result<Option<Self>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let start = match head.parse(bytes).map_err(|e| e.to_string())? {
            httparse::Status::Complete(start) => start,
            httparse::Status::Partial => return Ok(None),
        };
        let status = head.code.ok_or("it has no status")?;
        let value = |name: &str| {
            let header = head
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        // Attributes of the cookie are for browsers.
        let cookie = value("set-cookie")
            .and_then(|c| c.split(';').next())
            .map(|c| c.trim().to_owned());
        let mut close = value("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
        let retry_after = value("retry-after").and_then(|s| s.trim().parse().ok());
        let rest = bytes.get(start..).unwrap_or_default();
        let body = match value("content-length") {
            Some(length) => {
                let length: usize = length
                    .trim()
                    .parse()
                    .map_err(|_| "its length is no number")?;
                match rest.get(..length) {
                    Some(body) => body.to_vec(),
                    None => return Ok(None),
                }
            }
            None if value("transfer-encoding").is_some() => return Err("it is chunked".into()),
            None if ended => {
                close = true;
                rest.to_vec()
            }
            None => return Ok(None),
        };
        Ok(Some(Self {
            status,
            cookie,
            close,
            retry_after,
            body,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_the_http_port() {
        for (given, used) in [
            ("192.168.4.1", "192.168.4.1:80"),
            ("192.168.4.1:8080", "192.168.4.1:8080"),
            ("device.local", "device.local:80"),
            ("fe80::1", "[fe80::1]:80"),
            ("[fe80::1]:8080", "[fe80::1]:8080"),
        ] {
            assert_eq!(Http::new(given).address, used);
        }
    }

    #[test]
    fn an_answer_of_esp_idf_is_read_however_it_arrives() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\
                      Set-Cookie: session=3735928559\r\n\r\n\x08\x02\x10\x01";
        for n in 0..bytes.len() {
            assert_eq!(Answer::parse(&bytes[..n], false), Ok(None), "{n} bytes");
        }
        let answer = Answer::parse(bytes, false).unwrap().unwrap();
        assert_eq!(answer.body, [8, 2, 16, 1]);
        assert_eq!(answer.cookie.as_deref(), Some("session=3735928559"));
        assert!(!answer.close);
    }

    #[test]
    fn answers_that_make_no_sense_are_told() {
        assert!(Answer::parse(b"SSH-2.0-OpenSSH_9.2\r\n", false).is_err());
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false).is_err());
        assert!(
            Answer::parse(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                false
            )
            .is_err()
        );
        let to_the_end = Answer::parse(b"HTTP/1.0 500 Oops\r\n\r\nbody", true)
            .unwrap()
            .unwrap();
        assert!(to_the_end.close && to_the_end.status == 500);
    }
}
