//! Renewal of the device's certificate, and of the CAs that its broker may come from, without a visit.
//!
//! What is kept and which of two counts is the crate [`renewal`]'s; here is what there is to ask, to tell and
//! to decide, and which of two the next connection is made with. [The page](../../../docs/certificate-renewal.md)
//! tells it for an operator.
//!
//! ```text
//!            asked for, or some weeks before the end          a chain for the key came, proven
//!   nothing ------------------------------------------> requested ------------------> trying
//!      ^  new key in flash, certificate_request told       |  unusable chain            |
//!      |                                                   v                            |
//!      +------------------------------------------------ failed <-----------------------+
//!      |                                                     refused by the broker      |
//!      +------------------------------------------------------------ renewed <----------+
//!                                    telemetry acknowledged: the old one is wiped
//! ```
//!
//! Anchors need no request: those that come and can be used are candidates, and are trusted, too, once those
//! that are proven did not do; they are proven by the connection that this brings about.
//!
//! Every connection begins anew with what the server tells, and goes on with what is in flash: so a lost
//! connection, a restart and a power cut are the same.

mod connection;
mod keeping;
mod renewing;
mod request;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt::Write as _;

use ::renewal::pieces::Gathering;
use ::renewal::trial::{End, Trial, Verdict, With};
use embassy_time::{Duration, Instant};
use esp_nvs::Key;
use thingsboard::RequestId;
use zeroize::Zeroizing;

use crate::broker::CloudError;
use crate::credentials::{CredentialsError, File, Identity, Renewed};
use crate::event::{Event, Renewal, Why};
use crate::files::{self, sealed};
use crate::platform::{Entropy, Platform, System};
use crate::storage::{Storage, StorageError};
use crate::tls::{CertificateFault, TlsError};
pub use keeping::{ANCHORS, IDENTITY, Keeping, Kept, Keys};
pub use renewing::Known;
pub(crate) use renewing::{ASKED, NOTICES, Renewing};

/// Bytes of a private key on P-256.
const KEY_BYTES: usize = 32;

/// How long after a try that showed nothing the next one is made.
const PAUSE: Duration = Duration::from_secs(60);

/// How long after a failure the device does not begin by itself.
const REST: Duration = Duration::from_secs(86_400);

/// Number: how often the candidate was tried.
const TRIES: Key = Key::from_array(b"tries");
/// String: why the last renewal failed, if it did.
const WHY: Key = Key::from_array(b"why");

/// Which of two things a renewal is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Identity,
    Anchors,
}

/// Where the renewal of the certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is to be done.
    Idle,
    /// A key waits for its certificate.
    Requested,
    /// A certificate is to be tried.
    Trying,
}

/// The renewals of one life.
pub struct Renewals<'a, P: Platform> {
    storage: &'a Storage<P::Flash>,
    system: &'a P::System,
    /// With how many days left the device begins by itself; 0 for never.
    days_before: u16,
    inner: RefCell<Inner>,
}

struct Inner {
    /// Whether flash was looked into.
    opened: bool,
    stage: Stage,
    /// Whether a renewal brought the certificate that is proven.
    renewed: bool,
    /// Whether the last renewal failed, and when, if in this life.
    failed: Option<Instant>,
    trial: Trial,
    /// What the present connection is made with.
    with: With,
    /// When the next try may be made.
    next_try: Instant,
    /// Whether anchors wait to be proven.
    new_anchors: bool,
    /// What became of the last anchors of this life, if they are none that wait.
    anchors: Option<Result<(), Box<Why>>>,
    /// Whether they are trusted on the next connection.
    trust: With,
    /// Whether they are on the present one.
    trusting: With,
    /// Whether what the next connection is made with is another than the last one's.
    changed: bool,
    /// Whether this connection had telemetry acknowledged.
    works: bool,
    /// Whether this connection is to end for the next try.
    reconnect: bool,
    /// What is to be told.
    news: [bool; 2],
    /// What is on its way to being told.
    telling: [bool; 2],
    work: [Option<Box<Gathering>>; 2],
    /// Whether its pieces made no whole, and are fetched once more: another set may be on its way, whose notice
    /// comes last.
    again: [bool; 2],
    /// Until when no piece is asked for.
    rests_until: Instant,
    /// The piece that was asked for, of what, and when.
    asked: Option<(RequestId, Of, Instant)>,
    /// How often it was asked for in vain.
    silent: u8,
    requests: u32,
}

/// What the next connection is made with. Wiped when dropped.
#[derive(Default)]
pub(crate) struct Materials {
    identity: Option<Result<Zeroizing<Vec<u8>>, CredentialsError>>,
    anchors: [Option<Zeroizing<Vec<u8>>>; 2],
}

