//! The greenhouse's hardware as models: what answers on the bus, and pins that remember their level.
//!
//! The sensor's commands, its formulas and the check of each word are those of Sensirion's data sheet of the
//! SHT4x, version 6.6.

use core::cell::Cell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embedded_hal::digital::{self, OutputPin};
use embedded_hal::i2c::{self, ErrorKind, NoAcknowledgeSource, Operation};
use embedded_hal_async::digital::Wait;
use embedded_hal_async::i2c::I2c;
use product::Fault;

const ADDRESS: u8 = 0x44;
const MEASURE: u8 = 0xfd;
const SERIAL: u8 = 0x89;

/// An SHT4x on a bus of its own.
pub struct Sht4x<C> {
    climate: C,
    command: u8,
}

/// Temperature in tenths of a degree and humidity in tenths of a percent, or why the sensor does not tell.
pub type Climate = Result<(i32, i32), Fault>;

impl<C: Fn() -> Climate> Sht4x<C> {
    /// A sensor of this climate.
    pub const fn new(climate: C) -> Self {
        let command = 0;
        Self { climate, command }
    }

    fn words(&self) -> Result<[u16; 2], Fault> {
        if self.command == SERIAL {
            return Ok([0x00c0, 0xffee]);
        }
        let (decicelsius, permille) = (self.climate)()?;
        // T = -45 + 175 * S / 65535, RH = -6 + 125 * S / 65535, rounded to the nearest.
        let raw = |tenths: i32, least: i32, span: i32| {
            let above = (tenths - least).clamp(0, span);
            ((above * 65_535 / 5 + span / 10) / (span / 5)) as u16
        };
        Ok([raw(decicelsius, -450, 1_750), raw(permille, -60, 1_250)])
    }
}

impl<C> i2c::ErrorType for Sht4x<C> {
    type Error = ErrorKind;
}

impl<C: Fn() -> Climate> I2c for Sht4x<C> {
    async fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), ErrorKind> {
        let nobody = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
        let answer = self.words();
        if address != ADDRESS || answer == Err(Fault::Absent) {
            return Err(nobody);
        }
        for operation in operations {
            match operation {
                Operation::Write([command @ (MEASURE | SERIAL)]) => self.command = *command,
                Operation::Write(_) => {
                    return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data));
                }
                Operation::Read(bytes) => {
                    let words = self.words();
                    let spoilt = u8::from(words.is_err());
                    let words = words.unwrap_or_default().map(u16::to_be_bytes);
                    let all = words.iter().flat_map(|[high, low]| {
                        let check = check([*high, *low]) ^ spoilt;
                        [*high, *low, check]
                    });
                    bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
                }
            }
        }
        Ok(())
    }
}

/// CRC-8 with polynomial 0x31, which begins with ones.
fn check(word: [u8; 2]) -> u8 {
    word.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| match crc & 0x80 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x31,
        })
    })
}

/// A wire with a level, and one who waits for it.
#[derive(Default)]
pub struct Wire {
    high: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Wire {
    /// A wire that is high, or low.
    #[must_use]
    pub const fn new(high: bool) -> Self {
        Self {
            high: Cell::new(high),
            waiting: Cell::new(None),
        }
    }

    /// Whether it is high.
    pub fn is_high(&self) -> bool {
        self.high.get()
    }

    /// Makes it high, or low.
    pub fn set(&self, high: bool) {
        self.high.set(high);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    async fn wait(&self, high: bool) {
        poll_fn(|context| {
            self.waiting.set(Some(context.waker().clone()));
            match self.high.get() == high {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await
    }
}

/// A pin at a wire, however it is had.
pub struct Pin<W>(pub W);

impl<W> digital::ErrorType for Pin<W> {
    type Error = Infallible;
}

impl<W: AsRef<Wire>> OutputPin for Pin<W> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.as_ref().set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.as_ref().set(true);
        Ok(())
    }
}

impl<W: AsRef<Wire>> Wait for Pin<W> {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        self.0.as_ref().wait(true).await;
        Ok(())
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        self.0.as_ref().wait(false).await;
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        self.wait_for_low().await?;
        self.wait_for_high().await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        self.wait_for_high().await?;
        self.wait_for_low().await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        let now = self.0.as_ref().is_high();
        self.0.as_ref().wait(!now).await;
        Ok(())
    }
}

impl AsRef<Self> for Wire {
    fn as_ref(&self) -> &Self {
        self
    }
}
