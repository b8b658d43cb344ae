//! The products of this project, as the operator chooses one.

/// A product of this project.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Temperature and humidity, by a DHT11: the stock one
    Climate,
    /// A sensor on I2C, a pump behind a relay, a button
    Greenhouse,
}
