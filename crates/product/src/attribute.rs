//! Attributes: what is true of a product until it changes.
//!
//! A *shared* attribute is the server's to set and the product's to have: it is told back as a client
//! attribute of the same key, as the product has it now, whoever changed it. A *client* attribute is the
//! product's alone.

use core::marker::PhantomData;

use thingsboard::json::{Json, Writer};

use crate::call::{Refusal, Refused};
use crate::json::{FromJson, ToJson};

/// How many shared attributes a product has at most.
pub const MOST_SHARED: usize = 16;

/// A shared attribute: its key, how the product has it, and the method that sets it. The key
/// telemetryIntervalMs is the device's own.
pub const fn shared<P, V, G, S>(key: &'static str, has: G, set: S) -> Shared<V, G, S>
where
    G: Fn(&P) -> V,
    S: AsyncFn(&mut P, V) -> Result<(), Refusal>,
    V: FromJson + ToJson,
{
    Shared {
        key,
        has,
        set,
        kept: false,
        value: PhantomData,
    }
}

/// A client attribute: its key, and how the product has it.
pub const fn client<P, V, G>(key: &'static str, has: G) -> Client<V, G>
where
    G: Fn(&P) -> V,
    V: ToJson,
{
    let value = PhantomData;
    Client { key, has, value }
}

/// What [`shared`] makes.
pub struct Shared<V, G, S> {
    key: &'static str,
    has: G,
    set: S,
    kept: bool,
    value: PhantomData<fn(V)>,
}

impl<V, G, S> Shared<V, G, S> {
    /// What the server set last is kept in flash, and set again when the device starts, before it is
    /// online. Otherwise it waits for the server, which is asked on each connection.
    #[must_use]
    pub const fn kept(mut self) -> Self {
        self.kept = true;
        self
    }
}

/// What [`client`] makes.
pub struct Client<V, G> {
    key: &'static str,
    has: G,
    value: PhantomData<fn() -> V>,
}

/// The attributes of a product `P`: none is `()`, several are a tuple.
pub trait Attributes<P> {
    /// Tells the key of each that is shared, and whether it is kept.
    fn shared(&self, each: &mut dyn FnMut(&'static str, bool));

    /// Writes all as the product has them.
    fn tell(&self, product: &P, to: &mut Members<'_, '_>);

    /// Sets the shared one of this key, if there is one. Tells the key and what came of it.
    async fn set(
        &self,
        product: &mut P,
        key: &str,
        value: Json<'_>,
    ) -> Option<(&'static str, Result<(), Refused>)>;
}

/// The members of a JSON object that is being written.
pub struct Members<'w, 'b> {
    writer: &'w mut Writer<'b>,
    before: &'static str,
}

impl<'w, 'b> Members<'w, 'b> {
    /// Writes an object whose members `all` tells.
    pub fn object(writer: &'w mut Writer<'b>, all: impl FnOnce(&mut Self)) {
        let mut members = Self {
            writer,
            before: "{",
        };
        all(&mut members);
        let end = if members.before == "{" { "{}" } else { "}" };
        members.writer.raw(end);
    }

    /// Writes a member.
    pub fn member(&mut self, key: &str, value: &impl ToJson) {
        self.writer.raw(self.before);
        self.before = ",";
        self.writer.text(key);
        self.writer.raw(":");
        value.to_json(self.writer);
    }
}

/// What was read is written as it was.
impl ToJson for Json<'_> {
    fn to_json(&self, to: &mut Writer<'_>) {
        to.raw(self.as_raw());
    }
}

impl<P, V, G, S> Attributes<P> for Shared<V, G, S>
where
    G: Fn(&P) -> V,
    S: AsyncFn(&mut P, V) -> Result<(), Refusal>,
    V: FromJson + ToJson,
{
    fn shared(&self, each: &mut dyn FnMut(&'static str, bool)) {
        each(self.key, self.kept);
    }

    fn tell(&self, product: &P, to: &mut Members<'_, '_>) {
        to.member(self.key, &(self.has)(product));
    }

    async fn set(
        &self,
        product: &mut P,
        key: &str,
        value: Json<'_>,
    ) -> Option<(&'static str, Result<(), Refused>)> {
        if key != self.key {
            return None;
        }
        let done = match V::from_json(Some(value)) {
            Ok(value) => (self.set)(product, value).await.map_err(Refused::Refusal),
            Err(wrong) => Err(Refused::Wrong(wrong)),
        };
        Some((self.key, done))
    }
}

impl<P, V, G> Attributes<P> for Client<V, G>
where
    G: Fn(&P) -> V,
    V: ToJson,
{
    fn shared(&self, _: &mut dyn FnMut(&'static str, bool)) {}

    fn tell(&self, product: &P, to: &mut Members<'_, '_>) {
        to.member(self.key, &(self.has)(product));
    }

    async fn set(
        &self,
        _: &mut P,
        _: &str,
        _: Json<'_>,
    ) -> Option<(&'static str, Result<(), Refused>)> {
        None
    }
}

impl<P> Attributes<P> for () {
    fn shared(&self, _: &mut dyn FnMut(&'static str, bool)) {}

    fn tell(&self, _: &P, _: &mut Members<'_, '_>) {}

    async fn set(
        &self,
        _: &mut P,
        _: &str,
        _: Json<'_>,
    ) -> Option<(&'static str, Result<(), Refused>)> {
        None
    }
}

/// What there is no syntax for: the same for tuples of every length.
macro_rules! tuples {
    ($($name:ident)+) => {
        impl<P, $($name: Attributes<P>),+> Attributes<P> for ($($name,)+) {
            fn shared(&self, each: &mut dyn FnMut(&'static str, bool)) {
                #[expect(non_snake_case, reason = "the types' names")]
                let ($($name,)+) = self;
                $($name.shared(each);)+
            }

            fn tell(&self, product: &P, to: &mut Members<'_, '_>) {
                #[expect(non_snake_case, reason = "the types' names")]
                let ($($name,)+) = self;
                $($name.tell(product, to);)+
            }

            async fn set(
                &self,
                product: &mut P,
                key: &str,
                value: Json<'_>,
            ) -> Option<(&'static str, Result<(), Refused>)> {
                #[expect(non_snake_case, reason = "the types' names")]
                let ($($name,)+) = self;
                $(
                    let done = $name.set(product, key, value).await;
                    if done.is_some() {
                        return done;
                    }
                )+
                None
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
