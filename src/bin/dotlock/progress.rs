//! The bar of a copy that lasts, on a terminal.

use dotlock::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What is done sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a bar once the copy has lasted, if standard error is a terminal. Nothing
/// is set up before; the bar goes with what is returned.
pub fn bar() -> Progress {
    let begun = Instant::now();
    let bar = Bar(OnceLock::new());
    Progress::new(move |done, of| {
        if begun.elapsed() >= PATIENCE {
            bar.show(done, of);
        }
    })
}

struct Bar(OnceLock<Option<ProgressBar>>);

impl Bar {
    fn show(&self, done: u64, of: Option<u64>) {
        let make = || {
            std::io::stderr().is_terminal().then(|| {
                let style = match of {
                    Some(_) => "{wide_bar} {binary_bytes}/{binary_total_bytes} {eta}",
                    None => "{spinner} {binary_bytes} {binary_bytes_per_sec}",
                };
                let bar = of.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                bar.with_style(
                    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
                )
            })
        };
        if let Some(bar) = self.0.get_or_init(make) {
            // A second copy, of what was gathered.
            if bar.length() != of {
                of.map_or_else(|| bar.unset_length(), |of| bar.set_length(of));
            }
            bar.set_position(done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(Some(bar)) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}
