//! The dashboard: how the devices are, what they measure, which versions they run and whose certificate
//! ends when.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/src/main/data/json/demo/dashboards/thermostats.json` (the shape) and
//! `application/src/main/data/json/system/widget_types/` (the widgets, by `fqn`).

#[cfg(all(test, target_os = "linux"))]
mod functions;
mod keys;
mod widgets;

use product::{About, Kind};
use serde_json::{Map, Value, json};

use super::covers::covers;
use widgets::{DEVICE, DEVICE_PAGE, FLEET, Widget};

/// What a product sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The key in telemetry.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// `°C`, `%`; empty for a number without one.
    pub unit: String,
    /// How many digits behind the point.
    pub decimals: u8,
}

impl From<&About> for Series {
    fn from(about: &About) -> Self {
        Self {
            key: about.key.to_owned(),
            label: label(about.key),
            unit: about.unit.to_owned(),
            decimals: match about.kind {
                Kind::Decimal { places } => places,
                Kind::Integer | Kind::Boolean => 0,
            },
        }
    }
}

/// A key as people would write it: `soil_moisture` is "Soil moisture".
fn label(key: &str) -> String {
    let mut letters = key.replace('_', " ");
    if let Some(first) = letters.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    letters
}

/// What every device tells of itself.
const VITALS: [(&str, &str, &str, u8); 5] = [
    ("rssi", "Wi-Fi signal", "dBm", 0),
    ("heap_free", "Free heap", "B", 0),
    ("heap_least", "least since start", "B", 0),
    ("heap_largest", "largest block", "B", 0),
    ("chip_temperature", "Chip temperature", "°C", 1),
];

/// Parts of the dashboard are found again by these.
const WIDGETS: &str = "e5b7b000-0000-4000-8000-0000000001";
const COLUMNS: u32 = 24;

/// What the dashboard of a profile's devices shows: all of them, and on a page of its own each. A certificate
/// ends soon when it does so within `soon_days`.
pub(super) fn configuration(profile: &str, series: &[Series], soon_days: u32) -> Value {
    let vitals = VITALS.map(|(key, label, unit, decimals)| Series {
        key: key.to_owned(),
        label: label.to_owned(),
        unit: unit.to_owned(),
        decimals,
    });
    let mut all = vec![
        widgets::glance(soon_days),
        widgets::table(series, soon_days),
        widgets::alarms(FLEET),
        widgets::versions(),
        widgets::certificates(),
    ];
    all.extend(in_rows(widgets::charts_of_all(series), 8));
    let mut one = vec![
        widgets::card(soon_days).sized(10, 7),
        widgets::alarms(DEVICE).sized(14, 7),
    ];
    one.extend(in_rows(widgets::charts_of_one(series), 6));
    one.extend(in_rows(widgets::charts_of_one(&vitals), 5));
    let mut widgets = Map::new();
    let all = page(profile, true, all, &mut widgets);
    let one = page("${entityName}", false, one, &mut widgets);
    json!({
        "widgets": widgets,
        "states": { "default": all, DEVICE_PAGE: one },
        "entityAliases": {
            FLEET: {
                "id": FLEET, "alias": "Devices",
                "filter": {
                    "type": "deviceType", "resolveMultiple": true, "deviceNameFilter": "", "deviceTypes": [profile],
                },
            },
            DEVICE: {
                "id": DEVICE, "alias": "Device",
                "filter": {
                    "type": "stateEntity", "resolveMultiple": false, "stateEntityParamName": null,
                    "defaultStateEntity": null,
                },
            },
        },
        "filters": {},
        "timewindow": {
            "selectedTab": 0, "realtime": { "realtimeType": 0, "interval": 30_000, "timewindowMs": 3_600_000 },
            "aggregation": { "type": "AVG", "limit": 25_000 },
        },
        "settings": {
            "stateControllerId": "entity", "showTitle": false, "showDashboardTimewindow": true,
            "toolbarAlwaysOpen": true,
        },
    })
}

