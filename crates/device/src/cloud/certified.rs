//! Whose connection it is, by the certificate that was shown.

use super::device::Device;
use crate::credentials::{Bundle, Credentials};
use crate::renewal::Known;

/// Whose connection it is.
#[derive(Clone, Copy)]
pub(super) struct Certified<'a> {
    /// The common name.
    pub(super) name: &'a str,
    /// When the first certificate that was shown ends, in seconds since 1970, if one was.
    pub(super) expires_unix_s: Option<u64>,
    /// What was shown.
    pub(super) bundle: Option<&'a Bundle>,
}

impl<'a> From<&'a str> for Certified<'a> {
    fn from(name: &'a str) -> Self {
        Self {
            name,
            expires_unix_s: None,
            bundle: None,
        }
    }
}

impl<'a> From<Credentials<'a>> for Certified<'a> {
    fn from(credentials: Credentials<'a>) -> Self {
        let bundle = credentials.bundle();
        Self {
            name: bundle.common_name(),
            expires_unix_s: Some(bundle.expires_unix_s()),
            bundle: Some(bundle),
        }
    }
}

impl<'a> Certified<'a> {
    /// What renewals are told of it.
    pub(super) fn known<D: Device>(self, device: &D) -> Known<'a> {
        let forever = 0..u64::MAX;
        Known {
            name: self.name,
            now: device.moment(),
            valid_unix_s: self.bundle.map_or(forever, Bundle::valid_unix_s),
        }
    }

    /// How many whole days are left; none while the time is not certain.
    pub(super) fn days<D: Device>(self, device: &D) -> Option<u32> {
        let now_s = device.stamp(device.uptime_ms())? / 1_000;
        let left_s = self.expires_unix_s?.saturating_sub(now_s);
        Some(u32::try_from(left_s / 86_400).unwrap_or(u32::MAX))
    }
}
