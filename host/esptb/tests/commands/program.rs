//! The program from outside, for the tests of what it prints, where, and with which exit code.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program with these arguments in a folder, without a terminal and without whatever the
/// environment says about secrets and colours.
pub(crate) fn esptb(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments)
        .output()
        .expect("the program starts")
}

/// As [`esptb`], with this in the environment, too.
pub(crate) fn esptb_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(folder, arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts")
}

/// As [`esptb`], for what might wait for ever.
#[track_caller]
pub(crate) fn esptb_promptly(folder: &Path, arguments: &[&str]) -> Output {
    let mut process = command(folder, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    for _ in 0..1200 {
        if process.try_wait().expect("its state").is_some() {
            return process.wait_with_output().expect("its output");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    process.kill().expect("it ends");
    panic!("{arguments:?} waits for ever");
}

/// The program under way; it ends with this.
pub(crate) struct Begun(Child);

impl Drop for Begun {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Begins what takes its time, and whose words nobody reads.
pub(crate) fn begun(folder: &Path, arguments: &[&str]) -> Begun {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Begun(command.spawn().expect("the program starts"))
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esptb"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("ESPTB_POP")
        .env_remove("ESPTB_PASSPHRASE")
        .env_remove("ESPTB_PORT")
        .env_remove("ESPTB_WIFI")
        .env_remove("ESPTB_SERVER")
        .env_remove("ESPTB_TB_USER")
        .env_remove("ESPTB_TB_PASSWORD")
        .env_remove("ESPTB_TB_API_KEY")
        // Where logins are kept: not among those of whoever runs the tests.
        .env("XDG_CONFIG_HOME", folder.join("configuration"))
        .stdin(Stdio::null());
    command
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[track_caller]
pub(crate) fn done(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        out(output),
        err(output)
    );
    out(output)
}

/// A failure: exit code 1, and an error that says this.
#[track_caller]
pub(crate) fn failed(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", err(output));
    assert!(err(output).starts_with("error: "), "{}", err(output));
    assert!(err(output).contains(text), "{}", err(output));
}

/// A failure after lines of how it came about.
#[track_caller]
pub(crate) fn failed_at_the_end(output: &Output, text: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", err(output));
    assert!(err(output).contains(text), "{}", err(output));
}

/// A folder with a CA and the files of a device.
pub(crate) fn with_device() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    done(&esptb(folder.path(), &["pki", "init"]));
    done(&esptb(
        folder.path(),
        &["pki", "device", "SN-1", "--out", "."],
    ));
    fs::rename(
        folder.path().join("SN-1"),
        folder.path().join("spiffs_root"),
    )
    .expect("renames");
    folder
}
