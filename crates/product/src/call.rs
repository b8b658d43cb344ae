//! Calls: what the server asks a product to do, by name.

use core::fmt;
use core::marker::PhantomData;

use thingsboard::json::{Json, Writer};

use crate::json::{FromJson, ToJson, Wrong};

/// Why a product does not do what it was asked, for the operator to read: what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was not written as it must be.
    Wrong(Wrong),
    /// The product would not or could not.
    Refusal(Refusal),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(wrong) => wrong.fmt(f),
            Self::Refusal(Refusal(why)) => f.write_str(why),
        }
    }
}

/// A call that the server can make: a name, and the method that does it.
///
/// The method's parameter is what the params are read into, and what it returns is the reply, as JSON; `()` is
/// `{"ok":true}`, and an error `{"ok":false,"error":"…"}`. The names getStatus, setInterval, reboot and
/// factoryReset are the device's own.
pub const fn call<P, A, R, F>(method: &'static str, run: F) -> Call<A, R, F>
where
    F: AsyncFn(&mut P, A) -> Result<R, Refusal>,
    A: FromJson,
    R: ToJson,
{
    let types = PhantomData;
    Call { method, run, types }
}

/// What [`call`] makes.
pub struct Call<A, R, F> {
    method: &'static str,
    run: F,
    types: PhantomData<fn(A) -> R>,
}

/// The calls of a product `P`: none is `()`, several are a tuple.
pub trait Calls<P> {
    /// Tells the name of each.
    fn methods(&self, each: &mut dyn FnMut(&'static str));

    /// Does the one of this name, if there is one, and writes its reply.
    async fn perform(
        &self,
        product: &mut P,
        method: &str,
        params: Option<Json<'_>>,
        reply: &mut Writer<'_>,
    ) -> Option<Result<(), Refused>>;
}

impl<P, A, R, F> Calls<P> for Call<A, R, F>
where
    F: AsyncFn(&mut P, A) -> Result<R, Refusal>,
    A: FromJson,
    R: ToJson,
{
    fn methods(&self, each: &mut dyn FnMut(&'static str)) {
        each(self.method);
    }

    async fn perform(
        &self,
        product: &mut P,
        method: &str,
        params: Option<Json<'_>>,
        reply: &mut Writer<'_>,
    ) -> Option<Result<(), Refused>> {
        if method != self.method {
            return None;
        }
        let arguments = match A::from_json(params) {
            Ok(arguments) => arguments,
            Err(wrong) => return Some(Err(Refused::Wrong(wrong))),
        };
        let done = (self.run)(product, arguments).await;
        Some(match done {
            Ok(value) => {
                value.to_json(reply);
                Ok(())
            }
            Err(refusal) => Err(Refused::Refusal(refusal)),
        })
    }
}

impl<P> Calls<P> for () {
    fn methods(&self, _: &mut dyn FnMut(&'static str)) {}

    async fn perform(
        &self,
        _: &mut P,
        _: &str,
        _: Option<Json<'_>>,
        _: &mut Writer<'_>,
    ) -> Option<Result<(), Refused>> {
        None
    }
}

/// What there is no syntax for: the same for tuples of every length.
macro_rules! tuples {
    ($($name:ident)+) => {
        impl<P, $($name: Calls<P>),+> Calls<P> for ($($name,)+) {
            fn methods(&self, each: &mut dyn FnMut(&'static str)) {
                #[expect(non_snake_case, reason = "the types' names")]
                let ($($name,)+) = self;
                $($name.methods(each);)+
            }

            async fn perform(
                &self,
                product: &mut P,
                method: &str,
                params: Option<Json<'_>>,
                reply: &mut Writer<'_>,
            ) -> Option<Result<(), Refused>> {
                #[expect(non_snake_case, reason = "the types' names")]
                let ($($name,)+) = self;
                $(
                    let done = $name.perform(product, method, params, reply).await;
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

/// The reply to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Whether it was carried out.
    pub ok: bool,
    /// How many bytes were written.
    pub length: usize,
}

/// Writes a reply that says why not. Returns its length.
pub(crate) fn refuse(why: &Refused, buffer: &mut [u8]) -> usize {
    let mut text = heapless::String::<160>::new();
    let place = match why {
        Refused::Wrong(Wrong { member: None, .. }) => "params: ",
        Refused::Wrong(_) => "params.",
        Refused::Refusal(_) => "",
    };
    // What does not fit is cut.
    let _ = fmt::Write::write_fmt(&mut text, format_args!("{place}{why}"));
    let mut writer = Writer::new(buffer);
    writer.object([("ok", false.into()), ("error", text.as_str().into())]);
    writer.finish().map_or(0, <[u8]>::len)
}
