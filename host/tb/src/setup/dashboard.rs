//! The dashboard: how the devices are, what they measure, which versions they run and whose certificate
//! ends when.
//!
//! Source: thingsboard/thingsboard v4.2.1 (292e6a36a120c2056a3c19b501d8245d9e6f2db0),
//! `application/src/main/data/json/demo/dashboards/thermostats.json` (the shape) and
//! `application/src/main/data/json/system/widget_types/` (the widgets, by `fqn`).

use product::{About, Kind};
use serde_json::{Map, Value, json};

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
const VITALS: [(&str, &str, &str, u8); 4] = [
    ("rssi", "Wi-Fi", "dBm", 0),
    ("heap_free", "Free heap", "B", 0),
    ("heap_least", "Least free heap", "B", 0),
    ("chip_temperature", "Chip", "°C", 1),
];

/// Parts of the dashboard are found again by these.
const ALIAS: &str = "e5b7b000-0000-4000-8000-000000000001";
const COLUMNS: u32 = 24;
const COLORS: [&str; 6] = [
    "#2196f3", "#4caf50", "#f44336", "#ffc107", "#607d8b", "#9c27b0",
];

/// A widget, and how large it is.
struct Widget {
    kind: &'static str,
    fqn: &'static str,
    title: &'static str,
    keys: Vec<Value>,
    width: u32,
    height: u32,
    settings: Value,
}

/// What the dashboard of a profile's devices shows.
pub(super) fn configuration(profile: &str, series: &[Series]) -> Value {
    let vitals: Vec<_> = VITALS
        .iter()
        .map(|&(key, label, unit, decimals)| Series {
            key: key.to_owned(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            decimals,
        })
        .collect();
    let all = [
        table("Devices", 24, &devices_columns()),
        table("Versions and certificates", 12, &version_columns()),
        alarms(),
        chart("Measurements", series),
        chart("Vitals", &vitals),
    ];
    let (mut widgets, mut places) = (Map::new(), Map::new());
    let (mut row, mut column) = (0, 0);
    for (number, widget) in (1..).zip(all) {
        let id = format!("e5b7b000-0000-4000-8000-0000000001{number:02}");
        if column + widget.width > COLUMNS {
            (row, column) = (row + widget.height, 0);
        }
        let (width, height) = (widget.width, widget.height);
        let place = json!({ "sizeX": width, "sizeY": height, "row": row, "col": column });
        column += width;
        places.insert(id.clone(), place);
        widgets.insert(id.clone(), widget.json(&id));
    }
    json!({
        "widgets": widgets,
        "states": { "default": {
            "name": profile, "root": true,
            "layouts": { "main": {
                "widgets": places,
                "gridSettings": { "backgroundColor": "#eeeeee", "columns": COLUMNS, "margin": 10, "outerMargin": true },
            } },
        } },
        "entityAliases": { ALIAS: {
            "id": ALIAS, "alias": "Devices",
            "filter": {
                "type": "deviceType", "resolveMultiple": true, "deviceNameFilter": "", "deviceTypes": [profile],
            },
        } },
        "filters": {},
        "timewindow": {
            "selectedTab": 0, "realtime": { "interval": 60_000, "timewindowMs": 86_400_000 },
            "aggregation": { "type": "AVG", "limit": 25_000 },
        },
        "settings": {
            "stateControllerId": "entity", "showTitle": true, "showDashboardTimewindow": true,
            "toolbarAlwaysOpen": true,
        },
    })
}

/// How many widgets it has.
pub(super) fn widgets(configuration: &Value) -> usize {
    configuration["widgets"].as_object().map_or(0, Map::len)
}

/// Puts what is wanted over what is there, and leaves what somebody added.
pub(super) fn merge(there: &mut Value, wanted: &Value) {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            for (key, value) in wanted {
                merge(there.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (there, wanted) => *there = wanted.clone(),
    }
}

impl Widget {
    fn json(self, id: &str) -> Value {
        let is_alarm = self.kind == "alarm";
        let source = json!({ "type": "entity", "name": null, "entityAliasId": ALIAS, "dataKeys": self.keys });
        let mut config = json!({
            "title": self.title, "showTitle": true, "dropShadow": true, "enableFullscreen": true,
            "backgroundColor": "#fff", "color": "rgba(0, 0, 0, 0.87)", "padding": "4px",
            "useDashboardTimewindow": true, "settings": self.settings,
        });
        match is_alarm {
            true => config["alarmSource"] = source,
            false => config["datasources"] = json!([source]),
        }
        json!({
            "id": id, "typeFullFqn": format!("system.{}", self.fqn), "type": self.kind,
            "sizeX": self.width, "sizeY": self.height, "config": config,
        })
    }
}

fn data_key(index: usize, kind: &str, name: &str, label: &str) -> Value {
    // Told apart by a number that the page would choose at random.
    let hash = (index + 1) as f64 / 128.0;
    json!({
        "name": name, "type": kind, "label": label, "color": COLORS[index % COLORS.len()], "settings": {},
        "_hash": hash,
    })
}

fn devices_columns() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("attribute", "active", "Online"),
        ("attribute", "lastActivityTime", "Last heard"),
        ("attribute", "chip", "Chip"),
        ("attribute", "reset_reason", "Started by"),
        ("timeseries", "dropped", "Dropped"),
        ("attribute", "panic", "Last crash"),
    ]
}

