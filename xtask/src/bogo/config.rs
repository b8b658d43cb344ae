//! tests/bogo/config.json: the runner's configuration, and beside it what only we read.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

/// Patterns, and the reason of each.
type Reasons = BTreeMap<String, String>;

/// The part of the configuration that is not for the runner alone.
#[derive(serde::Deserialize)]
pub(super) struct Config {
    /// Tests that do not apply.
    #[serde(rename = "DisabledTests")]
    not_applicable: Reasons,
    /// Tests that apply, and whose end is not the one that the runner wants. The runner does not
    /// know this part.
    #[serde(rename = "Differences")]
    differences: Reasons,
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Why a test does not apply.
    pub(super) fn not_applicable(&self, test: &str) -> Option<(&str, &str)> {
        find(&self.not_applicable, test)
    }

    /// Why a test ends otherwise.
    pub(super) fn difference(&self, test: &str) -> Option<(&str, &str)> {
        find(&self.differences, test)
    }

    /// All patterns.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        let both = self.not_applicable.keys().chain(self.differences.keys());
        both.map(String::as_str)
    }
}

/// The pattern that a test matches, and its reason.
fn find<'a>(reasons: &'a Reasons, test: &str) -> Option<(&'a str, &'a str)> {
    let mut matching = reasons.iter().filter(|(pattern, _)| matches(pattern, test));
    let (pattern, reason) = matching.next()?;
    Some((pattern, reason))
}

/// What the runner's patterns (Go's `filepath.Match`) mean, as far as they are used: `*` for
/// anything, `[^M]` for any character but M.
fn matches(pattern: &str, name: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        return (0..=name.len())
            .filter(|at| name.is_char_boundary(*at))
            .any(|at| matches(rest, &name[at..]));
    }
    let mut left = name.chars();
    if let Some((forbidden, rest)) = pattern
        .strip_prefix("[^")
        .and_then(|rest| rest.split_once(']'))
    {
        return left.next().is_some_and(|c| !forbidden.contains(c)) && matches(rest, left.as_str());
    }
    let mut wanted = pattern.chars();
    match (wanted.next(), left.next()) {
        (None, None) => true,
        (Some(one), Some(other)) => one == other && matches(wanted.as_str(), left.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_the_runners() {
        assert!(matches("*-TLS1-*", "Resume-TLS1-Sync"));
        assert!(!matches("*-TLS1-*", "Resume-TLS12-Sync"));
        assert!(matches("Basic", "Basic") && !matches("Basic", "Basic2"));
        assert!(matches("[^M]*-TLS11", "Version-TLS11"));
        assert!(!matches("[^M]*-TLS11", "MinimumVersion-TLS11"));
        assert!(!matches("[^M]", ""));
    }
}
