//! When a failed call is made again, and how long after.

use pmflow_plan::{Billing, Failure, FailureClass, Retry};
use sha2::{Digest, Sha256};

/// How often one model may say "later", with proof that it billed nothing, before that counts as a failed try: some minutes'
/// patience while another model can be asked.
pub(crate) const PUT_OFF_MAX: u32 = 12;
/// And some hours' where there is no other: a storm passes, and the work is there when it has.
pub(crate) const PUT_OFF_MAX_OF_LAST: u32 = 240;
const PUT_OFF_MS_MIN: u64 = 1_000;
const PUT_OFF_MS_MAX: u64 = 60_000;
/// Who asks for more patience than this is taken to be out of service.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The other side asked for patience and did nothing: later, and no try is used up.
    PutOff {
        delay_ms: u64,
    },
    /// The next try.
    Again {
        delay_ms: u64,
    },
    Exhausted,
}

/// Decides after `tried` earlier tries failed and the call was put off `put_off.0` times of at most `put_off.1`. `seed` makes the jitter, the
/// same after every crash.
pub(crate) fn next(failure: &Failure, retry: Option<&Retry>, tried: u32, put_off: (u32, u32), seed: &str) -> Next {
    let asked = failure.retry_after_ms.unwrap_or(0);
    if asked > RETRY_AFTER_MS_MAX {
        return Next::Exhausted;
    }
    if failure.class == FailureClass::RateLimit && failure.billing != Billing::Unknown && put_off.0 < put_off.1 {
        let delay = backoff(PUT_OFF_MS_MIN, PUT_OFF_MS_MAX, put_off.0, seed);
        return Next::PutOff { delay_ms: delay.max(asked) };
    }
    match retry {
        Some(retry) if tried < retry.times && wanted(failure, retry) => {
            let delay = backoff(retry.backoff_ms_min, retry.backoff_ms_max, tried, seed);
            Next::Again { delay_ms: delay.max(asked) }
        }
        _ => Next::Exhausted,
    }
}

fn wanted(failure: &Failure, retry: &Retry) -> bool {
    if retry.unbilled && failure.billing == Billing::Unknown {
        return false;
    }
    if !retry.on.is_empty() {
        return retry.on.contains(&failure.class);
    }
    matches!(
        failure.class,
        FailureClass::Transport | FailureClass::RateLimit | FailureClass::Timeout | FailureClass::UnknownOutcome
    )
}

/// Doubles with every try; between half and the whole of it, so that many callers do not come back at once.
fn backoff(minimum_ms: u64, maximum_ms: u64, tried: u32, seed: &str) -> u64 {
    let doubled = minimum_ms.saturating_mul(1u64.checked_shl(tried.min(63)).unwrap_or(u64::MAX));
    let whole = doubled.min(maximum_ms.max(minimum_ms));
    let digest = Sha256::digest(format!("{seed} {tried}").as_bytes());
    let jitter = digest.iter().take(4).fold(0u64, |sum, byte| sum * 256 + u64::from(*byte));
    let half = whole / 2;
    half + u64::try_from(u128::from(whole - half) * u128::from(jitter) / u128::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(times: u32) -> Retry {
        Retry { times, backoff_ms_min: 1000, backoff_ms_max: 60_000, on: Vec::new(), unbilled: false }
    }

    #[test]
    fn backoff_doubles_within_its_bounds() {
        for tried in 0..80 {
            let whole = 1000u64.saturating_mul(1u64.checked_shl(tried).unwrap_or(u64::MAX)).min(60_000);
            let delay = backoff(1000, 60_000, tried, "run/step");
            assert!(delay >= whole / 2 && delay <= whole, "try {tried} waits {delay} ms of {whole} ms");
        }
    }

    #[test]
    fn a_later_time_that_is_asked_for_is_kept() {
        let failure = Failure::not_billed(FailureClass::RateLimit, "slow down").retry_after_ms(Some(90_000));
        assert_eq!(next(&failure, None, 0, (0, PUT_OFF_MAX), "s"), Next::PutOff { delay_ms: 90_000 });
        assert_eq!(next(&failure.retry_after_ms(Some(u64::MAX)), Some(&retry(3)), 0, (0, PUT_OFF_MAX), "s"), Next::Exhausted);
    }

    #[test]
    fn being_put_off_for_ever_becomes_a_failed_try() {
        let failure = Failure::not_billed(FailureClass::RateLimit, "slow down");
        assert!(matches!(next(&failure, Some(&retry(1)), 0, (PUT_OFF_MAX, PUT_OFF_MAX), "s"), Next::Again { .. }));
        assert_eq!(next(&failure, Some(&retry(1)), 1, (PUT_OFF_MAX, PUT_OFF_MAX), "s"), Next::Exhausted);
    }

    #[test]
    fn only_passing_troubles_are_tried_again_by_default() {
        for (class, again) in [
            (FailureClass::Transport, true),
            (FailureClass::Timeout, true),
            (FailureClass::UnknownOutcome, true),
            (FailureClass::Permission, false),
            (FailureClass::InvalidOutput, false),
            (FailureClass::Refusal, false),
        ] {
            let failure = Failure::unknown(class, "x");
            assert_eq!(next(&failure, Some(&retry(1)), 0, (0, PUT_OFF_MAX), "s") != Next::Exhausted, again, "{class:?}");
        }
        let named = Retry { on: vec![FailureClass::Refusal], ..retry(1) };
        assert!(matches!(
            next(&Failure::unknown(FailureClass::Refusal, "x"), Some(&named), 0, (0, PUT_OFF_MAX), "s"),
            Next::Again { .. }
        ));
        assert_eq!(
            next(&Failure::unknown(FailureClass::Transport, "x"), Some(&named), 0, (0, PUT_OFF_MAX), "s"),
            Next::Exhausted
        );
        let unbilled = Retry { unbilled: true, ..retry(1) };
        let refused = Failure::not_sent(FailureClass::Transport, "x");
        assert!(matches!(next(&refused, Some(&unbilled), 0, (0, PUT_OFF_MAX), "s"), Next::Again { .. }));
        assert_eq!(next(&refused, Some(&unbilled), 1, (0, PUT_OFF_MAX), "s"), Next::Exhausted);
        assert_eq!(
            next(&Failure::unknown(FailureClass::Transport, "x"), Some(&unbilled), 0, (0, PUT_OFF_MAX), "s"),
            Next::Exhausted
        );
    }
}
