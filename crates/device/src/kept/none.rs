//! Nothing waits in flash: in place of [`kept`](super) where the maker left the feature `backlog` out.

use core::marker::PhantomData;

use product::Schema;

use crate::clock::Clock;
use crate::platform::System;
use crate::storage::Storage;
use crate::telemetry::SampleQueue;

/// Of no use here.
pub(crate) struct Life;

impl Life {
    /// The one that begins.
    pub(crate) fn begin<S: System>(_: &S) -> Self {
        Self
    }
}

/// No samples in flash.
pub(crate) struct Kept<'a, F>(PhantomData<&'a Storage<F>>);

impl<'a, F> Kept<'a, F> {
    /// None.
    pub(crate) fn new(_: &'a Storage<F>, _: Schema, _: Life) -> Self {
        Self(PhantomData)
    }

    /// There is no place for them.
    pub(crate) fn is_there(&self) -> bool {
        false
    }

    /// Nothing is damaged.
    pub(crate) fn take_damage(&self) -> bool {
        false
    }

    /// Moves none.
    pub(crate) fn keep(&self, _: &SampleQueue, _: &Clock, _: usize) -> usize {
        0
    }

    /// There are none.
    pub(crate) fn queue(&self) -> Option<&SampleQueue> {
        None
    }

    /// There is none.
    pub(crate) fn fetch(&self, _: &SampleQueue, _: &Clock) -> bool {
        false
    }

    /// There were none.
    pub(crate) fn acknowledge_below(&self, _: u64) -> usize {
        0
    }
}
