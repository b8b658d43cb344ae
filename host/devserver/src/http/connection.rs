//! One client of the page: hyper on a socket, with limits on how long it may take to ask.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a client may take for the head of a request, and again for its body.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest body taken, in bytes: attributes and calls are small.
const MOST_BODY: usize = 2 << 20;

/// Answers a client's requests until it goes; once told to stop, only the one under way.
pub(super) async fn serve<S>(stream: S, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        log::debug!("a connection to the page: {error}");
    }
}

/// A request with all of its body, so that no handler waits for the rest of one.
pub(super) async fn whole(request: Request) -> Result<Request, (StatusCode, &'static str)> {
    let (head, body) = request.into_parts();
    match timeout(PATIENCE, to_bytes(body, MOST_BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
        Ok(Err(_)) => Err((
            StatusCode::BAD_REQUEST,
            "The body of the request broke off or is too large.\n",
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "The body of the request did not come in time.\n",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What a client is told that sends this and then nothing more; time is virtual.
    async fn told(sent: &str) -> String {
        let router = Router::new()
            .route("/", get(async || "here").post(async |body: String| body))
            .layer(axum::middleware::from_fn(
                async |request, next: axum::middleware::Next| {
                    Ok::<_, (StatusCode, &str)>(next.run(whole(request).await?).await)
                },
            ));
        let (_never, stop) = watch::channel(false);
        let (mut client, server) = duplex(4096);
        let serving = tokio::spawn(serve(server, router, stop));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_only_so_long_to_ask() {
        let started = tokio::time::Instant::now();
        assert_eq!(told("GET / HT").await, "");
        let answer = told("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let answer = told("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.ends_with("here"), "{answer}");
        assert!(started.elapsed() <= PATIENCE * 4);
    }
}
