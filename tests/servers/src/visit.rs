//! A device comes to a server: one whole simulated board, from its boot until the broker acknowledged
//! what it measured, or until it says why not.

use std::time::Duration;

use anyhow::{Context, Result};
use device::cloud::CloudError;
use device::event::{Event, TlsVersion};
use device::tls::TlsError;
use pki::Profile;
use simulator::observer::Notice;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::setting::Setting;
use crate::stage::Stage;

/// How long a visit may take: it fails before that [`FAILURES`] times.
const LONGEST: Duration = Duration::from_secs(600);
/// How often a device may fail for what a busy computer brings about, too.
const FAILURES: usize = 5;

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The broker took what it measured.
    Online(TlsVersion),
    /// Twice; whether the session was resumed.
    Twice(TlsVersion, bool),
    /// The device says that it cannot, and why.
    Refused(CloudError),
}

/// Lets a device of this serial number come to the port.
pub(crate) async fn visit(
    stage: &Stage,
    serial: &str,
    setting: &Setting,
    port: u16,
) -> Result<Outcome> {
    let desk = &stage.desk;
    let profile = Profile {
        algorithm: setting.device,
        ..Profile::default()
    };
    let identity = desk.pki.device_with(serial, &profile)?;
    let trust = &stage.chain(setting.chain).root;
    let board = desk.board(desk.flash_of_provisioned(&identity, trust, port), 1);
    let mut notices = board.watch();
    let story = async {
        let (version, _) = match acknowledged(&mut notices).await? {
            Ok(tls) => tls,
            Err(error) => return Ok(Outcome::Refused(error)),
        };
        if !setting.twice {
            return Ok(Outcome::Online(version));
        }
        board.station.cut();
        Ok(match acknowledged(&mut notices).await? {
            Ok((version, resumed)) => Outcome::Twice(version, resumed),
            Err(error) => Outcome::Refused(error),
        })
    };
    let visit = async {
        tokio::select! {
            never = board.live_on() => match never {},
            outcome = story => outcome,
        }
    };
    tokio::time::timeout(LONGEST, visit)
        .await
        .context("the device says nothing")?
}

/// Waits for a connection, and for the broker to acknowledge something on it: its version, and whether
/// a session was resumed.
async fn acknowledged(
    notices: &mut UnboundedReceiver<Notice>,
) -> Result<std::result::Result<(TlsVersion, bool), CloudError>> {
    let mut tls = None;
    let mut failures = 0;
    loop {
        let notice = notices.recv().await.context("the device is gone")?;
        match notice {
            Notice::Event(_, Event::TlsEstablished { version, resumed }) => {
                tls = Some((version, resumed));
            }
            Notice::Event(_, Event::Acknowledged { .. }) => {
                if let Some(tls) = tls {
                    return Ok(Ok(tls));
                }
            }
            Notice::Event(_, Event::ConnectionFailed { error, .. }) => {
                tls = None;
                failures += 1;
                if is_verdict(&error) || failures == FAILURES {
                    return Ok(Err(error));
                }
            }
            _ => {}
        }
    }
}

/// Whether the error tells of how the two are set.
fn is_verdict(error: &CloudError) -> bool {
    !matches!(
        error,
        CloudError::Unreachable(_)
            | CloudError::TimedOut(_)
            | CloudError::Lost(_)
            | CloudError::HungUp
            | CloudError::Silent
            | CloudError::Kicked { .. }
            // After that it comes with another group.
            | CloudError::Tls(TlsError::Broken(_) | TlsError::OutOfMemory | TlsError::RetryCookie)
    )
}
