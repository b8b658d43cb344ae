//! Scenarios with programs of others, in real time.

mod mosquitto;
mod openssl;
