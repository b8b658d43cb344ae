//! Provisioning over HTTP, in front of a device's mailbox.
//!
//! It behaves as ESP-IDF's does (v5.4.1, 4c2820d,
//! `components/protocomm/src/transports/protocomm_httpd.c`): every endpoint is the path of a
//! `POST`, at most 4096 bytes are taken, a session is known by its cookie `session=N` or, for
//! clients without cookies, by its connection; a request of neither begins a new session and ends
//! the one before. What is refused is answered with the status of
//! [`Refusal::http_status`](protocomm::refusal::Refusal::http_status).
//!
//! Who answers is not this module's business: see [`Endpoints`].

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use device::platform::Mailbox;
use protocomm::refusal::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The longest body that is taken, in bytes. ESP-IDF: `MAX_REQ_BODY_LEN`.
const LONGEST_BODY: usize = 4096;
/// The longest head, in bytes.
const LONGEST_HEAD: usize = 4096;

/// Whoever answers requests.
pub trait Endpoints {
    /// Answers a request to an endpoint, by its name. A `fresh` one begins a new session.
    /// `None`: there is no device to be provisioned now.
    fn request(
        &self,
        fresh: bool,
        endpoint: &str,
        body: Vec<u8>,
    ) -> impl Future<Output = Option<Result<Vec<u8>, Refusal>>>;
}

impl Endpoints for Rc<Mailbox> {
    async fn request(
        &self,
        fresh: bool,
        endpoint: &str,
        body: Vec<u8>,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        Mailbox::request(self, fresh, endpoint, body).await.ok()
    }
}

/// The session that counts.
#[derive(Default)]
struct Current {
    /// The number in its cookie; none yet.
    cookie: Cell<Option<u32>>,
    /// The connection that it began on, as long as its client has not shown the cookie.
    connection: Cell<Option<u64>>,
}

/// Serves until the listener fails.
///
/// # Errors
///
/// The listener's.
///
/// # Panics
///
/// Outside of a `LocalSet`.
pub async fn serve<E: Endpoints + 'static>(listener: TcpListener, endpoints: E) -> io::Result<()> {
    let shared = Rc::new((Current::default(), endpoints));
    for connection in 0.. {
        let (stream, _) = listener.accept().await?;
        let shared = shared.clone();
        tokio::task::spawn_local(async move {
            if let Err(e) = serve_connection(stream, connection, &shared.0, &shared.1).await {
                log::debug!("a provisioning client over HTTP has gone: {e}");
            }
        });
    }
    Ok(())
}

async fn serve_connection(
    mut stream: TcpStream,
    connection: u64,
    current: &Current,
    endpoints: &impl Endpoints,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            match Request::parse(&bytes) {
                Ok(Some((request, length))) => {
                    bytes.drain(..length);
                    break request;
                }
                Ok(None) => {}
                Err(status) => {
                    stream.write_all(&answer(status, &[], None, None)).await?;
                    return Ok(());
                }
            }
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer).await? {
                0 => {
                    // The number of a closed connection means nothing any more.
                    if current.connection.get() == Some(connection) {
                        current.connection.set(None);
                    }
                    return Ok(());
                }
                n => bytes.extend_from_slice(&buffer[..n]),
            }
        };
        let response = respond(request, connection, current, endpoints).await;
        stream.write_all(&response).await?;
    }
}

async fn respond(
    request: Request,
    connection: u64,
    current: &Current,
    endpoints: &impl Endpoints,
) -> Vec<u8> {
    if !request.post {
        return answer(405, &[], None, None);
    }
    let continued = match &request.cookie {
        Some(cookie) => current
            .cookie
            .get()
            .is_some_and(|n| *cookie == format!("session={n}")),
        None => current.connection.get() == Some(connection),
    };
    if continued && request.cookie.is_some() {
        // The client knows cookies: its connection does not matter any more.
        current.connection.set(None);
    }
    let cookie = (!continued).then(|| {
        let number = rand::random();
        current.cookie.set(Some(number));
        current.connection.set(Some(connection));
        number
    });
    match endpoints
        .request(!continued, &request.endpoint, request.body)
        .await
    {
        None => answer(503, &[], None, None),
        Some(Ok(body)) => answer(200, &body, cookie, None),
        Some(Err(refusal)) => answer(
            refusal.http_status(),
            &[],
            cookie,
            refusal.retry_after_secs(),
        ),
    }
}

