//! The program from outside: what it prints, where, with which exit code, and what becomes of an
//! operator's files.

mod cli;
mod field;
mod files;
mod pipes;
mod program;
mod tb;
