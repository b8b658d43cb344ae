#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod clock;
mod files;
mod finding;
mod limits;
mod mqtt;
mod network;
mod profile;
mod server;
mod session;

// Linked for what they bring: the locks and the clock that the device asks for.
use critical_section as _;
use device::settings::Settings;
use device::tls::Library;
use hosttime as _;

pub use files::Folder;
pub use finding::{Check, Finding, Verdict, Who};
pub use session::Trial;

/// How the examination is done.
#[derive(Clone, Copy)]
pub struct Examination<'a> {
    /// MbedTLS. All of it lives on one thread.
    pub library: Library<'a>,
    /// A ThingsBoard to look into.
    pub client: Option<&'a tb::Client>,
    /// The time by this computer, in seconds since 1970.
    pub now_unix_s: u64,
    /// Whether to ask the time server of the settings, too.
    pub asks_time: bool,
}

impl Examination<'_> {
    /// Goes the device's way. `told` is given each finding as it comes.
    pub async fn of(
        &self,
        folder: &Folder,
        settings: &Settings,
        mut told: impl FnMut(&Finding),
    ) -> Vec<Finding> {
        let mut all = Vec::new();
        let mut add = |all: &mut Vec<Finding>, findings: Vec<Finding>| {
            findings.iter().for_each(&mut told);
            let bad = findings.iter().any(Finding::is_bad);
            all.extend(findings);
            !bad
        };
        let (bundle, findings) = files::examine(folder, self.now_unix_s);
        let files_are_good = add(&mut all, findings);
        if self.asks_time {
            add(&mut all, clock::examine(settings, self.now_unix_s).await);
        }
        let (address, findings) = network::examine(&settings.broker).await;
        add(&mut all, findings);
        if let Some(address) = address {
            let name = settings.server_name.as_str();
            add(
                &mut all,
                server::examine(address, name, folder, self.now_unix_s).await,
            );
            if let (Some(bundle), true) = (&bundle, files_are_good) {
                let findings =
                    session::examine(self.library, bundle, settings, address, self.now_unix_s);
                add(&mut all, findings.await);
            }
        }
        if let (Some(client), Some(bundle)) = (self.client, &bundle) {
            add(
                &mut all,
                profile::examine(client, folder, bundle.common_name()),
            );
        }
        all
    }
}
