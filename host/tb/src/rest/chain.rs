//! Rule chains: what a server does with what devices send.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Id, Rest};
use crate::{Client, Error};

/// `rule/RuleChain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleChain {
    /// None for one that is to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Its name, which others may have, too.
    pub name: String,
    /// Whether it has the messages of all whose profile has no chain.
    pub root: bool,
    /// What is not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `rule/RuleChainMetaData`: what is in a chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleChainMetaData {
    /// Of which.
    pub rule_chain_id: Id,
    /// Which node has the messages first; none in a chain that is empty.
    pub first_node_index: Option<usize>,
    /// Its nodes.
    #[serde(default, deserialize_with = "null_as_none")]
    pub nodes: Vec<RuleNode>,
    /// What goes where.
    #[serde(default, deserialize_with = "null_as_none")]
    pub connections: Vec<NodeConnection>,
    /// What is not named here, the version among it, by which a change of what somebody else changed is refused.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `rule/RuleNode`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleNode {
    /// Its name.
    pub name: String,
    /// Its Java class.
    #[serde(rename = "type")]
    pub kind: String,
    /// As its class has it.
    pub configuration: Value,
    /// What is not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `rule/NodeConnectionInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeConnection {
    /// From the node with this place in the list.
    pub from_index: usize,
    /// To that one.
    pub to_index: usize,
    /// `Success`, `True`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// A list, for which an empty chain has null.
fn null_as_none<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Client {
    /// All rule chains (`RuleChainController.getRuleChains`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn rule_chains(&self) -> Result<Vec<RuleChain>, Error> {
        self.all("/api/ruleChains")
    }

    /// Makes or changes a rule chain (`RuleChainController.saveRuleChain`), not what is in it.
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn save_rule_chain(&self, chain: &RuleChain) -> Result<RuleChain, Error> {
        self.post("/api/ruleChain", chain)
    }

    /// What is in one (`RuleChainController.getRuleChainMetaData`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn rule_chain_metadata(&self, id: &str) -> Result<RuleChainMetaData, Error> {
        self.get(&format!("/api/ruleChain/{id}/metadata"))
    }

    /// Changes what is in one (`RuleChainController.saveRuleChainMetaData`).
    ///
    /// # Errors
    ///
    /// [`Error`]
    pub fn save_rule_chain_metadata(
        &self,
        metadata: &RuleChainMetaData,
    ) -> Result<RuleChainMetaData, Error> {
        self.post("/api/ruleChain/metadata", metadata)
    }

    /// Deletes a rule chain (`RuleChainController.deleteRuleChain`).
    ///
    /// # Errors
    ///
    /// [`Error`]: the root, and one that a profile has, are not deleted.
    pub fn delete_rule_chain(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/api/ruleChain/{id}"))
    }
}
