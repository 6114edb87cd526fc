//! Random plans, random worlds, random faults, against the same run left in peace.

use pmflow_engine::{Event, Origin, RunId, RunOptions, RunStatus, StepStatus};
use pmflow_ledger::Account;
use pmflow_ledger::shared::{Chain, Line, Share};
use pmflow_plan::{Failure, FailureClass, Money, OnError, Value};
use pmflow_sim::check::{check, result};
use pmflow_sim::random_plan::{Made, outline, random_plan};
use pmflow_sim::{Around, Faults, SeededWorld, Simulation, Troubles, simulate, start, start_among};
use std::sync::Arc;

/// Seeds that failed once: a limit raised on a run that had ended sent calls at once (0); a failing instance was not looked
/// at again when its last call was put off (29); a loop's pull could not be derived as it was sent (268). Pauses that come
/// late (71, 229, 1409), also after the run failed many times (3893). A pull named variables that its stages do not read (581). Runs
/// that failed and were resumed in a kinder world were compared (2219, 4309, 7495, 12218, 17362). What was taken for a false refusal:
/// a run held to its ceiling, which no request is shrunk for (151), what others gave back within the second (795, 1277), and a called
/// flow's record (12305, 16116). An answer of a shared budget that had grown old refused a call (13379).
const KEPT_SEEDS: &[u64] =
    &[165, 1130, 0, 29, 71, 151, 229, 268, 581, 795, 1277, 1409, 2219, 3893, 4309, 7495, 12_218, 12_305, 13_379, 16_116, 17_362];
const SEEDS: u64 = 2_000;
const THREADS: u64 = 4;
const NOW: i64 = 1_800_000_000_000_000;

fn world(made: &Made, seed: u64, troubles: Troubles) -> SeededWorld {
    SeededWorld::new(&made.plan, seed, troubles).source("sim.rows", made.rows.clone())
}

/// The run at its end, and whether it had to be resumed.
fn one(made: &Made, seed: u64, troubles: Troubles, faults: Faults, limit: Option<Money>) -> (Simulation, bool) {
    let plan = Arc::new(made.plan.clone());
    // Of every third run the calls wait for their turn.
    let gated = made.plan.models.keys().filter(|_| seed % 3 == 1).cloned().collect();
    let options = RunOptions { budget_override: limit, gated, ..RunOptions::default() };
    let mut world = world(made, seed, troubles);
    let mut simulation = simulate(&plan, Value::None, options, &mut world, faults, NOW);
    let wrong = check(&simulation, &made.plan, limit);
    assert!(wrong.is_empty(), "{}\nseed {seed}: {wrong:#?}", outline(&made.plan));
    let failed = simulation.run.status() == RunStatus::Failed;
    if failed {
        resume(made, seed, &mut simulation, limit);
    }
    (simulation, failed)
}

/// In a kind world a failed run succeeds when it is resumed, and does nothing twice.
fn resume(made: &Made, seed: u64, simulation: &mut Simulation, limit: Option<Money>) {
    let mut world = world(made, seed, Troubles::default());
    if limit.is_some() {
        simulation.send(Event::LimitRaised { limit: Money::parse("1000").expect("an amount") }, &mut world);
    }
    simulation.seen.paid.clear();
    simulation.seen.lost.clear();
    // An expression or an approval can fail however kind the world is.
    simulation.send(Event::ResumeRequested, &mut world);
    let wrong = check(simulation, &made.plan, limit);
    assert!(wrong.is_empty(), "{}\nseed {seed}, resumed: {wrong:#?}", outline(&made.plan));
}

