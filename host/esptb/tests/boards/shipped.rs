//! What becomes of boards that `esptb factory run` made: provisioned by the proofs of its list, they are online.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use jig::{Jig, blank};

use super::board::on_jig;
use super::{done, esptb};

/// A command that goes on until the test ends.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = esptb(folder, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("starts"))
    }

    /// What its first line with this text has behind it, up to a blank.
    fn said(&mut self, text: &str) -> String {
        let out = self.0.stdout.as_mut().expect("a pipe");
        for line in BufReader::new(out).lines() {
            let line = line.expect("text");
            if let Some((_, rest)) = line.split_once(text) {
                return rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
        }
        panic!("it ended without {text}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The broker's certificate is of another CA than the devices', as where a server was there first.
#[test]
fn boards_from_the_factory_are_provisioned_and_online() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let run = |arguments: &[&str]| done(&esptb(path, arguments).output().expect("starts"));
    run(&["pki", "init"]);
    run(&["pki", "init", "--ca", "servers"]);
    run(&[
        "pki",
        "server",
        "127.0.0.1",
        "--ca",
        "servers",
        "--out",
        "ca",
    ]);
    run(&["firmware", "key"]);
    run(&[
        "firmware",
        "sign",
        "--simulated",
        "1.0.0",
        "--simulated-size",
        "8K",
        "--out",
        "app.bin",
    ]);
    let mut server = Running::start(
        path,
        &["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"],
    );
    let broker = format!("mqtts:{}", server.said("mqtts:"));

    let make = |jig: &Jig, more: &[&str]| {
        let mut arguments = vec!["factory", "run", "--app", "app.bin", "--chip", "esp32c3"];
        arguments.extend(["--broker", &broker, "--server-ca", "servers/root.crt"]);
        arguments.extend(["--wait", "60s", "--port", jig.port()]);
        arguments.extend(more);
        run(&arguments)
    };
    let jig = on_jig(vec![blank(1), blank(2)]);
    let told = make(&jig, &["--count", "2"]);
    assert_eq!(told.matches("done SN-00000").count(), 2, "{told}");
    let proofs = fs::read_to_string(path.join("devices/labels.csv")).expect("a list");
    for (board, proof) in jig.boards().iter().zip(proofs.lines().skip(1)) {
        let (serial, proof) = proof.split_once(',').expect("a number and a proof");
        let mac = board.mac().map(|byte| format!("{byte:02X}"));
        let flash = format!("{serial}.bin");
        fs::write(path.join(&flash), &board.flash).expect("writes");
        let arguments = [
            "simulate",
            "--flash",
            &flash,
            "--mac",
            &mac.join(":"),
            "--headless",
            "--for",
            "60s",
            "--air",
            "127.0.0.1:0",
        ];
        let mut device = Running::start(path, &arguments);
        let air = device.said("(H4) at ");
        let name = format!("PROV_{}", mac[3..].concat());
        run(&[
            "provision",
            "--hci",
            &air,
            "--name",
            &name,
            "--pop",
            proof,
            "--ssid",
            "esptb",
            "--passphrase",
            "correct horse",
        ]);
        device.said("cloud.online");
    }
    // A board that is put on again keeps its files, and whom it trusts.
    let trusted = fs::read(path.join("devices/SN-000001/server_chain.pem")).expect("CAs");
    let theirs = fs::read(path.join("servers/root.crt")).expect("a CA");
    assert!(trusted == theirs);
    let jig = on_jig(vec![blank(1)]);
    let told = make(&jig, &["--again", "--count", "1"]);
    assert!(told.contains("done SN-000001"), "{told}");
    jig.boards();
}
