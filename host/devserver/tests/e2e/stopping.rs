//! Stopping: whatever hangs.

use std::time::Duration;

use devserver::{Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Client;

/// A client of the page that sends this and then nothing, and reads nothing either.
async fn half(server: &Server, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.http_addr()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn nobody_keeps_the_server_from_stopping() {
    let server = Server::start(Config::default()).await.unwrap();
    let token = server.create_device("bench", None).await.unwrap().unwrap();
    let mut device = Client::connect(server.mqtt_addr(), &token).await;
    device.subscribe("v1/devices/me/rpc/request/+").await;
    let api = "HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let call = r#"{"method":"getStatus","timeout_ms":300000}"#;
    let _half_a_head = half(&server, "GET / HT").await;
    let _half_a_body = half(
        &server,
        &format!("POST /api/devices {api}content-length: 99\r\n\r\n{{"),
    )
    .await;
    let _half_a_packet = TcpStream::connect(server.mqtt_addr()).await.unwrap();
    let mut calling = half(
        &server,
        &format!(
            "POST /api/devices/bench/rpc {api}content-length: {}\r\n\r\n{call}",
            call.len()
        ),
    )
    .await;
    let mut watching = half(&server, &format!("GET /api/events {api}\r\n")).await;
    watching.read_exact(&mut [0; 100]).await.unwrap();
    device.message().await;
    // The page stops reading, and what is sent to it piles up.
    for round in 0..400 {
        let name = format!("{round:0200}").repeat(200);
        device.publish(&format!("v1/{name}"), "{}").await;
    }
    timeout(Duration::from_secs(5), server.stop())
        .await
        .expect("it stops");
    let mut answer = String::new();
    calling.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}
