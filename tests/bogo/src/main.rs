//! The shim between BoringSSL's protocol test runner and the device's TLS client.

mod exchange;
mod options;
mod scope;
mod wire;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use device::tls::{Library, Resumption};
use embassy_futures::block_on;
use hosttime as _;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use exchange::Failure;
use options::{Options, Refusal};
use wire::Wire;

/// By which the runner takes a test for one that does not apply (ssl/test/PORTING.md).
const UNIMPLEMENTED: u8 = 89;

/// Names a file to which the reasons of tests that do not apply are added, a line each.
const REASONS: &str = "BOGO_REASONS";

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(Refusal::Handshaker) => {
            println!("No");
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Unimplemented(flag)) => return unimplemented(&flag),
        Err(Refusal::Malformed(what)) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    match connections(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unimplemented(what)) => unimplemented(what),
        Err(Failure::Tls(error)) => {
            eprintln!("{}", exchange::named(error));
            ExitCode::FAILURE
        }
        Err(Failure::Unexpected(what)) => {
            eprintln!("unexpected: {what}");
            ExitCode::FAILURE
        }
    }
}

fn connections(options: &Options) -> Result<(), Failure> {
    let random = Box::leak(Box::new(UnwrapErr(SysRng)));
    let library =
        Library::install(random).map_err(|error| Failure::Unexpected(error.to_string()))?;
    let mut resumption = Resumption::new();
    for number in 0..=options.resumptions {
        let resumes = number > 0;
        let exchange = if resumes {
            &options.resumed
        } else {
            &options.initial
        };
        let wire = Wire::connect(
            options.ipv6,
            options.port,
            options.shim,
            exchange.drop_by_drop,
        )
        .map_err(|error| Failure::Unexpected(format!("no connection to the runner: {error}")))?;
        let done = block_on(exchange::run(
            &wire,
            exchange,
            library,
            &mut resumption,
            resumes,
        ));
        wire.finish();
        done?;
    }
    Ok(())
}

/// Says why the test does not apply. A flag without a reason is told as it is, and taken for a fault
/// by `cargo xtask bogo`.
fn unimplemented(flag: &str) -> ExitCode {
    let reason = scope::reason(flag).unwrap_or(flag);
    if let Some(file) = std::env::var_os(REASONS)
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file)
    {
        // One call: several shims write at once.
        let _ = file.write_all(format!("{reason}\n").as_bytes());
    }
    eprintln!("not for this client: {reason}");
    ExitCode::from(UNIMPLEMENTED)
}
