//! What a device knows of its product, whichever it is.

use crate::attribute::Attributes as _;
use crate::call::Calls as _;
use crate::{Product, Schema};

/// A product's names and series, apart from its type: what carries samples and calls is compiled once, for
/// all products.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// [`Product::NAME`].
    pub name: &'static str,
    /// [`Product::VERSION`].
    pub version: &'static str,
    /// [`Product::SERIES`].
    pub schema: Schema,
    methods: fn(&mut dyn FnMut(&'static str)),
    shared: fn(&mut dyn FnMut(&'static str, bool)),
}

impl Card {
    /// The card of a product.
    #[must_use]
    pub const fn of<P: Product>() -> Self {
        const {
            assert!(!P::NAME.is_empty(), "a product has a name");
            assert!(!P::VERSION.is_empty(), "a product has a version");
        }
        Self {
            name: P::NAME,
            version: P::VERSION,
            schema: Schema::of::<P>(),
            methods: |each| P::calls().methods(each),
            shared: |each| P::attributes().shared(each),
        }
    }

    /// Tells the name of each of [`Product::calls`].
    pub fn methods(&self, each: &mut dyn FnMut(&'static str)) {
        (self.methods)(each);
    }

    /// Tells the key of each shared one of [`Product::attributes`], and whether it is kept.
    pub fn shared(&self, each: &mut dyn FnMut(&'static str, bool)) {
        (self.shared)(each);
    }

    /// The call of this name, if there is one.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'static str> {
        let mut found = None;
        self.methods(&mut |method| {
            if method == name {
                found = Some(method);
            }
        });
        found
    }

    /// Whether the shared attribute of this key is kept; none if there is none.
    #[must_use]
    pub fn keeps(&self, key: &str) -> Option<bool> {
        let mut found = None;
        self.shared(&mut |shared, kept| {
            if shared == key {
                found = Some(kept);
            }
        });
        found
    }
}
