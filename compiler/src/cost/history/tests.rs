//! Simulated pasts: calls of log-normal lengths, as answers of models have. A run is then drawn from the same, and what was
//! expected of it is held against it.

use super::*;
use crate::cost::estimate::{estimate, estimate_with};
use crate::cost::fixtures::*;
use crate::cost::{Estimate, Origin};
use pmflow_plan::StreamFrom;

struct Dice(u64);

impl Dice {
    /// Between zero and one, neither included (SplitMix64).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> u64 {
        let normal = (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
        (median * (sigma * normal).exp()).round().max(1.0) as u64
    }
}

/// What one provider and one task are like.
#[derive(Clone, Copy)]
struct World {
    input: f64,
    output: f64,
    sigma: f64,
}

impl World {
    fn usage(self, dice: &mut Dice) -> Usage {
        Usage {
            input_tokens: Some(dice.log_normal(self.input, self.sigma / 2.0)),
            cache_read_tokens: Some(0),
            cache_write_tokens: Some(0),
            output_tokens: Some(dice.log_normal(self.output, self.sigma)),
            reasoning_tokens: None,
        }
    }

    fn run(self, calls: u64, dice: &mut Dice) -> RunSeen {
        let mut attempts = vec![AttemptSeen { step: "main/lead".into(), kind: "for".into(), ..AttemptSeen::default() }];
        attempts.extend((0..calls).map(|call| AttemptSeen {
            step: format!("main/lead[{call}]/fit"),
            kind: "prompt".into(),
            prompt: Some("fit".into()),
            model: Some(MODEL.into()),
            usage: Some(self.usage(dice)),
            cost: None,
        }));
        RunSeen { cost: Money::ZERO, same_prompts: BTreeSet::from(["fit".to_owned()]), attempts }
    }
}

const MODEL: &str = "openai/gpt-5.4-mini";
const DAY: i32 = 20_779;

fn of_rows(rows: u64) -> Plan {
    let body = block(vec![step("fit", ask("fit"))]);
    let steps =
        vec![step("leads", source(Some(rows), Some(rows))), step("lead", rounds(StreamFrom::Source("leads".into()), None, body))];
    plan(vec![flow("main", steps)], vec![prompt("fit", &[MODEL])])
}

/// Two hundred calls were seen, in runs of twenty; the next run has so many rows.
fn learned(world: World, rows: u64, dice: &mut Dice) -> Estimate {
    let plan = of_rows(rows);
    let runs = (0..10).map(|_| world.run(20, dice)).collect();
    let mut expectations = Expectations::default();
    // How many rows come is known here; how long answers are is what is learned.
    let known = ExpectedCount { milli: rows * 1000, origin: Origin::Declared, spread: Some(0.0) };
    expectations.counts.insert("main/lead".into(), known);
    History { runs }.learn(&plan, DAY, &mut expectations);
    estimate_with(&plan, &expectations)
}

fn actual(world: World, rows: u64, dice: &mut Dice) -> f64 {
    let model = &of_rows(1).models[MODEL];
    (0..rows).map(|_| model.price_usage(&world.usage(dice), DAY, 0, 0).unwrap().pico() as f64).sum()
}

const WORLDS: [World; 4] = [
    World { input: 300.0, output: 40.0, sigma: 0.4 },
    World { input: 500.0, output: 80.0, sigma: 0.7 },
    World { input: 200.0, output: 90.0, sigma: 0.9 },
    World { input: 900.0, output: 30.0, sigma: 0.6 },
];

/// The mean error, and the share of runs within the interval.
fn trials(rows: u64, times: u64) -> (f64, f64) {
    let (mut error, mut within, mut all) = (0.0, 0.0, 0.0);
    for (number, world) in WORLDS.into_iter().enumerate() {
        for seed in 0..times {
            let mut dice = Dice(seed * 1_000 + number as u64);
            let estimate = learned(world, rows, &mut dice);
            let expected = estimate.run.expected.known().unwrap().pico() as f64;
            let interval = estimate.interval.unwrap();
            let actual = actual(world, rows, &mut dice);
            error += (expected - actual).abs() / actual;
            within += f64::from(u8::from((interval.low.pico() as f64..=interval.high.pico() as f64).contains(&actual)));
            all += 1.0;
        }
    }
    (error / all, within / all)
}

#[test]
fn two_hundred_calls_are_enough_to_know_what_a_run_costs() {
    let mut shares = Vec::new();
    for (rows, times, error_max) in [(10, 200, 0.25), (30, 150, 0.25), (100, 100, 0.10), (300, 40, 0.10)] {
        let (error, within) = trials(rows, times);
        println!("{rows:>4} calls: error {:.1} %, {:.1} % of runs within the interval", error * 100.0, within * 100.0);
        assert!(error <= error_max, "{rows} calls: off by {error}");
        shares.push(within);
    }
    let share = shares.iter().sum::<f64>() / shares.len() as f64;
    println!(" all: {:.1} % of runs within the interval", share * 100.0);
    assert!((0.78..=0.82).contains(&share), "the interval holds {share} of the runs, not eight in ten");
}

