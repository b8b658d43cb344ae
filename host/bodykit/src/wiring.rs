//! What joins a product to models of its hardware.

use product::Product;

/// What a product is wired to on a host: models of its hardware, whose clones are the same.
pub trait Wiring {
    /// The product.
    type Product: Product;

    /// The product as a life begins.
    fn product(&self) -> Self::Product;
}
