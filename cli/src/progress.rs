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
/// `expected` is how many items the flow's author expects, where that is known.
pub async fn show(progress: watch::Receiver<Progress>, form: Option<Form>, id: String, expected: Option<u64>, color: bool) {
    let form = form.unwrap_or(if std::io::stderr().is_terminal() { Form::Bar } else { Form::Plain });
    match form {
        Form::None => {}
        Form::Bar => bar(progress, &id, expected, color).await,
        Form::Plain => plain(progress, &id, expected).await,
    }
}

async fn bar(mut progress: watch::Receiver<Progress>, id: &str, expected: Option<u64>, color: bool) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = if color { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let started = Instant::now();
    let mut tick = tokio::time::interval(REDRAW_EVERY);
    loop {
        tick.tick().await;
        bar.set_message(format!("{id}  {}", line(&progress.borrow_and_update().clone(), expected, started.elapsed())));
        bar.tick();
        if progress.has_changed().is_err() {
            break;
        }
    }
    bar.finish_and_clear();
}

async fn plain(mut progress: watch::Receiver<Progress>, id: &str, expected: Option<u64>) {
    let started = Instant::now();
    eprintln!("run {id} started");
    let mut tick = tokio::time::interval(LINE_EVERY);
    tick.tick().await;
    loop {
        tokio::select! {
            _ = tick.tick() => eprintln!("{}", line(&progress.borrow().clone(), expected, started.elapsed())),
            changed = progress.changed() => if changed.is_err() { break },
        }
    }
}

/// `812 of about 5,574 items done | 3 failed | 41,200 tokens | $0.0121 of $2.00 | 160.0/s | 5.1 s | about 29.7 s left`
fn line(progress: &Progress, expected: Option<u64>, elapsed: Duration) -> String {
    let counters = &progress.counters;
    let ended = counters.items_done + counters.items_failed;
    let total = expected.filter(|expected| *expected >= counters.items_started);
    let of = total.map_or_else(|| count(counters.items_started), |total| format!("about {}", count(total)));
    let mut parts = Vec::new();
    // A flow without a loop has no items.
    if counters.items_started > 0 || total.is_some_and(|total| total > 0) {
        parts.push(format!("{} of {of} items done", count(counters.items_done)));
    }
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
    if progress.in_batches > 0 {
        parts.push(format!("{} answers awaited from batches", count(progress.in_batches)));
    }
    if progress.approvals_open > 0 {
        parts.push(format!("{} waiting for a decision", progress.approvals_open));
    }
    let text = |time: Duration| span(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    parts.push(text(elapsed));
    if let Some(left) = total.filter(|_| ended > 0).map(|total| total.saturating_sub(ended)) {
        parts.push(format!("about {} left", text(elapsed.mul_f64(left as f64 / ended as f64))));
    }
    parts.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmflow_engine::{Counters, RunStatus};
    use pmflow_ledger::Account;
    use pmflow_plan::Money;

    fn progress(counters: Counters) -> Progress {
        let account = Account::new(Money::parse("2"));
        Progress { status: RunStatus::Running, counters, account, in_batches: 0, approvals_open: 0 }
    }

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_it_will_take() {
        let counters = Counters { items_started: 120, items_done: 99, items_failed: 1, ..Counters::default() };
        let text = line(&progress(counters), Some(1000), Duration::from_secs(10));
        assert_eq!(
            text,
            "99 of about 1,000 items done | 1 failed | 0 tokens | $0.00 of $2.00 | 10.0/s | 10.0 s | about 1 min 30 s left"
        );
    }

    #[test]
    fn more_items_than_expected_are_no_reason_to_guess() {
        let counters = Counters { items_started: 120, items_done: 100, ..Counters::default() };
        let text = line(&progress(counters), Some(50), Duration::from_secs(10));
        assert_eq!(text, "100 of 120 items done | 0 tokens | $0.00 of $2.00 | 10.0/s | 10.0 s");
    }

    #[test]
    fn what_a_provider_has_in_a_batch_is_counted() {
        let batched = Progress { in_batches: 2_000, ..progress(Counters::default()) };
        let text = line(&batched, None, Duration::from_secs(10));
        assert_eq!(text, "0 tokens | $0.00 of $2.00 | 2,000 answers awaited from batches | 10.0 s");
    }

    #[test]
    fn a_flow_without_a_loop_has_no_items_to_count() {
        let text = line(&progress(Counters::default()), None, Duration::from_secs(10));
        assert_eq!(text, "0 tokens | $0.00 of $2.00 | 10.0 s");
    }
}
