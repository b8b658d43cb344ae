//! The ring: records in flash, oldest out first.
//!
//! What it knows of a record is how many samples are in it, to count what gives way.

use core::ops::Range;
use core::task::Poll;

use embassy_futures::poll_once;
use embedded_storage::nor_flash::NorFlash;
use sequential_storage::Error;
use sequential_storage::cache::HeapPageStateCache;
use sequential_storage::queue::{QueueConfig, QueueStorage};

use crate::flash::{Failure, Lent};
use crate::order;
use crate::record::{MOST_BYTES, Record};

/// How often an operation is tried: each time something that gives way makes room, or something that
/// cannot be read is erased. A sector has fewer records than this.
const MOST_TRIES: usize = 256;

/// Why a record was not kept or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The flash does not work.
    Flash,
    /// Something in the ring could not be read, and was erased: it can be used again.
    Damaged,
}

/// A ring of [records](crate::record) in a stretch of flash.
///
/// It holds no flash: that is lent for each operation, and nobody else may write there.
pub struct Ring {
    range: Range<u32>,
    /// One byte for each sector; none if it has to be found out anew, and the sectors put in order.
    states: Option<HeapPageStateCache>,
}

type Queue<'a, F> = QueueStorage<Lent<'a, F>, HeapPageStateCache>;

impl Ring {
    /// The ring in these bytes of the flash; none if they are not whole sectors, or fewer than two.
    /// Nothing is read or written yet.
    #[must_use]
    pub fn new<F: NorFlash>(range: Range<u32>) -> Option<Self> {
        let sectors = range.end.checked_sub(range.start)? / F::ERASE_SIZE as u32;
        QueueConfig::<Lent<'_, F>>::try_new(range.clone()).filter(|_| sectors >= 2)?;
        Some(Self {
            range,
            states: None,
        })
    }

    /// Keeps a record as the newest. Where there is no room, the oldest give way. Returns how many
    /// samples were in those.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the record is not kept.
    pub fn push<F: NorFlash>(&mut self, flash: &mut F, record: &[u8]) -> Result<u32, Fault> {
        let mut gone = 0_u32;
        for _ in 0..MOST_TRIES {
            let pushed = self.work(flash, async |queue| match queue.push(record, false).await {
                Ok(()) => Ok(true),
                Err(Error::FullStorage) => Ok(false),
                Err(error) => Err(error),
            });
            match pushed {
                Ok(true) => return Ok(gone),
                Ok(false) => {
                    let mut oldest = [0; MOST_BYTES];
                    let oldest = self.peek(flash, &mut oldest)?.and_then(Record::parse);
                    let samples = oldest.map_or(0, |record| record.samples());
                    self.pop(flash)?;
                    gone = gone.saturating_add(samples.into());
                }
                Err(Fault::Damaged) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.empty(flash)?;
        Err(Fault::Damaged)
    }

    /// The oldest record, in the first bytes of the buffer; none if there is none.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn peek<'b, F: NorFlash>(
        &mut self,
        flash: &mut F,
        buffer: &'b mut [u8; MOST_BYTES],
    ) -> Result<Option<&'b [u8]>, Fault> {
        let length = self.work(flash, async |queue| {
            Ok(queue.peek(buffer).await?.map(|record| record.len()))
        })?;
        Ok(length.and_then(|length| buffer.get(..length)))
    }

    /// Lets go of the oldest record.
    ///
    /// # Errors
    ///
    /// [`Fault`]: it may still be there.
    pub fn pop<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), Fault> {
        let mut buffer = [0; MOST_BYTES];
        self.work(flash, async |queue| {
            queue.pop(&mut buffer).await.map(|_| ())
        })
    }

    /// Lets go of everything.
    ///
    /// # Errors
    ///
    /// [`Fault::Flash`].
    pub fn empty<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), Fault> {
        self.states = None;
        flash
            .erase(self.range.start, self.range.end)
            .map_err(|_| Fault::Flash)
    }

    fn work<F: NorFlash, T>(
        &mut self,
        flash: &mut F,
        work: impl AsyncFnOnce(&mut Queue<'_, F>) -> Result<T, Error<Failure>>,
    ) -> Result<T, Fault> {
        let sectors = self.range.len() / F::ERASE_SIZE;
        let states = match self.states.take() {
            Some(states) => states,
            None => {
                order::settle(flash, self.range.clone()).map_err(|_| Fault::Flash)?;
                HeapPageStateCache::new(sectors)
            }
        };
        let config = QueueConfig::try_new(self.range.clone()).ok_or(Fault::Flash)?;
        let mut queue = QueueStorage::new(Lent::new(&mut *flash), config, states);
        let done = poll_once(work(&mut queue));
        let (lent, states) = queue.destroy();
        match done {
            Poll::Ready(Ok(value)) => {
                self.states = Some(states);
                Ok(value)
            }
            // What is known of the sectors is not to be relied on any more.
            Poll::Ready(Err(Error::Storage {
                value: Failure::Flash,
                ..
            }))
            | Poll::Pending => Err(Fault::Flash),
            // Nothing was written there: what is there was never erased, or not to its end. Or what was
            // read there last has no sense. Only that sector is given up.
            Poll::Ready(Err(_)) => {
                let size = F::ERASE_SIZE as u32;
                let sector = lent.at - lent.at % size;
                let erased = flash.erase(sector, sector + size);
                Err(erased.map_or(Fault::Flash, |()| Fault::Damaged))
            }
        }
    }
}

#[cfg(test)]
mod tests;
