//! One board after the other, from its boot ROM to its label.
//!
//! Knows the order of the steps and writes down how far a board is. What a step does is the
//! [`Station`]'s.

use std::sync::{Mutex, PoisonError};

use crate::{Board, Identity, Ledger, LedgerError, Series, Stage, shown_mac};

/// What is done with the board at one port. Each step may be done again for the same board.
pub trait Station {
    /// Why a step failed.
    type Fault: From<LedgerError> + std::fmt::Display;

    /// The port, as the operator calls it.
    fn port(&self) -> &str;

    /// Waits for a board; `None` if none comes any more. An error is a board that does not answer as
    /// it should.
    ///
    /// # Errors
    ///
    /// The station's.
    fn arrive(&mut self) -> Result<Option<Identity>, Self::Fault>;

    /// Whether a device of this serial number was made, for whatever board.
    fn is_made(&self, serial: &str) -> bool;

    /// Makes its certificate if it has none; returns the certificate's SHA-256.
    ///
    /// # Errors
    ///
    /// The station's.
    fn certify(&mut self, board: &Board) -> Result<String, Self::Fault>;

    /// Writes its flash, and verifies it; returns the version of the app.
    ///
    /// # Errors
    ///
    /// The station's.
    fn write(&mut self, board: &Board) -> Result<String, Self::Fault>;

    /// Lets it start, and watches until it advertises.
    ///
    /// # Errors
    ///
    /// The station's.
    fn start(&mut self, board: &Board) -> Result<(), Self::Fault>;

    /// Prints its label.
    ///
    /// # Errors
    ///
    /// The station's.
    fn label(&mut self, board: &Board) -> Result<(), Self::Fault>;
}

/// What became of the board at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<F> {
    /// It is done.
    Done(Board),
    /// It was done before, and nothing was changed.
    DoneBefore(Board),
    /// It is not done; the ledger knows, and it may be put on again.
    Failed {
        /// Which one; none if it did not say, or got no number.
        serial: Option<String>,
        /// Why.
        fault: F,
    },
    /// No board comes any more.
    NoMore,
}

/// A line on which boards of one series are made.
pub struct Line<'a> {
    /// Who got what; shared by all ports.
    pub ledger: &'a Mutex<Ledger>,
    /// The serial numbers.
    pub series: &'a Series,
    /// Boards that are done are made again, with the number that they have.
    pub again: bool,
}

impl Line<'_> {
    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        // A panic elsewhere leaves a transaction undone, and the ledger as it was.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next board at a station through all steps.
    ///
    /// # Errors
    ///
    /// The ledger's: the line stops then, for nothing can be written down.
    pub fn next<S: Station>(&self, station: &mut S) -> Result<Ended<S::Fault>, LedgerError> {
        let arrived = station.arrive();
        if matches!(arrived, Ok(None)) {
            return Ok(Ended::NoMore);
        }
        let trial = self.ledger().arrived(station.port())?;
        let mut serial = None;
        let done = arrived.and_then(|identity| match identity {
            Some(identity) => self.make(station, trial, &identity, &mut serial),
            None => Ok(Ended::NoMore),
        });
        match done {
            Ok(ended) => {
                self.ledger().ended(trial, None)?;
                Ok(ended)
            }
            Err(fault) => {
                self.ledger().ended(trial, Some(&fault.to_string()))?;
                Ok(Ended::Failed { serial, fault })
            }
        }
    }

    fn make<S: Station>(
        &self,
        station: &mut S,
        trial: crate::Trial,
        identity: &Identity,
        serial: &mut Option<String>,
    ) -> Result<Ended<S::Fault>, S::Fault> {
        let is_made = |serial: &str| station.is_made(serial);
        let board = self
            .ledger()
            .identified(trial, identity, self.series, &is_made)?;
        *serial = Some(board.serial.clone());
        debug_assert_eq!(board.mac, shown_mac(&identity.mac));
        if board.stage == Stage::Done && !self.again {
            return Ok(Ended::DoneBefore(board));
        }
        let number = &*board.serial;
        let certificate = station.certify(&board)?;
        self.ledger().has(number, Some(&certificate), None)?;
        self.ledger().reached(number, Stage::Certified)?;
        let firmware = station.write(&board)?;
        self.ledger().has(number, None, Some(&firmware))?;
        self.ledger().reached(number, Stage::Written)?;
        station.start(&board)?;
        self.ledger().reached(number, Stage::Started)?;
        station.label(&board)?;
        self.ledger().reached(number, Stage::Done)?;
        Ok(Ended::Done(self.ledger().board(number)?))
    }
}
