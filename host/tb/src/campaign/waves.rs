//! How many devices a campaign has reached after each of its waves, and how many may fail.

use std::fmt;
use std::str::FromStr;

/// A number of devices, or a part of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(f64),
}

impl Share {
    /// Of so many: a part of a device that is to be reached is one.
    #[must_use]
    pub fn at_least(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => ((all as f64 * percent / 100.0).ceil() as usize).min(all),
        }
    }

    /// Of so many: a part of a device that may fail is none.
    #[must_use]
    pub fn at_most(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (all as f64 * percent / 100.0).floor() as usize,
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is neither a number of devices nor a part of them, as 10%");
        match text.trim().strip_suffix('%') {
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
            None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Waves: how many devices have been reached after each.
#[derive(Clone, Debug, PartialEq)]
pub struct Waves(Vec<Share>);

impl Waves {
    /// How many devices of `all` have been reached after each wave, each more than the one before.
    #[must_use]
    pub fn targets(&self, all: usize) -> Vec<usize> {
        let mut targets = Vec::new();
        for share in &self.0 {
            let target = share.at_least(all);
            if target > targets.last().copied().unwrap_or(0) {
                targets.push(target);
            }
        }
        targets
    }
}

impl FromStr for Waves {
    type Err = String;

    /// As `1,10,10%,100%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let shares: Vec<Share> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        // What comes after what depends on how many there are, but for shares of a kind.
        let falls = shares.windows(2).any(|pair| match (pair[0], pair[1]) {
            (Share::Count(before), Share::Count(after)) => after <= before,
            (Share::Percent(before), Share::Percent(after)) => after <= before,
            _ => false,
        });
        let none =
            |share: &Share| matches!(share, Share::Count(0)) || *share == Share::Percent(0.0);
        match falls || shares.iter().any(none) {
            true => Err(format!(
                "`{text}`: each wave says how many devices are reached after it, so that they rise"
            )),
            false => Ok(Self(shares)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_rise_to_all() {
        let waves: Waves = "1,10,10%,100%".parse().unwrap();
        assert_eq!(waves.targets(10_000), [1, 10, 1_000, 10_000]);
        assert_eq!(waves.targets(50), [1, 10, 50], "10% are fewer than ten");
        assert_eq!(waves.targets(7), [1, 7]);
        assert_eq!(waves.targets(0), [0; 0]);
        let part: Waves = "0.5%".parse().unwrap();
        assert_eq!(part.targets(30), [1], "a part of a device is one");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "", "x", "0", "0%", "10,1", "50%,10%", "101%", "-1", "1,,2", "NaN%",
        ] {
            assert!(text.parse::<Waves>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_failure_is_none() {
        let one: Share = "1%".parse().unwrap();
        assert_eq!(
            (one.at_most(1), one.at_most(99), one.at_most(250)),
            (0, 0, 2)
        );
        assert_eq!(Share::Count(3).at_most(1), 3);
    }
}
