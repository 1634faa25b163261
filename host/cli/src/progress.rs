//! Progress of long work, on stderr and only for people.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

fn target(json: bool) -> ProgressDrawTarget {
    if json || !io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}

fn bar(json: bool, length: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, target(json));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Work without a known length.
pub(crate) fn spinner(json: bool, message: impl Into<String>) -> ProgressBar {
    let spinner = bar(json, None, "{spinner} {msg} {elapsed}");
    spinner.set_message(message.into());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// So many bytes.
pub(crate) fn bytes(json: bool, total: u64, message: impl Into<String>) -> ProgressBar {
    let bar = bar(
        json,
        Some(total),
        "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}",
    );
    bar.set_message(message.into());
    bar
}

/// So many things.
pub(crate) fn things(json: bool, total: u64, message: impl Into<String>) -> ProgressBar {
    let bar = bar(json, Some(total), "{msg} [{bar:30}] {pos}/{len}");
    bar.set_message(message.into());
    bar
}
