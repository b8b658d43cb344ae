//! ThingsBoard's REST interface: as much of it as `esptb tb` and `esptb doctor` ask, answered as a
//! ThingsBoard 4.2.1 answers.
//!
//! What is not asked is not there. There is one user, whose login everybody may know: like the page, this
//! is for this computer.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/src/main/java/org/thingsboard/server/controller/`, and what a server of that version answered.

mod attributes;
mod chains;
mod claims;
mod dashboards;
mod devices;
mod documents;
mod packages;
mod profiles;
mod query;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Page;
use crate::hub::now_ms;
use crate::store::StoreError;

/// The user that ThingsBoard's demo data has.
const USER: &str = "tenant@thingsboard.org";
const PASSWORD: &str = "tenant";
/// And the user of the one customer.
const CUSTOMER_USER: &str = "customer@thingsboard.org";
const CUSTOMER_PASSWORD: &str = "customer";
/// As which version it answers.
const VERSION: &str = "4.2.1";

/// Kinds of things, with the last digit of their ids.
const DEVICE: (&str, i64) = ("DEVICE", 1);
const DEVICE_PROFILE: (&str, i64) = ("DEVICE_PROFILE", 2);
const DASHBOARD: (&str, i64) = ("DASHBOARD", 3);
const TENANT: (&str, i64) = ("TENANT", 4);
/// Of row 0, if nobody.
const CUSTOMER: (&str, i64) = ("CUSTOMER", 7);
const USER_KIND: (&str, i64) = ("USER", 5);
const RULE_CHAIN: (&str, i64) = ("RULE_CHAIN", 8);
const RULE_NODE: (&str, i64) = ("RULE_NODE", 9);

/// `ThingsboardErrorResponse`: status, and a message for whoever asked.
struct Fault(StatusCode, String);

/// `ThingsboardErrorCode` of a status.
fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::UNAUTHORIZED => 10,
        StatusCode::FORBIDDEN => 20,
        StatusCode::BAD_REQUEST => 31,
        StatusCode::NOT_FOUND => 32,
        _ => 2,
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        let body = json!({
            "status": status.as_u16(), "message": message, "errorCode": code(status), "timestamp": now_ms(),
        });
        (status, Json(body)).into_response()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<JsonRejection> for Fault {
    fn from(rejection: JsonRejection) -> Self {
        bad(rejection.body_text())
    }
}

fn bad(message: impl Into<String>) -> Fault {
    Fault(StatusCode::BAD_REQUEST, message.into())
}

fn not_found(name: &str, id: &str) -> Fault {
    Fault(
        StatusCode::NOT_FOUND,
        format!("{name} with id [{id}] is not found"),
    )
}

/// The same of an entity type, whose words are its name: "Device profile with id […] is not found".
fn missing((kind, _): (&str, i64), id: &str) -> Fault {
    let name = kind[..1].to_owned() + &kind[1..].to_lowercase().replace('_', " ");
    not_found(&name, id)
}

/// The routes, without which the page works as well.
pub(super) fn routes(page: &Page) -> Router<Page> {
    let asked = Router::new()
        .route("/api/auth/user", get(user))
        .route("/api/system/info", get(system))
        .route("/api/deviceProfiles", get(profiles::list))
        .route("/api/deviceProfile", post(profiles::save))
        .route(
            "/api/deviceProfile/{id}",
            get(profiles::one).delete(profiles::delete),
        )
        .route("/api/tenant/devices", get(devices::by_name))
        .route("/api/device", post(devices::create))
        .route(
            "/api/device/{id}",
            get(devices::one).delete(devices::delete),
        )
        .route("/api/device/{id}/credentials", get(devices::credentials))
        .route(
            "/api/plugins/telemetry/DEVICE/{id}/values/timeseries",
            get(devices::latest),
        )
        .route(
            "/api/plugins/telemetry/DEVICE/{id}/keys/timeseries",
            get(devices::series),
        )
        .route(
            "/api/plugins/telemetry/DEVICE/{id}/attributes/{scope}",
            post(attributes::save),
        )
        .route(
            "/api/plugins/telemetry/DEVICE/{id}/values/attributes/{scope}",
            get(attributes::values),
        )
        .route(
            "/api/plugins/telemetry/DEVICE/{id}/{scope}",
            axum::routing::delete(attributes::delete),
        )
        .route("/api/otaPackages", get(packages::list))
        .route("/api/otaPackage", post(packages::create))
        .route(
            "/api/otaPackage/{id}",
            post(packages::upload).delete(packages::delete),
        )
        .route("/api/rpc/twoway/{id}", post(devices::call))
        .route("/api/entitiesQuery/find", post(query::find))
        .route("/api/tenant/dashboards", get(dashboards::list))
        .route("/api/dashboard", post(dashboards::save))
        .route(
            "/api/dashboard/{id}",
            get(dashboards::one).delete(dashboards::delete),
        )
        .route("/api/ruleChains", get(chains::list))
        .route("/api/ruleChain", post(chains::save))
        .route("/api/ruleChain/metadata", post(chains::save_metadata))
        .route(
            "/api/ruleChain/{id}",
            get(chains::one).delete(chains::delete),
        )
        .route("/api/ruleChain/{id}/metadata", get(chains::metadata))
        .layer(middleware::from_fn_with_state(page.clone(), logged_in));
    let customers = Router::new()
        .route(
            "/api/customer/device/{name}/claim",
            post(claims::claim).delete(claims::give_back),
        )
        .layer(middleware::from_fn_with_state(page.clone(), is_customer));
    Router::new()
        .route("/api/auth/login", post(login))
        .merge(asked)
        .merge(customers)
}