fn run_seed(seed: u64) -> Sum {
    let made = random_plan(seed);
    let troubles = if seed.is_multiple_of(3) { Troubles::default() } else { Troubles::some() };
    let (calm, calm_failed) = one(&made, seed, troubles, Faults::default(), None);
    let (stormy, stormy_failed) = one(&made, seed, troubles, Faults::seeded(seed), None);
    let stops = made.plan.flows.values().any(|flow| flow.settings.on_error == OnError::Stop);
    if !stops {
        assert_eq!(calm_failed, stormy_failed, "{}\nseed {seed}", outline(&made.plan));
    }
    // How much was done in the unkind world before a run failed is a matter of time: the rest was done in a kind one.
    if !stops && !calm_failed {
        assert_same(&calm, &stormy, seed, &made);
    }
    let tight = Money::from_pico(1_000_000_000 + i128::from(seed % 7) * 300_000_000);
    let breach = if seed.is_multiple_of(2) { 20 } else { 0 };
    let (short, _) = one(&made, seed, Troubles { greedy: 60, breach, ..troubles }, Faults::seeded(seed + 1), Some(tight));
    under_its_ceiling(&made, seed, tight);
    let shared = of_a_shared_budget(&made, seed, troubles, tight);
    interrupted(&made, seed, troubles);
    taken_over(&made, seed, &calm);
    Sum {
        crashes: stormy.seen.crashes,
        done: stormy.rows.done.len() as u64,
        succeeded: u64::from(calm.run.status() == RunStatus::Succeeded),
        own: Short::of(&short),
        shared,
    }
}

/// Greedy models and crashes against a ceiling that is only just enough: what is sent again never goes above it, and the
/// run is suspended rather than that.
fn under_its_ceiling(made: &Made, seed: u64, ceiling: Money) {
    let mut plan = made.plan.clone();
    plan.ceiling = Some(ceiling);
    let (plan, mut world) = (Arc::new(plan), world(made, seed, Troubles { greedy: 90, ..Troubles::default() }));
    let options = RunOptions::default();
    let mut simulation = simulate(&plan, Value::None, options, &mut world, Faults::seeded(seed + 2), NOW);
    let wrong = check(&simulation, &plan, Some(ceiling));
    assert!(wrong.is_empty(), "{}\nseed {seed}, under its ceiling: {wrong:#?}", outline(&plan));
    assert!(simulation.seen.billed <= ceiling, "seed {seed}: {} was billed", simulation.seen.billed);
    if simulation.run.status() == RunStatus::Suspended {
        simulation.send(Event::LimitRaised { limit: Money::parse("1000").expect("an amount") }, &mut world);
        simulation.seen.paid.clear();
        simulation.seen.lost.clear();
        simulation.send(Event::ResumeRequested, &mut world);
        let wrong = check(&simulation, &plan, Some(ceiling));
        assert!(wrong.is_empty(), "seed {seed}, with a raised limit: {wrong:#?}");
        assert_ne!(simulation.run.status(), RunStatus::Suspended, "seed {seed}");
    }
}

/// Crashes and troubles against a budget that others spend from as well: it is never overrun, and what is not spent goes back.
fn of_a_shared_budget(made: &Made, seed: u64, troubles: Troubles, limit: Money) -> Short {
    let (plan, mut world) = (Arc::new(made.plan.clone()), world(made, seed, troubles));
    let options = RunOptions { shared_budgets: true, ..RunOptions::default() };
    let others = Money::from_pico(i128::from(seed % 5) * 100_000_000);
    // Of every second one a part is held by others for a while.
    let held = Money::from_pico(limit.pico() / 2 * i128::from(seed % 2));
    let account = Account { settled: others, held, ..Account::new(Some(limit)) };
    let shared = Chain { lines: vec![Line::new(account, Share::default())] };
    let until = NOW + i64::try_from(seed % 11).unwrap_or(0) * 300_000;
    let around = Around { shared: Some(shared), others: Some((held, until)), ..Around::default() };
    let mut simulation = start_among(&plan, Value::None, options, &mut world, Faults::seeded(seed + 4), NOW, around);
    simulation.continue_to_end(&mut world);
    let wrong = check(&simulation, &made.plan, None);
    assert!(wrong.is_empty(), "{}\nseed {seed}, of a shared budget: {wrong:#?}", outline(&made.plan));
    let line = simulation.around.shared.as_ref().and_then(|chain| chain.lines.last()).expect("the budget is there");
    let (spent, shared) = (simulation.run.account(), line.account);
    let settled = spent.settled.checked_add(others).expect("small");
    let held = simulation.around.others.map_or(Money::ZERO, |(held, _)| held);
    let held = spent.held.checked_add(held).expect("small");
    assert_eq!((shared.settled, shared.unknown, shared.held), (settled, spent.unknown, held), "seed {seed}");
    let failure = simulation.run.failure().filter(|failure| failure.message.contains(" is left;"));
    if let Some(need) = failure.and_then(|failure| Money::parse(failure.message.rsplit_once("needs ")?.1)) {
        let spent = shared.settled.pico() + shared.unknown.pico();
        assert!(spent + need.pico() > limit.pico(), "seed {seed}: {shared:?} has room for {need}");
    }
    Short::of(&simulation)
}

