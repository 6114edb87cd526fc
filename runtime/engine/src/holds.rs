//! Money: what is held before a call is sent, and what becomes of it.

use crate::expressions::DAY_MICROSECONDS;
use crate::state::{Ending, KnownShortage, PromptPhase, PromptState, StepState};
use crate::step_records::Detail;
use crate::steps::Sent;
use crate::turn::{At, Turn};
use crate::write::LedgerRow;
use crate::{CallId, Command, Shortage, Write, failures, prompts};
use pmflow_ledger::{Entry, Reservation};
use pmflow_plan::{Billing, Budget, CapFidelity, Failure, Model, Money, OnExceed, Prompt, Usage, WhenShort};
use std::sync::Arc;

/// A draw asks for the holds of so many calls: it costs a transaction of its own.
const CALLS_PER_DRAW: i128 = 64;

/// Whether there is money for a hold.
enum Room {
    Enough,
    /// The answer of the shared budgets is awaited.
    Asked,
    Short(Short),
}

/// Why there is none.
struct Short {
    when_short: WhenShort,
    /// There may be some when other holds are settled.
    waits: bool,
    /// Of a budget that the run shares: what it says, and whether a run that it stops is suspended.
    shared: Option<(Failure, bool)>,
}

/// A request that asks for less.
enum Less {
    /// With this state and this hold it can be sent.
    Fits(PromptState, Money),
    Asked,
    /// Not even the smallest fits.
    Short {
        waits: bool,
    },
}

/// What became of the first in the queue.
enum Grant {
    Sent,
    /// Others go before it only when they cannot go at all.
    Waiting,
    /// The host tells when its turn comes; others need not wait for that.
    AwaitsTurn,
    /// Its item has no place in its loop.
    Asleep,
    /// It left the queue, or the run ends.
    Gone,
}

impl<'a> Turn<'a> {
    /// Sends what waits for its hold, in order, while it fits. True when anything changed.
    pub fn grant_queued(&mut self) -> bool {
        let mut changed = false;
        self.is_short = false;
        let tickets: Vec<u64> = self.state.queue.keys().copied().collect();
        for ticket in tickets {
            if self.state.turns.awaited(ticket).is_some() {
                continue;
            }
            let Some((instance, local)) = self.state.queue.get(&ticket).cloned() else { continue };
            if self.halted(&instance) {
                continue;
            }
            match self.locate(&instance, &local).map(|at| self.grant(&at, ticket)) {
                Some(Grant::Waiting) => {
                    self.is_short = true;
                    break;
                }
                Some(Grant::Asleep) => {}
                Some(Grant::Sent | Grant::Gone) => changed = true,
                Some(Grant::AwaitsTurn) => {}
                None => {
                    self.leave_queue(ticket);
                }
            }
        }
        changed
    }

    fn grant(&mut self, at: &At<'a>, ticket: u64) -> Grant {
        let Some(StepState::Prompt(state)) = self.entry(at).map(|entry| entry.state.clone()) else {
            self.leave_queue(ticket);
            return Grant::Gone;
        };
        let Some(prompt) = self.prompt(at) else {
            self.leave_queue(ticket);
            self.fail(at, failures::damaged_plan(&at.path()), false);
            return Grant::Gone;
        };
        let mut short_of = None;
        let mut waits = false;
        for position in state.model..u32::try_from(prompt.chain.len()).unwrap_or(u32::MAX) {
            let state = at_model(&state, position);
            let Some(hold) = self.hold_of(prompt, &state) else { continue };
            let batched = self.is_batched(prompt, &state);
            // An item that gave its place back to wait for a batch needs one for a call of its own.
            if !batched && !self.rouse(&at.instance) {
                return Grant::Asleep;
            }
            let short = match self.room(hold, hold.checked_mul(CALLS_PER_DRAW).unwrap_or(hold)) {
                Room::Enough => return self.send_in_turn(at, ticket, prompt, state, hold),
                Room::Asked => return Grant::Waiting,
                Room::Short(short) => short,
            };
            match short.when_short {
                WhenShort::Wait if short.waits => return Grant::Waiting,
                WhenShort::Wait => {}
                WhenShort::Refuse => return self.refuse_try(at, ticket, prompt, state, hold, short),
                WhenShort::ShrinkRequest => match self.less(prompt, &state, hold, short.waits) {
                    Less::Fits(state, hold) => return self.send_in_turn(at, ticket, prompt, state, hold),
                    Less::Asked => return Grant::Waiting,
                    Less::Short { waits: may_fit } => waits |= may_fit,
                },
            }
            short_of = short_of.or(Some((hold, short)));
        }
        if waits {
            return Grant::Waiting;
        }
        self.refuse(prompt, short_of);
        Grant::Gone
    }

