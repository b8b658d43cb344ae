//! Secrets that are asked for at the terminal, without echo.

use std::io::ErrorKind;

use anyhow::{Context, Result};

use console::Exit;

/// Asks for a secret, without showing it. Ctrl-C at the question gives the terminal its echo back.
///
/// # Errors
///
/// If there is no terminal to ask at.
pub(crate) fn secret(question: &str) -> Result<String> {
    #[cfg(unix)]
    guard::restore_when_interrupted();
    match rpassword::prompt_password(question) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(Exit::Interrupted.into()),
        answered => answered.context("the secret cannot be asked for"),
    }
}

#[cfg(unix)]
mod guard {
    use std::fs::File;
    use std::io;
    use std::sync::{Once, mpsc};
    use std::thread;

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
    use tokio::signal::unix::{SignalKind, signal};

    /// From the first question on, an interruption ends the program by way of the terminal as it
    /// was before it. Without a terminal there is nothing to restore.
    pub(super) fn restore_when_interrupted() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let Ok(terminal) = File::open("/dev/tty") else {
                return;
            };
            let Ok(before) = tcgetattr(&terminal) else {
                return;
            };
            let (ready, is_ready) = mpsc::channel();
            thread::spawn(move || watch(&terminal, &before, &ready));
            // An error says that nobody watches: then an interruption ends the program at once.
            let _ = is_ready.recv();
        });
    }

    fn watch(terminal: &File, before: &Termios, ready: &mpsc::Sender<()>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let _ = ready.send(());
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // What fails here cannot be told better than by ending.
            let _ = tcsetattr(terminal, OptionalActions::Now, before);
            eprintln!();
            std::process::exit(130)
        })
    }
}
