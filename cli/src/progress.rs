//! Progress that a person likes to watch, and plain lines where nobody watches.

use crate::format::{count, span};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pmflow_host::Progress;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    Bar,
    Plain,
    None,
}

const REDRAW_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress until the run's driver is gone.
pub async fn show(progress: watch::Receiver<Progress>, form: Option<Form>, id: String, color: bool) {
    let form = form.unwrap_or(if std::io::stderr().is_terminal() { Form::Bar } else { Form::Plain });
    match form {
        Form::None => {}
        Form::Bar => bar(progress, &id, color).await,
        Form::Plain => plain(progress, &id).await,
    }
}

async fn bar(mut progress: watch::Receiver<Progress>, id: &str, color: bool) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = if color { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let started = Instant::now();
    let mut tick = tokio::time::interval(REDRAW_EVERY);
    loop {
        tick.tick().await;
        bar.set_message(format!("{id}  {}", line(&progress.borrow_and_update().clone(), started.elapsed())));
        bar.tick();
        if progress.has_changed().is_err() {
            break;
        }
    }
    bar.finish_and_clear();
}

async fn plain(mut progress: watch::Receiver<Progress>, id: &str) {
    let started = Instant::now();
    eprintln!("run {id} started");
    let mut tick = tokio::time::interval(LINE_EVERY);
    tick.tick().await;
    loop {
        tokio::select! {
            _ = tick.tick() => eprintln!("{}", line(&progress.borrow().clone(), started.elapsed())),
            changed = progress.changed() => if changed.is_err() { break },
        }
    }
}

/// `812 of 5,574 items, 3 failed | 41,200 tokens | $0.0121 of $2.00 | 160/s | 30 s left`
fn line(progress: &Progress, elapsed: Duration) -> String {
    let counters = &progress.counters;
    let ended = counters.items_done + counters.items_failed;
    let mut parts = vec![format!("{} of {} items done", count(counters.items_done), count(counters.items_started))];
    if counters.items_failed > 0 {
        parts.push(format!("{} failed", count(counters.items_failed)));
    }
    if counters.rows_read > counters.items_started {
        parts.push(format!("{} rows skipped", count(counters.rows_read - counters.items_started)));
    }
    parts.push(format!("{} tokens", count(counters.input_tokens + counters.output_tokens)));
    let limit = progress.account.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    parts.push(format!("{}{limit}", progress.account.committed()));
    let seconds = elapsed.as_secs_f64();
    if ended > 0 && seconds > 1.0 {
        parts.push(format!("{:.1}/s", ended as f64 / seconds));
    }
    if progress.approvals_open > 0 {
        parts.push(format!("{} waiting for a decision", progress.approvals_open));
    }
    parts.push(span(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)));
    parts.join(" | ")
}
