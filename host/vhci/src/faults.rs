//! What can be made to go wrong, on command.

use std::time::Duration;

/// The faults of one controller. All start off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How many advertising reports this controller fails to hear from now on; `u32::MAX` means
    /// all, until it is set back.
    pub lost_reports: u32,
    /// How much later every packet reaches this controller's host.
    pub delay: Duration,
    /// How many of the next connections to this controller fail to be established: the central's
    /// host sees the link come up and end after six intervals with reason 0x3E, this host sees
    /// nothing.
    pub refused_connections: u32,
    /// After how many more ACL packets, sent or received, this controller's links are lost.
    pub drop_after: Option<u32>,
}

impl Faults {
    /// Whether the next advertising report is lost; counts it.
    pub(crate) fn loses_report(&mut self) -> bool {
        take_one(&mut self.lost_reports)
    }

    /// Whether the next connection fails; counts it.
    pub(crate) fn refuses_connection(&mut self) -> bool {
        take_one(&mut self.refused_connections)
    }

    /// Whether this ACL packet is the one with which the links are lost; counts it.
    pub(crate) fn drops_now(&mut self) -> bool {
        match &mut self.drop_after {
            None => false,
            Some(0) => {
                self.drop_after = None;
                true
            }
            Some(n) => {
                *n -= 1;
                false
            }
        }
    }
}

fn take_one(n: &mut u32) -> bool {
    match *n {
        0 => false,
        u32::MAX => true,
        _ => {
            *n -= 1;
            true
        }
    }
}
