//! The client and the conformance suite of this crate, against devices that are right and devices
//! that are not.

mod bench;
mod conformance;
mod leaving;
mod provisioning;
mod window;

use hosttime as _;
