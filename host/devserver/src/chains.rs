//! Rule chains as ThingsBoard's REST interface has them: JSON that is kept as it came.
//!
//! Nothing here runs a rule. Of one thing it is read what a chain would do: whether it answers a device that asks
//! what time it is.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `dao/src/main/java/org/thingsboard/server/dao/rule/BaseRuleChainService.java`,
//! `application/src/main/data/json/tenant/rule_chains/root_rule_chain.json`.

use serde_json::{Value, json};
use thingsboard::time;

use crate::profiles::row_of;

/// Under which key a stored chain has its nodes and connections.
pub(crate) const METADATA: &str = "metadata";

/// The chain that every tenant has. Of its nodes there is one, for nothing here runs them.
pub(crate) fn root() -> Value {
    json!({
        "name": "Root Rule Chain", "type": "CORE", "firstRuleNodeId": null, "root": true, "debugMode": false,
        "configuration": null, "additionalInfo": null,
        METADATA: {
            "firstNodeIndex": 0, "connections": [], "ruleChainConnections": null,
            "nodes": [{
                "type": "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode", "name": "Message Type Switch",
                "configurationVersion": 0, "configuration": { "version": 0 }, "additionalInfo": null,
            }],
        },
    })
}

/// A chain without nodes, as one is that was made just now.
pub(crate) fn empty() -> Value {
    json!({ "firstNodeIndex": null, "nodes": [], "connections": null, "ruleChainConnections": null })
}

/// The row of the chain that a profile has, as its id says; none if it is the root.
pub(crate) fn of_profile(profile: &Value) -> Option<i64> {
    row_of(&profile["defaultRuleChainId"])
}

/// Whether a chain tells devices the time: whether what comes in gets, by way of a script that looks for the method, to
/// a script that says what the answer is, and from there to the node that sends it.
pub(crate) fn tells_time(chain: &Value) -> bool {
    let nodes = chain[METADATA]["nodes"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let is = |index: &usize, class: &str| {
        let node = nodes.get(*index).map(|node| &node["type"]);
        node.and_then(Value::as_str)
            .is_some_and(|name| name.ends_with(class))
    };
    let next = |from: usize, relation: &'static str| {
        let connections = chain[METADATA]["connections"].as_array();
        let connections = connections.map_or(&[][..], Vec::as_slice).iter();
        let of_that =
            connections.filter(move |one| one["fromIndex"] == from && one["type"] == relation);
        of_that.filter_map(|one| usize::try_from(one["toIndex"].as_u64()?).ok())
    };
    let looks_for_it = |index: &usize| {
        let script = &nodes[*index]["configuration"];
        let texts = [&script["tbelScript"], &script["jsScript"]].map(Value::as_str);
        texts
            .into_iter()
            .flatten()
            .any(|text| text.contains(time::METHOD))
    };
    let first = chain[METADATA]["firstNodeIndex"].as_u64();
    let first = first.and_then(|first| usize::try_from(first).ok());
    let filters = first.into_iter().flat_map(|first| {
        let by_type = is(&first, ".TbMsgTypeFilterNode").then(|| next(first, "True"));
        core::iter::once(first).chain(by_type.into_iter().flatten())
    });
    filters
        .filter(|index| is(index, ".TbJsFilterNode") && looks_for_it(index))
        .flat_map(|filter| next(filter, "True"))
        .filter(|index| is(index, ".TbTransformMsgNode"))
        .flat_map(|script| next(script, "Success"))
        .any(|index| is(&index, ".TbSendRPCReplyNode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Value {
        let node = |class: &str, script: &str| json!({ "type": format!("org.thingsboard.rule.engine.{class}"), "configuration": { "tbelScript": script } });
        let connection = |from: u32, to: u32, relation: &str| json!({ "fromIndex": from, "toIndex": to, "type": relation });
        json!({ METADATA: {
            "firstNodeIndex": 0,
            "nodes": [
                node("filter.TbMsgTypeFilterNode", ""),
                node("filter.TbJsFilterNode", "return msg.method == 'getCurrentTime';"),
                node("transform.TbTransformMsgNode", "return {msg: 1};"),
                node("rpc.TbSendRPCReplyNode", ""),
            ],
            "connections": [
                connection(0, 1, "True"), connection(1, 2, "True"), connection(2, 3, "Success"),
            ],
        }})
    }

    #[test]
    fn a_chain_tells_the_time_if_the_question_gets_to_the_reply() {
        assert!(tells_time(&chain()));
        for (place, value) in [
            ("/metadata/connections/0/type", json!("False")),
            ("/metadata/connections/1/type", json!("False")),
            ("/metadata/connections/2/toIndex", json!(1)),
            ("/metadata/connections/2/toIndex", json!(99)),
            (
                "/metadata/nodes/1/configuration/tbelScript",
                json!("return false;"),
            ),
            ("/metadata/firstNodeIndex", json!(2)),
            ("/metadata/firstNodeIndex", json!(99)),
            ("/metadata/firstNodeIndex", Value::Null),
        ] {
            let mut other = chain();
            *other.pointer_mut(place).expect("it is there") = value;
            assert!(!tells_time(&other), "{place}");
        }
        let mut without_type = chain();
        without_type[METADATA]["firstNodeIndex"] = 1.into();
        assert!(tells_time(&without_type));
        assert!(!tells_time(&root()) && !tells_time(&json!({ METADATA: empty() })));
    }
}
