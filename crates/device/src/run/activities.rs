//! The activities: provisioning, joining, setting the clock, connecting and serving.
//!
//! Each ends by telling what happened; the lifecycle decides what follows.

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};

use super::provision::Counter;
use super::{joining, timekeeping};
use crate::cloud::{CloudSession, Command};
use crate::context::Context;
use crate::credentials::{Bundle, CredentialsError, Fault, File};
use crate::event::{Event, RestartReason};
use crate::files;
use crate::lifecycle::{self, Action, STEADY, State};
use crate::platform::{Platform, System, Wifi};
use crate::tls;

/// What the activities of one life own between them.
pub(super) struct Activities<'a, 'b, P: Platform> {
    context: &'a Context<'b, P>,
    counter: &'a Counter,
    bundle: Result<Bundle, CredentialsError>,
    cloud: CloudSession,
    tls: tls::Library<'a>,
    /// Whether the dates of the credentials were found good since boot.
    proven: bool,
    short_joins: ShortJoins,
}

impl<'a, 'b, P: Platform> Activities<'a, 'b, P> {
    /// Reads and proves the credentials, and tells if they cannot be used: the device can be
    /// provisioned all the same.
    #[inline(never)] // its temporaries would be of the whole life's frame
    pub(super) fn new(
        context: &'a Context<'b, P>,
        counter: &'a Counter,
        tls: tls::Library<'a>,
    ) -> Self {
        let bundle = read_bundle(context);
        match &bundle {
            Ok(bundle) => tell_unused_anchors(context, bundle),
            Err(error) => context.tell(&Event::CredentialsRefused(*error)),
        }
        Self {
            context,
            counter,
            bundle,
            cloud: CloudSession::new(context.product.schema),
            tls,
            proven: false,
            short_joins: ShortJoins::default(),
        }
    }

    /// Performs one action, which is not one of those that end a life.
    pub(super) async fn perform(&mut self, action: Action) {
        match action {
            Action::Provision { window } => {
                self.counter.open(window);
                // Whoever attends to it tells what comes of it.
                core::future::pending().await
            }
            Action::Join { after } => {
                Timer::after(after.max(self.short_joins.pause(self.context))).await;
                if let Some(joined) = joining::join(self.context).await {
                    self.short_joins.last = Some(joined);
                }
            }
            Action::SetClock { after, floor } => {
                while_joined(self.context, async {
                    Timer::after(after).await;
                    timekeeping::set_clock(self.context, floor).await;
                })
                .await;
            }
            Action::Connect { after } => {
                let context = self.context;
                while_joined(context, async {
                    Timer::after(after).await;
                    while self.connect().await {}
                })
                .await;
                // Also if the network was lost while the connection was closed.
                match self.cloud.take_command() {
                    Some(Command::Restart) => context.tell(&Event::Restarting {
                        why: RestartReason::Rpc,
                    }),
                    Some(Command::Update) => context.tell(&Event::Restarting {
                        why: RestartReason::Update,
                    }),
                    Some(Command::FactoryReset) => context.tell(&Event::FactoryReset),
                    Some(Command::Reconnect) | None => {}
                }
            }
            Action::EraseAndRestart | Action::Restart(_) => {}
        }
    }

    /// Connects to the broker and serves until the connection ends. Whether another one is to be made at
    /// once.
    async fn connect(&mut self) -> bool {
        let context = self.context;
        let changed = context.renewals.is_changed();
        // Somebody may have flashed others, and a flash may read better another time.
        if changed || self.bundle.is_err() {
            self.bundle = read_bundle(context);
            // What was agreed with another certificate, or with who was trusted by another, is over.
            self.cloud.forget_session();
            if let Ok(bundle) = self.bundle.as_ref()
                && !changed
            {
                tell_unused_anchors(context, bundle);
            }
        }
        let credentials = self.bundle.as_ref().map_err(|error| *error);
        let credentials = match credentials.and_then(|bundle| {
            context.clock.raise(bundle.valid_from_unix_s());
            bundle.at(context.clock.moment())
        }) {
            Ok(credentials) => credentials,
            Err(error) => {
                if context.renewals.is_unusable(&error) {
                    return true;
                }
                if error.doubts_clock() {
                    context.clock.doubt();
                }
                context.tell(&Event::CredentialsRefused(error));
                return false;
            }
        };
        if !core::mem::replace(&mut self.proven, true) {
            let bundle = credentials.bundle();
            context.tell(&Event::CredentialsProven {
                common_name: bundle.common_name().clone(),
                expires_unix_s: bundle.expires_unix_s(),
            });
        }
        let error = match self.cloud.run(context, credentials, self.tls).await {
            Err(error) => error,
            Ok(()) => return self.cloud.is_to_reconnect(),
        };
        let retry_ms = if error.doubts_clock() {
            context.clock.doubt();
            State::doubt_ms(context.random())
        } else if context.state().resumes_at_once(error, Instant::now()) {
            0
        } else {
            context.retry_ms()
        };
        let renewal = context.renewals.ended(&error);
        context.tell(&Event::ConnectionFailed { error, retry_ms });
        if let Some(event) = renewal {
            context.tell(&event);
        }
        false
    }
}

/// Reads and proves the credentials: those of a renewal, or else those of the files.
fn read_bundle<P: Platform>(context: &Context<'_, P>) -> Result<Bundle, CredentialsError> {
    loop {
        let materials = context.renewals.materials();
        let read = materials.renewed().and_then(|renewed| {
            let chip = context.system.sealer();
            files::bundle(context.storage, renewed, chip, &mut context.entropy())
        });
        match read {
            // Each time around there is one less to be had.
            Err(error)
                if error.file == File::Renewed
                    && error.fault != Fault::OutOfMemory
                    && materials.has_identity() =>
            {
                if let Some(event) = context.renewals.without_identity(error) {
                    context.tell(&event);
                }
            }
            read => return read,
        }
    }
}

/// The network's joins that did not last, one after the other: an access point that lets in and
/// throws out again is not to be hammered.
#[derive(Default)]
struct ShortJoins {
    last: Option<Instant>,
    short: u32,
}

impl ShortJoins {
    /// How long to pause before the next.
    fn pause<P: Platform>(&mut self, context: &Context<'_, P>) -> Duration {
        match self.last.take() {
            Some(last) if last.elapsed() < STEADY => self.short = self.short.saturating_add(1),
            Some(_) => self.short = 0,
            None => {}
        }
        match self.short {
            0 => Duration::from_ticks(0),
            short => Duration::from_millis(lifecycle::pause_ms(short, context.random()).into()),
        }
    }
}

/// Does `activity` unless the network is lost, which is then told.
async fn while_joined<P: Platform>(context: &Context<'_, P>, activity: impl Future<Output = ()>) {
    if let Either::First(()) = select(context.wifi.lost(), activity).await {
        context.tell(&Event::WifiLost);
    }
}

fn tell_unused_anchors<P: Platform>(context: &Context<'_, P>, bundle: &Bundle) {
    for error in bundle.unused_anchors() {
        context.tell(&Event::AnchorUnused(*error));
    }
}
