//! `esptb tb`: a ThingsBoard from the operator's side.

mod anchors;
mod campaign;
mod crash;
mod devices;
mod login;
mod renew;
mod rollout;
mod server;
mod setup;
pub(crate) mod table;
mod trial;
mod watch;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(crate) use server::ServerArgs;

/// Set up a ThingsBoard for devices, see how they are, bring them firmware and certificates
///
/// Works by ThingsBoard's REST interface, 3.6 to 4.x, and by that of `esptb serve`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Cmd {
    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Examples, from an empty tenant to devices online:
  esptb tb login plant https://tb.example.com
  esptb tb setup --broker mqtts://tb.example.com --dry-run
  esptb tb setup --broker mqtts://tb.example.com
  esptb tb devices
  esptb tb watch
  esptb tb rollout climate-1.2.0.bin --dry-run
  esptb tb renew --dry-run

Which server: --server, or ESPTB_SERVER, by its name or its URL; or the only one that is kept.
For a URL the login is in ESPTB_TB_USER and ESPTB_TB_PASSWORD, or in ESPTB_TB_API_KEY.";

#[derive(Subcommand)]
enum Task {
    Login(login::Login),
    Logout(login::Logout),
    Servers(login::List),
    Setup(setup::Cmd),
    Devices(devices::Cmd),
    Status(devices::Status),
    Watch(watch::Cmd),
    Rollout(Box<rollout::Cmd>),
    Renew(Box<renew::Cmd>),
    Anchors(Box<anchors::Cmd>),
}

/// Does what was asked.
pub(crate) fn run(cmd: Cmd) -> Result<()> {
    match cmd.task {
        Task::Login(cmd) => login::keep(&cmd),
        Task::Logout(cmd) => login::forget(&cmd),
        Task::Servers(cmd) => login::list(&cmd),
        Task::Setup(cmd) => setup::run(&cmd),
        Task::Devices(cmd) => devices::run(&cmd),
        Task::Status(cmd) => devices::status(&cmd),
        Task::Watch(cmd) => watch::run(&cmd),
        Task::Rollout(cmd) => rollout::run(&cmd),
        Task::Renew(cmd) => renew::run(&cmd),
        Task::Anchors(cmd) => anchors::run(&cmd),
    }
}
