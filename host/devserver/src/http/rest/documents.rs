//! What profiles, dashboards and rule chains have in common: documents that are listed, shown and saved.

use serde_json::{Map, Value};

use super::{Fault, Page, TENANT, id, missing, row};
use crate::hub::now_ms;
use crate::store::{Db, Document, Kind, StoreError};

/// All that there are of a kind.
pub(super) async fn all(page: &Page, kind: Kind) -> Result<Vec<Document>, Fault> {
    Ok(page.hub.store.submit(move |db| db.documents(kind)).await?)
}

/// The one with this id, of this kind and of the entity type that it has in ids.
pub(super) async fn find(
    page: &Page,
    kind: Kind,
    entity: (&str, i64),
    id: &str,
) -> Result<Document, Fault> {
    let row = row(entity, id)?;
    let found = page.hub.store.submit(move |db| db.document(kind, row));
    found.await?.ok_or_else(|| missing(entity, id))
}

/// A document as it is answered.
pub(super) fn shown(kind: (&str, i64), document: Document) -> Value {
    let mut body = document.body;
    body["id"] = id(kind, document.row);
    body["tenantId"] = id(TENANT, 1);
    body["createdTime"] = document.created_ms.into();
    body["version"] = document.version.into();
    body
}

/// The row that a document is to replace, if it names one, without what the server itself adds.
pub(super) fn replaced(
    kind: (&str, i64),
    body: &mut Map<String, Value>,
) -> Result<Option<i64>, Fault> {
    let id = body.remove("id").unwrap_or_default();
    for key in ["tenantId", "createdTime", "version"] {
        body.remove(key);
    }
    match id["id"].as_str() {
        Some(id) => row(kind, id).map(Some),
        None => Ok(None),
    }
}

/// Puts a document in the place of the one that it replaces, or adds it; none if that one is gone.
pub(super) fn put(
    db: &mut Db,
    kind: Kind,
    replaces: Option<i64>,
    body: &Value,
) -> Result<Option<Document>, StoreError> {
    let row = match replaces {
        Some(row) => {
            db.change_document(row, body)?;
            row
        }
        None => db.add_document(kind, body, now_ms())?,
    };
    db.document(kind, row)
}
