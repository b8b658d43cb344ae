//! The crate held against images from elsewhere, against damage, and against itself.

mod builder;
mod golden;
mod hostile;
mod vectors;
