//! A rule chain that tells devices what time it is, when they ask (`getCurrentTime`), and hands all else on to the
//! root rule chain, which has it otherwise.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0), `rule-engine-components/…/rule/engine/`:
//! `filter/TbMsgTypeFilterNode.java`, `filter/TbJsFilterNode.java`, `transform/TbTransformMsgNode.java`,
//! `rpc/TbSendRPCReplyNode.java`, `flow/TbRuleChainInputNode.java`, and their configurations.

use serde_json::{Map, Value, json};

use super::covers::covers;
use super::{Action, Step, Told};
use crate::rest::{Id, NodeConnection, RuleChain, RuleChainMetaData, RuleNode};
use crate::{Client, Error};

/// The name of the chain, by which it is found again.
pub(super) const NAME: &str = "esptb: device time";

/// What is done with the chain.
#[derive(Debug)]
pub(super) struct Chain {
    /// As it is there.
    pub(super) there: Option<Id>,
    /// What it is to have in it; none if it has.
    contents: Option<Contents>,
}

/// What a chain has in it: its nodes, the first of which has the messages first, and what goes where by their
/// names.
#[derive(Debug)]
struct Contents {
    nodes: Vec<RuleNode>,
}

/// From which node to which, and when.
const CONNECTIONS: [(&str, &str, &str); 9] = [
    (CALLS, METHOD, "True"),
    (CALLS, OTHERS, "False"),
    (CALLS, OTHERS, "Failure"),
    (METHOD, TIME, "True"),
    (METHOD, OTHERS, "False"),
    (METHOD, OTHERS, "Failure"),
    (TIME, REPLY, "Success"),
    (TIME, OTHERS, "Failure"),
    (REPLY, OTHERS, "Failure"),
];
const CALLS: &str = "Calls of devices";
const METHOD: &str = "Is it getCurrentTime?";
const TIME: &str = "The time";
const REPLY: &str = "Reply";
const OTHERS: &str = "Root Rule Chain";

impl Contents {
    fn handing_on_to(root: &Id) -> Self {
        let script =
            |tbel: &str| json!({ "scriptLang": "TBEL", "tbelScript": tbel, "jsScript": tbel });
        let asked = "return msg.method == 'getCurrentTime';";
        let told = "return {msg: new Date().getTime(), metadata: metadata, msgType: msgType};";
        let reply = json!({
            "serviceIdMetaDataAttribute": "serviceId", "sessionIdMetaDataAttribute": "sessionId",
            "requestIdMetaDataAttribute": "requestId",
        });
        let root = json!({ "ruleChainId": root.id, "forwardMsgToDefaultRuleChain": false });
        let nodes = vec![
            node(
                CALLS,
                "filter.TbMsgTypeFilterNode",
                (1, 1),
                0,
                json!({ "messageTypes": ["TO_SERVER_RPC_REQUEST"] }),
            ),
            node(METHOD, "filter.TbJsFilterNode", (2, 1), 0, script(asked)),
            node(
                TIME,
                "transform.TbTransformMsgNode",
                (3, 1),
                0,
                script(told),
            ),
            node(REPLY, "rpc.TbSendRPCReplyNode", (4, 1), 0, reply),
            node(OTHERS, "flow.TbRuleChainInputNode", (3, 2), 1, root),
        ];
        Self { nodes }
    }

    /// Whether all of it is there.
    fn is_in(&self, there: &RuleChainMetaData) -> bool {
        let first = there
            .first_node_index
            .and_then(|first| there.nodes.get(first));
        let name_of = |index: usize| there.nodes.get(index).map(|node| node.name.as_str());
        first.is_some_and(|first| first.name == CALLS)
            && self.nodes.iter().all(|wanted| {
                let same = |one: &&RuleNode| one.name == wanted.name;
                let found = there.nodes.iter().find(same);
                found.is_some_and(|one| {
                    one.kind == wanted.kind && covers(&wanted.configuration, &one.configuration)
                })
            })
            && CONNECTIONS.iter().all(|(from, to, kind)| {
                there.connections.iter().any(|one| {
                    name_of(one.from_index) == Some(from)
                        && name_of(one.to_index) == Some(to)
                        && one.kind == *kind
                })
            })
    }

