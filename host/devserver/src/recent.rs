//! What happened lately, for who comes late: a page opened now tells the same story as one that
//! was open all along. Measurements and calls are not of it; they have their own places.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

use crate::event::Event;

/// As many as the page shows.
const KEPT: usize = 60;

/// An event and its time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Past {
    at_ms: i64,
    #[serde(flatten, serialize_with = "pointed")]
    event: Arc<Event>,
}

fn pointed<S: Serializer>(event: &Arc<Event>, serializer: S) -> Result<S::Ok, S::Error> {
    event.serialize(serializer)
}

/// The last events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Past>>);

impl Recent {
    pub(crate) fn add(&self, at_ms: i64, event: &Arc<Event>) {
        if matches!(
            **event,
            Event::Telemetry { .. }
                | Event::ClientAttributes { .. }
                | Event::SharedAttributes { .. }
                | Event::RpcSent { .. }
                | Event::RpcAnswered { .. }
        ) {
            return;
        }
        let event = event.clone();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Past { at_ms, event });
    }

    pub(crate) fn all(&self) -> Vec<Past> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_of_what_is_told_in_words() {
        let recent = Recent::default();
        for n in 0..100 {
            let device = format!("SN-{n}");
            recent.add(n, &Arc::new(Event::Created { device }));
            recent.add(
                n,
                &Arc::new(Event::Telemetry {
                    device: "SN-1".into(),
                    records: Vec::new(),
                }),
            );
        }
        let all = recent.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!(
            serde_json::to_value(all.last()).unwrap(),
            serde_json::json!({ "at_ms": 99, "type": "created", "device": "SN-99" })
        );
    }
}