fn version_columns() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("attribute", "firmware_version", "Firmware"),
        ("attribute", "certificate_days", "Days of certificate"),
        ("attribute", "certificate_expires_ms", "Certificate ends"),
    ]
}

/// Shows a time that is a number of milliseconds.
const AS_DATE: &str = "return value ? new Date(Number(value)).toLocaleString() : '';";

fn table(title: &'static str, width: u32, columns: &[(&str, &str, &str)]) -> Widget {
    let keys = columns
        .iter()
        .enumerate()
        .map(|(index, (kind, name, label))| {
            let mut key = data_key(index, kind, name, label);
            if name.ends_with("Time") || name.ends_with("_ms") {
                key["settings"] =
                    json!({ "useCellContentFunction": true, "cellContentFunction": AS_DATE });
            }
            key
        });
    Widget {
        kind: "latest",
        fqn: "cards.entities_table",
        title,
        keys: keys.collect(),
        width,
        height: 8,
        settings: json!({
            "entitiesTitle": title, "enableSearch": true, "displayPagination": true, "defaultPageSize": 20,
            "defaultSortOrder": "entityName", "displayEntityName": true, "displayEntityType": false,
            "entityNameColumnTitle": "Device",
        }),
    }
}

fn chart(title: &'static str, series: &[Series]) -> Widget {
    let keys = series.iter().enumerate().map(|(index, series)| {
        let mut key = data_key(index, "timeseries", &series.key, &series.label);
        key["units"] = json!(series.unit);
        key["decimals"] = json!(series.decimals);
        key
    });
    Widget {
        kind: "timeseries",
        fqn: "charts.basic_timeseries",
        title,
        keys: keys.collect(),
        width: 12,
        height: 8,
        settings: json!({ "smoothLines": false, "shadowSize": 0 }),
    }
}

fn alarms() -> Widget {
    let columns = ["createdTime", "originator", "type", "severity", "status"];
    let keys = columns.iter().enumerate();
    Widget {
        kind: "alarm",
        fqn: "alarm_widgets.alarms_table",
        title: "Alarms",
        keys: keys
            .map(|(index, name)| data_key(index, "alarm", name, name))
            .collect(),
        width: 12,
        height: 8,
        settings: json!({
            "alarmsTitle": "Alarms", "enableSearch": true, "displayDetails": true, "allowAcknowledgment": true,
            "allowClear": true, "displayPagination": true, "defaultPageSize": 10, "defaultSortOrder": "-createdTime",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Vec<Series> {
        vec![Series {
            key: "soil_moisture".into(),
            label: label("soil_moisture"),
            unit: "%".into(),
            decimals: 0,
        }]
    }

    #[test]
    fn a_key_is_written_as_people_write_it() {
        assert_eq!(label("soil_moisture"), "Soil moisture");
        assert_eq!(label("\u{e4}"), "\u{e4}");
        assert_eq!(
            configuration("x", &series())["widgets"]
                .as_object()
                .map(Map::len),
            Some(5)
        );
    }

    #[test]
    fn widgets_do_not_lie_upon_each_other() {
        let configuration = configuration("esptb", &series());
        let places = &configuration["states"]["default"]["layouts"]["main"]["widgets"];
        let mut taken = std::collections::HashSet::new();
        for (id, place) in places.as_object().unwrap() {
            assert!(configuration["widgets"][id].is_object());
            let number = |key: &str| place[key].as_u64().unwrap();
            assert!(number("col") + number("sizeX") <= u64::from(COLUMNS));
            for row in number("row")..number("row") + number("sizeY") {
                for column in number("col")..number("col") + number("sizeX") {
                    assert!(taken.insert((row, column)), "{id} at {row}, {column}");
                }
            }
        }
        assert_eq!(taken.len() as u64 % u64::from(COLUMNS), 0, "no gaps");
    }

    #[test]
    fn what_somebody_added_stays() {
        let wanted = configuration("esptb", &series());
        let mut there = wanted.clone();
        there["widgets"]["mine"] = json!({ "type": "latest" });
        there["entityAliases"][ALIAS]["alias"] = json!("changed");
        merge(&mut there, &wanted);
        assert_eq!(there["widgets"]["mine"]["type"], "latest");
        assert_eq!(there["entityAliases"][ALIAS]["alias"], "Devices");
    }
}
