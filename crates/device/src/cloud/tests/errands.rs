//! Calls and attributes of a product that does one thing at a time, and the connection meanwhile.

use embassy_futures::join::join;
use embassy_futures::select::select;
use product::{Attributes, Card, Members, Product};
use thingsboard::json::{Json, Writer};

use super::*;
use crate::errands::{Errand, Errands, Outcome as Done};
use crate::testing::Lamp;

const SHARED: &str = "v1/devices/me/attributes";

/// Runs a connection beside a lamp that takes a second for whatever it does.
fn connection_with_lamp(script: impl AsyncFnOnce(Broker)) -> Fake {
    let device = Fake::with_samples(0);
    device.product.set(Card::of::<Lamp>());
    let (here, there) = pipe(65_536);
    let mut pace = Pace::new(0);
    let talk = join(
        speak(&device, "SN-0001", 30, here, &mut pace),
        script(Broker::new(there)),
    );
    run(select(talk, serve_errands(&device.errands)));
    device
}

async fn serve_errands(errands: &Errands) -> Infallible {
    let mut lamp = Lamp::default();
    let attributes = Lamp::attributes();
    loop {
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer);
        Members::object(&mut writer, |members| attributes.tell(&lamp, members));
        errands.tell(core::str::from_utf8(writer.finish().unwrap()).unwrap());
        let errand = errands.next().await;
        Timer::after_secs(1).await;
        match errand {
            Errand::Call {
                mut answer,
                method,
                params,
                connection,
            } => {
                assert_eq!(connection, errands.connection());
                let params = params.as_deref();
                let params = params.map(|text| Json::parse(text.as_bytes()).unwrap());
                let reply = product::answer(&mut lamp, method, params, &mut answer.payload).await;
                (answer.ok, answer.length) = (reply.ok, reply.length);
                errands.done(Done::Answered(answer));
            }
            Errand::Shared { json, .. } => {
                let json = Json::parse(json.as_bytes()).unwrap();
                for (key, value) in json.as_object().unwrap().members() {
                    let key = key.as_plain().unwrap();
                    if let Some((key, done)) = attributes.set(&mut lamp, key, value).await {
                        let refused = done.err();
                        errands.done(Done::Set { key, refused });
                    }
                }
            }
        }
    }
}

#[test]
fn a_call_of_the_product_is_answered_when_it_is_done_and_its_attributes_follow() {
    let device = connection_with_lamp(async |mut broker| {
        broker.welcome().await;
        let told = broker.published().await.unwrap();
        assert_eq!(
            (told.topic.as_str(), told.payload.as_str()),
            (SHARED, r#"{"lit":false,"hours":0}"#)
        );
        broker.acknowledge(&told, SUCCESS).await;
        let begin = Instant::now();
        let answer = broker.call(7, r#"{"method":"light","params":true}"#).await;
        assert_eq!(answer.topic, "v1/devices/me/rpc/response/7");
        assert_eq!(answer.payload, r#"{"ok":true}"#);
        assert!(begin.elapsed() >= Duration::from_secs(1));
        broker.acknowledge(&answer, SUCCESS).await;
        let told = broker.published().await.unwrap();
        assert_eq!(
            told.payload, r#"{"lit":true}"#,
            "what is as it was is not told again"
        );
    });
    assert_eq!(device.answered(), [("light".into(), true)]);
}

#[test]
fn wrong_params_and_unknown_methods_are_explained() {
    connection_with_lamp(async |mut broker| {
        broker.welcome().await;
        let told = broker.published().await.unwrap();
        broker.acknowledge(&told, SUCCESS).await;
        for (call, reply) in [
            (
                r#"{"method":"light","params":1}"#,
                r#"{"ok":false,"error":"params: write true or false"}"#,
            ),
            (r#"{"method":"isLit","params":{}}"#, "false"),
            (
                r#"{"method":"fly"}"#,
                r#"{"ok":false,"error":"unknown method: light, isLit, getStatus, setInterval, reboot and factoryReset are known"}"#,
            ),
        ] {
            let answer = broker.call(1, call).await;
            assert_eq!(answer.payload, reply);
            broker.acknowledge(&answer, SUCCESS).await;
        }
    });
}

#[test]
fn a_shared_attribute_is_asked_for_obeyed_and_told_back_or_refused_with_its_reason() {
    connection_with_lamp(async |mut broker| {
        broker.welcome().await;
        let told = broker.published().await.unwrap();
        broker.acknowledge(&told, SUCCESS).await;
        broker.tell(SHARED, r#"{"lit":true}"#).await;
        let told = broker.published().await.unwrap();
        assert_eq!(told.payload, r#"{"lit":true}"#);
        broker.acknowledge(&told, SUCCESS).await;
        broker.tell(SHARED, r#"{"lit":7,"other":1}"#).await;
        let told = broker.published().await.unwrap();
        assert_eq!(told.payload, r#"{"refused":"lit: write true or false"}"#);
        broker.acknowledge(&told, SUCCESS).await;
        let answer = r#"{"shared":{"lit":false}}"#;
        broker
            .tell("v1/devices/me/attributes/response/1", answer)
            .await;
        let mut payloads = Vec::new();
        for _ in 0..2 {
            let told = broker.published().await.unwrap();
            broker.acknowledge(&told, SUCCESS).await;
            payloads.push(told.payload);
        }
        payloads.sort();
        assert_eq!(payloads, [r#"{"lit":false}"#, r#"{"refused":""}"#]);
    });
}

#[test]
fn more_calls_than_wait_are_told_to_come_again_and_none_is_lost() {
    connection_with_lamp(async |mut broker| {
        broker.welcome().await;
        let told = broker.published().await.unwrap();
        broker.acknowledge(&told, SUCCESS).await;
        for number in 1..=7 {
            let topic = format!("v1/devices/me/rpc/request/{number}");
            broker.tell(&topic, r#"{"method":"isLit"}"#).await;
        }
        let (mut done, mut busy) = (0, 0);
        for _ in 1..=7 {
            let answer = broker.published().await.unwrap();
            broker.acknowledge(&answer, SUCCESS).await;
            match answer.payload.as_str() {
                "false" => done += 1,
                _ => {
                    assert!(answer.payload.contains("call again"), "{}", answer.payload);
                    busy += 1;
                }
            }
        }
        assert_eq!(done + busy, 7);
        assert!(done >= 4, "{done}");
    });
}
