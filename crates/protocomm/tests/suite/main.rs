//! Both ends: against each other, against recorded conversations of Espressif's code, and against
//! garbage.

mod bench;
mod flows;
mod hostile;
mod transcripts;
