//! A settings.json for each device that gets its certificate, with a proof of possession of its
//! own, and the list from which labels are printed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use device::settings::Settings;
use serde_json::{Map, Value, json};

use crate::arguments;
use console::files;
use console::{FAINT, paint};
use demo::folder::random_proof;

/// What goes into settings.json beside the certificates.
#[derive(Args)]
#[command(next_help_heading = "settings.json, with a random proof of possession for each device")]
pub(crate) struct Options {
    /// The broker
    #[arg(long, value_parser = arguments::broker, value_name = "mqtts://HOST[:PORT]")]
    broker: Option<String>,
    /// What is the same for all devices, as JSON. A proof of possession in it holds for all
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Add each device's serial number and proof to this file, as CSV [default: labels.csv beside
    /// the devices' folders]. The last line of a device holds
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

/// Settings under way to the devices.
pub(crate) struct Template {
    settings: Map<String, Value>,
    labels: PathBuf,
    there: There,
}

/// What becomes of a settings.json that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    Refuse,
    Replace,
    Keep,
}

impl Options {
    /// None if devices get no settings.json.
    ///
    /// # Errors
    ///
    /// If a device would refuse these settings.
    pub(crate) fn template(&self, out: &Path, there: There) -> Result<Option<Template>> {
        if self.broker.is_none() && self.settings.is_none() && self.labels.is_none() {
            return Ok(None);
        }
        let mut settings = match &self.settings {
            Some(path) => {
                let (name, json) = (path.display(), files::read_text(path)?);
                serde_json::from_str(&json).with_context(|| format!("{name} is no object"))?
            }
            None => Map::new(),
        };
        if let Some(broker) = &self.broker {
            settings.insert("broker".into(), broker.as_str().into());
        }
        let template = Template {
            settings,
            labels: self
                .labels
                .clone()
                .unwrap_or_else(|| out.join("labels.csv")),
            there,
        };
        // Before the first device, not at each.
        template.of_one_device()?;
        Ok(Some(template))
    }
}

impl Template {
    /// Writes a device's settings into its folder, and its line into the list.
    ///
    /// # Errors
    ///
    /// If they are there already, or cannot be written.
    pub(crate) fn write(&self, serial: &str, folder: &Path) -> Result<()> {
        let path = folder.join("settings.json");
        let name = path.display();
        if path.exists() {
            match self.there {
                There::Replace => {}
                There::Keep => return Ok(()),
                There::Refuse => {
                    bail!("{name} is there already: choose another folder, or give --replace")
                }
            }
        }
        let (json, proof) = self.of_one_device()?;
        // First: a proof that no list names is worse than a line of one that no device got.
        let labels = self.labels.display();
        self.label(serial, &proof)
            .with_context(|| format!("cannot write {labels}"))?;
        files::write_private(&path, json.as_bytes())
    }

    /// Tells where the proofs are.
    pub(super) fn tell(&self) -> Result<()> {
        console::made(
            &self.labels,
            "serial numbers and proofs of possession, for labels",
        );
        console::line(paint(FAINT, "keep it as secret as the devices' keys"))
    }

    /// The settings, and the proof of possession in them; empty where the device wants none.
    fn of_one_device(&self) -> Result<(String, String)> {
        let mut settings = self.settings.clone();
        let wants_none = settings
            .get("provisioning")
            .is_some_and(|provisioning| provisioning["security"] == 0);
        if !wants_none {
            let provisioning = settings.entry("provisioning").or_insert_with(|| json!({}));
            if let Some(provisioning) = provisioning.as_object_mut() {
                let proof = provisioning.entry("pop");
                proof.or_insert_with(|| random_proof().into());
            }
        }
        let pop = settings.get("provisioning").map(|told| &told["pop"]);
        let proof = pop.and_then(Value::as_str).unwrap_or_default().to_owned();
        let json = format!("{:#}\n", Value::Object(settings));
        Settings::parse(json.as_bytes())
            .map_err(|error| anyhow::anyhow!("the device would refuse this: {error}"))?;
        Ok((json, proof))
    }

    fn label(&self, serial: &str, proof: &str) -> std::io::Result<()> {
        let is_new = !self.labels.exists();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&self.labels)?;
        let head = match is_new {
            true => "serial,proof_of_possession\n",
            // As spreadsheets save it.
            false if !ends_line(&self.labels)? => "\n",
            false => "",
        };
        let line = format!("{head}{},{}\n", field(serial), field(proof));
        file.write_all(line.as_bytes())
    }
}

/// Whether what is added to a file begins a line.
fn ends_line(path: &Path) -> std::io::Result<bool> {
    let text = hostfile::read(path)?;
    Ok(text.last().is_none_or(|last| *last == b'\n'))
}

/// RFC 4180: quoted where it has to be.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(settings: &Value) -> Template {
        Template {
            settings: settings.as_object().unwrap().clone(),
            labels: PathBuf::new(),
            there: There::Refuse,
        }
    }

    #[test]
    fn each_device_has_a_proof_of_its_own_unless_one_is_given() {
        let own = template(&json!({ "broker": "mqtts://tb.example" }));
        let (json, first) = own.of_one_device().unwrap();
        assert!(first.len() == 12 && json.contains(&first) && json.contains("tb.example"));
        assert_ne!(own.of_one_device().unwrap().1, first);
        let given = template(&json!({ "provisioning": { "pop": "the same" } }));
        assert_eq!(given.of_one_device().unwrap().1, "the same");
        let none = template(&json!({ "provisioning": { "security": 0 } }));
        assert_eq!(none.of_one_device().unwrap().1, "");
        assert!(template(&json!({ "broker": 1 })).of_one_device().is_err());
    }

    #[test]
    fn fields_are_quoted_where_they_have_to_be() {
        assert_eq!(field("SN-1"), "SN-1");
        assert_eq!(field("a,\"b"), "\"a,\"\"b\"");
    }
}