impl Materials {
    /// What it is.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`], of [`File::Renewed`], if this chip does not open the key.
    pub(crate) fn renewed(&self) -> Result<Renewed<'_>, CredentialsError> {
        let identity = match &self.identity {
            Some(opened) => Some(identity(opened.as_ref().map_err(|error| *error)?)),
            None => None,
        };
        let anchors = self.anchors.each_ref();
        Ok(Renewed {
            identity,
            anchors: anchors.map(|kept| kept.as_deref().map_or(&[][..], |kept| kept)),
        })
    }

    /// Whether certificate and key are renewed ones.
    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }
}

/// What is kept of an identity, with its key opened.
fn identity(kept: &[u8]) -> Identity<'_> {
    let (key, chain) = kept.split_at_checked(KEY_BYTES).unwrap_or_default();
    Identity { key, chain }
}

impl<'a, P: Platform> Renewals<'a, P> {
    /// Those of a life that begins.
    pub(crate) fn new(
        storage: &'a Storage<P::Flash>,
        system: &'a P::System,
        days_before: u16,
    ) -> Self {
        Self {
            storage,
            system,
            days_before,
            inner: RefCell::new(Inner {
                opened: false,
                stage: Stage::Idle,
                renewed: false,
                failed: None,
                trial: Trial::after(0),
                with: With::Proven,
                next_try: Instant::MIN,
                new_anchors: false,
                anchors: None,
                trust: With::Proven,
                trusting: With::Proven,
                changed: false,
                works: false,
                reconnect: false,
                news: [false; 2],
                telling: [false; 2],
                work: [None, None],
                again: [false; 2],
                rests_until: Instant::MIN,
                asked: None,
                silent: 0,
                requests: 1,
            }),
        }
    }

    /// As a connection sees them.
    pub(crate) fn as_dyn(&self) -> Option<&dyn Renewing> {
        Some(self)
    }

    /// What the next connection is to be made with. A flash that does not answer has nothing, and may have
    /// another time.
    pub(crate) fn materials(&self) -> Materials {
        let mut inner = self.inner.borrow_mut();
        if !inner.opened
            && let Err(error) = self.open(&mut inner)
        {
            log::error!("what was renewed cannot be read: {error}");
        }
        inner.changed = false;
        inner.with = match inner.stage {
            Stage::Trying => inner.trial.next(),
            _ => With::Proven,
        };
        inner.trusting = inner.trust;
        let mut materials = Materials::default();
        if (inner.renewed || inner.with == With::Candidate)
            && let Ok(kept) = self.kept(Of::Identity)
        {
            let kept = match inner.with {
                With::Proven => kept.proven,
                With::Candidate => kept.candidate,
            };
            materials.identity = kept.map(|kept| self.open_identity(&kept));
        }
        if inner.opened
            && self.storage.has_renewals() == Ok(true)
            && let Ok(kept) = self.kept(Of::Anchors)
        {
            let candidate = kept.candidate.filter(|_| inner.trust == With::Candidate);
            materials.anchors = [kept.proven, candidate];
        }
        materials
    }

    /// Whether the next connection is to be made with something else than the last one.
    pub(crate) fn is_changed(&self) -> bool {
        self.inner.borrow().changed
    }