    pub fn leave_queue(&mut self, ticket: u64) {
        self.state.queue.remove(&ticket);
        self.state.turns.forget(ticket);
    }

    /// Whether a hold fits what the run may spend and what it has of shared budgets; where it has too little of those, it asks
    /// for as much as it wishes for.
    fn room(&mut self, hold: Money, wish: Money) -> Room {
        let mut account = self.state.account;
        let own = |waits: bool| Room::Short(Short { when_short: self.own_answer(), waits, shared: None });
        match account.reserve(hold) {
            Reservation::Granted(_) => self.shared_room(account.committed(), hold, wish),
            Reservation::Waiting => own(true),
            Reservation::Refused => own(false),
        }
    }

    /// Whether the budgets that the run shares allow a hold that brings what is committed to this sum.
    fn shared_room(&mut self, committed: Money, hold: Money, wish: Money) -> Room {
        let (before, now) = (self.state.account.committed(), self.now);
        let Some(shared) = &mut self.state.shared else { return Room::Enough };
        if committed <= shared.up_to {
            return Room::Enough;
        }
        let short = |known: &KnownShortage, waits: bool| {
            let Shortage { when_short, failure, .. } = known.shortage.clone();
            Room::Short(Short { when_short, waits, shared: Some((failure, known.suspends)) })
        };
        if let Some(known) = shared.refused.as_ref().filter(|known| known.covers(hold, before, now)) {
            return short(known, false);
        }
        // A call that waits asks again when the host says so, and whatever it needs.
        let waits = |known: &&KnownShortage| shared.waiting && known.shortage.when_short == WhenShort::Wait;
        if let Some(known) = shared.held_up.as_ref().filter(|known| waits(known) || known.covers(hold, before, now)) {
            return short(known, true);
        }
        if !shared.asking || shared.waiting {
            (shared.asking, shared.waiting, shared.for_less) = (true, false, false);
            self.commands.push(Command::DrawBudget { need: hold, wish });
        }
        Room::Asked
    }

    /// What the flow says to a hold that its own limit has no room for. The proven ceiling is no budget: it suffices for every
    /// run that nothing breaks into, and no request is another one because of a crash.
    fn own_answer(&self) -> WhenShort {
        match self.budget() {
            Some(budget) if !self.is_limited_by_ceiling() => budget.when_short,
            _ => WhenShort::Wait,
        }
    }

