//! The product's life: a sample on each slot of a steady grid, whatever the network does; events, calls
//! and attributes between them; and safe states.
//!
//! One thing at a time: whoever is at it has the product to itself.

use alloc::string::String;
use core::convert::Infallible;

use embassy_futures::select::{Either4, select4};
use embassy_futures::yield_now;
use embassy_time::{Duration, Instant, Timer};
use product::{Attributes, Faults, Members, Product, Readings};
use thingsboard::attributes::Update;
use thingsboard::json::{Json, Object, Writer};

use super::sampling::Sampling;
use crate::context::Context;
use crate::errands::{Errand, Outcome};
use crate::event::Event;
use crate::lifecycle::State;
use crate::platform::Platform;

/// Carries the product through a life.
pub(super) async fn carry<P: Platform, Q: Product>(
    context: &Context<'_, P>,
    product: &mut Q,
) -> Infallible {
    restore(context, product).await;
    let mut sampling = Sampling::begin();
    let mut standing = Standing::begin::<Q>();
    loop {
        tell_attributes(context, product);
        standing.follow(context, product).await;
        let due = sampling.due();
        context.plan_sample(due);
        let next = select4(
            context.interval_change(),
            Timer::at(due.min(standing.due())),
            context.standing_change(),
            select_errand_or_event(context, product),
        );
        match next.await {
            Either4::First(()) => sampling.interval_changed(context),
            Either4::Second(()) if Instant::now() >= due => sampling.sample(context, product).await,
            Either4::Second(()) | Either4::Third(()) => {}
            Either4::Fourth(Task::Errand(errand)) => run(context, product, errand).await,
            Either4::Fourth(Task::Event(reading)) => {
                let readings = Readings::of::<Q>(&reading, &mut Faults::default());
                sampling.note_event(context, readings);
                // An event that happens again and again leaves the others their time.
                yield_now().await;
            }
        }
    }
}

/// What is to be done between samples.
enum Task<R> {
    Errand(Errand),
    Event(R),
}

/// The next errand or event. Cancel-safe as the product's event is.
async fn select_errand_or_event<P: Platform, Q: Product>(
    context: &Context<'_, P>,
    product: &mut Q,
) -> Task<Q::Reading> {
    use embassy_futures::select::{Either, select};
    match select(context.errands.next(), product.event()).await {
        Either::First(errand) => Task::Errand(errand),
        Either::Second(reading) => Task::Event(reading),
    }
}

/// Whether anybody answers, as the product was told.
struct Standing {
    online: bool,
    /// When nobody has answered for too long; none if that was told.
    offline_at: Option<Instant>,
    patience: Duration,
}

impl Standing {
    fn begin<Q: Product>() -> Self {
        let patience = Duration::from_secs(Q::OFFLINE_AFTER_S.into());
        Self {
            online: false,
            offline_at: Some(Instant::now() + patience),
            patience,
        }
    }

    /// When something may be to be told.
    fn due(&self) -> Instant {
        self.offline_at.unwrap_or(Instant::MAX)
    }

    /// Tells the product what it has to know by now.
    async fn follow<P: Platform, Q: Product>(&mut self, context: &Context<'_, P>, product: &mut Q) {
        let online = matches!(context.state(), State::Online { .. });
        let now = Instant::now();
        let was = core::mem::replace(&mut self.online, online);
        if online && !was {
            self.offline_at = None;
            product.online().await;
        } else if was && !online {
            self.offline_at = Some(now + self.patience);
        } else if self.offline_at.is_some_and(|at| now >= at) {
            self.offline_at = None;
            product.offline().await;
        } else {
            return;
        }
        tell_attributes(context, product);
    }
}

