use pki::{Options, Pki};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::config::Profile;
use crate::event::Refusal;
use crate::identity::{Certificates, ClientChain};
use crate::profiles::Known;
use crate::value::{Datum, Record};

fn memory() -> Store {
    Store::open(&Database::Memory, Place::Thread).unwrap()
}

async fn device(store: &Store, name: &'static str) -> DeviceId {
    let made = store.submit(move |db| {
        assert!(db.create_with_token(name, name, 1)?);
        Ok(db.device(name)?.map(|row| row.id))
    });
    made.await.unwrap().unwrap()
}

fn record(ts_ms: i64, key: &str, value: i64) -> Record {
    Record {
        ts_ms,
        values: vec![(key.to_owned(), Datum::Long(value))],
    }
}

#[tokio::test]
async fn a_disk_keeps_nothing_to_itself() {
    let told = memory().submit(|db| {
        let is_on = |row: &rusqlite::Row| row.get::<_, bool>(0);
        Ok(db.conn.pragma_query_value(None, "fullfsync", is_on)?)
    });
    assert!(told.await.unwrap());
}

#[tokio::test]
async fn the_last_value_written_counts_and_the_newest_is_latest() {
    let store = memory();
    let id = device(&store, "a").await;
    let other = device(&store, "b").await;
    let read = store.submit(move |db| {
        db.insert(
            id,
            &[record(5, "k", 1), record(9, "k", 2), record(7, "k", 3)],
        )?;
        db.insert(id, &[record(5, "k", 4)])?;
        db.insert(other, &[record(5, "k", 99)])?;
        Ok((
            db.series(id, "k", 0, 9, 10)?,
            db.series(id, "k", 0, 10, 2)?,
            db.latest(id)?,
            db.series(id, "x", 0, 9, 9)?,
            db.samples()?,
        ))
    });
    let (before_nine, newest_two, latest, unknown, samples) = read.await.unwrap();
    assert_eq!(samples, 4, "what came twice counts once");
    let times = |points: &[Point]| {
        points
            .iter()
            .map(|p| (p.ts_ms, p.value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        times(&before_nine),
        [(5, Datum::Long(4)), (7, Datum::Long(3))]
    );
    assert_eq!(
        times(&newest_two),
        [(7, Datum::Long(3)), (9, Datum::Long(2))]
    );
    assert_eq!(
        latest,
        [(
            "k".to_owned(),
            Point {
                ts_ms: 9,
                value: Datum::Long(2)
            }
        )]
    );
    assert!(unknown.is_empty());
    store.close();
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was() {
    let store = memory();
    let id = device(&store, "a").await;
    let values = vec![
        ("bool".to_owned(), Datum::Bool(true)),
        ("double".to_owned(), Datum::Double(1.0)),
        ("json".to_owned(), Datum::Json("{\"a\":[1]}".to_owned())),
        ("long".to_owned(), Datum::Long(i64::MIN)),
        ("text".to_owned(), Datum::Text("7".to_owned())),
    ];
    let stored = values.clone();
    let read = store.submit(move |db| {
        db.set_attributes(id, Scope::Client, &stored, 1)?;
        db.insert(
            id,
            &[Record {
                ts_ms: 1,
                values: stored,
            }],
        )?;
        Ok((
            db.attributes(id, Scope::Client)?,
            db.latest(id)?,
            db.attributes(id, Scope::Shared)?,
        ))
    });
    let (attributes, latest, shared) = read.await.unwrap();
    assert_eq!(attributes, values);
    assert_eq!(
        latest
            .into_iter()
            .map(|(key, p)| (key, p.value))
            .collect::<Vec<_>>(),
        values
    );
    assert!(shared.is_empty());
    store.close();
}

/// Jobs share a transaction; one that fails must take nothing of its own along and no other down.
#[tokio::test]
async fn a_failing_job_fails_alone() {
    let store = memory();
    let id = device(&store, "a").await;
    // Blocks the thread, so that the next three share a transaction.
    let (go, gate) = mpsc::channel::<()>();
    let gate = store.submit(move |_| {
        gate.recv().unwrap();
        Ok(())
    });
    let good = store.submit(move |db| db.insert(id, &[record(1, "good", 1)]));
    let bad = store.submit(move |db| {
        db.insert(id, &[record(1, "bad", 1)])?;
        db.conn.execute("INSERT INTO nowhere VALUES (1)", [])?;
        Ok(())
    });
    let after = store.submit(move |db| db.insert(id, &[record(2, "bad", 2)]));
    go.send(()).unwrap();
    gate.await.unwrap();
    good.await.unwrap();
    assert!(matches!(bad.await, Err(StoreError::Sqlite(_))));
    after.await.unwrap();
    let latest = store.submit(move |db| db.latest(id)).await.unwrap();
    let latest: Vec<_> = latest
        .into_iter()
        .map(|(key, point)| (key, point.ts_ms))
        .collect();
    assert_eq!(latest, [("bad".to_owned(), 2), ("good".to_owned(), 1)]);
    store.close();
}

#[tokio::test]
async fn a_file_keeps_everything_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = Database::File(folder.path().join("x.sqlite"));
    let store = Store::open(&file, Place::Thread).unwrap();
    let id = device(&store, "a").await;
    // Not awaited: what was submitted before closing is finished all the same.
    let pending = store.submit(move |db| db.insert(id, &[record(1, "k", 1)]));
    store.close();
    pending.await.unwrap();
    assert!(matches!(
        store.submit(|_| Ok(())).await,
        Err(StoreError::Closed)
    ));

    let store = Store::open(&file, Place::Thread).unwrap();
    assert_eq!(
        store.submit(move |db| db.latest(id)).await.unwrap().len(),
        1
    );
    let deleted = store.submit(move |db| {
        assert!(db.delete_device(id)?);
        Ok((db.delete_device(id)?, db.latest(id)?, db.devices()?.len()))
    });
    let (again, latest, devices) = deleted.await.unwrap();
    assert!(!again && latest.is_empty() && devices == 0);
    store
        .submit(|db| Ok(db.conn.pragma_update(None, "user_version", 99)?))
        .await
        .unwrap();
    store.close();
    assert!(matches!(
        Store::open(&file, Place::Thread),
        Err(StoreError::Format { found: 99, .. })
    ));
}

fn chain(pem: &str) -> ClientChain {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let resumed = false;
    ClientChain::read(Certificates { chain, resumed }).unwrap()
}

/// The steps of `DeviceProvisionServiceImpl` that Mosquitto's clients cannot reach alone.
#[tokio::test]
async fn admission_follows_thingsboard() {
    let pki = Pki::new(&Options::default()).unwrap();
    let profile = Profile::from_pem(pki.intermediate_pem().as_bytes(), "^(SN-[0-9]+)").unwrap();
    let admit = |chain: ClientChain, profile: Option<Profile>| {
        move |db: &mut Db| {
            let known = profile.map(|profile| Known {
                row: 1,
                profile,
                takes_mqtt: true,
            });
            db.admit_chain(&chain, known.as_slice(), 1)
        }
    };
    let first = pki.device("SN-1-extra").unwrap();
    let store = memory();
    device(&store, "SN-2").await;

    let admitted = store
        .submit(admit(chain(&first.chain_pem()), Some(profile.clone())))
        .await
        .unwrap()
        .unwrap();
    assert!(admitted.created && !admitted.replaced && admitted.name == "SN-1");
    // Once its certificate is stored, neither the chain nor the profile is needed.
    let again = store
        .submit(admit(chain(first.leaf_pem()), None))
        .await
        .unwrap()
        .unwrap();
    assert!(!again.created && !again.replaced && again.device == admitted.device);
    // The certificate of one device behind that of another is no CA.
    let other = format!(
        "{}{}",
        pki.device("SN-3").unwrap().leaf_pem(),
        first.leaf_pem()
    );
    let refused = store
        .submit(admit(chain(&other), Some(profile.clone())))
        .await
        .unwrap();
    assert!(matches!(
        refused,
        Err(Refusal::UnknownCertificate { chain_len: 2, .. })
    ));
    // A name that belongs to an access token is not taken over.
    let taken = chain(&pki.device("SN-2").unwrap().chain_pem());
    let refused = store.submit(admit(taken, Some(profile))).await.unwrap();
    assert_eq!(
        refused,
        Err(Refusal::NameTaken {
            name: "SN-2".to_owned()
        })
    );
    // The root behind the intermediate does no harm; a profile may hold the root instead.
    let root = Profile::from_pem(pki.root_pem().as_bytes(), "(.*)").unwrap();
    let whole = format!(
        "{}{}",
        pki.device("SN-4").unwrap().chain_pem(),
        pki.root_pem()
    );
    let admitted = store
        .submit(admit(chain(&whole), Some(root)))
        .await
        .unwrap()
        .unwrap();
    assert!(admitted.created);
    store.close();
}
