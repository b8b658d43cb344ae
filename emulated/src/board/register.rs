//! Registers of devices.

use core::ptr::with_exposed_provenance_mut;

/// A register of a device, of 8 or 32 bits.
pub(crate) struct Register<T = u32> {
    address: usize,
    _value: core::marker::PhantomData<T>,
}

impl<T: Copy> Register<T> {
    /// The register at this address.
    ///
    /// # Safety
    ///
    /// There must be a register of this size, and neither reading nor writing it, with whatever
    /// value, may touch memory that Rust knows of.
    pub(crate) const unsafe fn at(address: usize) -> Self {
        Self {
            address,
            _value: core::marker::PhantomData,
        }
    }

    /// Reads it.
    pub(crate) fn read(&self) -> T {
        // SAFETY: by the contract of `at`.
        unsafe { with_exposed_provenance_mut::<T>(self.address).read_volatile() }
    }

    /// Writes it.
    pub(crate) fn write(&self, value: T) {
        // SAFETY: by the contract of `at`.
        unsafe { with_exposed_provenance_mut::<T>(self.address).write_volatile(value) }
    }
}
