//! The client of this crate, and the crate `conformance` which uses it, against devices that are right and devices
//! that are not.

mod bench;
mod conformance;
mod leaving;
mod provisioning;
mod window;

use hosttime as _;
