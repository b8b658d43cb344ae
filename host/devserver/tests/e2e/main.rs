//! The server from outside: Mosquitto's clients as devices, and its page in a real browser.

mod answers;
mod bare;
mod bench;
mod browser;
mod claims;
mod client;
mod devices;
mod firmware;
mod messages;
mod page;
mod resumption;
mod stopping;