/// Widgets that share the width of their rows.
fn in_rows(charts: Vec<Widget>, height: u32) -> impl Iterator<Item = Widget> {
    let (all, full) = (charts.len(), charts.len() / 2 * 2);
    charts.into_iter().enumerate().map(move |(at, chart)| {
        let width = match all {
            3 => COLUMNS / 3,
            _ if at < full => COLUMNS / 2,
            _ => COLUMNS,
        };
        chart.sized(width, height)
    })
}

/// A state of the dashboard: its widgets from left to right and from top to bottom.
fn page(name: &str, is_root: bool, shown: Vec<Widget>, widgets: &mut Map<String, Value>) -> Value {
    let mut places = Map::new();
    let (mut row, mut column, mut height) = (0, 0, 0);
    for widget in shown {
        if column + widget.width > COLUMNS {
            (row, column) = (row + height, 0);
        }
        let id = format!("{WIDGETS}{:02}", widgets.len() + 1);
        let place =
            json!({ "sizeX": widget.width, "sizeY": widget.height, "row": row, "col": column });
        (column, height) = (column + widget.width, widget.height);
        places.insert(id.clone(), place);
        widgets.insert(id.clone(), widget.json(&id));
    }
    json!({
        "name": name, "root": is_root,
        "layouts": { "main": {
            "widgets": places,
            "gridSettings": { "backgroundColor": "#eeeeee", "columns": COLUMNS, "margin": 10, "outerMargin": true },
        } },
    })
}

/// How many widgets it has.
pub(super) fn widgets(configuration: &Value) -> usize {
    configuration["widgets"].as_object().map_or(0, Map::len)
}

/// Whether there is all that is wanted, and nothing of ours beside it.
pub(super) fn is_that(there: &Value, wanted: &Value) -> bool {
    covers(wanted, there) && leftovers(there, wanted).is_empty()
}

/// Makes of what is there what is wanted, and leaves what somebody added.
pub(super) fn update(there: &mut Value, wanted: &Value) {
    for id in leftovers(there, wanted) {
        let of_state = |state: &mut Value| forget(&mut state["layouts"]["main"]["widgets"], &id);
        forget(&mut there["widgets"], &id);
        if let Some(states) = there["states"].as_object_mut() {
            states.values_mut().for_each(of_state);
        }
    }
    merge(there, wanted);
}

/// Which widgets of ours are not what is wanted: of another kind, or on another page. What merely is set otherwise is
/// no leftover.
fn leftovers(there: &Value, wanted: &Value) -> Vec<String> {
    let ours = |widgets: &Value| -> Vec<String> {
        let ids = widgets.as_object().into_iter().flat_map(Map::keys);
        ids.filter(|id| id.starts_with(WIDGETS)).cloned().collect()
    };
    let kind = |of: &Value, id: &str| of["widgets"][id]["typeFullFqn"].clone();
    let mut found = ours(&there["widgets"]);
    found.retain(|id| kind(there, id) != kind(wanted, id));
    for (name, state) in there["states"].as_object().into_iter().flatten() {
        let placed = |of: &Value, id: &str| !of["layouts"]["main"]["widgets"][id].is_null();
        let strange = |id: &String| !placed(&wanted["states"][name], id);
        found.extend(
            ours(&state["layouts"]["main"]["widgets"])
                .into_iter()
                .filter(strange),
        );
    }
    found
}

fn forget(widgets: &mut Value, id: &str) {
    if let Some(widgets) = widgets.as_object_mut() {
        widgets.remove(id);
    }
}

