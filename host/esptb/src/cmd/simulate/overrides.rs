//! Other settings than those in the flash: shown to the device, not written into its file.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use device::settings::Settings;
use flashimage::PartitionTable;
use serde_json::{Map, Value};
use simulator::flash::Flash;
use simulator::ntp::TimeServer;
use spiffs::{Builder, Image, Spiffs};

use ::fleet::Broker;

const SETTINGS: &str = "settings.json";
const SERVER_CHAIN: &str = "server_chain.pem";

/// What the device is to find in its SPIFFS instead of what is there. The flash file keeps its own.
#[derive(Args)]
#[command(next_help_heading = "Settings, instead of those in the flash")]
pub(super) struct Overrides {
    /// The broker
    #[arg(long, value_parser = crate::arguments::broker, value_name = "mqtts://HOST[:PORT]")]
    broker: Option<String>,
    /// The name that the broker's certificate must carry [default with --broker: its host]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The CAs that the broker's certificate may come from, instead of server_chain.pem
    #[arg(long, value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// The time server [default: settings.json, or else this computer's clock]
    #[arg(long, value_name = "HOST[:PORT]")]
    sntp_server: Option<String>,
}

/// A file of the device: name, contents.
type File = (String, Vec<u8>);

impl Overrides {
    /// Lays them over the flash. Returns the time server, if one was started for the device: it
    /// must live as long as the device.
    ///
    /// # Errors
    ///
    /// If the device would refuse them, or its SPIFFS cannot be read.
    pub(super) async fn apply(&self, flash: &Flash) -> Result<Option<TimeServer>> {
        let image = flash.to_bytes();
        let table = PartitionTable::from_image(&image).context(
            "partition table (`esptb image` makes a whole flash from a folder with the device's \
             files)",
        )?;
        let partition = table
            .spiffs()
            .context("the flash has no partition of type `data, spiffs`")?;
        let start = partition.offset as usize;
        let bytes = image
            .get(start..start + partition.size as usize)
            .unwrap_or_default();
        let whole = spiffs::Partition::whole(partition.size);
        // A device whose SPIFFS is damaged tells so itself; there is nothing to lay over it.
        let mut volume = match Spiffs::mount(Image(bytes), whole, None) {
            Ok(volume) => volume,
            Err(error) if self.is_empty() => {
                log::warn!("SPIFFS: {error}");
                return Ok(None);
            }
            Err(error) => bail!("SPIFFS: {error}"),
        };
        let mut files = Vec::new();
        let listed: Vec<_> = volume
            .files()
            .flatten()
            .map(|file| file.name().to_string())
            .collect();
        for name in listed {
            let contents = volume
                .read_to_vec(&name)
                .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            files.push((name.trim_start_matches('/').to_owned(), contents));
        }
        let (changed, time) = self.change(&mut files).await?;
        if changed {
            let empty = Builder::new(partition.size, volume.geometry())?;
            let builder = files.iter().try_fold(empty, |builder, (name, contents)| {
                builder.file(name, contents)
            })?;
            flash.overlay(start, &builder.build()?);
        }
        Ok(time)
    }

