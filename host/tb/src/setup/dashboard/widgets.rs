//! The widgets: which of ThingsBoard's own each is, and how it is set.

use serde_json::{Value, json};

use super::Series;
use super::keys::{self, Key, data_key, series_key};

/// All devices of the profile.
pub(super) const FLEET: &str = "e5b7b000-0000-4000-8000-000000000001";
/// The device of the page that is shown.
pub(super) const DEVICE: &str = "e5b7b000-0000-4000-8000-000000000002";
/// The page of one device (`DashboardState`).
pub(super) const DEVICE_PAGE: &str = "device";

const DAY_MS: u64 = 24 * 3600 * 1000;

/// How many devices a chart of all has at most: beyond it nobody tells lines apart. The newest are shown.
const LINES: u32 = 20;

/// A widget, and how large it is.
pub(super) struct Widget {
    pub(super) width: u32,
    pub(super) height: u32,
    kind: &'static str,
    fqn: &'static str,
    title: String,
    alias: &'static str,
    keys: Vec<Value>,
    settings: Value,
    /// Of `WidgetConfig`, beside what all have.
    config: Value,
}

impl Widget {
    pub(super) fn json(self, id: &str) -> Value {
        let mut source = json!({ "type": "entity", "name": null, "entityAliasId": self.alias, "dataKeys": self.keys });
        let mut config = json!({
            "title": self.title, "showTitle": true, "dropShadow": true, "enableFullscreen": true,
            "backgroundColor": "#fff", "color": "rgba(0, 0, 0, 0.87)", "padding": "4px", "borderRadius": "4px",
            "titleFont": {
                "size": 16, "sizeUnit": "px", "family": "Roboto", "weight": "500", "style": "normal",
                "lineHeight": "24px",
            },
            "useDashboardTimewindow": true, "displayTimewindow": false, "settings": self.settings,
        });
        super::merge(&mut config, &self.config);
        if self.kind == "alarm" {
            source["name"] = json!("alarms");
            config["alarmSource"] = source;
        } else {
            config["datasources"] = json!([source]);
        }
        json!({
            "id": id, "typeFullFqn": format!("system.{}", self.fqn), "type": self.kind,
            "sizeX": self.width, "sizeY": self.height, "config": config,
        })
    }

    pub(super) fn sized(self, width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            ..self
        }
    }
}

/// A function of the page: what all share, and what is its own.
fn function(soon_days: u32, own: &[&str]) -> String {
    let soon = format!("const SOON = {soon_days};");
    [&[include_str!("fleet.js"), &soon], own]
        .concat()
        .join("\n")
}

/// Makes a text of HTML out of what devices told.
fn text(title: &str, alias: &'static str, keys: &[Key], function: String) -> Widget {
    Widget {
        width: 12,
        height: 5,
        kind: "latest",
        fqn: "cards.markdown_card",
        title: title.to_owned(),
        alias,
        keys: keys
            .iter()
            .enumerate()
            .map(|(at, key)| data_key(at, *key))
            .collect(),
        settings: json!({
            "useMarkdownTextFunction": true, "markdownTextFunction": function,
            "applyDefaultMarkdownStyle": false, "markdownCss": include_str!("cards.css"),
        }),
        config: json!({}),
    }
}

/// How many devices are how.
pub(super) fn glance(soon_days: u32) -> Widget {
    let keys = [
        &keys::STATE[..],
        &[keys::DROPPED, keys::CRASH, keys::CERTIFICATE],
    ]
    .concat();
    let glance = function(soon_days, &[include_str!("glance.js")]);
    let mut widget = text("At a glance", FLEET, &keys, glance);
    widget.config = json!({ "showTitle": false, "enableFullscreen": false });
    widget.sized(24, 2)
}

/// Which versions run.
pub(super) fn versions() -> Widget {
    let own = [include_str!("versions.js"), include_str!("bars.js")];
    text("Versions", FLEET, &keys::VERSION, function(0, &own))
}

/// When certificates end.
pub(super) fn certificates() -> Widget {
    let own = [include_str!("certificates.js"), include_str!("bars.js")];
    text(
        "Certificates end",
        FLEET,
        &[keys::CERTIFICATE],
        function(0, &own),
    )
}

/// One device.
pub(super) fn card(soon_days: u32) -> Widget {
    let keys = [
        &keys::STATE[..],
        &keys::VERSION,
        &[keys::CERTIFICATE, keys::STARTED, keys::DROPPED, keys::CRASH],
        &keys::FURTHER,
    ]
    .concat();
    let card = function(soon_days, &[include_str!("device.js")]);
    text("${entityName}", DEVICE, &keys, card)
}

