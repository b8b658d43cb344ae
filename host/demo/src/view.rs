//! The demo in the terminal: a thread of its own that draws what happens and reads the keys.
//!
//! The device's arithmetic keeps its thread busy for moments; the view must not stutter with it.

mod curve;
mod draw;
mod model;

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc::UnboundedSender;

use super::happening::Happening;
use model::Model;

/// How often the view is drawn when nothing happens, for the clocks in it.
const TICK: Duration = Duration::from_millis(100);

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// An end.
    Quit,
    /// Power off and on.
    Reboot,
    /// No network for a while.
    CutNetwork,
    /// The button held.
    FactoryReset,
}

/// The running view. It gives the terminal back when dropped.
pub struct View {
    happenings: Option<Sender<(Duration, Happening)>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl View {
    /// Takes the terminal. Commands go to `commands`; times count from `start`.
    ///
    /// # Errors
    ///
    /// If there is no terminal to take.
    pub fn start(start: Instant, commands: UnboundedSender<Command>) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let (happenings, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("view".into()).spawn(move || {
            let shown = show(terminal, start, &receiver, &commands);
            ratatui::restore();
            // Without a view nobody can say so any more.
            let _ = commands.send(Command::Quit);
            shown
        })?;
        Ok(Self {
            happenings: Some(happenings),
            thread: Some(thread),
        })
    }

    /// Shows what happened at `at`, counted from the start.
    pub fn tell(&self, at: Duration, happening: Happening) {
        if let Some(happenings) = &self.happenings {
            // A view that has ended has told so.
            let _ = happenings.send((at, happening));
        }
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    ///
    /// What went wrong with the terminal while it was taken.
    pub fn end(mut self) -> io::Result<()> {
        self.close().unwrap_or(Ok(()))
    }

    fn close(&mut self) -> Option<io::Result<()>> {
        self.happenings = None;
        let joined = self.thread.take()?.join();
        Some(joined.unwrap_or_else(|_| Err(io::Error::other("the view broke down"))))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
    }
}

fn show(
    mut terminal: DefaultTerminal,
    start: Instant,
    happenings: &Receiver<(Duration, Happening)>,
    commands: &UnboundedSender<Command>,
) -> io::Result<()> {
    let mut model = Model::default();
    loop {
        terminal.draw(|frame| draw::draw(frame, &model, start.elapsed()))?;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
            {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                if key.code == KeyCode::Char('c') && !control {
                    model.toggle_code();
                } else if let Some(command) = command(key.code, control) {
                    let _ = commands.send(command);
                }
            }
        }
        match happenings.recv_timeout(TICK) {
            Ok((at, happening)) => {
                model.apply(at, &happening);
                // All that is waiting is drawn together.
                while let Ok((at, happening)) = happenings.try_recv() {
                    model.apply(at, &happening);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn command(code: KeyCode, control: bool) -> Option<Command> {
    match code {
        KeyCode::Char('c') if control => Some(Command::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Command::Quit),
        KeyCode::Char('r') => Some(Command::Reboot),
        KeyCode::Char('n') => Some(Command::CutNetwork),
        KeyCode::Char('f') => Some(Command::FactoryReset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_quits_and_other_keys_do_nothing() {
        assert_eq!(command(KeyCode::Char('c'), true), Some(Command::Quit));
        assert_eq!(command(KeyCode::Char('q'), false), Some(Command::Quit));
        assert_eq!(command(KeyCode::Char('x'), false), None);
        assert_eq!(command(KeyCode::Up, false), None);
    }
}
