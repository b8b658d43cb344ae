//! Commands that run on until something happens: in pipes, beside each other, interrupted.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The program in a folder, with what it prints in a pipe.
fn esptb(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esptb"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("ESPTB_POP")
        .env_remove("ESPTB_PASSPHRASE")
        .env_remove("ESPTB_PORT")
        .env_remove("ESPTB_WIFI")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Standard output and standard error of a command that ends, and its exit code.
fn ended(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code();
    (text(output.stdout), text(output.stderr), code)
}

/// A program under way, which ends with the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Reads its lines up to one that holds this text.
    fn line_with(&mut self, text: &str) -> String {
        let out = self.0.stdout.as_mut().expect("a pipe");
        let found = BufReader::new(out)
            .lines()
            .map(|line| line.expect("text"))
            .find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("it ended without {text}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a CA, a server's certificate, and a flash whose device knows a network.
fn with_flash() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["pki", "init"][..],
        &["pki", "server", "localhost", "127.0.0.1"],
        &["pki", "device", "SN-1"],
        &[
            "image",
            "--spiffs",
            "devices/SN-1",
            "--wifi",
            "home:correct horse",
        ],
    ] {
        let (_, err, code) = ended(&mut esptb(folder.path(), arguments));
        assert_eq!(code, Some(0), "{err}");
    }
    folder
}

#[test]
fn a_simulated_device_is_measured_through_a_pipe() {
    let folder = with_flash();
    let path = folder.path();
    let serve = ["serve", "--mqtt", "0.0.0.0:0", "--http", "127.0.0.1:0"];
    let mut server = Running::start(esptb(path, &serve));
    // By the first name of its certificate, not as everywhere.
    let devices = server.line_with("devices   mqtts://localhost:");
    let port = devices.rsplit(':').next().expect("a port");
    let broker = format!("mqtts://localhost:{port}");
    let simulate = [
        "simulate",
        "--flash",
        "flash.bin",
        "--headless",
        "--wifi",
        "home:correct horse",
        "--broker",
        &broker,
    ];
    let mut simulate = esptb(path, &simulate);
    simulate.stderr(Stdio::inherit());
    let mut device = Running::start(simulate);
    let console = device.0.stdout.take().expect("a pipe");
    let report = ["board-report", "--port", "-", "--timeout", "1m"];
    let mut report = esptb(path, &report);
    let (out, err, code) = ended(report.stdin(console));
    // It holds an end of the pipe.
    drop(report);
    assert_eq!(code, Some(0), "{err}");
    for phase in ["broker: MQTT", "reset to first telemetry"] {
        assert!(out.contains(phase), "{out}");
    }
    // Nobody reads it any more, which is no failure.
    assert_eq!(device.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_flash_file_has_one_device_and_is_not_replaced_under_it() {
    let folder = with_flash();
    let path = folder.path();
    let simulate = ["simulate", "--flash", "flash.bin", "--headless"];
    let mut first = Running::start(esptb(path, &simulate));
    first.line_with("boot ");
    let (_, err, code) = ended(&mut esptb(path, &simulate));
    assert_eq!(code, Some(1));
    assert!(err.contains("flash.bin is the flash of a device that runs already"));
    let image = ["image", "--spiffs", "devices/SN-1"];
    let (_, err, code) = ended(&mut esptb(path, &image));
    assert_eq!(code, Some(1));
    assert!(
        err.contains("flash.bin is the flash of a device that runs:"),
        "{err}"
    );
    drop(first);
    assert_eq!(ended(&mut esptb(path, &image)).2, Some(0));
    let names = fs::read_dir(path).expect("a folder");
    let mut names = names.map(|entry| entry.expect("a name").file_name());
    assert!(names.all(|name| !name.to_string_lossy().contains("partial")));
}

#[cfg(unix)]
#[test]
fn a_demo_that_is_interrupted_says_so() {
    use rustix::process::{Pid, Signal, kill_process};

    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Running::start(esptb(folder.path(), &["demo", "--headless"]));
    demo.line_with("boot ");
    let id = i32::try_from(demo.0.id()).expect("small");
    kill_process(Pid::from_raw(id).expect("an id"), Signal::INT).expect("it runs");
    assert_eq!(demo.0.wait().expect("it ends").code(), Some(130));
    let err = demo.0.stderr.take().expect("a pipe");
    let err = std::io::read_to_string(err).expect("text");
    assert!(err.ends_with("error: interrupted\n"), "{err}");
}

/// A pipe that nobody reads, and that is full: the first line that is printed into it never returns.
#[cfg(target_os = "linux")]
#[test]
fn a_device_that_hangs_ends_soon_after_its_time() {
    use std::io::Write as _;
    use std::time::{Duration, Instant};

    let folder = with_flash();
    let (_reader, mut full) = std::io::pipe().expect("a pipe");
    // As much as Linux has room for (pipe(7)).
    full.write_all(&[b'\n'; 65_536]).expect("there is room");
    let arguments = [
        "simulate",
        "--flash",
        "flash.bin",
        "--headless",
        "--for",
        "1s",
    ];
    let mut command = esptb(folder.path(), &arguments);
    command.stdout(full).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().expect("the program starts");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("the device hangs"), "{told}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}