/// Lets the customer's user through.
async fn is_customer(State(page): State<Page>, request: Request, next: Next) -> Response {
    let shown = request.headers().get("x-authorization");
    let shown = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let (status, message) = match shown {
        Some(token) if token == page.hub.customer_token => return next.run(request).await,
        Some(token) if token == page.hub.token => (
            StatusCode::FORBIDDEN,
            "You don't have permission to perform this operation!",
        ),
        Some(_) => (StatusCode::UNAUTHORIZED, "Invalid username or password"),
        None => (StatusCode::UNAUTHORIZED, "Authentication failed"),
    };
    Fault(status, message.to_owned()).into_response()
}

/// Lets those through who show the token; others are told what ThingsBoard tells them.
async fn logged_in(State(page): State<Page>, request: Request, next: Next) -> Response {
    let shown = request.headers().get("x-authorization");
    let shown = shown.and_then(|value| value.to_str().ok());
    let refused =
        |message: &str| Fault(StatusCode::UNAUTHORIZED, message.to_owned()).into_response();
    match shown {
        None => refused("Authentication failed"),
        Some(value) if value.strip_prefix("Bearer ") == Some(&page.hub.token) => {
            next.run(request).await
        }
        // 4.2.1 knows no `ApiKey `.
        Some(_) => refused("Invalid username or password"),
    }
}

#[derive(Deserialize)]
struct Login {
    username: Option<String>,
    password: Option<String>,
}

async fn login(
    State(page): State<Page>,
    login: Result<Json<Login>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(login) = login?;
    let (Some(user), Some(password)) = (login.username, login.password) else {
        return Err(Fault(
            StatusCode::UNAUTHORIZED,
            "Authentication failed".to_owned(),
        ));
    };
    let token = match (user.as_str(), password.as_str()) {
        (USER, PASSWORD) => &page.hub.token,
        (CUSTOMER_USER, CUSTOMER_PASSWORD) => &page.hub.customer_token,
        _ => {
            let message = "Invalid username or password".to_owned();
            return Err(Fault(StatusCode::UNAUTHORIZED, message));
        }
    };
    Ok(Json(json!({ "token": token, "refreshToken": token })))
}

async fn user() -> Json<Value> {
    Json(json!({
        "id": id(USER_KIND, 1), "tenantId": id(TENANT, 1), "email": USER, "name": USER, "authority": "TENANT_ADMIN",
    }))
}

async fn system() -> Json<Value> {
    Json(json!({ "version": VERSION, "artifact": "esptb", "name": "esptb serve", "type": "CE" }))
}

/// The id of a row: a UUID that is made of it.
fn id((kind, digit): (&str, i64), row: i64) -> Value {
    json!({ "entityType": kind, "id": uuid(digit, row) })
}

fn uuid(digit: i64, row: i64) -> String {
    format!("{row:08x}-0000-1000-8000-{digit:012x}")
}

/// The row of an id.
///
/// # Errors
/// Texts that are no UUID are refused, and UUIDs of other things not found.
fn row(kind: (&str, i64), text: &str) -> Result<i64, Fault> {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    let is_hex = text
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if groups != [8, 4, 4, 4, 12] || !is_hex {
        return Err(bad(format!("Invalid UUID string: {text}")));
    }
    let row = i64::from_str_radix(&text[..8], 16).ok();
    let known = row.filter(|row| uuid(kind.1, *row) == text.to_ascii_lowercase());
    known.ok_or_else(|| missing(kind, text))
}

/// Which part of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageLink {
    page_size: usize,
    page: usize,
}

impl PageLink {
    /// `PageData`: the part of all that was asked for.
    fn page<T>(&self, all: Vec<T>, shown: impl Fn(T) -> Value) -> Value {
        let (total, size) = (all.len(), self.page_size.max(1));
        let begin = self.page.saturating_mul(size);
        let data: Vec<_> = all.into_iter().skip(begin).take(size).map(shown).collect();
        json!({
            "hasNext": begin.saturating_add(data.len()) < total, "data": data,
            "totalPages": total.div_ceil(size), "totalElements": total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_thing() {
        let text = uuid(DEVICE.1, 0x2a);
        assert_eq!(text.len(), 36);
        assert_eq!(row(DEVICE, &text).ok(), Some(0x2a));
        let Err(Fault(status, message)) = row(DEVICE_PROFILE, &text) else {
            panic!("it is a device's");
        };
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(
            message,
            format!("Device profile with id [{text}] is not found")
        );
        for text in ["", "xx", "0000002a-0000-1000-8000-00000000000g", "ä"] {
            assert!(
                matches!(row(DEVICE, text), Err(Fault(StatusCode::BAD_REQUEST, _))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_list_ends() {
        let page = |page| PageLink { page_size: 2, page }.page(vec![1, 2, 3], Value::from);
        assert_eq!(page(0)["hasNext"], true);
        assert_eq!(
            (&page(1)["data"], &page(1)["hasNext"]),
            (&json!([3]), &json!(false))
        );
        assert_eq!(
            (&page(7)["data"], &page(7)["totalPages"]),
            (&json!([]), &json!(2))
        );
    }
}
