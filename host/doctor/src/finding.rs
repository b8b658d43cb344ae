//! What was found, and what follows from it.

use serde::Serialize;

/// Something that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which step.
    pub check: Check,
    /// How good that is.
    pub verdict: Verdict,
    /// What is so.
    pub says: String,
    /// What to do, and by whom; none where nothing is.
    pub remedy: Option<Remedy>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// Who.
    pub who: Who,
    /// What.
    pub what: String,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The device's files.
    Files,
    /// This computer's clock, and the time server.
    Clock,
    /// The broker's name.
    Dns,
    /// The way to it.
    Tcp,
    /// What it shows.
    Server,
    /// Whether the device takes it, and it the device's certificate.
    Tls,
    /// Whether it lets the device in.
    Mqtt,
    /// How much it takes.
    Limits,
    /// What ThingsBoard has against the device.
    Profile,
}

impl Check {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Clock => "clock",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Server => "server",
            Self::Tls => "tls",
            Self::Mqtt => "mqtt",
            Self::Limits => "limits",
            Self::Profile => "profile",
        }
    }
}

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing; the device gets online.
    Note,
    /// The device does not get online, or not for long.
    Bad,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Whoever makes the device's files.
    Maker,
    /// Whoever runs the server, its machine and its certificate.
    Server,
    /// A tenant administrator of the ThingsBoard.
    Tenant,
    /// Whoever runs the network in between.
    Network,
}

impl Who {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Maker => "who makes the device's files",
            Self::Server => "who runs the server",
            Self::Tenant => "the tenant's administrator",
            Self::Network => "who runs the network",
        }
    }
}

impl Finding {
    /// Whether the device does not get online.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict == Verdict::Bad
    }

    pub(crate) fn good(check: Check, says: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Good,
            says: says.into(),
            remedy: None,
        }
    }

    pub(crate) fn note(
        check: Check,
        says: impl Into<String>,
        who: Who,
        what: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Note,
            ..Self::bad(check, says, who, what)
        }
    }

    pub(crate) fn bad(
        check: Check,
        says: impl Into<String>,
        who: Who,
        what: impl Into<String>,
    ) -> Self {
        let what = what.into();
        Self {
            check,
            verdict: Verdict::Bad,
            says: says.into(),
            remedy: Some(Remedy { who, what }),
        }
    }

    /// Of one of the device's own errors, which say what to do behind a colon.
    pub(crate) fn of_error(check: Check, error: impl ToString, who: Who) -> Self {
        let text = error.to_string();
        match text.split_once(": ") {
            // The name of a file comes before another colon.
            Some((file, rest)) if file.contains('.') && !file.contains(' ') => {
                match rest.split_once(": ") {
                    Some((says, what)) => Self::bad(check, format!("{file}: {says}"), who, what),
                    None => Self::bad(check, text, who, "mend it"),
                }
            }
            Some((says, what)) => Self::bad(check, says, who, what),
            None => Self::bad(check, text, who, "mend it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_device_is_taken_apart() {
        let parts = |text: &str| {
            let finding = Finding::of_error(Check::Files, text, Who::Maker);
            (finding.says, finding.remedy.unwrap().what)
        };
        let pair = |says: &str, what: &str| (says.to_owned(), what.to_owned());
        assert_eq!(
            parts("the name does not resolve: check it"),
            pair("the name does not resolve", "check it")
        );
        assert_eq!(
            parts("device.crt: it is empty: put it there"),
            pair("device.crt: it is empty", "put it there")
        );
    }
}