/// All devices, of which each row opens its page.
pub(super) fn table(series: &[Series], soon_days: u32) -> Widget {
    // What a cell shows and in which color, by functions of `value` and `entity`.
    let columns = [
        (
            keys::STATE[0],
            "return online(entity) ? 'online' : 'offline';",
            Some("online(entity) ? GOOD : BAD"),
        ),
        (
            keys::VERSION[0],
            "return text(entity.Updated || value);",
            None,
        ),
        (
            keys::CERTIFICATE,
            "return Number(value) ? new Date(Number(value)).toLocaleDateString([], { dateStyle: 'medium' }) : '';",
            Some("days(entity) < SOON ? BAD : 'inherit'"),
        ),
        (
            keys::DROPPED,
            "return text(value);",
            Some("Number(value) > 0 ? WARN : FAINT"),
        ),
        (keys::STARTED, "return text(value);", None),
        (keys::CRASH, "return text(value);", Some("BAD")),
        (keys::STATE[1], "return date(value, 'short');", None),
    ];
    let mut cells: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, (key, content, color))| {
            let mut made = data_key(at, *key);
            made["settings"] = json!({
                "useCellContentFunction": true, "cellContentFunction": function(soon_days, &[content]),
                "useCellStyleFunction": color.is_some(),
            });
            if let Some(color) = color {
                let style = format!("return {{ color: {color} }};");
                made["settings"]["cellStyleFunction"] = json!(function(soon_days, &[&style]));
            }
            made
        })
        .collect();
    // What it measures is beside whether it is there.
    let measured = series
        .iter()
        .enumerate()
        .map(|(at, series)| series_key(columns.len() + at, series, &series.label));
    cells.splice(1..1, measured);
    // What the functions need beside it is in columns that nobody sees.
    for key in [
        keys::STATE[2],
        keys::STATE[3],
        keys::STATE[4],
        keys::VERSION[1],
    ] {
        let mut made = data_key(cells.len(), key);
        made["settings"] =
            json!({ "defaultColumnVisibility": "hidden", "columnSelectionToDisplay": "disabled" });
        cells.push(made);
    }
    let open = json!({
        "id": "e5b7b000-0000-4000-8000-000000000003", "name": "Its page", "icon": "insights",
        "type": "openDashboardState", "targetDashboardStateId": DEVICE_PAGE, "setEntityId": true,
        "openRightLayout": false,
    });
    Widget {
        width: 24,
        height: 11,
        kind: "latest",
        fqn: "cards.entities_table",
        title: "Devices".to_owned(),
        alias: FLEET,
        keys: cells,
        settings: json!({
            "entitiesTitle": "Devices", "enableSearch": true, "displayPagination": true, "defaultPageSize": 10,
            "defaultSortOrder": "entityName", "displayEntityName": true, "displayEntityType": false,
            "entityNameColumnTitle": "Device",
        }),
        config: json!({ "actions": { "rowClick": [open] } }),
    }
}

/// One chart of what is measured in one unit, since it has one scale.
fn chart(title: String, alias: &'static str, keys: Vec<Value>, legend: Option<&str>) -> Widget {
    let unit = keys.first().map(|key| key["units"].clone());
    Widget {
        width: 12,
        height: 6,
        kind: "timeseries",
        fqn: "time_series_chart",
        title,
        alias,
        keys,
        settings: json!({
            "showLegend": legend.is_some(), "dataZoom": false, "padding": "4px 12px 8px",
            "legendConfig": {
                "direction": "column", "position": legend, "sortDataKeys": false, "showMin": false, "showMax": false,
                "showAvg": false, "showTotal": false, "showLatest": false,
            },
            "yAxes": { "default": { "id": "default", "order": 0, "units": unit, "decimals": null } },
        }),
        config: json!({ "padding": "0px", "pageSize": LINES }),
    }
}

/// For each series one chart with a line for each device.
pub(super) fn charts_of_all(series: &[Series]) -> Vec<Widget> {
    series
        .iter()
        .map(|one| {
            let title = format!("{} of the {LINES} newest devices", one.label);
            let keys = vec![series_key(0, one, "${entityName}")];
            chart(title, FLEET, keys, Some("top"))
        })
        .collect()
}

/// For each unit one chart of a device.
pub(super) fn charts_of_one(series: &[Series]) -> Vec<Widget> {
    let mut charts: Vec<(&str, Vec<&Series>)> = Vec::new();
    for one in series {
        match charts.iter_mut().find(|(unit, _)| *unit == one.unit) {
            Some((_, same)) => same.push(one),
            None => charts.push((&one.unit, vec![one])),
        }
    }
    let charts = charts.into_iter().map(|(_, same)| {
        let keys = same.iter().enumerate();
        let keys = keys
            .map(|(at, one)| series_key(at, one, &one.label))
            .collect();
        let labels: Vec<_> = same.iter().map(|one| one.label.as_str()).collect();
        let legend = (same.len() > 1).then_some("top");
        chart(labels.join(", "), DEVICE, keys, legend)
    });
    charts.collect()
}

/// Alarms that are to be seen to, of all devices or of one.
pub(super) fn alarms(alias: &'static str) -> Widget {
    let keys = keys::OF_ALARMS
        .iter()
        .filter(|key| alias == FLEET || key.1 != "originator");
    Widget {
        width: 24,
        height: 6,
        kind: "alarm",
        fqn: "alarm_widgets.alarms_table",
        title: "Alarms".to_owned(),
        alias,
        keys: keys
            .enumerate()
            .map(|(at, key)| {
                let mut made = data_key(at, *key);
                // The one that is a sentence.
                if key.1.starts_with("details.") {
                    made["settings"] = json!({ "columnWidth": "28%" });
                }
                made
            })
            .collect(),
        settings: json!({
            "alarmsTitle": "Alarms", "enableSearch": true, "displayDetails": true, "allowAcknowledgment": true,
            "allowClear": true, "allowAssign": false, "displayActivity": false, "displayPagination": true,
            "defaultPageSize": 10, "defaultSortOrder": "-createdTime",
        }),
        // One that nobody has seen to is not past because the charts show the last hour.
        config: json!({
            "useDashboardTimewindow": false, "displayTimewindow": false,
            "timewindow": {
                "selectedTab": 0,
                "realtime": { "realtimeType": 0, "interval": DAY_MS, "timewindowMs": 365 * DAY_MS },
                "aggregation": { "type": "NONE", "limit": 200 },
            },
            "alarmFilterConfig": { "statusList": ["ACTIVE"] },
        }),
    }
}