    fn budget(&self) -> Option<&'a Budget> {
        self.plan.flows.get(&self.plan.flow).map(|flow| &flow.settings.budget)
    }

    fn is_limited_by_ceiling(&self) -> bool {
        let limit = self.state.account.limit;
        limit.is_some() && limit == self.plan.ceiling && self.budget().and_then(|budget| budget.run) != limit
    }

    /// The request of the largest cap that there is room for.
    fn less(&mut self, prompt: &Prompt, state: &PromptState, hold: Money, waits: bool) -> Less {
        let Some(model) = prompt.chain.get(state.model as usize).and_then(|id| self.plan.models.get(id)) else {
            return Less::Short { waits };
        };
        let repairs_before = prompts::repairs_before(state.invalid.as_ref());
        let cap = state.output_tokens_max.unwrap_or(prompt.output_tokens_max);
        let within = |room: Money| prompt.cap_within(model, repairs_before, cap, room);
        let least = prompt.output_tokens_min.and_then(|least| prompt.capped_ceiling(model, repairs_before, least));
        let Some(least) = least.filter(|least| *least < hold) else { return Less::Short { waits } };
        match self.room(least, hold) {
            Room::Enough => match within(self.left_at_once().unwrap_or(least)) {
                Some((cap, hold)) => Less::Fits(PromptState { output_tokens_max: Some(cap), ..state.clone() }, hold),
                None => Less::Short { waits },
            },
            Room::Asked => {
                if let Some(shared) = &mut self.state.shared {
                    shared.for_less = true;
                }
                Less::Asked
            }
            Room::Short(short) => Less::Short { waits: short.waits },
        }
    }

    /// What can be held without asking anybody; none without a limit.
    fn left_at_once(&self) -> Option<Money> {
        let account = &self.state.account;
        let drawn = self.state.shared.as_ref().and_then(|shared| shared.up_to.checked_sub(account.committed()));
        [account.available(), drawn].into_iter().flatten().min()
    }

    /// The ceiling of the next request; none when its model is unknown or the amount is beyond all numbers.
    fn hold_of(&self, prompt: &Prompt, state: &PromptState) -> Option<Money> {
        let model = self.plan.models.get(prompt.chain.get(state.model as usize)?)?;
        let cap = state.output_tokens_max.unwrap_or(prompt.output_tokens_max);
        prompt.capped_ceiling(model, prompts::repairs_before(state.invalid.as_ref()), cap)
    }

    fn send_in_turn(&mut self, at: &At<'a>, ticket: u64, prompt: &Prompt, state: PromptState, hold: Money) -> Grant {
        let batched = self.is_batched(prompt, &state);
        if !batched && !self.is_its_turn(at, ticket, prompt, &state) {
            return Grant::AwaitsTurn;
        }
        match self.state.account.reserve(hold) {
            Reservation::Granted(entry) => self.send_prompt(at, ticket, state, entry, batched),
            Reservation::Waiting | Reservation::Refused => Grant::Waiting,
        }
    }

    fn send_prompt(&mut self, at: &At<'a>, ticket: u64, state: PromptState, entry: Entry, batched: bool) -> Grant {
        self.leave_queue(ticket);
        let hold = entry.held;
        let attempt = self.next_attempt(at);
        let sent = self.sent(at, &state, attempt, hold);
        if let (true, Ok(sent)) = (batched, &sent) {
            self.collect(at, state, sent, entry);
            return Grant::Sent;
        }
        match sent.and_then(|mut sent| Ok((self.first_model_call(at, &state, &mut sent)?, sent))) {
            Ok((call, sent)) => {
                self.state.counters.model_calls += 1;
                self.write_ledger(entry, Some(&sent), None);
                let phase = PromptPhase::InFlight { hold, sent_at: self.now, batch: None, sent: Some(Arc::new(sent)) };
                self.enter(at, StepState::Prompt(PromptState { phase, ..state }));
                self.commands.push(Command::CallModel(call));
                Grant::Sent
            }
            Err(failure) => {
                let released = self.state.account.release(hold);
                debug_assert!(released.is_ok(), "what was just held can be released");
                self.end_prompt(at, failure, Default::default());
                Grant::Gone
            }
        }
    }

    /// No model of the chain can ever be paid below the limit: the run stops, or is suspended, as the flow says. The
    /// step stays as it is, so that a raised limit lets it go on. The proven ceiling suffices for every run that nothing
    /// breaks into: only calls that were lost, or made again after a resume, can use it up, and then a person decides.
    fn refuse(&mut self, prompt: &Prompt, short_of: Option<(Money, Short)>) {
        let (asked, shared) = short_of.map_or((None, None), |(hold, short)| (Some(hold), short.shared));
        if let Some((failure, suspends)) = shared {
            return self.end_with(match suspends {
                true => Ending::Suspended { failure: Some(failure) },
                false => Ending::Failed { failure },
            });
        }
        let account = &self.state.account;
        if self.is_limited_by_ceiling() {
            let failure = failures::ceiling(&prompt.name, asked, account);
            return self.end_with(Ending::Suspended { failure: Some(failure) });
        }
        let failure = failures::budget(&prompt.name, asked, account.available());
        self.end_with(match self.budget().map(|budget| budget.on_exceed) {
            Some(OnExceed::Suspend) => Ending::Suspended { failure: Some(failure) },
            _ => Ending::Failed { failure },
        });
    }

    /// The hold is refused, and the try fails of it: what follows is as with every failed try.
    fn refuse_try(&mut self, at: &At<'a>, ticket: u64, prompt: &Prompt, state: PromptState, hold: Money, short: Short) -> Grant {
        let left = self.state.account.available();
        let failure = short.shared.map_or_else(|| failures::no_room(&prompt.name, hold, left), |(failure, _)| failure);
        self.leave_queue(ticket);
        self.enter(at, StepState::Prompt(state));
        self.next_attempt(at);
        self.prompt_failed(at, failure, Detail { started_at: Some(self.now), ..Detail::default() });
        Grant::Gone
    }

    /// The price of an answer becomes the charge. Counts that are missing are charged at their bound.
    pub fn settle_call(&mut self, call: &Sent, usage: &Usage) -> Money {
        let model = self.plan.models.get(&call.model);
        let price = model.and_then(|model| priced(model, call, usage, self.now)).unwrap_or(call.hold);
        let entry = self.state.account.settle(call.hold, price);
        self.state.counters.input_tokens += [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens]
            .iter()
            .fold(0u64, |sum, tokens| sum.saturating_add(tokens.unwrap_or(0)));
        self.state.counters.output_tokens += usage.output_tokens.unwrap_or(0);
        self.write_ledger(entry.expect("the hold of a call in flight is in the account"), Some(call), Some(*usage));
        price
    }

    /// A call that failed: released with proof that nothing was billed, unknown without. Returns what it is charged.
    pub fn drop_call(&mut self, call: &Sent, billing: Billing) -> Money {
        let entry = match billing {
            Billing::NotSent | Billing::NotBilled => self.state.account.release(call.hold),
            Billing::Unknown => self.state.account.unknown(call.hold),
        };
        let entry = entry.expect("the hold of a call in flight is in the account");
        let charged = entry.charged;
        self.write_ledger(entry, Some(call), None);
        charged
    }

    pub fn write_ledger(&mut self, entry: Entry, call: Option<&Sent>, usage: Option<Usage>) {
        self.touch_run();
        self.writes.push(Write::Ledger(LedgerRow {
            entry,
            call: call.map(|call| call.call.clone()),
            prompt: call.map(|call| call.prompt.clone()),
            model: call.map(|call| call.model.clone()),
            usage,
            idempotency_key: call.map(|call| call.idempotency_key.clone()),
            at: self.now,
        }));
    }

    pub fn raise_limit(&mut self, limit: Money) {
        if let Ok(entry) = self.state.account.raise_limit(limit) {
            self.write_ledger(entry, None, None);
        }
    }

    /// Corrects a charge that was unknown. Changes nothing when the account has no such charge.
    pub fn reconcile(&mut self, call: CallId, held: Money, actual: Money, usage: Option<Usage>) {
        if let Ok(entry) = self.state.account.reconcile(held, actual) {
            // What turned out to be cheaper belongs to its period, and is no room for further calls.
            let freed = held.checked_sub(actual).unwrap_or(Money::ZERO).max(Money::ZERO);
            if let Some(shared) = &mut self.state.shared {
                shared.up_to = shared.up_to.checked_sub(freed).unwrap_or(Money::ZERO);
            }
            self.touch_run();
            let row =
                LedgerRow { entry, call: Some(call), prompt: None, model: None, usage, idempotency_key: None, at: self.now };
            self.writes.push(Write::Ledger(row));
        }
    }
}

/// The state as it begins with another model of the chain.
fn at_model(state: &PromptState, position: u32) -> PromptState {
    if position == state.model {
        return state.clone();
    }
    PromptState::fresh(position, state.phase.clone())
}

fn priced(model: &Model, call: &Sent, usage: &Usage, now: crate::Time) -> Option<Money> {
    let day = i32::try_from(now.div_euclid(DAY_MICROSECONDS)).ok()?;
    let cached = usage.cache_read_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens.unwrap_or(0));
    // The bound is on all input together: what is reported as cached is no part of what is not reported.
    let input_bound = call.input_tokens_max.saturating_sub(cached);
    let slack = match model.output_cap {
        CapFidelity::Soft { slack_tokens } => slack_tokens,
        CapFidelity::Hard | CapFidelity::None => 0,
    };
    let output_bound = call.output_tokens_max.saturating_add(slack);
    match call.batched {
        true => model.price_batched_usage(usage, day, input_bound, output_bound),
        false => model.price_usage(usage, day, input_bound, output_bound),
    }
}
