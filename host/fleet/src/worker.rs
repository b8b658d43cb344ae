//! A worker: a process with a share of the fleet, on one thread.
//!
//! It does what is said on its standard input, tells how it goes on its standard output, and ends
//! when its input does, so that no worker outlives its parent.

use std::future::pending;
use std::io::BufRead;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use bodykit::flash::{Flash, Image};
use bodykit::image::Image as App;
use bodykit::tls;
use device::storage::keys;
use device::tls::Library;
use flashimage::{FlashImage, NvsEntry, NvsValue, PartitionTable};
use pki::{Pki, Profile, Validity};
use spiffs::{Builder, Geometry};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::member::{Common, Member};
use super::protocol::{Order, Progress, Share, Told, name};
use super::tally::{self, Usage};
use crate::product::Product;
use console::Watchdog;
use console::on_one_thread;

/// The length of what they run: all have it in common.
const APP_LEN: usize = 4096;
/// How often it tells how it goes.
const REPORT: Duration = Duration::from_secs(1);

/// Obeys until the input ends.
pub fn run() -> Result<()> {
    let outcome = on_one_thread(work());
    if let Err(error) = &outcome {
        let reason = format!("{error:#}");
        // Without a parent there is nobody to tell.
        let _ = tell(&Told::Failed { reason });
    }
    outcome
}

async fn work() -> Result<()> {
    let before = Usage::now();
    let mut orders = orders();
    let Some(Order::Make(share)) = next(&mut orders).await? else {
        return Ok(());
    };
    let common = Rc::new(Common {
        claims: share.claims_ms.map(Duration::from_millis),
        ..Common::default()
    });
    let product = share.product;
    let members = make(&share, &common)?;
    tell(&Told::Made { before })?;
    let _watchdog = Watchdog::start("a worker of the fleet", None);
    let life = Life {
        product,
        library: tls::library(),
        faults: share.faults_ms.map(Duration::from_millis),
    };
    let mut reports = interval(REPORT);
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = next(&mut orders) => match order? {
                None => return Ok(()),
                Some(Order::Go { delay_ms, pause_ms }) => {
                    let members = members.clone();
                    let switching = switch_on(members, life, delay_ms, pause_ms);
                    tokio::task::spawn_local(switching);
                }
                Some(Order::Drain) => common.draining.set(true),
                Some(Order::Make(_)) => {}
            },
            _ = reports.tick() => tell(&Told::Progress(progress(&common)))?,
        }
    }
}

/// The lines of the standard input.
fn orders() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn next(orders: &mut UnboundedReceiver<String>) -> Result<Option<Order>> {
    match orders.recv().await {
        Some(line) => tally::parse(&line).map(Some),
        None => Ok(None),
    }
}

fn tell(told: &Told) -> Result<()> {
    use std::io::Write;
    let mut line = serde_json::to_string(told)?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).context("the parent is gone")
}

fn progress(common: &Common) -> Progress {
    Progress {
        counts: *common.counts.borrow(),
        connecting: common.connecting.borrow_mut().take(),
        acknowledging: common.acknowledging.borrow_mut().take(),
        trouble: common.trouble.take(),
        usage: Usage::now(),
    }
}

