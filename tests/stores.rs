//! Real stores that take one writer, and eight processes that write: through
//! `run`, all of their rows are there, and none of them ever fails.
//!
//! `DOTLOCK_TEST_PYTHON` is a Python that has the packages duckdb and lancedb;
//! with `CI_FULL=1`, chromadb too.

use crate::harness::{Dir, Dotlock, skipped};
use std::ffi::OsString;
use std::process::Command;

const WORKERS: usize = 8;
const BATCHES: usize = 3;
const ROWS: usize = 10;

/// A Python that has `package`.
fn python(package: &str) -> Option<OsString> {
    let python = std::env::var_os("DOTLOCK_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let there = Command::new(&python).args(["-c", &format!("import {package}")]).output();
    if there.is_ok_and(|out| out.status.success()) {
        return Some(python);
    }
    skipped(&format!("there is no Python with the package {package}"));
    None
}

fn eight_writers(kind: &str, package: &str) {
    let Some(python) = python(package) else { return };
    let dir = Dir::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store.py");
    let write = |worker: usize, batch: usize| {
        let run = dir.dotlock().line("run -w 300 store --").args([&python]);
        run.args([script, kind, "store", &worker.to_string(), &batch.to_string()]).run()
    };
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let write = &write;
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let out = write(worker, batch);
                    assert_eq!(out.code, 0, "{out:?}");
                }
            });
        }
    });
    let out = Dotlock::new(&python, dir.path()).args([script, kind, "store"]).run();
    let all = WORKERS * BATCHES * ROWS;
    assert_eq!(out.stdout.trim(), format!("{all} {all}"), "rows, and different ones; {out:?}");
    assert!(!dir.names().iter().any(|name| name.ends_with(".lock")), "{:?}", dir.names());
}

#[test]
fn eight_writers_of_one_sqlite_file() {
    eight_writers("sqlite", "sqlite3");
}

#[test]
fn eight_writers_of_one_duckdb_file() {
    eight_writers("duckdb", "duckdb");
}

#[test]
fn eight_writers_of_one_lancedb_folder() {
    eight_writers("lancedb", "lancedb");
}

#[test]
fn eight_writers_of_one_chroma_folder() {
    if std::env::var_os("CI_FULL").is_none_or(|full| full != "1") {
        return println!("only with CI_FULL=1");
    }
    eight_writers("chroma", "chromadb");
}