    /// What a fleet takes of them.
    pub(super) fn broker(&self) -> Broker {
        Broker {
            url: self.broker.clone(),
            server_name: self.server_name.clone(),
            server_ca: self.server_ca.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        let Self {
            broker,
            server_name,
            server_ca,
            sntp_server,
        } = self;
        broker.is_none() && server_name.is_none() && server_ca.is_none() && sntp_server.is_none()
    }

    /// Changes the files; tells whether anything differs.
    async fn change(&self, files: &mut Vec<File>) -> Result<(bool, Option<TimeServer>)> {
        let found = files.iter().find(|(name, _)| name == SETTINGS);
        let mut settings = match found.map(|(_, contents)| serde_json::from_slice(contents)) {
            Some(Ok(settings)) => settings,
            None => Map::new(),
            // The device says what is wrong with it, and takes its defaults.
            Some(Err(_)) if self.is_empty() => return Ok((false, None)),
            Some(Err(error)) => bail!("{SETTINGS} in the flash: {error}"),
        };
        let before = settings.clone();
        if let Some(broker) = &self.broker {
            settings.insert("broker".into(), Value::from(broker.as_str()));
            // It was for another broker.
            settings.remove("server_name");
        }
        if let Some(name) = &self.server_name {
            settings.insert("server_name".into(), Value::from(name.as_str()));
        }
        let mut time = None;
        if let Some(server) = &self.sntp_server {
            settings.insert("sntp_server".into(), Value::from(server.as_str()));
        } else if !settings.contains_key("sntp_server") {
            let server = TimeServer::start()
                .await
                .context("no port for the time server")?;
            settings.insert(
                "sntp_server".into(),
                Value::from(server.address().to_string()),
            );
            time = Some(server);
        }
        let mut changed = settings != before;
        if changed {
            let json = serde_json::to_vec(&settings)?;
            Settings::parse(&json)
                .map_err(|error| anyhow::anyhow!("the device would refuse this: {error}"))?;
            replace(files, SETTINGS, json);
        }
        if let Some(path) = &self.server_ca {
            let chain = console::files::read(path)?;
            replace(files, SERVER_CHAIN, chain);
            changed = true;
        }
        Ok((changed, time))
    }
}

fn replace(files: &mut Vec<File>, name: &str, contents: Vec<u8>) {
    files.retain(|(known, _)| known != name);
    files.push((name.to_owned(), contents));
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashimage::FlashImage;

    fn flash(settings: &str) -> Flash {
        let image = FlashImage::builder()
            .file("device.crt", "certificate")
            .file("settings.json", settings)
            .build()
            .unwrap();
        Flash::from_bytes(image)
    }

    fn overrides() -> Overrides {
        Overrides {
            broker: None,
            server_name: None,
            server_ca: None,
            sntp_server: Some("127.0.0.1:1123".into()),
        }
    }

    fn applied(overrides: &Overrides, flash: &Flash) -> Result<Option<TimeServer>> {
        console::on_one_thread(overrides.apply(flash))
    }

    fn files(flash: &Flash) -> Vec<String> {
        let report = flashimage::inspect(&flash.to_bytes()).unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
        report.files.into_iter().map(|file| file.name).collect()
    }

    fn settings(flash: &Flash) -> Settings {
        let partition = PartitionTable::default().spiffs().unwrap();
        let image = flash.to_bytes();
        let bytes = &image[partition.offset as usize..][..partition.size as usize];
        let mut volume =
            Spiffs::mount(Image(bytes), spiffs::Partition::whole(partition.size), None).unwrap();
        Settings::parse(&volume.read_to_vec(SETTINGS).unwrap()).unwrap()
    }

    #[test]
    fn another_broker_goes_by_its_own_name() {
        let flash = flash(r#"{"broker":"mqtts://a","server_name":"a","keep_alive_s":7}"#);
        let overrides = Overrides {
            broker: Some("mqtts://tb.example:1".into()),
            ..overrides()
        };
        applied(&overrides, &flash).unwrap();
        let settings = settings(&flash);
        assert_eq!(
            (settings.server_name.as_str(), settings.broker.port),
            ("tb.example", 1)
        );
        assert_eq!(
            (settings.sntp_servers[0].port, settings.keep_alive_s),
            (1_123, 7)
        );
        assert_eq!(files(&flash), ["/device.crt", "/settings.json"]);
    }

    #[test]
    fn without_a_time_server_of_its_own_the_device_gets_ours() {
        let none = Overrides {
            sntp_server: None,
            ..overrides()
        };
        let flash_without = flash("{}");
        let time = applied(&none, &flash_without).unwrap().unwrap();
        assert_eq!(
            settings(&flash_without).sntp_servers[0].port,
            time.address().port()
        );

        let flash_with = flash(r#"{"sntp_server":"ntp.example"}"#);
        let before = flash_with.to_bytes();
        assert!(applied(&none, &flash_with).unwrap().is_none());
        assert_eq!(flash_with.to_bytes(), before, "untouched");
    }

    #[test]
    fn what_the_device_would_refuse_is_refused() {
        let overrides = Overrides {
            broker: Some("mqtt://plain".into()),
            ..overrides()
        };
        let error = applied(&overrides, &flash("{}")).err().unwrap();
        assert!(error.to_string().contains("mqtts://"), "{error}");
    }
}
