//! What the emulated board counts: rows of the table that it prints (emulated/src/figures.rs).

use std::collections::HashMap;

/// What was erased of a board's flash in a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Sectors that were erased at all.
    pub sectors: u64,
    /// How often the one was that was erased most often.
    pub most: u64,
}

/// What a board counted.
#[derive(Debug, Default)]
pub struct Figures {
    phases: HashMap<String, Figure>,
    extents: HashMap<String, Extent>,
}

/// A row of the board's table.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// How often it was counted.
    pub times: u64,
    /// Instructions, the mean.
    pub instructions: u64,
    /// The most bytes of heap above those in use when the phase began.
    pub heap_peak: u64,
    /// Bytes of heap that were still in use at its end.
    pub heap_kept: u64,
}

/// Memory of the board, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// As much as there is.
    pub size: u64,
    /// As much as was ever in use at once.
    pub most_used: u64,
}

impl Figures {
    /// What was counted of a phase; their names are in emulated/src/figures.rs.
    ///
    /// # Panics
    ///
    /// If there was no such phase.
    #[must_use]
    pub fn of(&self, phase: &str) -> Figure {
        *self
            .phases
            .get(phase)
            .unwrap_or_else(|| panic!("{phase} was not counted"))
    }

    /// How much of `heap` or `stack` was in use.
    ///
    /// # Panics
    ///
    /// If it is neither.
    #[must_use]
    pub fn memory(&self, kind: &str) -> Extent {
        *self
            .extents
            .get(kind)
            .unwrap_or_else(|| panic!("there is no {kind}"))
    }

    /// What was erased in the life whose figures were printed last.
    ///
    /// # Panics
    ///
    /// If none were.
    #[must_use]
    pub fn erased(&self) -> Erased {
        let Extent { size, most_used } = self.memory("erased");
        Erased {
            sectors: size,
            most: most_used,
        }
    }

    /// Takes a row of the board's table, if the line is one.
    pub(crate) fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { return };
        let Ok(numbers) = words.map(str::parse).collect::<Result<Vec<u64>, _>>() else {
            return;
        };
        match numbers[..] {
            [times, instructions, heap_peak, heap_kept] => {
                let figure = Figure {
                    times,
                    instructions,
                    heap_peak,
                    heap_kept,
                };
                self.phases.insert(name.to_owned(), figure);
            }
            [size, most_used] => {
                self.extents
                    .insert(name.to_owned(), Extent { size, most_used });
            }
            _ => {}
        }
    }
}
