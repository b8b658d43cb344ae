//! Whether the device got online, where it has an endpoint that tells so: see [`protocomm::online`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use embassy_time::{Instant, Timer};
use protocomm::online::{ENDPOINT, Reply, Request, Stage};

use crate::Provisioner;
use crate::error::Error;
use crate::progress::Progress;

/// How often the device is asked.
const POLL: embassy_time::Duration = embassy_time::Duration::from_millis(500);

/// What a device says of its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnTheWay {
    /// How far it is.
    pub stage: Stage,
    /// What failed last, in its words, with what to do about it; empty if nothing did.
    pub failure: String,
    /// Its name on the server, once it is online.
    pub name: String,
    /// Where it is online.
    pub broker: String,
}

/// What became of waiting for the device to get online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is online.
    Online {
        /// Its name on the server.
        name: String,
        /// Where.
        broker: String,
    },
    /// It was not when the time was over or the link ended; it goes on trying.
    NotOnline {
        /// What failed last, in the device's words; empty if nothing did.
        failure: String,
    },
    /// It has no memory for both, and closed the link to go online: nobody can tell here.
    Closes,
    /// It has no such endpoint, as ESP-IDF's devices.
    NeverTells,
}

impl Provisioner {
    /// Whether the device of this session tells how it gets online.
    #[must_use]
    pub fn tells_online(&self) -> bool {
        self.tells_online
    }

    /// Tells the device the time, and asks how it is doing on its way to the broker; none where it never
    /// tells. Whoever asks, be it before the network is chosen, has the device keep the link until it is
    /// online, if it has the memory.
    ///
    /// # Errors
    ///
    /// [`Error::NoSession`], [`Error::Session`], [`Error::Link`].
    pub async fn ask_online(&mut self) -> Result<Option<OnTheWay>, Error> {
        if !self.tells_online {
            return Ok(None);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let unix_ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        let mut message = [0; 16];
        let length = Request { unix_ms }
            .encode(&mut message)
            .map_err(|_| Error::Unexpected)?;
        let request = message.get(..length).unwrap_or_default();
        let reply = self.custom(ENDPOINT, request).await?;
        let reply = Reply::decode(&reply).map_err(|_| Error::Unexpected)?;
        Ok(Some(OnTheWay {
            stage: reply.stage,
            failure: reply.failure.to_owned(),
            name: reply.name.to_owned(),
            broker: reply.broker.to_owned(),
        }))
    }

    /// Asks until the device is online, or for that long. To be called once it has joined, and best after
    /// [`ask_online`](Self::ask_online) before.
    ///
    /// # Errors
    ///
    /// [`Error::Unexpected`] where what the device says makes no sense. That the link ends is none.
    pub async fn wait_online(&mut self, patience: Duration) -> Result<Verdict, Error> {
        let give_up =
            Instant::now() + embassy_time::Duration::from_millis(patience.as_millis() as u64);
        let mut told = (Stage::Waiting, String::new());
        while Instant::now() < give_up {
            let news = match self.ask_online().await {
                Ok(Some(news)) => news,
                Ok(None) => return Ok(Verdict::NeverTells),
                // The device, or somebody between, has ended it.
                Err(Error::Link(_) | Error::Session(_) | Error::NoSession) => break,
                Err(error) => return Err(error),
            };
            let OnTheWay { stage, failure, .. } = &news;
            if told != (*stage, failure.clone()) {
                if told.0 != *stage {
                    self.tell(&Progress::OnTheWay(*stage));
                }
                if told.1 != *failure && !failure.is_empty() {
                    self.tell(&Progress::Failing(failure.clone()));
                }
                told = (*stage, failure.clone());
            }
            match stage {
                Stage::Online => {
                    let OnTheWay { name, broker, .. } = news;
                    return Ok(Verdict::Online { name, broker });
                }
                Stage::Closing => return Ok(Verdict::Closes),
                _ => Timer::after(POLL).await,
            }
        }
        Ok(Verdict::NotOnline { failure: told.1 })
    }
}
