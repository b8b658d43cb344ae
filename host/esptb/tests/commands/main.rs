//! The program from outside: what it prints, where, with which exit code, and what becomes of an
//! operator's files.

#[path = "../../../flashimage/tests/common/mod.rs"]
mod app;
mod cli;
mod desk;
mod devices;
mod field;
mod files;
mod firmware;
mod pipes;
mod played;
mod program;
mod renew;
mod rollout;
mod tb;