/// Puts what is wanted over what is there.
fn merge(there: &mut Value, wanted: &Value) {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            for (key, value) in wanted {
                merge(there.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (there, wanted) => *there = wanted.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(keys: &[(&str, &str)]) -> Vec<Series> {
        keys.iter()
            .map(|(key, unit)| Series {
                key: (*key).into(),
                label: label(key),
                unit: (*unit).into(),
                decimals: 1,
            })
            .collect()
    }

    fn greenhouse() -> Value {
        let keys = [
            ("temperature", "°C"),
            ("humidity", "%"),
            ("soil_moisture", "%"),
        ];
        configuration("esptb", &series(&keys), 30)
    }

    fn titles(configuration: &Value, fqn: &str) -> Vec<String> {
        let widgets = configuration["widgets"].as_object().unwrap().values();
        let of_kind = widgets.filter(|one| one["typeFullFqn"] == format!("system.{fqn}"));
        of_kind
            .map(|one| one["config"]["title"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_key_is_written_as_people_write_it() {
        assert_eq!(label("soil_moisture"), "Soil moisture");
        assert_eq!(label("\u{e4}"), "\u{e4}");
    }

    #[test]
    fn widgets_do_not_lie_upon_each_other() {
        let all = [("a", ""), ("b", "V"), ("c", "A"), ("d", "W"), ("e", "m")];
        for count in 0..=all.len() {
            let configuration = configuration("esptb", &series(&all[..count]), 30);
            for (name, state) in configuration["states"].as_object().unwrap() {
                let places = state["layouts"]["main"]["widgets"].as_object().unwrap();
                let mut taken = std::collections::HashSet::new();
                for (id, place) in places {
                    assert!(configuration["widgets"][id].is_object());
                    let number = |key: &str| place[key].as_u64().unwrap();
                    assert!(number("col") + number("sizeX") <= u64::from(COLUMNS));
                    for row in number("row")..number("row") + number("sizeY") {
                        for column in number("col")..number("col") + number("sizeX") {
                            assert!(taken.insert((row, column)), "{id} at {row}, {column}");
                        }
                    }
                }
                assert_eq!(
                    taken.len() as u64 % u64::from(COLUMNS),
                    0,
                    "{name} of {count}: no gaps"
                );
            }
        }
    }

    #[test]
    fn what_has_one_unit_shares_a_chart_of_a_device() {
        assert_eq!(
            titles(&greenhouse(), "time_series_chart"),
            [
                "Temperature of the 20 newest devices",
                "Humidity of the 20 newest devices",
                "Soil moisture of the 20 newest devices",
                "Temperature",
                "Humidity, Soil moisture",
                "Wi-Fi signal",
                "Free heap, least since start, largest block",
                "Chip temperature",
            ]
        );
    }

    /// ThingsBoard's functions find values by their labels.
    #[test]
    fn labels_that_functions_read_are_asked_for() {
        for (id, widget) in greenhouse()["widgets"].as_object().unwrap() {
            let sources = [
                &widget["config"]["datasources"][0],
                &widget["config"]["alarmSource"],
            ];
            let keys = sources
                .iter()
                .filter_map(|one| one["dataKeys"].as_array())
                .flatten();
            let labels: Vec<_> = keys.map(|key| key["label"].as_str().unwrap()).collect();
            let unique: std::collections::HashSet<_> = labels.iter().collect();
            assert_eq!(unique.len(), labels.len(), "{id}: {labels:?}");
            assert!(
                labels
                    .iter()
                    .all(|label| !label.contains('.') || *label == "${entityName}")
            );
        }
    }

    #[test]
    fn what_somebody_added_stays() {
        let wanted = greenhouse();
        let mut there = wanted.clone();
        there["widgets"]["mine"] = json!({ "type": "latest" });
        assert!(is_that(&there, &wanted));
        there["entityAliases"][FLEET]["alias"] = json!("changed");
        assert!(!is_that(&there, &wanted));
        update(&mut there, &wanted);
        assert_eq!(there["widgets"]["mine"]["type"], "latest");
        assert_eq!(there["entityAliases"][FLEET]["alias"], "Devices");
        assert!(is_that(&there, &wanted));
    }

    #[test]
    fn what_is_not_measured_any_more_goes() {
        let mut there = greenhouse();
        there["widgets"]["mine"] = json!({ "type": "latest" });
        there["states"]["default"]["layouts"]["main"]["widgets"]["mine"] = json!({ "row": 99 });
        let wanted = configuration("esptb", &series(&[("temperature", "°C")]), 30);
        assert!(!is_that(&there, &wanted));
        update(&mut there, &wanted);
        assert!(is_that(&there, &wanted));
        assert_eq!(widgets(&there), widgets(&wanted) + 1);
        let places = &there["states"]["default"]["layouts"]["main"]["widgets"];
        assert_eq!(places["mine"]["row"], 99);
    }
}