#[test]
fn the_less_was_seen_the_more_counts_what_is_declared() {
    let world = World { input: 1_400.0, output: 280.0, sigma: 0.3 };
    let plan = of_rows(50);
    let declared = estimate(&plan).run.expected.known().unwrap();
    let after = |calls: u64| {
        let runs = vec![world.run(calls, &mut Dice(7))];
        let mut expectations = Expectations::default();
        expectations.counts.insert("main/lead".into(), ExpectedCount { milli: 50_000, origin: Origin::Declared, spread: None });
        History { runs }.learn(&plan, DAY, &mut expectations);
        let estimate = estimate_with(&plan, &expectations);
        let interval = estimate.interval.unwrap();
        (estimate.run.expected.known().unwrap(), interval.high.pico() - interval.low.pico())
    };
    let (one, wide) = after(1);
    let (many, narrow) = after(500);
    assert!(declared < one && one < many, "{declared} {one} {many}");
    assert!(narrow * 2 < wide, "{narrow} {wide}");
}

#[test]
fn rows_and_branches_are_learned_and_what_was_told_stays() {
    let then = block(vec![step("fit", ask("fit"))]);
    let branch = StepKind::If { condition: truth(), likely_percent: Some(90), then, otherwise: block(Vec::new()) };
    let steps = vec![
        step("leads", source(Some(1000), Some(5))),
        step("lead", rounds(StreamFrom::Source("leads".into()), None, block(vec![step("if-1", branch)]))),
    ];
    let plan = plan(vec![flow("main", steps)], vec![prompt("fit", &[MODEL])]);
    let seen = |step: String, kind: &str| AttemptSeen { step, kind: kind.into(), ..AttemptSeen::default() };
    let mut attempts = vec![seen("main/lead".into(), "for")];
    for item in 0..20 {
        attempts.push(seen(format!("main/lead[{item}]/if-1"), "if"));
        if item < 5 {
            attempts.push(AttemptSeen { prompt: Some("fit".into()), ..seen(format!("main/lead[{item}]/if-1/fit"), "prompt") });
        }
    }
    let history = History { runs: vec![RunSeen { attempts, ..RunSeen::default() }; 3] };
    let mut expectations = Expectations::default();
    let learned = history.learn(&plan, DAY, &mut expectations);
    assert_eq!(expectations.counts["main/lead"].milli, 20_000);
    assert_eq!(expectations.likely_milli["main/lead/if-1"], 250);
    assert_eq!(learned.drift, ["`leads` brought 20 items a run to the loop over `lead`; `expect` says 5"]);
    let mut told = Expectations::default();
    told.expect_step(&plan, "main", "lead", "7").unwrap();
    told.expect_step(&plan, "main", "lead/if-1", "50%").unwrap();
    history.learn(&plan, DAY, &mut told);
    assert_eq!((told.counts["main/lead"].milli, told.likely_milli["main/lead/if-1"]), (7_000, 500));
}

#[test]
fn drift_is_noticed_and_chance_is_not() {
    let plan = of_rows(20);
    let history = |later: World| {
        let mut dice = Dice(3);
        let before = World { input: 300.0, output: 60.0, sigma: 0.5 };
        let runs = (0..6).map(|run| if run < 3 { before.run(20, &mut dice) } else { later.run(20, &mut dice) }).collect();
        History { runs }.learn(&plan, DAY, &mut Expectations::default()).drift
    };
    assert_eq!(history(World { input: 300.0, output: 60.0, sigma: 0.5 }), Vec::<String>::new());
    let said = history(World { input: 300.0, output: 180.0, sigma: 0.5 });
    assert!(said.len() == 1 && said[0].starts_with("calls at `main/lead/fit` cost "), "{said:?}");
}

#[test]
fn a_prompt_that_was_changed_has_no_past() {
    let plan = of_rows(20);
    let mut run = World { input: 300.0, output: 60.0, sigma: 0.5 }.run(20, &mut Dice(1));
    run.same_prompts.clear();
    let mut expectations = Expectations::default();
    let seen = History { runs: vec![run] }.learn(&plan, DAY, &mut expectations);
    assert_eq!((seen.calls, expectations.calls.len(), expectations.tokens.len()), (0, 0, 0));
}

#[test]
fn a_renamed_step_keeps_its_history() {
    let world = World { input: 300.0, output: 40.0, sigma: 0.4 };
    let runs = vec![world.run(40, &mut Dice(7))];
    let mut renamed = step("judge", ask("fit"));
    renamed.was = Some("fit".into());
    let steps = vec![
        step("leads", source(Some(40), Some(40))),
        step("lead", rounds(StreamFrom::Source("leads".into()), None, block(vec![renamed]))),
    ];
    let plan = plan(vec![flow("main", steps)], vec![prompt("fit", &[MODEL])]);
    let mut expectations = Expectations::default();
    History { runs }.learn(&plan, DAY, &mut expectations);
    assert_eq!(expectations.calls.keys().collect::<Vec<_>>(), ["main/lead/judge"]);
    assert_eq!(expectations.calls["main/lead/judge"].calls, 40);
}
