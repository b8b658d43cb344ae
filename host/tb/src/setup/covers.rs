//! Whether what is there has all that is wanted: a server adds fields of its own to what it was given,
//! writes `1` as `1.0`, and what is null as nothing.

use serde_json::Value;

/// Whether each value that is wanted is there.
pub(super) fn covers(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Null, Value::Null) => true,
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().all(|(key, value)| {
            let found = there.get(key).unwrap_or(&Value::Null);
            value.is_null() && found.is_null() || covers(value, found)
        }),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted
                    .iter()
                    .zip(there)
                    .all(|(wanted, there)| covers(wanted, there))
        }
        (Value::Number(wanted), Value::Number(there)) => wanted.as_f64() == there.as_f64(),
        _ => wanted == there,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let wanted = json!({"a": 1, "b": [{"c": "x"}], "n": null});
        assert!(covers(
            &wanted,
            &json!({"a": 1.0, "b": [{"c": "x", "d": null}], "e": 5})
        ));
        for there in [
            json!({"a": 2, "b": [{"c": "x"}]}),
            json!({"a": 1, "b": [{"c": "y"}]}),
            json!({"a": 1, "b": []}),
            json!({"a": 1, "b": [{"c": "x"}], "n": 5}),
            json!({"a": "1", "b": [{"c": "x"}]}),
            json!([]),
        ] {
            assert!(!covers(&wanted, &there), "{there}");
        }
    }
}