    /// Puts it there; nodes that somebody added stay.
    fn put_into(self, there: &mut RuleChainMetaData) {
        for wanted in self.nodes {
            match there.nodes.iter_mut().find(|one| one.name == wanted.name) {
                Some(one) => {
                    (one.kind, one.configuration) = (wanted.kind, wanted.configuration);
                    if let Some(version) = wanted.rest.get("configurationVersion") {
                        one.rest
                            .insert("configurationVersion".into(), version.clone());
                    }
                }
                None => there.nodes.push(wanted),
            }
        }
        let place = |name: &str| there.nodes.iter().position(|one| one.name == name);
        there.first_node_index = place(CALLS);
        for (from, to, kind) in CONNECTIONS {
            let (Some(from_index), Some(to_index)) = (place(from), place(to)) else {
                continue;
            };
            let connection = NodeConnection {
                from_index,
                to_index,
                kind: kind.to_owned(),
            };
            if !there.connections.contains(&connection) {
                there.connections.push(connection);
            }
        }
    }
}

fn node(
    name: &str,
    class: &str,
    place: (u32, u32),
    version: u32,
    configuration: Value,
) -> RuleNode {
    let (column, row) = place;
    let rest = json!({
        "configurationVersion": version, "singletonMode": false,
        "additionalInfo": { "description": "", "layoutX": 250 * column, "layoutY": 150 * row },
    });
    RuleNode {
        name: name.to_owned(),
        kind: format!("org.thingsboard.rule.engine.{class}"),
        configuration,
        rest: rest.as_object().cloned().unwrap_or_default(),
    }
}

/// What would be done with the chain, of which the root is known.
pub(super) fn step(client: &Client, chains: &[RuleChain]) -> Result<Step<Chain>, Error> {
    let mut told = Told {
        what: "rule chain",
        name: NAME.to_owned(),
        action: Action::Create,
        changes: vec!["tells devices the time when they ask for it".to_owned()],
        link: None,
    };
    let root = chains
        .iter()
        .find(|one| one.root)
        .and_then(|one| one.id.as_ref());
    let root = root.ok_or_else(|| {
        Error::InTheWay(
            "the tenant has no root rule chain, to which devices' messages could go on: make one the root".to_owned(),
        )
    })?;
    let contents = Contents::handing_on_to(root);
    let there = chains.iter().find(|one| one.name == NAME && !one.root);
    let Some(id) = there.and_then(|one| one.id.clone()) else {
        let wanted = Some(Chain {
            there: None,
            contents: Some(contents),
        });
        return Ok(Step { wanted, told });
    };
    told.link = Some(link(client, &id));
    let is_there = contents.is_in(&client.rule_chain_metadata(&id.id)?);
    (told.action, told.changes) = match is_there {
        true => (Action::Keep, Vec::new()),
        false => (Action::Update, told.changes),
    };
    let wanted = Some(Chain {
        there: Some(id),
        contents: (!is_there).then_some(contents),
    });
    Ok(Step { wanted, told })
}

impl Chain {
    /// Does it. Returns which it is.
    pub(super) fn apply(self, client: &Client) -> Result<Id, Error> {
        let id = match self.there {
            Some(id) => id,
            None => {
                let made = client.save_rule_chain(&RuleChain {
                    id: None,
                    name: NAME.to_owned(),
                    root: false,
                    rest: Map::from_iter([("type".to_owned(), "CORE".into())]),
                })?;
                made.id.ok_or_else(|| {
                    Error::InTheWay(
                        "the server made a rule chain without an id: try again".to_owned(),
                    )
                })?
            }
        };
        if let Some(contents) = self.contents {
            let mut there = client.rule_chain_metadata(&id.id)?;
            contents.put_into(&mut there);
            client.save_rule_chain_metadata(&there)?;
        }
        Ok(id)
    }
}

/// Where it is seen.
pub(super) fn link(client: &Client, id: &Id) -> String {
    client.address().join(&format!("/ruleChains/{}", id.id))
}
