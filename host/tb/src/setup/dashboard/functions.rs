//! The functions of the dashboard, run by a browser as ThingsBoard's page does: without a ThingsBoard.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Series, configuration};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// What a browser makes of an expression. `run(function, names, values)` calls a function of the dashboard in it.
fn evaluate(expression: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    // As numbers, since the page is told as HTML.
    let script = format!(
        "<body><script>const now = Date.now();
        const run = (source, names, values) => new Function(...names, source)(...values);
        let told; try {{ told = {expression}; }} catch (error) {{ told = String(error); }}
        document.body.textContent = [...new TextEncoder().encode(JSON.stringify(told))].join(' ');</script>"
    );
    std::fs::write(&page, script).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(format!("file://{}", page.display()))
        .stderr(Stdio::null())
        .output()
        .expect("this test needs chromium: apt-get install chromium");
    let html = String::from_utf8(output.stdout).unwrap();
    let body = html.split_once("<body>").expect(&html).1;
    let bytes = body
        .split_once("</body>")
        .expect(&html)
        .0
        .split_whitespace();
    let bytes: Vec<u8> = bytes.map(|byte| byte.parse().unwrap()).collect();
    serde_json::from_slice(&bytes).unwrap()
}

fn dashboard() -> Value {
    let series = Series {
        key: "temperature".into(),
        label: "Temperature".into(),
        unit: "°C".into(),
        decimals: 1,
    };
    configuration("esptb", &[series], 30)
}

/// The functions of the text widgets, in their order: at a glance, versions, certificates, one device.
fn texts() -> Vec<Value> {
    let dashboard = dashboard();
    let widgets = dashboard["widgets"].as_object().unwrap().values();
    let settings = widgets.map(|one| &one["config"]["settings"]["markdownTextFunction"]);
    settings.filter(|one| one.is_string()).cloned().collect()
}

/// Devices as the page hands them over: by the labels of their keys.
fn devices() -> String {
    format!(
        r#"[
            {{ entityName: 'there', Online: 'true', Connected: now - 5000, Disconnected: now - 9000, Firmware: '1.0.0',
               'Last heard': now, 'Certificate ends': now + 400 * {DAY_MS}, Dropped: 0, 'Last crash': '' }},
            // Made by its first connection: `active` stays false, and nothing counted it out.
            {{ entityName: 'new', Online: 'false', Connected: now - 5000, 'Last heard': now, Firmware: '1.0.0',
               Updated: '1.1.0', 'Certificate ends': String(now + 20 * {DAY_MS}), Dropped: '7' }},
            // Its old connection ended after the new one had begun.
            {{ entityName: 'twice', Online: 'true', Connected: now - 9000, Disconnected: now - 5000, 'Last heard': now,
               Firmware: '1.1.0', 'Certificate ends': now + 100 * {DAY_MS} }},
            {{ entityName: 'gone', Online: 'true', Connected: now - 9000, Disconnected: now - 100, 'Last heard': now - 200,
               Firmware: '<img src=x>{{{{1}}}}', 'Certificate ends': now - 1, 'Last crash': 'oh\n\n"no"',
               'Crashed at': 'src/main.rs:1:2' }},
            {{ entityName: 'never' }},
        ]"#
    )
}

/// The text of HTML whose numbers and labels are in elements of their own.
fn words(html: &Value) -> Vec<String> {
    let html = html.as_str().unwrap_or_else(|| panic!("no text: {html}"));
    let parts = html.split('<').filter_map(|part| part.split_once('>'));
    parts
        .map(|(_, text)| text.to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

#[test]
fn devices_are_counted_as_the_command_line_counts_them() {
    let told = evaluate(&format!(
        "{}.map((source) => run(source, ['data', 'ctx'], [{}, {{}}]))",
        json!(texts()[..3]),
        devices()
    ));
    let glance = words(&told[0]);
    let numbers: Vec<_> = glance
        .chunks(2)
        .map(|pair| (pair[1].as_str(), pair[0].as_str()))
        .collect();
    assert_eq!(
        numbers,
        [
            ("devices", "5"),
            ("online", "3"),
            ("offline", "2"),
            ("lost samples", "1"),
            ("crashed", "1"),
            ("certificate ends within 30 days", "2"),
        ]
    );
    // What a device tells is no HTML, nor a template.
    let odd = "&#60;img src&#61;x&#62;&#123;&#123;1&#125;&#125;";
    assert_eq!(
        words(&told[1]),
        ["1.1.0", "2", "1.0.0", "1", odd, "1", "not told", "1"]
    );
    let ends = words(&told[2]);
    let numbers: Vec<_> = ends.chunks(2).map(|pair| pair[1].as_str()).collect();
    assert_eq!(numbers, ["1", "0", "1", "0", "1", "1", "1"], "{ends:?}");
}

#[test]
fn without_devices_nothing_fails() {
    let told = evaluate(&format!(
        "{}.map((source) => run(source, ['data', 'ctx'], [[], {{}}]))",
        json!(texts())
    ));
    assert_eq!(words(&told[0])[..2], ["0", "devices"]);
    assert_eq!(told[1], r#"<div class="bars"></div>"#);
    assert!(words(&told[3])[1].contains("offline"), "{told}");
}

#[test]
fn a_device_has_what_is_known_of_it_in_its_card() {
    let card = json!(texts()[3]);
    let told = evaluate(&format!(
        "run({card}, ['data', 'ctx'], [[{}[3]], {{}}])",
        devices()
    ));
    let told = words(&told);
    let after = |name: &str| {
        let at = told
            .iter()
            .position(|word| word == name)
            .unwrap_or_else(|| panic!("{name}: {told:?}"));
        told[at + 1].as_str()
    };
    assert_eq!(after("State"), "offline");
    assert_eq!(after("Certificate"), "has ended");
    assert_eq!(after("Last crash"), "oh&#10;&#10;&#34;no&#34;");
    assert_eq!(after(after("Last crash")), "src/main.rs:1:2");
    assert!(!told.iter().any(|word| word == "Refused"), "{told:?}");
}

#[test]
fn cells_of_the_table_have_a_text_and_a_color() {
    let dashboard = dashboard();
    let mut widgets = dashboard["widgets"].as_object().unwrap().values();
    let table = widgets
        .find(|one| one["typeFullFqn"] == "system.cards.entities_table")
        .unwrap();
    let keys = &table["config"]["datasources"][0]["dataKeys"];
    let told = evaluate(&format!(
        "{devices}.map((entity) => Object.fromEntries({keys}.map((key) => {{
            const cell = (source) => run(source, ['value', 'entity', 'ctx'], [entity[key.label], entity, {{}}]);
            const {{ useCellContentFunction, cellContentFunction, useCellStyleFunction, cellStyleFunction }} = key.settings;
            return [key.label, [useCellContentFunction && cell(cellContentFunction),
                useCellStyleFunction && cell(cellStyleFunction).color]];
        }})))",
        devices = devices(),
    ));
    assert_eq!(told[1]["Online"], json!(["online", "#2e7d32"]), "{told}");
    assert_eq!(told[3]["Online"], json!(["offline", "#c62828"]));
    assert_eq!(told[1]["Firmware"][0], "1.1.0");
    assert_eq!(told[1]["Dropped"], json!(["7", "#ef6c00"]));
    assert_eq!(told[0]["Certificate ends"][1], "inherit");
    assert_eq!(told[1]["Certificate ends"][1], "#c62828");
    assert_eq!(told[4]["Certificate ends"][0], "");
    assert_eq!(told[4]["Last heard"][0], "");
}
