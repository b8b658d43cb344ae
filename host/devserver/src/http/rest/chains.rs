//! `RuleChainController`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::documents::{self, put, replaced, shown};
use super::{Fault, Page, PageLink, RULE_CHAIN, RULE_NODE, bad, id, missing, row};
use crate::chains::{self, METADATA};
use crate::store::{Document, Kind};

pub(super) async fn list(
    State(page): State<Page>,
    Query(link): Query<PageLink>,
) -> Result<Json<Value>, Fault> {
    let all = documents::all(&page, Kind::RuleChain).await?;
    Ok(Json(link.page(all, without_metadata)))
}

/// `RuleChain`
fn without_metadata(one: Document) -> Value {
    let mut chain = shown(RULE_CHAIN, one);
    if let Some(chain) = chain.as_object_mut() {
        chain.remove(METADATA);
    }
    chain
}

async fn find(page: &Page, id: &str) -> Result<Document, Fault> {
    documents::find(page, Kind::RuleChain, RULE_CHAIN, id).await
}

pub(super) async fn one(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(without_metadata(find(&page, &id).await?)))
}

pub(super) async fn metadata(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(metadata_of(find(&page, &id).await?)))
}

/// `RuleChainMetaData`
fn metadata_of(chain: Document) -> Value {
    let mut metadata = chain.body[METADATA].clone();
    let chain_id = id(RULE_CHAIN, chain.row);
    for (number, node) in metadata["nodes"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .enumerate()
    {
        // Of which chain and which of its nodes.
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        node["id"] = id(
            RULE_NODE,
            chain.row.saturating_mul(0x1_0000).saturating_add(number),
        );
        node["ruleChainId"] = chain_id.clone();
        node["createdTime"] = chain.created_ms.into();
    }
    metadata["ruleChainId"] = chain_id;
    metadata["version"] = chain.version.into();
    metadata
}

pub(super) async fn save(
    State(page): State<Page>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(mut body) = body?;
    let replaces = replaced(RULE_CHAIN, &mut body)?;
    let name = body.get("name").and_then(Value::as_str);
    if name.unwrap_or_default().is_empty() {
        return Err(bad("Rule chain name should be specified!"));
    }
    // Whether a chain is the root another request says.
    body.remove("root");
    let mut body = Value::Object(body);
    let saved = page.hub.store.submit(move |db| {
        let before = match replaces {
            Some(row) => db.document(Kind::RuleChain, row)?.map(|one| one.body),
            None => Some(serde_json::json!({ "root": false, METADATA: chains::empty() })),
        };
        let Some(before) = before else {
            return Ok(None);
        };
        for key in ["root", METADATA] {
            body[key] = before[key].clone();
        }
        put(db, Kind::RuleChain, replaces, &body)
    });
    let saved = saved
        .await?
        .ok_or_else(|| bad("Rule chain is not found!"))?;
    Ok(Json(without_metadata(saved)))
}

pub(super) async fn save_metadata(
    State(page): State<Page>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let Json(mut body) = body?;
    let chain = body.remove("ruleChainId").unwrap_or_default();
    let text = chain["id"].as_str().unwrap_or_default().to_owned();
    let there = find(&page, &text).await?;
    body.remove("version");
    let saved = page.hub.store.submit(move |db| {
        let (mut chain, row) = (there.body, there.row);
        chain[METADATA] = Value::Object(body);
        put(db, Kind::RuleChain, Some(row), &chain)
    });
    let saved = saved.await?.ok_or_else(|| missing(RULE_CHAIN, &text))?;
    Ok(Json(metadata_of(saved)))
}

pub(super) async fn delete(
    State(page): State<Page>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let row = row(RULE_CHAIN, &id)?;
    let deleted = page.hub.store.submit(move |db| {
        let Some(there) = db.document(Kind::RuleChain, row)? else {
            return Ok(Err(missing(RULE_CHAIN, &id)));
        };
        // `BaseRuleChainService.deleteRuleChainById`
        if there.body["root"] == true {
            let fault = "Deletion of Root Tenant Rule Chain is prohibited!";
            return Ok(Err(bad(fault)));
        }
        let profiles = db.documents(Kind::Profile)?;
        if profiles
            .iter()
            .any(|one| chains::of_profile(&one.body) == Some(row))
        {
            let fault = "The rule chain referenced by the device profiles cannot be deleted!";
            return Ok(Err(bad(fault)));
        }
        db.delete_document(Kind::RuleChain, row)?;
        Ok(Ok(()))
    });
    deleted.await??;
    Ok(StatusCode::OK)
}