/// A run that takes over from one that has ended does what that one did not do for the same input, and nothing else.
fn taken_over(made: &Made, seed: u64, earlier: &Simulation) {
    let (plan, mut world) = (Arc::new(made.plan.clone()), world(made, seed, Troubles::default()));
    let origin = Origin { first: RunId("run".into()), clock: NOW, from: None };
    let options = RunOptions { origin: Some(origin), ..RunOptions::default() };
    let around = Around { origin: earlier.rows.clone(), ..Around::default() };
    let faults = Faults::seeded(seed + 5);
    let mut simulation = start_among(&plan, Value::None, options, &mut world, faults, NOW + 1_000_000_000, around);
    simulation.continue_to_end(&mut world);
    let wrong = check(&simulation, &made.plan, None);
    assert!(wrong.is_empty(), "{}\nseed {seed}, taking over: {wrong:#?}", outline(&made.plan));
    for row in simulation.rows.steps.iter().filter(|row| !row.from_cache && row.input_key.is_some()) {
        let before = earlier.rows.steps.iter().find(|before| before.step == row.step && before.input_key == row.input_key);
        assert!(before.is_none(), "seed {seed}: `{}` was done before, and was done again", row.step);
    }
    let failed = earlier.rows.steps.iter().any(|row| row.status != StepStatus::Done);
    if !failed && earlier.run.status() == RunStatus::Succeeded {
        assert_eq!((simulation.seen.paid.len(), simulation.seen.operations.len()), (0, 0), "seed {seed}: all was done");
        assert_eq!(result(&simulation), result(earlier), "seed {seed}");
    }
}

/// A cancel or a pause at some moment, in the middle of everything.
fn interrupted(made: &Made, seed: u64, troubles: Troubles) {
    let plan = Arc::new(made.plan.clone());
    let mut world = world(made, seed, troubles);
    let moment = i64::try_from(seed % 50).unwrap_or(0) * 40_000;
    let event = if seed.is_multiple_of(2) { Event::CancelRequested { by: "ada".to_owned() } } else { Event::PauseRequested };
    let mut simulation = start(&plan, Value::None, RunOptions::default(), &mut world, Faults::seeded(seed + 3), NOW);
    simulation.schedule_request(moment, event);
    simulation.continue_to_end(&mut world);
    let wrong = check(&simulation, &made.plan, None);
    assert!(wrong.is_empty(), "{}\nseed {seed}, interrupted: {wrong:#?}", outline(&made.plan));
    // A run that failed before the pause came is paused while it goes on, perhaps after it failed again.
    for _ in 0..32 {
        if matches!(simulation.run.status(), RunStatus::Suspended | RunStatus::Failed) {
            resume(made, seed, &mut simulation, None);
        }
    }
    assert_ne!(simulation.run.status(), RunStatus::Suspended, "seed {seed}");
}

