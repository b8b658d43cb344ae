//! Chromium, driven through chromedriver's WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::program;

pub(crate) struct Browser {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts chromedriver on a free port and Chromium with a fresh profile.
    pub(crate) fn start(width: u32, height: u32, scheme: &str) -> Self {
        let chromium = program("chromium", "chromium");
        let mut driver = Command::new(program("chromedriver", "chromium-driver"))
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = lines
            .find_map(|line| {
                let line = line.expect("chromedriver's output is text");
                line.split_once("successfully on port ")?
                    .1
                    .trim_end_matches('.')
                    .parse::<u16>()
                    .ok()
            })
            .expect("chromedriver tells its port");
        // Read on, or it blocks once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));

        let profile = tempfile::tempdir().expect("a folder for the profile");
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let mut args: Vec<String> = args.map(str::to_owned).to_vec();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        args.push(format!("--window-size={width},{height}"));
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": 60_000 },
        } } });
        let root = format!("http://127.0.0.1:{port}/session");
        let answer = ask(&root, Some(&capabilities));
        let session = format!(
            "{root}/{}",
            answer["sessionId"].as_str().expect("a session")
        );
        let browser = Self {
            driver,
            session,
            _profile: profile,
        };
        browser.emulate(width, height, scheme);
        browser
    }

    /// Sets the size of the page and its colour scheme, `light` or `dark`.
    pub(crate) fn emulate(&self, width: u32, height: u32, scheme: &str) {
        let mobile = width < 600;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    fn devtools(&self, command: &str, params: Value) {
        self.post(
            "goog/cdp/execute",
            &json!({ "cmd": command, "params": params }),
        );
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs a script and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits in the page until an expression is true, frame by frame; returns its value.
    pub(crate) fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (function look() {{ let value; try {{ value = ({expression}); }} \
             catch {{ value = false; }} value ? done(value) : setTimeout(look, 20); }})();"
        );
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Clicks as a person would: the element has to be there and visible.
    pub(crate) fn click(&self, css: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Types into an element, after clearing it.
    pub(crate) fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/clear"), &json!({}));
        self.post(
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    pub(crate) fn text(&self, css: &str) -> String {
        let css = serde_json::to_string(css).unwrap();
        let text = self.run(&format!(
            "return document.querySelector({css})?.innerText ?? '(missing)'"
        ));
        text.as_str().unwrap_or_default().to_owned()
    }

    fn find(&self, css: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": css }));
        let element = found
            .as_object()
            .and_then(|o| o.values().next()?.as_str().map(str::to_owned));
        element.unwrap_or_else(|| panic!("no element {css}"))
    }

    /// What the page wrote to the console, and what the browser complained of.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log").iter();
        entries
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Saves what is to be seen as PNG.
    pub(crate) fn screenshot(&self, file: &Path) {
        let png = ask(&format!("{}/screenshot", self.session), None);
        let png = base64(png.as_str().expect("a picture"));
        std::fs::write(file, png).expect("the picture is written");
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        ask(&format!("{}/{what}", self.session), Some(body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session's end ends Chromium. A failing test drops this too, so nothing may panic.
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn ask(url: &str, body: Option<&Value>) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let answer = match body {
        Some(body) => agent.post(url).send_json(body),
        None => agent.get(url).call(),
    };
    let mut answer = answer.expect("chromedriver answers");
    let status = answer.status();
    let mut answer: Value = answer
        .body_mut()
        .with_config()
        .limit(100 << 20)
        .read_json()
        .expect("chromedriver answers with JSON");
    assert!(status.is_success(), "{url}: {}", answer["value"]["message"]);
    answer["value"].take()
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |b| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let bytes = |four: &[u32]| {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(bytes).collect()
}
