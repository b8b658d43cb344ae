//! Pipes where files should be: nobody waits for them, and everybody names them.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{done, err, esptb, esptb_promptly, failed, failed_at_the_end, with_device};

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo is there").success());
}

#[test]
fn a_pipe_in_a_devices_folder_is_refused_by_all_who_read_it() {
    let folder = with_device();
    let path = folder.path();
    let files = path.join("spiffs_root");
    fs::write(files.join("settings.json"), "{}").expect("writes");
    for name in [
        "device.crt",
        "device.key",
        "server_chain.pem",
        "settings.json",
    ] {
        let there = fs::read(files.join(name)).expect("there");
        pipe(&files.join(name));
        for command in [
            &["pki", "check", "spiffs_root"][..],
            &["image"],
            &["image", "--unchecked"],
            &["image", "--batch", "."],
            &["flash", "--port", "/dev/null", "--spiffs", "spiffs_root"],
        ] {
            let told = esptb_promptly(path, command);
            failed_at_the_end(&told, name);
            assert!(
                err(&told).contains("no file") || err(&told).contains("is not a file"),
                "{}",
                err(&told)
            );
        }
        // What it cannot read it names, and shows the others.
        let shown = esptb_promptly(path, &["pki", "show", "spiffs_root"]);
        assert!(done(&shown).contains("CN=SN-1") || name == "device.crt");
        assert!(err(&shown).contains(name), "{}", err(&shown));
        fs::remove_file(files.join(name)).expect("removes");
        fs::write(files.join(name), there).expect("writes");
    }
    done(&esptb(path, &["pki", "check", "spiffs_root"]));
}

#[test]
fn a_pipe_that_is_named_as_a_file_is_refused() {
    let folder = with_device();
    let path = folder.path();
    done(&esptb(path, &["image"]));
    pipe(&path.join("pipe"));
    for command in [
        &["pki", "show", "pipe"][..],
        &["pki", "device", "SN-2", "--settings", "pipe"],
        &["image", "--inspect", "pipe"],
        &["image", "--partitions", "pipe"],
        &["image", "--app", "pipe"],
        &["simulate", "--flash", "pipe"],
        &["simulate", "--flash", "flash.bin", "--server-ca", "pipe"],
        &["flash", "--port", "/dev/null", "pipe"],
        &["monitor", "--port", "-", "--elf", "pipe"],
    ] {
        failed_at_the_end(&esptb_promptly(path, command), "pipe");
    }
    // But what the shell makes of `<(…)` is a pipe too, and wanted.
    let shown = Command::new("sh")
        .args([
            "-c",
            "cat spiffs_root/device.crt | \"$0\" pki show /dev/stdin",
        ])
        .arg(env!("CARGO_BIN_EXE_esptb"))
        .current_dir(path)
        .output()
        .expect("a shell");
    assert!(done(&shown).contains("CN=SN-1"));
}

#[test]
fn a_pipe_in_the_cas_folder_is_refused() {
    let folder = with_device();
    let path = folder.path();
    done(&esptb(path, &["pki", "server", "localhost"]));
    let serve = ["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    for (name, command) in [
        ("server.crt", &serve[..]),
        ("server.key", &serve),
        ("intermediate.crt", &serve),
        ("intermediate.key", &["pki", "device", "SN-2"]),
        ("root.crt", &["pki", "device", "SN-2"]),
        ("root.key", &["pki", "device", "SN-2"]),
    ] {
        let file = path.join("ca").join(name);
        let there = fs::read(&file).expect("there");
        pipe(&file);
        failed(&esptb_promptly(path, command), name);
        fs::remove_file(&file).expect("removes");
        fs::write(&file, there).expect("writes");
    }
    let device = path.join("devices/SN-3");
    done(&esptb(path, &["pki", "device", "SN-3"]));
    pipe(&device.join("device.crt"));
    failed(
        &esptb_promptly(path, &["pki", "device", "SN-3", "--missing"]),
        "device.crt",
    );
}
