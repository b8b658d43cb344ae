//! The hardware as models, for the test and the desk. A chip's program has nothing of it.

use core::convert::Infallible;

use embedded_hal::digital::{self, OutputPin};
use embedded_hal::i2c::{self, ErrorKind, NoAcknowledgeSource, Operation};
use embedded_hal_async::i2c::I2c;

/// A TMP102 that says this, in sixteenths of a degree; or is not there.
pub struct Tmp102<F>(pub F);

impl<F> i2c::ErrorType for Tmp102<F> {
    type Error = ErrorKind;
}

impl<F: FnMut() -> Option<i16>> I2c for Tmp102<F> {
    async fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), ErrorKind> {
        let nobody = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
        let sixteenths = (self.0)().filter(|_| address == 0x48).ok_or(nobody)?;
        for operation in operations {
            if let Operation::Read(bytes) = operation {
                let register = (sixteenths << 4).to_be_bytes();
                bytes
                    .iter_mut()
                    .zip(register)
                    .for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }
}

/// A relay that tells where it goes.
pub struct Relay<F>(pub F);

impl<F> digital::ErrorType for Relay<F> {
    type Error = Infallible;
}

impl<F: FnMut(bool)> OutputPin for Relay<F> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        (self.0)(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        (self.0)(true);
        Ok(())
    }
}
