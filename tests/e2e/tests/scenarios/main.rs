//! Scenarios in which all that takes part is the project's own, on virtual time: one program, for it takes longer to
//! build than to run.

mod claiming;
mod clock;
mod cloud_answer;
mod firmware_update;
mod first_life;
mod greenhouse;
mod hostile;
mod moving;
mod network;
mod outage;
mod power;
mod power_life;
mod refusals;
mod renewal;
mod repeatable;
mod sealed;
mod server_clock;