/// Carries out an errand.
async fn run<P: Platform, Q: Product>(context: &Context<'_, P>, product: &mut Q, errand: Errand) {
    match errand {
        Errand::Call {
            mut answer,
            method,
            params,
            connection,
        } => {
            let params = params.as_deref();
            let params = params.and_then(|params| Json::parse(params.as_bytes()).ok());
            let reply = product::answer(product, method, params, &mut answer.payload).await;
            (answer.ok, answer.length) = (reply.ok, reply.length);
            if connection == context.errands.connection() {
                context.errands.done(Outcome::Answered(answer));
            }
        }
        Errand::Shared { json, all } => {
            if let Ok(update) = Update::parse(json.as_bytes()) {
                set_shared(context, product, update).await;
                keep(context, update, all);
            }
        }
    }
}

/// Sets what shared attributes there are.
async fn set_shared<P: Platform, Q: Product>(
    context: &Context<'_, P>,
    product: &mut Q,
    update: Update<'_>,
) {
    let attributes = Q::attributes();
    for (key, value) in update.changed() {
        let key = key.as_plain().unwrap_or_default();
        if let Some((key, done)) = attributes.set(product, key, value).await {
            let refused = done.err();
            context.tell(&match refused {
                None => Event::AttributeSet { key },
                Some(why) => Event::AttributeRefused { key, why },
            });
            context.errands.done(Outcome::Set { key, refused });
        }
    }
}

/// Keeps in flash what the server has set of what is to be kept.
fn keep<P: Platform>(context: &Context<'_, P>, update: Update<'_>, all: bool) {
    let kept = context.storage.shared_attributes().ok().flatten();
    let kept = kept.as_deref().map_or("{}", String::as_str);
    let Ok(before) = Object::parse(kept.as_bytes()) else {
        return;
    };
    let mut text = String::new();
    let mut add = |key: &str, value: Json<'_>| {
        text.push(if text.is_empty() { '{' } else { ',' });
        // A key of the card has nothing to escape, or it would not have been found.
        for part in ["\"", key, "\":", value.as_raw()] {
            text.push_str(part);
        }
    };
    context.product.shared(&mut |key, is_kept| {
        let deleted = all || update.deleted().any(|gone| gone == *key);
        let before = before.get(key).filter(|_| !deleted);
        if let Some(value) = update.get(key).or(before).filter(|_| is_kept) {
            add(key, value);
        }
    });
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    if text != kept
        && let Err(error) = context.storage.keep_shared_attributes(&text)
    {
        context.tell(&Event::KeptInMemory(error));
    }
}

/// Sets what was kept, before anything else is done.
async fn restore<P: Platform, Q: Product>(context: &Context<'_, P>, product: &mut Q) {
    let mut any = false;
    context.product.shared(&mut |_, kept| any |= kept);
    if !any {
        return;
    }
    let kept = match context.storage.shared_attributes() {
        Ok(kept) => kept.unwrap_or_default(),
        Err(error) => return context.tell(&Event::StorageFailed(error)),
    };
    let attributes = Q::attributes();
    let object = Object::parse(kept.as_bytes());
    for (key, value) in object.iter().flat_map(|object| object.members()) {
        let key = key.as_plain().unwrap_or_default();
        // A product that is no longer what it was may not keep it, or refuse it.
        if context.product.keeps(key) == Some(true)
            && let Some((key, Err(why))) = attributes.set(product, key, value).await
        {
            context.tell(&Event::AttributeRefused { key, why });
        }
    }
}

/// Tells the client attributes as they are now.
fn tell_attributes<P: Platform, Q: Product>(context: &Context<'_, P>, product: &Q) {
    let attributes = Q::attributes();
    let mut buffer = [0; MOST_ATTRIBUTE_BYTES];
    let mut writer = Writer::new(&mut buffer);
    Members::object(&mut writer, |members| attributes.tell(product, members));
    match writer.finish().map(|written| core::str::from_utf8(written)) {
        Ok(Ok("{}") | Err(_)) => {}
        Ok(Ok(told)) => context.errands.tell(told),
        Err(error) => log::error!("the product's client attributes: {error}"),
    }
}

/// How long the client attributes of a product are at most, as JSON.
const MOST_ATTRIBUTE_BYTES: usize = 512;
