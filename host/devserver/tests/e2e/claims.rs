//! Claims by ThingsBoard's REST interface, against what ThingsBoard 4.2.1 answered.

use devserver::{Config, Event, Server};
use serde_json::{Value, json};

use crate::bench::event;
use crate::client::Client;

/// A user who is logged in.
struct User {
    url: String,
    token: String,
    agent: ureq::Agent,
}

impl User {
    fn of(server: &Server, name: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let mut user = Self {
            url: server.http_url().trim_end_matches('/').to_owned(),
            token: String::new(),
            agent: config.build().into(),
        };
        let login = json!({ "username": format!("{name}@thingsboard.org"), "password": name });
        let (status, answer) = user.post("/api/auth/login", &login);
        assert_eq!(status, 200, "{answer}");
        user.token = format!("Bearer {}", answer["token"].as_str().unwrap());
        user
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        let request = request.header("x-authorization", &self.token);
        read(request.send(body.to_string().as_bytes()).unwrap())
    }

    fn claim(&self, device: &str, secret: &str) -> (u16, Value) {
        let path = format!("/api/customer/device/{device}/claim");
        self.post(&path, &json!({ "secretKey": secret }))
    }

    fn give_back(&self, device: &str) -> u16 {
        let path = format!("{}/api/customer/device/{device}/claim", self.url);
        let request = self.agent.delete(path);
        let request = request.header("x-authorization", &self.token);
        read(request.call().unwrap()).0
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let text = answer.body_mut().read_to_string().unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::Null);
    (answer.status().as_u16(), value)
}

#[tokio::test]
async fn claims_are_answered_as_thingsboard_answers() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut events = server.events();
    let mut client = Client::connect(server.mqtt_addr(), &token).await;
    let customer = User::of(&server, "customer");
    let failure = (400, json!("FAILURE"));
    let claimed = (400, json!("CLAIMED"));
    // Before the device allowed it; a device that is not there; somebody who may not.
    assert_eq!(customer.claim("bench", "value"), failure);
    let (status, missing) = customer.claim("NOSUCH", "value");
    assert_eq!(
        (status, &missing["message"]),
        (404, &json!("Requested item wasn't found!"))
    );
    assert_eq!(User::of(&server, "tenant").claim("bench", "value").0, 403);

    let mut allow = async |json: &str| {
        client.publish("v1/devices/me/claim", json).await;
        event(&mut events, |e| matches!(e, Event::Claimable { .. })).await;
    };
    let value = r#"{"secretKey":"value","durationMs":60000}"#;
    // A wrong secret ends it.
    allow(value).await;
    assert_eq!(customer.claim("bench", "wrong"), failure);
    assert_eq!(customer.claim("bench", "value"), failure);
    // What was allowed first counts, until somebody tried.
    allow(value).await;
    allow(r#"{"secretKey":"another","durationMs":60000}"#).await;
    let (status, won) = customer.claim("bench", "value");
    assert_eq!(
        (status, &won["response"]),
        (200, &json!("SUCCESS")),
        "{won}"
    );
    assert_eq!(won["device"]["name"], "bench");
    assert_eq!(customer.claim("bench", "value"), claimed);
    allow(r#"{"secretKey":"value2","durationMs":60000}"#).await;
    assert_eq!(customer.claim("bench", "value2"), claimed);
    assert_eq!(customer.give_back("bench"), 200);
    // Its time is over.
    allow(r#"{"secretKey":"v","durationMs":1}"#).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(customer.claim("bench", "v"), failure);
    // Without a secret.
    allow("").await;
    assert_eq!(customer.claim("bench", "").0, 200);
    server.stop().await;
}
