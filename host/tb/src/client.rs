//! Asking a ThingsBoard: one request, one answer, and the login that both need.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/src/main/java/org/thingsboard/server/config/ThingsboardSecurityConfiguration.java` (header, paths);
//! API keys are of v4.3 (d844f0bacc86eb1736762f5ae0807d0efd852397), same file: `API_KEY_HEADER_PREFIX`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use crate::{Address, Error, Login};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// A ThingsBoard, logged in to. It logs in anew by itself when its token has run out.
pub struct Client {
    agent: ureq::Agent,
    address: Address,
    login: Login,
    /// The JWT, which is worth as much as the login for some hours.
    token: Mutex<Zeroizing<String>>,
}

#[derive(Serialize)]
struct Credentials<'a> {
    username: &'a str,
    password: &'a str,
}

/// `JwtPair`.
#[derive(Deserialize)]
struct Tokens {
    #[serde(deserialize_with = "crate::secret::read")]
    token: Zeroizing<String>,
}

/// `ThingsboardErrorResponse`.
#[derive(Deserialize)]
struct Fault {
    message: Option<String>,
}

/// What is sent: its content type, and its bytes.
type Body<'a> = (&'a str, &'a [u8]);

const JSON: &str = "application/json";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

impl Client {
    /// Logs in. `ca` are the certificates, PEM, that the server's own may come from, where it is not
    /// one of the web's.
    ///
    /// # Errors
    ///
    /// [`Error`] says what is wrong with address, server or login.
    pub fn login(address: Address, login: Login, ca: Option<&[u8]>) -> Result<Self, Error> {
        let tls = match ca {
            Some(pem) => roots(pem).map_err(|reason| Error::Unreachable {
                server: address.clone(),
                reason,
            })?,
            None => RootCerts::WebPki,
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // A page that sends elsewhere is no ThingsBoard, and must not get the login.
            .max_redirects(0)
            .user_agent(concat!("esptb/", env!("CARGO_PKG_VERSION")))
            .tls_config(
                TlsConfig::builder()
                    .root_certs(tls)
                    .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
                    .build(),
            )
            .build()
            .new_agent();
        let client = Self {
            agent,
            address,
            login,
            token: Mutex::default(),
        };
        client.renew()?;
        Ok(client)
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Gets a token. An API key needs none.
    fn renew(&self) -> Result<(), Error> {
        let Login::Password { user, password } = &self.login else {
            return Ok(());
        };
        let body = serde_json::to_vec(&Credentials {
            username: user,
            password,
        });
        let body = Zeroizing::new(body.unwrap_or_default());
        let (status, text) =
            self.send(Method::Post, "/api/auth/login", Some((JSON, &body)), None)?;
        if status != 200 {
            return Err(self.refusal("POST /api/auth/login", status, &text));
        }
        let tokens: Tokens = self.read("POST /api/auth/login", &text)?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = tokens.token;
        Ok(())
    }

    pub(crate) fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Error> {
        let text = self.ask(Method::Get, path, None)?;
        self.read(&format!("GET {path}"), &text)
    }

    /// The same for what may not be there.
    pub(crate) fn find<A: DeserializeOwned>(&self, path: &str) -> Result<Option<A>, Error> {
        match self.get(path) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, Error> {
        let request = format!("POST {path}");
        let body = serde_json::to_vec(body).map_err(|error| self.strange(&request, &error))?;
        let text = self.ask(Method::Post, path, Some((JSON, &body)))?;
        // Some requests are answered by nothing.
        let text = if text.is_empty() { "null" } else { &text };
        self.read(&request, text)
    }

    /// The same for a form, of this content type.
    pub(crate) fn post_form<A: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<A, Error> {
        let text = self.ask(Method::Post, path, Some((content_type, body)))?;
        self.read(&format!("POST {path}"), &text)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        self.ask(Method::Delete, path, None).map(drop)
    }

    fn ask(&self, method: Method, path: &str, body: Option<Body<'_>>) -> Result<String, Error> {
        let request = format!("{} {path}", method.name());
        let (mut status, mut text) = self.authorized(method, path, body)?;
        // A token lives for some hours (`JWT_TOKEN_EXPIRATION_TIME`: 2.5).
        if status == 401 && matches!(self.login, Login::Password { .. }) {
            self.renew()?;
            (status, text) = self.authorized(method, path, body)?;
        }
        match status {
            200..=299 => Ok(text),
            _ => Err(self.refusal(&request, status, &text)),
        }
    }

    fn authorized(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
    ) -> Result<(u16, String), Error> {
        let value = Zeroizing::new(match &self.login {
            Login::ApiKey(key) => format!("ApiKey {}", key.as_str()),
            Login::Password { .. } => {
                let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
                format!("Bearer {}", token.as_str())
            }
        });
        self.send(method, path, body, Some(&value))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
        authorization: Option<&str>,
    ) -> Result<(u16, String), Error> {
        let url = self.address.join(path);
        let authorized = |name: &str| authorization.map(|value| (name.to_owned(), value));
        let sent = match method {
            Method::Post => {
                let (content_type, body) = body.unwrap_or((JSON, &[]));
                let mut request = self.agent.post(&url).content_type(content_type);
                if let Some((name, value)) = authorized("X-Authorization") {
                    request = request.header(name, value);
                }
                request.send(body)
            }
            Method::Get | Method::Delete => {
                let mut request = match method {
                    Method::Delete => self.agent.delete(&url),
                    _ => self.agent.get(&url),
                };
                if let Some((name, value)) = authorized("X-Authorization") {
                    request = request.header(name, value);
                }
                request.call()
            }
        };
        let unreachable = |error: ureq::Error| Error::Unreachable {
            server: self.address.clone(),
            reason: error.to_string(),
        };
        let mut answer = sent.map_err(unreachable)?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_string()
            .map_err(unreachable)?;
        Ok((answer.status().as_u16(), text))
    }

    fn read<A: DeserializeOwned>(&self, request: &str, text: &str) -> Result<A, Error> {
        serde_json::from_str(text).map_err(|error| self.strange(request, &error))
    }

    fn strange(&self, request: &str, reason: &impl ToString) -> Error {
        Error::Strange {
            server: self.address.clone(),
            request: request.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn refusal(&self, request: &str, status: u16, text: &str) -> Error {
        let fault = serde_json::from_str::<Fault>(text);
        let message = match fault.ok().and_then(|fault| fault.message) {
            Some(message) => message,
            // A call that no device answers has no body.
            None if status == 504 && text.is_empty() => "no answer in time".to_owned(),
            None => return self.strange(request, &format!("status {status}")),
        };
        let request = request.to_owned();
        match status {
            401 => Error::Login {
                server: self.address.clone(),
                message,
                remedy: self.login.remedy(),
            },
            403 => Error::Forbidden {
                request,
                message,
                user: self.login.user().to_owned(),
            },
            404 => Error::NotFound { request, message },
            429 => Error::TooMany { message },
            _ => Error::Refused {
                request,
                status,
                message,
            },
        }
    }
}

fn roots(pem: &[u8]) -> Result<RootCerts, String> {
    let certificates = pem::parse_many(pem).unwrap_or_default();
    let certificates: Vec<_> = certificates
        .iter()
        .filter(|one| one.tag() == "CERTIFICATE")
        .map(|one| Certificate::from_der(one.contents()).to_owned())
        .collect();
    match certificates.is_empty() {
        true => Err("the file of its CA has no certificate in it".to_owned()),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays_out_of_errors() {
        let login = Login::Password {
            user: "tenant@example.com".into(),
            password: Zeroizing::new("hunter2".into()),
        };
        // Nobody listens on port 1 of this computer.
        let address: Address = "http://127.0.0.1:1".parse().unwrap();
        let error = Client::login(address, login, None).err().expect("an error");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_without_certificates_is_no_ca() {
        let login = Login::ApiKey(Zeroizing::new("tb_x".into()));
        let address: Address = "https://127.0.0.1:1".parse().unwrap();
        let error = Client::login(address, login, Some(b"x"))
            .err()
            .expect("an error");
        assert!(
            error.to_string().contains("no certificate in it"),
            "{error}"
        );
    }
}