/// Attempts that failed: only one of the two runs has those that explain a difference.
fn failures(of: &Simulation, other: &Simulation) -> Vec<String> {
    let all = |simulation: &Simulation| -> Vec<String> {
        let failed = simulation.rows.steps.iter().filter_map(|row| Some((row, row.failure.as_ref()?)));
        failed.map(|(row, failure)| format!("{}#{} {}", row.step, row.attempt, failure)).collect()
    };
    let known = all(other);
    all(of).into_iter().filter(|failure| !known.contains(failure)).collect()
}

fn assert_same(calm: &Simulation, stormy: &Simulation, seed: u64, made: &Made) {
    let only = [failures(calm, stormy), failures(stormy, calm)];
    let (calm, stormy) = (result(calm), result(stormy));
    if calm != stormy {
        let missing: Vec<_> = calm.1.iter().filter(|output| !stormy.1.contains(output)).collect();
        let added: Vec<_> = stormy.1.iter().filter(|output| !calm.1.contains(output)).collect();
        let text = outline(&made.plan);
        panic!(
            "{text}\nseed {seed}: {:?} became {:?}; missing {missing:?}, added {added:?}; failures of only one of them: {only:#?}",
            calm.0, stormy.0
        );
    }
}

/// What happened in many runs: nothing of this would mean much if little had happened.
#[derive(Clone, Copy, Default)]
struct Sum {
    crashes: u64,
    done: u64,
    succeeded: u64,
    /// Of runs with a limit of their own.
    own: Short,
    /// Of runs under a shared one.
    shared: Short,
}

/// What want of money came to.
#[derive(Clone, Copy, Debug, Default)]
struct Short {
    shrunk: u64,
    refused: u64,
    ended: u64,
}

impl Short {
    fn of(simulation: &Simulation) -> Short {
        let is_budget = |failure: &&Failure| failure.class == FailureClass::Budget;
        Short {
            shrunk: simulation.seen.shrunk,
            refused: simulation.rows.refusals.len() as u64,
            ended: simulation.run.failure().filter(is_budget).map_or(0, |_| 1),
        }
    }

    fn plus(self, other: Short) -> Short {
        Short { shrunk: self.shrunk + other.shrunk, refused: self.refused + other.refused, ended: self.ended + other.ended }
    }
}

impl Sum {
    fn plus(self, other: Sum) -> Sum {
        Sum {
            crashes: self.crashes + other.crashes,
            done: self.done + other.done,
            succeeded: self.succeeded + other.succeeded,
            own: self.own.plus(other.own),
            shared: self.shared.plus(other.shared),
        }
    }
}

fn run_seeds(seeds: impl Iterator<Item = u64>) -> Sum {
    seeds.fold(Sum::default(), |sum, seed| {
        let outcome = std::panic::catch_unwind(|| run_seed(seed));
        sum.plus(outcome.unwrap_or_else(|cause| {
            eprintln!("seed {seed} failed: add it to KEPT_SEEDS");
            std::panic::resume_unwind(cause)
        }))
    })
}

#[test]
fn seeds_that_failed_once() {
    run_seeds(KEPT_SEEDS.iter().copied());
}

/// `PMFLOW_SIM_SEED` begins elsewhere, to look for more.
#[test]
fn seeds() {
    #[allow(clippy::disallowed_methods, reason = "how many seeds are run is told from outside")]
    let from: u64 = std::env::var("PMFLOW_SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let parts =
            (0..THREADS).map(|part| scope.spawn(move || run_seeds((from..from + SEEDS).filter(|seed| seed % THREADS == part))));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))).collect()
    });
    let Sum { crashes, done, succeeded, own, shared } = sums.into_iter().fold(Sum::default(), Sum::plus);
    assert!(crashes > SEEDS, "{crashes} crashes");
    assert!(done > 10 * SEEDS, "{done} steps done");
    assert!(succeeded > SEEDS / 2, "{succeeded} runs succeeded");
    // Runs with a limit of their own were resumed with a higher one.
    let shortages = [own.shrunk, own.refused, shared.shrunk, shared.refused, shared.ended];
    assert!(shortages.into_iter().all(|count| count > SEEDS / 20), "{own:?}, {shared:?}");
}
