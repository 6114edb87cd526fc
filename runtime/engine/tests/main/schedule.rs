//! When schedules fire.

use pmflow_engine::schedule::{Due, Firing, PassedOver, Past, due, jitter_ms, upcoming, within};
use pmflow_plan::{CatchUp, Overlap, Schedule, When};

const HOUR: i64 = 3_600_000_000;

fn moment(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).expect("a moment").timestamp_micros()
}

fn every(hours: u64, overlap: Overlap, catch_up: CatchUp) -> Schedule {
    Schedule { when: When::EveryMs(hours * 3_600_000), overlap, catch_up }
}

fn cron(expression: &str, zone: &str) -> When {
    When::Cron { expression: expression.to_owned(), zone: zone.to_owned() }
}

fn minutes(minutes: u64, overlap: Overlap, catch_up: CatchUp) -> Schedule {
    Schedule { when: When::EveryMs(minutes * 60_000), overlap, catch_up }
}

fn times(firings: &[Firing]) -> Vec<&str> {
    firings.iter().map(|firing| firing.local.as_str()).collect()
}

fn decided(schedule: &Schedule, past: Past, now: &str) -> Due {
    due(schedule, &past, moment(now)).expect("it is a schedule")
}

fn since(text: &str) -> Past {
    Past { decided_until: moment(text), ..Past::default() }
}

#[test]
fn a_firing_is_decided_on_once() {
    let schedule = every(2, Overlap::Skip, CatchUp::Latest);
    let first = decided(&schedule, since("2026-11-22T05:59:00Z"), "2026-11-22T06:00:05Z");
    assert_eq!(times(&first.fire), ["2026-11-22T06:00:00"]);
    assert_eq!(first.next.as_ref().map(|next| next.local.as_str()), Some("2026-11-22T08:00:00"));
    let past = Past { decided_until: first.fire[0].at, ..Past::default() };
    assert_eq!(decided(&schedule, past, "2026-11-22T06:00:06Z").fire, vec![]);
}

#[test]
fn catch_up_makes_up_for_an_hour_at_most() {
    for (catch_up, fired) in [
        (CatchUp::None, vec!["2026-11-22T12:00:00"]),
        (CatchUp::Latest, vec!["2026-11-22T12:00:00"]),
        (CatchUp::All, vec!["2026-11-22T11:20:00", "2026-11-22T11:40:00", "2026-11-22T12:00:00"]),
    ] {
        let late = decided(&minutes(20, Overlap::Allow, catch_up), since("2026-11-22T10:00:00Z"), "2026-11-22T12:00:10Z");
        assert_eq!(times(&late.fire), fired, "{catch_up:?}");
        assert_eq!(late.fire.len() + late.passed_over.len(), 6, "every firing is decided on");
        assert!(late.passed_over.iter().all(|(_, reason)| *reason == PassedOver::Missed));
    }
    let late = decided(&minutes(20, Overlap::Allow, CatchUp::None), since("2026-11-22T10:00:00Z"), "2026-11-22T12:05:00Z");
    assert_eq!(late.fire, vec![], "five minutes are too late where nothing is made up for");
    let late = decided(&minutes(20, Overlap::Allow, CatchUp::Latest), since("2026-11-22T10:00:00Z"), "2026-11-22T12:05:00Z");
    assert_eq!(times(&late.fire), ["2026-11-22T12:00:00"]);
}

#[test]
fn overlap_says_what_becomes_of_a_firing_while_a_run_goes_on() {
    let at = "2026-11-22T12:00:10Z";
    let busy = Past { running: 1, ..since("2026-11-22T11:10:00Z") };
    let all = |overlap, past| decided(&minutes(20, overlap, CatchUp::All), past, at);
    let skipped = all(Overlap::Skip, busy);
    assert_eq!((skipped.fire.len(), skipped.queue.len(), skipped.passed_over.len()), (0, 0, 3));
    assert!(skipped.passed_over.iter().all(|(_, reason)| *reason == PassedOver::Overlaps));
    let queued = all(Overlap::Queue, busy);
    assert_eq!((queued.fire.len(), queued.queue.len()), (0, 3));
    let free = all(Overlap::Queue, since("2026-11-22T11:10:00Z"));
    assert_eq!((free.fire.len(), free.queue.len()), (1, 2));
    assert_eq!(all(Overlap::Allow, busy).fire.len(), 3);
    let paused = all(Overlap::Allow, Past { paused: true, ..busy });
    assert!(paused.fire.is_empty() && paused.passed_over.iter().all(|(_, reason)| *reason == PassedOver::Paused));
}

/// A time of day that is left out comes right after the gap; one that comes twice comes once.
#[test]
fn clocks_that_jump_neither_lose_nor_double_a_firing() {
    let daily = cron("30 2 * * *", "Europe/Berlin");
    let around = |from: &str| upcoming(&daily, moment(from), 3).expect("it is a schedule");
    let spring = around("2026-03-27T12:00:00Z");
    assert_eq!(times(&spring), ["2026-03-28T02:30:00", "2026-03-29T03:00:00", "2026-03-30T02:30:00"]);
    let autumn = around("2026-10-23T12:00:00Z");
    assert_eq!(times(&autumn), ["2026-10-24T02:30:00", "2026-10-25T02:30:00", "2026-10-26T02:30:00"]);
    assert_eq!(autumn[2].at - autumn[1].at, 25 * HOUR);
}

#[test]
fn what_can_never_fire_is_no_endless_search() {
    assert_eq!(upcoming(&cron("0 0 30 2 *", "UTC"), moment("2026-01-01T00:00:00Z"), 1), Ok(vec![]));
    let wrong = upcoming(&cron("0 0 99 2 *", "UTC"), 0, 1).expect_err("there is no such day");
    assert!(wrong.to_string().contains("`0 0 99 2 *`"), "{wrong}");
    let nowhere = upcoming(&cron("0 0 1 * *", "Mars/Olympus"), 0, 1).expect_err("there is no such zone");
    assert_eq!(nowhere.to_string(), "there is no time zone `Mars/Olympus`");
    let forgotten = Past { decided_until: 0, ..Past::default() };
    let late = decided(&minutes(1, Overlap::Allow, CatchUp::Latest), forgotten, "2026-11-22T12:00:10Z");
    assert_eq!(times(&late.fire), ["2026-11-22T12:00:00"]);
}

#[test]
fn a_backfill_has_the_firings_of_its_span() {
    let when = cron("0 7 * * 1", "Europe/Berlin");
    let (from, until) = (moment("2026-11-02T06:00:00Z"), moment("2026-11-16T06:00:00Z"));
    let firings = within(&when, from, until, 100).expect("it is a schedule");
    assert_eq!(times(&firings), ["2026-11-02T07:00:00", "2026-11-09T07:00:00"], "the first moment counts, the last does not");
    assert_eq!(within(&when, from, until, 1).expect("it is a schedule").len(), 1);
}

#[test]
fn jitter_is_the_same_for_everybody_and_within_its_bounds() {
    for at in 0..200 {
        assert!(jitter_ms("daily", at, 30) <= 30);
        assert_eq!(jitter_ms("daily", at, 30), jitter_ms("daily", at, 30));
    }
    assert_eq!(jitter_ms("daily", 7, 0), 0);
    assert_ne!(jitter_ms("daily", 7, 1_000_000), jitter_ms("weekly", 7, 1_000_000));
}
