//! Server-sent events: what happens, as it happens, without drowning a browser.
//!
//! Telemetry and attributes are sent for the one device that the page shows; of all devices
//! it hears who comes and goes, and once a second who was heard.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event as SseEvent, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Page;
use crate::event::{Event, Events};
use crate::hub::{Hub, now_ms};
use crate::recent::Past;

/// How many devices are named in each summary.
const HEARD: usize = 500;

#[derive(Deserialize)]
pub(super) struct Watch {
    device: Option<String>,
}

struct Feed {
    hub: Arc<Hub>,
    events: Events,
    ticks: Interval,
    stop: watch::Receiver<bool>,
    device: Option<String>,
    messages: u64,
    told_ms: i64,
    /// What happened before, to be told first.
    past: Option<Vec<Past>>,
}

pub(super) async fn events(
    State(page): State<Page>,
    Query(watch): Query<Watch>,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed {
        events: page.hub.events(),
        ticks,
        stop: page.stop,
        device: watch.device,
        messages: page.hub.messages.load(Ordering::Relaxed),
        told_ms: now_ms(),
        past: Some(page.hub.recent.all()),
        hub: page.hub,
    };
    let stream = unfold(feed, async |mut feed| Some((Ok(feed.next().await?), feed)));
    Sse::new(stream).keep_alive(KeepAlive::default())
}

impl Feed {
    async fn next(&mut self) -> Option<SseEvent> {
        if let Some(past) = self.past.take() {
            let past = json!({ "type": "past", "events": past });
            return SseEvent::default().json_data(past).ok();
        }
        loop {
            let event = tokio::select! {
                event = self.events.next() => event?,
                _ = self.ticks.tick() => return SseEvent::default().json_data(self.summary()).ok(),
                _ = self.stop.changed() => return None,
            };
            if self.concerns(&event)
                && let Ok(event) = SseEvent::default().json_data(&*event)
            {
                return Some(event);
            }
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::Telemetry { device, .. }
            | Event::ClientAttributes { device, .. }
            | Event::SharedAttributes { device, .. }
            | Event::Subscribed { device, .. }
            | Event::RpcSent { device, .. }
            | Event::RpcAnswered { device, .. }
            | Event::RpcReceived { device, .. } => self.device.as_ref() == Some(device),
            _ => true,
        }
    }

    fn summary(&mut self) -> serde_json::Value {
        let messages = self.hub.messages.load(Ordering::Relaxed);
        let now = now_ms();
        let heard: serde_json::Map<_, _> = self
            .hub
            .heard_since(self.told_ms, HEARD)
            .into_iter()
            .map(|(name, at)| (name, at.into()))
            .collect();
        let summary = json!({
            "type": "summary",
            "now_ms": now,
            "online": self.hub.online(),
            "messages": messages - self.messages,
            "heard": heard,
        });
        self.messages = messages;
        self.told_ms = now;
        summary
    }
}
