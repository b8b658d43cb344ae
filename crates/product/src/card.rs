//! What a device knows of its product, whichever it is.

use crate::{Product, Schema};

/// A product's name and series, apart from its type: what carries samples is compiled once, for all
/// products.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// [`Product::NAME`].
    pub name: &'static str,
    /// [`Product::VERSION`].
    pub version: &'static str,
    /// [`Product::SERIES`].
    pub schema: Schema,
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
        }
    }
}
