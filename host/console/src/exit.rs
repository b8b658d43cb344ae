//! Ends that have an exit code of their own. Whatever else goes wrong is a failure: 1.

use std::fmt;

/// Why the program ends, where a script should be able to tell.
#[derive(Debug)]
pub enum Exit {
    /// The arguments are wrong, as only their use shows.
    WrongArguments(String),
    /// Nothing could be found out about the device: the operator has to mend something first.
    NothingChecked(String),
    /// The thread of the devices does not go on.
    Hung {
        /// Whose thread it is.
        whose: String,
        /// For how long it gave no sign of life, in seconds.
        silent_s: u64,
        /// What it told last, by name.
        last: String,
    },
    /// The device has joined the network, and is not online.
    NotOnline(String),
    /// Somebody asked the program to end before it had anything to tell.
    Interrupted,
}

impl Exit {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::WrongArguments(_) => 2,
            Self::NothingChecked(_) => 3,
            Self::Hung { .. } => 4,
            Self::NotOnline(_) => 5,
            // As a shell tells of SIGINT.
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongArguments(text) | Self::NothingChecked(text) | Self::NotOnline(text) => {
                f.write_str(text)
            }
            Self::Hung {
                whose,
                silent_s,
                last,
            } => {
                write!(f, "{whose} hangs: nothing was done for {silent_s} s")?;
                if !last.is_empty() {
                    write!(f, ", after {last}")?;
                }
                f.write_str(
                    ". If something reads this program's output, see that it does; else this is a fault \
                     of esptb: report it, with the last lines before",
                )
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Exit {}
