//! With which of two the next connection is made: what is proven, or a candidate.
//!
//! A candidate is tried from a connection that stands: so it is known that the network and the server work,
//! and a device that a candidate crashes still gets a word out in each life. After a try that shows nothing
//! the proven one gets its turn; after a few of them, from each of which the proven one came back, the
//! candidate is what is wrong. Where the proven one does not get through, the candidate is tried in its turn,
//! for it may be the only one left.

/// How many tries show nothing before the candidate is given up.
pub const MOST_TRIES: u32 = 5;

/// With which a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// The proven one.
    Proven,
    /// The candidate.
    Candidate,
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server does not take the device as who it says that it is.
    Refused,
    /// Anything else: it was lost, or did not come about.
    Failed,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Open,
    /// The candidate is no good.
    Dropped,
}

/// A trial of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    next: With,
    /// Tries so far, of all lives.
    tries: u32,
}

impl Trial {
    /// Goes on with one of which there were so many tries.
    #[must_use]
    pub fn after(tries: u32) -> Self {
        Self {
            next: With::Proven,
            tries,
        }
    }

    /// With which the next connection is to be made.
    #[must_use]
    pub fn next(&self) -> With {
        self.next
    }

    /// How many tries there were.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The server works with the proven one: now the candidate is to be tried. The number of tries is to be
    /// kept before it is.
    pub fn proven_works(&mut self) -> Verdict {
        if self.tries >= MOST_TRIES {
            return Verdict::Dropped;
        }
        self.tries += 1;
        self.next = With::Candidate;
        Verdict::Open
    }

    /// A connection ended, or did not come about.
    pub fn ended(&mut self, with: With, end: End) -> Verdict {
        match (with, end) {
            (With::Candidate, End::Refused) => return Verdict::Dropped,
            (With::Candidate, End::Failed) => self.next = With::Proven,
            (With::Proven, _) => self.next = With::Candidate,
        }
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_tried_from_a_connection_that_stands() {
        let mut trial = Trial::after(0);
        assert_eq!(trial.next(), With::Proven);
        assert_eq!(trial.proven_works(), Verdict::Open);
        assert_eq!((trial.next(), trial.tries()), (With::Candidate, 1));
    }

    #[test]
    fn a_refusal_ends_it_and_an_absent_network_does_not() {
        let mut trial = Trial::after(0);
        trial.proven_works();
        // No network: the two take turns, for ever.
        for _ in 0..100 {
            let with = trial.next();
            assert_eq!(trial.ended(with, End::Failed), Verdict::Open);
            assert_ne!(trial.next(), with);
        }
        assert_eq!(trial.tries(), 1);
        assert_eq!(trial.ended(With::Candidate, End::Refused), Verdict::Dropped);
    }

    #[test]
    fn a_proven_one_that_is_refused_leaves_the_candidate_its_turn() {
        let mut trial = Trial::after(0);
        assert_eq!(trial.ended(With::Proven, End::Refused), Verdict::Open);
        assert_eq!(trial.next(), With::Candidate);
    }

    #[test]
    fn tries_that_show_nothing_come_to_an_end_over_all_lives() {
        let mut trial = Trial::after(0);
        for tries in 1..=MOST_TRIES {
            // Each in a life of its own.
            trial = Trial::after(trial.tries());
            assert_eq!(trial.proven_works(), Verdict::Open);
            assert_eq!(trial.tries(), tries);
        }
        assert_eq!(trial.proven_works(), Verdict::Dropped);
    }
}