    /// What was renewed cannot be used after all, and files are: a firmware may know less than the one that
    /// renewed it.
    pub(crate) fn without_identity(&self, error: CredentialsError) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        match inner.with {
            With::Candidate => Some(self.fail(&mut inner, &error)),
            With::Proven => {
                inner.renewed = false;
                Some(inner.failed_by(why(&error)))
            }
        }
    }

    /// The dates of what the connection was to be made with are not good. Whether there is something else to
    /// try at once, which there is once.
    pub(crate) fn is_unusable(&self, error: &CredentialsError) -> bool {
        let mut inner = self.inner.borrow_mut();
        let something_else = match (error.file, inner.with) {
            (File::ServerChain | File::RenewedAnchors, _) => {
                let untried = inner.new_anchors && inner.trusting == With::Proven;
                inner.trust = if untried {
                    With::Candidate
                } else {
                    With::Proven
                };
                untried
            }
            // The clock may be wrong: next time it is the other's turn.
            (_, with) if inner.stage == Stage::Trying => {
                inner.trial.ended(with, End::Failed);
                with == With::Proven
            }
            _ => return false,
        };
        inner.changed = true;
        something_else
    }

    /// A connection did not come about, or ended.
    pub(crate) fn ended(&self, error: &CloudError) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        if matches!(
            error,
            CloudError::Tls(TlsError::ServerCertificate(CertificateFault::NotTrusted))
        ) && inner.new_anchors
        {
            // Next time the other way: only where the proven ones do not do the new ones are proven.
            inner.trust = match inner.trusting {
                With::Proven => With::Candidate,
                With::Candidate => With::Proven,
            };
            inner.changed = true;
            return None;
        }
        if inner.stage != Stage::Trying {
            return None;
        }
        let end = match is_refusal(error) {
            true => End::Refused,
            false => End::Failed,
        };
        let with = inner.with;
        inner.changed = true;
        match inner.trial.ended(with, end) {
            Verdict::Dropped => Some(self.fail(&mut inner, error)),
            Verdict::Open => {
                inner.next_try = Instant::now() + PAUSE;
                None
            }
        }
    }

    /// Looks into flash for what an earlier life left.
    fn open(&self, inner: &mut Inner) -> Result<(), StorageError> {
        if self.storage.has_renewals()? {
            let identity = self.kept(Of::Identity)?;
            inner.renewed = identity.proven.is_some();
            inner.stage = match identity.candidate.as_deref() {
                None => Stage::Idle,
                Some(kept) if sealed::split(kept, KEY_BYTES).1.is_empty() => Stage::Requested,
                Some(_) => Stage::Trying,
            };
            inner.new_anchors = self.kept(Of::Anchors)?.candidate.is_some();
            let tries = self.storage.renewal_number(&TRIES)?;
            inner.trial = Trial::after(tries as u32);
            let failed = !self.storage.renewal_text(&WHY)?.is_empty();
            inner.failed = failed.then(Instant::now);
        }
        inner.opened = true;
        Ok(())
    }

    /// What is kept. Where the files cannot be read nothing is.
    fn kept(&self, of: Of) -> Result<Kept, StorageError> {
        self.keeping(of)?.find()
    }

    fn keeping(&self, of: Of) -> Result<Keeping<'a, P::Flash>, StorageError> {
        let (keys, origin) = match of {
            Of::Identity => (&IDENTITY, files::leaf(self.storage)),
            Of::Anchors => (&ANCHORS, files::read(self.storage, File::ServerChain)),
        };
        // What is wrong with the files is told by who needs them.
        let origin = origin.map_err(|_| StorageError::FlashFailed)?;
        let origin = ::renewal::digest(&origin);
        Ok(Keeping::new(self.storage, keys, origin))
    }

    /// The renewal is over, and this is why. The old certificate works on.
    fn fail(&self, inner: &mut Inner, error: &dyn core::fmt::Display) -> Event {
        let why = why(error);
        // The reason first: should the power go in between, the next life comes to the same end.
        let told = self.storage.keep_renewal_text(&WHY, &why);
        let dropped = self
            .keeping(Of::Identity)
            .and_then(|of| of.drop_candidate());
        if let Err(error) = told.and(dropped) {
            log::error!("a renewal that failed is not forgotten: {error}");
        }
        inner.stage = Stage::Idle;
        inner.changed |= inner.with == With::Candidate;
        inner.with = With::Proven;
        inner.work[Of::Identity as usize] = None;
        inner.failed_by(why)
    }

    /// What is kept of an identity, with its key opened if it is sealed.
    fn open_identity(&self, kept: &[u8]) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
        let (key, chain) = sealed::split(kept, KEY_BYTES);
        let mut opened = Zeroizing::new(Vec::with_capacity(KEY_BYTES + chain.len()));
        opened.extend_from_slice(&sealed::opened(
            Zeroizing::new(key.to_vec()),
            File::Renewed,
            self.system.sealer(),
        )?);
        opened.extend_from_slice(chain);
        Ok(opened)
    }

    fn entropy(&self) -> Entropy<'a, P::System> {
        Entropy(self.system)
    }
}

impl Inner {
    fn failed_by(&mut self, why: Box<Why>) -> Event {
        self.failed = Some(Instant::now());
        self.tell(Of::Identity);
        Event::Renewal(Renewal::Failed { why })
    }

    /// Something about it is to be told.
    fn tell(&mut self, of: Of) {
        self.news[of as usize] = true;
        self.telling[of as usize] = false;
    }
}

/// A reason, cut where it is too long.
fn why(error: &dyn core::fmt::Display) -> Box<Why> {
    struct Cut(Box<Why>);
    impl core::fmt::Write for Cut {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for character in text.chars() {
                self.0.push(character).map_err(|_| core::fmt::Error)?;
            }
            Ok(())
        }
    }
    let mut cut = Cut(Box::default());
    // What does not fit is left out.
    let _ = write!(cut, "{error}");
    cut.0
}

/// The same of flash.
fn flash(error: StorageError) -> Box<Why> {
    why(&error)
}

/// Whether the broker says that it does not take the device as who it is.
fn is_refusal(error: &CloudError) -> bool {
    match error {
        CloudError::Tls(error) => matches!(
            error,
            TlsError::DeviceCertificate(_) | TlsError::NothingInCommon | TlsError::TooWeak
        ),
        // Bad user name, not authorized, client identifier not valid, banned, bad method.
        CloudError::Refused { reason } => matches!(reason, 0x85 | 0x86 | 0x87 | 0x8a | 0x8c),
        CloudError::NotSubscribed { reason } | CloudError::NotTaken { reason } => *reason == 0x87,
        _ => false,
    }
}
