//! A device without renewals: for a maker who leaves them out.

use core::marker::PhantomData;

use crate::broker::CloudError;
use crate::credentials::{CredentialsError, Renewed};
use crate::event::Event;
use crate::platform::Platform;
use crate::storage::Storage;

#[path = "renewing.rs"]
mod renewing;

pub use renewing::Known;
pub(crate) use renewing::{ASKED, NOTICES, Renewing};

/// None.
pub struct Renewals<'a, P>(PhantomData<&'a P>);

/// Nothing.
pub(crate) struct Materials;

impl Materials {
    pub(crate) fn renewed(&self) -> Result<Renewed<'_>, CredentialsError> {
        Ok(Renewed::default())
    }

    pub(crate) fn has_identity(&self) -> bool {
        false
    }
}

impl<'a, P: Platform> Renewals<'a, P> {
    pub(crate) fn new(_: &'a Storage<P::Flash>, _: &'a P::System, _: u16) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn as_dyn(&self) -> Option<&dyn Renewing> {
        None
    }

    pub(crate) fn materials(&self) -> Materials {
        Materials
    }

    pub(crate) fn is_changed(&self) -> bool {
        false
    }

    pub(crate) fn without_identity(&self, _: CredentialsError) -> Option<Event> {
        None
    }

    pub(crate) fn is_unusable(&self, _: &CredentialsError) -> bool {
        false
    }

    pub(crate) fn ended(&self, _: &CloudError) -> Option<Event> {
        None
    }
}