fn answer(status: u16, body: &[u8], cookie: Option<u32>, retry_after: Option<u64>) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        400 => "Bad Request",
        _ => "Internal Server Error",
    };
    let mut head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n",
        body.len()
    );
    if let Some(number) = cookie {
        head += &format!("Set-Cookie: session={number}\r\n");
    }
    if let Some(seconds) = retry_after {
        head += &format!("Retry-After: {seconds}\r\n");
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    post: bool,
    endpoint: String,
    cookie: Option<String>,
    body: Vec<u8>,
}

impl Request {
    /// A request and its length in bytes; `None`: more has to be read.
    ///
    /// # Errors
    ///
    /// The HTTP status to answer with, and to close after.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, u16> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        let start = match head.parse(bytes).map_err(|_| 400_u16)? {
            httparse::Status::Complete(start) => start,
            httparse::Status::Partial if bytes.len() > LONGEST_HEAD => return Err(413),
            httparse::Status::Partial => return Ok(None),
        };
        let value = |name: &str| {
            let header = head
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok().map(str::trim)
        };
        let length: usize = match value("content-length") {
            Some(length) => length.parse().map_err(|_| 400_u16)?,
            None => 0,
        };
        if length > LONGEST_BODY {
            return Err(413);
        }
        let Some(body) = bytes.get(start..).and_then(|rest| rest.get(..length)) else {
            return Ok(None);
        };
        let path = head
            .path
            .unwrap_or_default()
            .split('?')
            .next()
            .unwrap_or_default();
        let request = Self {
            post: head.method == Some("POST"),
            endpoint: path.strip_prefix('/').unwrap_or(path).to_owned(),
            cookie: value("cookie").map(str::to_owned),
            body: body.to_vec(),
        };
        Ok(Some((request, start + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = b"POST /prov-session HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nCookie: session=7\r\n\r\nabc";

    #[test]
    fn a_request_is_read_however_it_arrives() {
        for n in 0..POST.len() {
            assert_eq!(Request::parse(&POST[..n]), Ok(None), "{n} bytes");
        }
        let (request, length) = Request::parse(&[POST, b"POST"].concat()).unwrap().unwrap();
        assert_eq!(length, POST.len());
        let expected = Request {
            post: true,
            endpoint: "prov-session".into(),
            cookie: Some("session=7".into()),
            body: b"abc".to_vec(),
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn what_is_too_long_or_no_http_is_refused() {
        assert_eq!(Request::parse(b"\x16\x03\x01\x02\x00\x01\x00"), Err(400));
        assert_eq!(
            Request::parse(b"POST / HTTP/1.1\r\nContent-Length: 4097\r\n\r\n"),
            Err(413)
        );
        assert_eq!(
            Request::parse(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
            Err(400)
        );
        let endless = [b"POST / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; LONGEST_HEAD]].concat();
        assert_eq!(Request::parse(&endless), Err(413));
    }

    struct Echo;

    impl Endpoints for Echo {
        async fn request(
            &self,
            fresh: bool,
            _: &str,
            body: Vec<u8>,
        ) -> Option<Result<Vec<u8>, Refusal>> {
            Some(Ok([&[u8::from(fresh)], body.as_slice()].concat()))
        }
    }

    async fn post(
        current: &Current,
        connection: u64,
        cookie: Option<String>,
    ) -> (bool, Option<String>) {
        let request = Request {
            post: true,
            endpoint: "x".into(),
            cookie,
            body: vec![],
        };
        let bytes = respond(request, connection, current, &Echo).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let set = text
            .lines()
            .find_map(|l| l.strip_prefix("Set-Cookie: "))
            .map(str::to_owned);
        (bytes.last() == Some(&1), set)
    }

    #[tokio::test]
    async fn sessions_are_known_by_cookie_or_by_connection() {
        let current = Current::default();
        let (fresh, cookie) = post(&current, 1, None).await;
        assert!(fresh && cookie.is_some());
        assert_eq!(
            post(&current, 1, None).await,
            (false, None),
            "the same connection"
        );
        assert_eq!(
            post(&current, 2, cookie.clone()).await,
            (false, None),
            "the cookie, elsewhere"
        );
        assert!(
            post(&current, 1, None).await.0,
            "cookies are known now, so connections do not count"
        );
        assert!(
            post(&current, 1, cookie).await.0,
            "that session was replaced"
        );
    }
}
