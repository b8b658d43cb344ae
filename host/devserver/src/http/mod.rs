//! The page and the JSON API beneath it, and beside it ThingsBoard's own.
//!
//! There is no login. What protects it: by default it is served on the loopback address only;
//! a `Host` that is neither an address nor a known name is refused, so that no web site can
//! point its own name here; a request that changes something is taken only from the page
//! itself; and the page may load nothing but its own files.

mod api;
mod connection;
mod live;
mod overview;
mod rest;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use tokio::sync::watch;

use crate::accept;
use crate::hub::Hub;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page: path, content type, content.
const FILES: [(&str, &str, &str); 9] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../page/index.html"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../page/style.css"),
    ),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../page/icon.svg"),
    ),
    ("/app.js", SCRIPT, include_str!("../page/app.js")),
    ("/activity.js", SCRIPT, include_str!("../page/activity.js")),
    ("/calls.js", SCRIPT, include_str!("../page/calls.js")),
    ("/chart.js", SCRIPT, include_str!("../page/chart.js")),
    ("/overview.js", SCRIPT, include_str!("../page/overview.js")),
    ("/tools.js", SCRIPT, include_str!("../page/tools.js")),
];

/// What the handlers share.
#[derive(Clone)]
struct Page {
    hub: Arc<Hub>,
    stop: watch::Receiver<bool>,
    names: Arc<[String]>,
    about: Arc<api::About>,
}

/// Serves until told to stop.
pub(crate) async fn serve(
    listener: impl Listener,
    hub: Arc<Hub>,
    names: Vec<String>,
    mqtt_url: String,
    stop: watch::Receiver<bool>,
) {
    let profile = !hub.profiles().is_empty();
    let about = Arc::new(api::About {
        mqtt: mqtt_url,
        profile,
        version: env!("CARGO_PKG_VERSION"),
    });
    let page = Page {
        hub,
        stop: stop.clone(),
        names: names.into(),
        about,
    };
    let mut router = Router::new();
    for (path, kind, content) in FILES {
        router = router.route(path, get(move || file(kind, content)));
    }
    let router = router
        .route("/api/about", get(api::about))
        .route("/api/events", get(live::events))
        .route("/api/overview", get(overview::overview))
        .route("/api/devices", get(api::devices).post(api::create))
        .route("/api/devices/{name}", get(api::device).delete(api::delete))
        .route("/api/devices/{name}/series", get(api::series))
        .route("/api/devices/{name}/shared", axum::routing::put(api::share))
        .route("/api/devices/{name}/rpc", post(api::rpc))
        .merge(rest::routes(&page))
        .route(
            "/api/devices/{name}/firmware",
            axum::routing::put(api::assign_firmware).delete(api::take_firmware_away),
        )
        .layer(middleware::from_fn_with_state(page.clone(), guard))
        .with_state(page);
    let stopping = stop.clone();
    accept::serve(listener, stopping, |stream, _| {
        connection::serve(stream, router.clone(), stop.clone())
    })
    .await;
}

async fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        content,
    )
}

async fn guard(State(page): State<Page>, request: Request, next: Next) -> Response {
    if let Err(reason) = check(request.method(), request.headers(), &page.names) {
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let mut response = match connection::whole(request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => return refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a request may be answered: the right host, and nothing changed from another site.
fn check(method: &Method, headers: &HeaderMap, names: &[String]) -> Result<(), &'static str> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    let host = text(header::HOST).unwrap_or_default();
    if !host_is_known(host, names) {
        return Err(
            "This page is not served under that host name. Open it by IP address or as localhost, \
                    or name the host in the server's configuration.\n",
        );
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if text(header::ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Err("Changes are taken from this server's own page only.\n");
    }
    // A web site can send a form across sites, but by POST, and not with this type.
    let json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    // Nor may it send this header without asking first, which nobody answers.
    let with_token = headers.contains_key("x-authorization");
    if json || with_token || matches!(*method, Method::DELETE | Method::PUT) {
        Ok(())
    } else {
        Err("Send the request with Content-Type: application/json.\n")
    }
}

fn host_is_known(host: &str, names: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name == "localhost"
        || name.ends_with(".localhost")
        || literal.parse::<IpAddr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, headers: &[(header::HeaderName, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        check(&method, &headers.collect(), &["bench.lan".to_owned()]).is_ok()
    }

    #[test]
    fn only_known_hosts_are_served() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:80",
            "[::1]:80",
            "192.168.1.5",
            "Bench.lan:1",
        ] {
            assert!(ask(Method::GET, &[(header::HOST, host)]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
        ] {
            assert!(!ask(Method::GET, &[(header::HOST, host)]), "{host}");
        }
        assert!(!ask(Method::GET, &[]));
    }

    #[test]
    fn changes_are_taken_from_the_page_alone() {
        let host = (header::HOST, "127.0.0.1:8080");
        let json = (header::CONTENT_TYPE, "application/json");
        let own = (header::ORIGIN, "http://127.0.0.1:8080");
        assert!(ask(Method::POST, &[host.clone(), json.clone(), own]));
        assert!(
            ask(Method::POST, &[host.clone(), json.clone()]),
            "a script without an origin"
        );
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:9",
            "https://127.0.0.1:8080",
        ] {
            let foreign = (header::ORIGIN, origin);
            assert!(
                !ask(Method::POST, &[host.clone(), json.clone(), foreign.clone()]),
                "{origin}"
            );
            for method in [Method::DELETE, Method::PUT] {
                assert!(!ask(method, &[host.clone(), foreign.clone()]), "{origin}");
            }
        }
        let token = (
            header::HeaderName::from_static("x-authorization"),
            "Bearer x",
        );
        let upload = (header::CONTENT_TYPE, "multipart/form-data; boundary=b");
        assert!(ask(Method::POST, &[host.clone(), upload.clone(), token]));
        assert!(!ask(Method::POST, &[host.clone(), upload]));
        let form = (header::CONTENT_TYPE, "text/plain");
        assert!(!ask(Method::POST, &[host.clone(), form]));
        let curl = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert!(!ask(Method::POST, &[host.clone(), curl.clone()]));
        assert!(ask(Method::PUT, &[host, curl]), "no site sends it unasked");
    }
}
