//! The program `esptb`. What it does is in the library beside it.

fn main() -> std::process::ExitCode {
    esptb::main()
}
