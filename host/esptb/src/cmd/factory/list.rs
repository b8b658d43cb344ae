//! `esptb factory list` and `scrap`: every board accounted for.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use device::calendar::Date;
use factory::{Board, Stage};
use serde_json::json;

use super::LedgerFile;
use crate::cmd::tb::table;
use console::{BAD, FAINT, counted, paint};

/// List the boards of a ledger, and tell whether it all adds up
///
/// Exit code 1 if a serial number between the first and the last of a series is nobody's.
#[derive(Args)]
pub(super) struct Cmd {
    #[command(flatten)]
    ledger: LedgerFile,
    /// Only those that are not done, and not scrapped
    #[arg(long)]
    unfinished: bool,
    /// How
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For spreadsheets
    Csv,
    /// Boards, the latest visits at the ports, and the account
    Json,
}

/// Take a board out of the series for good
///
/// Its serial number is not given again.
#[derive(Args)]
pub(super) struct Scrap {
    /// Its serial number or address
    #[arg(value_name = "BOARD")]
    board: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    ledger: LedgerFile,
}

/// How many visits at the ports are told.
const VISITS: u32 = 1000;

pub(super) fn run(cmd: &Cmd) -> Result<()> {
    let ledger = cmd.ledger.open()?;
    let mut boards = ledger.boards()?;
    if cmd.unfinished {
        boards.retain(|board| board.stage < Stage::Done);
    }
    let account = ledger.account()?;
    let format = if cmd.json { Format::Json } else { cmd.format };
    if format == Format::Json {
        let told = json!({
            "boards": boards,
            "visits": ledger.visits(VISITS)?,
            "account": account,
        });
        console::line(format_args!("{told:#}"))?;
    } else {
        let head = [
            "SERIAL", "ADDRESS", "CHIP", "STAGE", "FIRMWARE", "CHANGED", "FAULT",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(boards.iter().map(row));
        let lines = match format {
            Format::Csv => rows.iter().map(|row| table::csv(row)).collect(),
            _ => table::lines(&rows),
        };
        for line in lines {
            console::line(line)?;
        }
        let line = format!(
            "{}: {} done, {} scrapped, {} unfinished",
            counted(account.boards, "board"),
            account.done,
            account.scrapped,
            account.unfinished.len(),
        );
        anstream::eprintln!("{}", paint(FAINT, line));
        if account.nameless > 0 {
            let line = format!(
                "{} something at a port did not say who it is, or got no number",
                paint(BAD, counted(account.nameless as usize, "time"))
            );
            anstream::eprintln!("{line}");
        }
    }
    match account.missing.as_slice() {
        [] => Ok(()),
        missing => bail!(
            "serial numbers are nobody's ({}): somebody else wrote into the ledger; bring back the last \
             good copy",
            missing.join(", ")
        ),
    }
}

fn row(board: &Board) -> Vec<String> {
    let changed = u64::try_from(board.changed_ms / 1000).unwrap_or_default();
    vec![
        board.serial.clone(),
        board.mac.clone(),
        board.chip.clone(),
        board.stage.name().to_owned(),
        board.firmware.clone().unwrap_or_default(),
        Date::from_unix_s(changed).to_string(),
        board.fault.clone().unwrap_or_default(),
    ]
}

pub(super) fn scrap(cmd: &Scrap) -> Result<()> {
    let board = cmd.ledger.open()?.scrap(&cmd.board, &cmd.reason)?;
    console::line(format_args!(
        "{} ({}) is scrapped; revoke it on the server if it was online",
        board.serial, board.mac
    ))
}
