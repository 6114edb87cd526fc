//! Requests that ask for less than their prompt declares, because their budget has no room for more.

use crate::{Budget, Model, Money, Prompt, WhenShort};

/// A request as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrunk {
    pub repairs_before: u32,
    pub output_tokens_max: u64,
}

impl Prompt {
    /// As [`Prompt::request_ceiling`], of a request with another cap.
    pub fn capped_ceiling(&self, model: &Model, repairs_before: u32, output_tokens_max: u64) -> Option<Money> {
        model.call_ceiling(self.request_input_tokens_max(model, repairs_before)?, output_tokens_max)
    }

    /// The largest cap below `output_tokens_max` with which a request costs no more than `room`, and its ceiling. None: not
    /// even the smallest fits, or the prompt has none.
    pub fn cap_within(&self, model: &Model, repairs_before: u32, output_tokens_max: u64, room: Money) -> Option<(u64, Money)> {
        let ceiling = |cap: u64| self.capped_ceiling(model, repairs_before, cap);
        let fits = |cap: u64| ceiling(cap).is_some_and(|ceiling| ceiling <= room);
        let (mut fitting, mut most) = (self.output_tokens_min?, output_tokens_max.checked_sub(1)?);
        if fitting > most || !fits(fitting) {
            return None;
        }
        // A ceiling never falls when the cap grows.
        while fitting < most {
            let middle = most - (most - fitting) / 2;
            if fits(middle) {
                fitting = middle;
            } else {
                most = middle - 1;
            }
        }
        Some((fitting, ceiling(fitting)?))
    }

    /// Which request `held` is the ceiling of, when that is one with a smaller cap than the prompt's. A hold that would do
    /// for both is taken for that of a first request.
    pub fn shrunk(&self, model: &Model, held: Money) -> Option<Shrunk> {
        self.output_tokens_min?;
        let is_whole = |repairs_before: u32| self.request_ceiling(model, repairs_before) == Some(held);
        if is_whole(0) || is_whole(1) {
            return None;
        }
        [0, 1].into_iter().find_map(|repairs_before| {
            let (cap, ceiling) = self.cap_within(model, repairs_before, self.output_tokens_max, held)?;
            (ceiling == held).then_some(Shrunk { repairs_before, output_tokens_max: cap })
        })
    }
}

impl Budget {
    /// Whether a request may be shrunk under it, or under a budget that it names.
    pub fn shrinks(&self) -> bool {
        let shared = self.shared.iter().filter_map(|shared| shared.when_short);
        std::iter::once(self.when_short).chain(shared).any(|answer| answer == WhenShort::ShrinkRequest)
    }
}

impl WhenShort {
    pub(crate) fn is_wait(&self) -> bool {
        *self == WhenShort::Wait
    }
}