/// Makes the devices, each with its certificate in its flash.
fn make(share: &Share, common: &Rc<Common>) -> Result<Vec<Rc<Member>>> {
    let pki = Pki::load(&share.ca)
        .with_context(|| format!("no authority in {} (`esptb pki init`)", share.ca.display()))?;
    let server_chain = share.server_chain.as_deref().unwrap_or(pki.root_pem());
    let maker = share.firmware_key.as_deref();
    let common_files = [
        ("server_chain.pem", server_chain),
        ("settings.json", share.settings.as_str()),
    ];
    let common_files: Vec<_> = common_files
        .into_iter()
        .chain(maker.map(|keys| ("firmware_key.pem", keys)))
        .collect();
    // As a board that was provisioned; nobody asks for the network that it joins.
    let network = NvsEntry {
        namespace: keys::NAMESPACE.as_str().to_owned(),
        key: keys::WIFI.as_str().to_owned(),
        value: NvsValue::blob(*b"\x05fleet"),
    };
    let mut image = FlashImage::builder().nvs(network).build()?;
    let table = PartitionTable::default();
    if let Some(version) = &share.firmware {
        let app = App {
            len: APP_LEN,
            ..App::of(version)
        }
        .bytes();
        let mut partitions = table.partitions();
        let slot = partitions.find(|partition| partition.kind == "app/ota_0");
        let slot = slot
            .context("the partition table has no ota_0: this is a bug")?
            .offset as usize;
        image[slot..slot + app.len()].copy_from_slice(&app);
    }
    let base = Image::new(&image);
    let partition = table
        .spiffs()
        .context("the partition table has no SPIFFS: this is a bug")?;
    let validity = share.certificate_days.map(Validity::days).transpose()?;
    let profile = Profile {
        validity,
        ..Profile::default()
    };
    let numbers = (0..share.count).map(|n| share.first + n * share.step);
    numbers
        .map(|number| {
            let name = name(&share.prefix, number);
            let identity = pki.device_with(&name, &profile)?;
            let chain = identity.chain_pem();
            let own_files = [
                ("device.crt", chain.as_str()),
                ("device.key", identity.key_pem()),
            ];
            let empty = Builder::new(partition.size, Geometry::ESP_IDF)?;
            let files = common_files.iter().chain(&own_files);
            let builder = files.into_iter().try_fold(empty, |builder, (name, text)| {
                builder.file(name, text.as_bytes())
            })?;
            let flash = Flash::new(&base);
            flash.overlay(partition.offset as usize, &builder.build()?);
            let common = common.clone();
            Ok(Rc::new(Member::new(name, number, flash, common)))
        })
        .collect()
}

/// Gives power to one device after the other.
async fn switch_on(members: Vec<Rc<Member>>, life: Life, delay_ms: f64, pause_ms: f64) {
    let start = Instant::now();
    for (n, member) in members.into_iter().enumerate() {
        let after = Duration::from_secs_f64((delay_ms + pause_ms * n as f64) / 1_000.0);
        sleep_until(start + after).await;
        member.common.counts.borrow_mut().started += 1;
        tokio::task::spawn_local(live_on(member, life));
    }
}

/// What all lives have in common.
#[derive(Clone, Copy)]
struct Life {
    product: Product,
    library: Library<'static>,
    /// The mean time between two faults of a device.
    faults: Option<Duration>,
}

/// Lives one life after the other.
async fn live_on(member: Rc<Member>, life: Life) {
    loop {
        member.start().await;
        let (body, library) = (member.body(), life.library);
        let lived = async {
            match life.product {
                Product::Climate => device::run(body, member.climate(), library).await,
                Product::Greenhouse => device::run(body, member.greenhouse(), library).await,
            }
        };
        tokio::select! {
            _ = lived => member.chip.restart(),
            () = member.suffer(life.faults) => {}
            () = member.be_pressed(member.common.claims) => {}
        }
        if member.common.draining.get() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::storage::Storage;
    use pki::{Existing, Options};

    #[test]
    fn each_device_has_a_certificate_of_its_own_and_little_more() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(&Options::default()).unwrap();
        pki.write_to(folder.path(), Existing::Refuse).unwrap();
        let share = Share {
            product: Product::Climate,
            ca: folder.path().to_owned(),
            first: 7,
            step: 2,
            count: 2,
            prefix: "SN-".into(),
            settings: "{}".into(),
            server_chain: None,
            firmware: Some("1.0.0".into()),
            firmware_key: Some("keys".into()),
            faults_ms: None,
            claims_ms: None,
            certificate_days: Some(5),
        };
        let members = make(&share, &Rc::default()).unwrap();
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["SN-000007", "SN-000009"]);
        let certificates = members.iter().map(|member| {
            let (storage, troubles) = Storage::open(member.flash.clone());
            assert!(
                troubles.is_empty() && storage.wifi().unwrap().is_some(),
                "provisioned"
            );
            let maker = storage.read_file("firmware_key.pem", 8192).unwrap();
            assert_eq!(*maker, b"keys");
            storage.read_file("device.crt", 8192).unwrap().to_vec()
        });
        let certificates: Vec<_> = certificates.collect();
        assert_ne!(certificates[0], certificates[1]);
    }
}
