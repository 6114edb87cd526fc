//! Turns: limits that are never passed, fairness over lanes and processes, storms of "later", models out of service.

use pmflow_ledger::gate::{
    FAILURES_MAX, Gate, Lane, Limit, OPEN_US_MAX, OPEN_US_MIN, Outcome, Reading, Report, Said, Step, Time, Turn, Unit, Want,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SECOND: Time = 1_000_000;
const MINUTE: Time = 60 * SECOND;
const NOW: Time = 1_800_000_000_000_000;

fn want(flow: &str, model: &str, tokens: u64) -> Want {
    want_of("team", flow, model, tokens)
}

fn want_of(team: &str, flow: &str, model: &str, tokens: u64) -> Want {
    let lane = Lane { team: team.to_owned(), flow: flow.to_owned() };
    Want { lane, model: model.to_owned(), tokens, may_be_refused: false }
}

fn limit(unit: Unit, most: u64) -> (Option<String>, Limit) {
    (None, Limit { unit, most, per_us: MINUTE })
}

fn step(process: &str, limits: &[(Option<String>, Limit)], wants: Vec<Want>) -> Step {
    Step { process: process.to_owned(), limits: limits.to_vec(), wants, reports: Vec::new() }
}

fn report(model: &str, outcome: Outcome) -> Report {
    Report { model: model.to_owned(), outcome, used: None, readings: Vec::new() }
}

fn tell(gate: &mut Gate, model: &str, outcome: Outcome, now: Time) {
    gate.step(&Step { process: "a".to_owned(), reports: vec![report(model, outcome)], ..Step::default() }, now);
}

fn goes(said: &[Said]) -> usize {
    said.iter().filter(|said| matches!(said, Said::Go(_))).count()
}

/// When a call that asks for itself goes; the limits are those of the gate already.
fn ask(gate: &mut Gate, limits: &[(Option<String>, Limit)], now: Time) -> Said {
    gate.step(&step("a", limits, vec![want("f", "m", 10)]), now).remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Two processes, random pauses, random sizes: in no minute more than is declared, and everybody gets a turn.
    #[test]
    fn no_stretch_of_the_period_sees_more_than_the_limit(
        requests in 2u64..40, tokens in 100u64..5_000,
        calls in prop::collection::vec((0i64..5_000_000, 1u64..400, 0u8..3, any::<bool>()), 1..60),
    ) {
        let limits = [limit(Unit::Requests, requests), limit(Unit::Tokens, tokens)];
        let (mut gate, mut now) = (Gate::default(), NOW);
        let mut waiting: BTreeMap<&str, Vec<Want>> = BTreeMap::from([("a", Vec::new()), ("b", Vec::new())]);
        let (mut taken, total) = (Vec::new(), calls.len());
        let mut calls = calls.into_iter();
        for _ in 0..100_000 {
            match calls.next() {
                Some((pause, tokens, lane, first)) => {
                    now += pause;
                    let process = if first { "a" } else { "b" };
                    waiting.get_mut(process).unwrap().push(want(&format!("f{lane}"), "m", tokens));
                }
                None if waiting.values().all(Vec::is_empty) => break,
                None => now += 5 * SECOND,
            }
            for (process, wants) in &mut waiting {
                let said = gate.step(&step(process, &limits, wants.clone()), now);
                // What is stored comes back as it was.
                gate = serde_json::from_str(&serde_json::to_string(&gate).unwrap()).unwrap();
                let mut answers = said.into_iter();
                wants.retain(|want| match answers.next() {
                    Some(Said::Go(turn)) => { taken.push((now, turn.tokens)); assert_eq!(turn.tokens, want.tokens); false }
                    _ => true,
                });
            }
        }
        prop_assert_eq!(taken.len(), total, "everybody goes in the end");
        for (position, (at, _)) in taken.iter().enumerate() {
            let stretch: Vec<_> = taken[position..].iter().take_while(|(other, _)| *other < at + MINUTE).collect();
            prop_assert!(stretch.len() as u64 <= requests, "{} requests within a minute of {requests}", stretch.len());
            let sum: u64 = stretch.iter().map(|(_, tokens)| *tokens).sum();
            // A call above the whole limit goes alone.
            prop_assert!(sum <= tokens || stretch.len() == 1, "{sum} tokens within a minute of {tokens}");
        }
    }

    /// As long as all of them wait, teams' turns differ by one at most, and so do those of a team's flows.
    #[test]
    fn everybody_who_waits_has_as_many_turns(
        teams in prop::collection::vec(1usize..6, 1..5), most in 1u64..30, steps in 1usize..12, processes in 1usize..4,
    ) {
        // Whoever waits asks again within three seconds.
        let limits = [(None, Limit { unit: Unit::Requests, most, per_us: 2 * SECOND })];
        let (mut gate, mut now) = (Gate::default(), NOW);
        let (mut by_team, mut by_flow) = (BTreeMap::<usize, u64>::new(), BTreeMap::<(usize, usize), u64>::new());
        let lanes: Vec<(usize, usize)> =
            teams.iter().enumerate().flat_map(|(team, flows)| (0..*flows).map(move |flow| (team, flow))).collect();
        lanes.iter().for_each(|lane| { by_team.insert(lane.0, 0); by_flow.insert(*lane, 0); });
        let wants: Vec<Want> = lanes.iter().cycle().take(40 * lanes.len())
            .map(|(team, flow)| want_of(&format!("t{team}"), &format!("f{flow}"), "m", 1)).collect();
        for _ in 0..steps {
            for process in 0..processes {
                let said = gate.step(&step(&format!("p{process}"), &limits, wants.clone()), now);
                for ((team, flow), _) in lanes.iter().cycle().zip(&said).filter(|(_, said)| matches!(said, Said::Go(_))) {
                    *by_team.entry(*team).or_default() += 1;
                    *by_flow.entry((*team, *flow)).or_default() += 1;
                }
            }
            now += 2 * SECOND + 100_000;
        }
        let apart = |turns: Vec<u64>| turns.iter().max().unwrap() - turns.iter().min().unwrap();
        prop_assert_eq!(by_team.values().sum::<u64>(), most * steps as u64);
        prop_assert!(apart(by_team.values().copied().collect()) <= 1, "{by_team:?}");
        for team in by_team.keys() {
            let flows = by_flow.iter().filter(|(lane, _)| lane.0 == *team).map(|(_, turns)| *turns).collect();
            prop_assert!(apart(flows) <= 1, "{by_flow:?}");
        }
    }

    /// Whatever order things come in: an answer closes a breaker, and while it is open at most one call a minute goes.
    #[test]
    fn a_breaker_lets_one_call_try(events in prop::collection::vec((0i64..40_000_000, 0u8..3), 1..200)) {
        let (mut gate, mut now, mut probes) = (Gate::default(), NOW, Vec::new());
        for (pause, event) in events {
            now += pause;
            match event {
                0 => tell(&mut gate, "m", Outcome::Failed, now),
                1 => { tell(&mut gate, "m", Outcome::Answered, now); probes.clear(); }
                _ => {
                    let open = gate.breaker("m").is_some_and(|breaker| !breaker.is_closed());
                    if matches!(ask(&mut gate, &[], now), Said::Go(_)) && open { probes.push(now); }
                }
            }
            let closed = gate.breaker("m").is_none_or(|breaker| breaker.is_closed());
            prop_assert!(event != 1 || closed, "an answer closes it");
            prop_assert!(probes.windows(2).all(|pair| pair[1] - pair[0] >= OPEN_US_MIN), "{probes:?}");
            if closed { probes.clear(); }
        }
    }
}

#[test]
fn turns_go_round_the_flows_and_not_first_come_first_served() {
    let limits = [limit(Unit::Requests, 6)];
    let mut gate = Gate::default();
    let mut wants: Vec<Want> = (0..50).map(|_| want("big", "m", 1)).collect();
    wants.extend([want("small", "m", 1), want("small", "m", 1), want("other", "m", 1)]);
    let said = gate.step(&step("a", &limits, wants.clone()), NOW);
    let lanes: Vec<&str> = wants
        .iter()
        .zip(&said)
        .filter(|(_, said)| matches!(said, Said::Go(_)))
        .map(|(want, _)| want.lane.flow.as_str())
        .collect();
    assert_eq!(lanes, ["big", "big", "big", "small", "small", "other"]);
}

fn goes_by<'w>(wants: &'w [Want], said: &[Said], of: impl Fn(&'w Want) -> &'w str) -> BTreeMap<&'w str, usize> {
    let mut goes = BTreeMap::new();
    for (want, _) in wants.iter().zip(said).filter(|(_, said)| matches!(said, Said::Go(_))) {
        *goes.entry(of(want)).or_default() += 1;
    }
    goes
}

#[test]
fn a_team_of_many_flows_gets_no_more_than_a_team_of_one() {
    let limits = [limit(Unit::Requests, 20)];
    let mut gate = Gate::default();
    let mut wants: Vec<Want> = (0..50).map(|flow| want_of("many", &format!("f{flow:02}"), "m", 1)).collect();
    wants.extend((0..30).map(|_| want_of("one", "f00", "m", 1)));
    let said = gate.step(&step("a", &limits, wants.clone()), NOW);
    assert_eq!(goes_by(&wants, &said, |want| &want.lane.team), BTreeMap::from([("many", 10), ("one", 10)]));
    // Of the fifty, each had at most one turn, and the next round goes to those who had none.
    let served: Vec<usize> = goes_by(&wants[..50], &said[..50], |want| &want.lane.flow).into_values().collect();
    assert_eq!(served, [1; 10]);
    let left: Vec<Want> =
        wants.into_iter().zip(said).filter(|(_, said)| !matches!(said, Said::Go(_))).map(|(want, _)| want).collect();
    let said = gate.step(&step("a", &limits, left.clone()), NOW + 61 * SECOND);
    assert_eq!(goes_by(&left, &said, |want| &want.lane.team), BTreeMap::from([("many", 10), ("one", 10)]));
    assert_eq!(goes_by(&left[..40], &said[..40], |want| &want.lane.flow).len(), 10, "ten others");
}

#[test]
fn a_team_finds_its_share_kept_in_another_process() {
    for is_one_first in [true, false] {
        a_share_is_kept(is_one_first);
    }
}

fn a_share_is_kept(is_one_first: bool) {
    let limits = [limit(Unit::Requests, 8)];
    let mut gate = Gate::default();
    let many = || (0..50).map(|flow| want_of("many", &format!("f{flow}"), "m", 1)).collect::<Vec<_>>();
    let one = || (0..50).map(|_| want_of("one", "f", "m", 1)).collect::<Vec<_>>();
    assert_eq!(goes(&gate.step(&step("a", &limits, many()), NOW)), 8, "alone it takes all");
    let (mut turns, mut now) = ((0, 0), NOW + 50 * SECOND);
    for _ in 0..400 {
        for is_one in [is_one_first, !is_one_first] {
            if is_one {
                turns.1 += goes(&gate.step(&step("b", &limits, one()), now));
            } else {
                turns.0 += goes(&gate.step(&step("a", &limits, many()), now));
            }
        }
        now += SECOND;
    }
    assert!(turns.0.abs_diff(turns.1) <= 1 && turns.0 > 20, "{turns:?}");
}

#[test]
fn a_team_that_comes_late_has_saved_nothing_up() {
    let limits = [limit(Unit::Requests, 10)];
    let (mut gate, mut now) = (Gate::default(), NOW);
    for _ in 0..30 {
        gate.step(&step("a", &limits, vec![want_of("busy", "f", "m", 1)]), now);
        now += 10 * SECOND;
    }
    now += 61 * SECOND;
    let wants: Vec<Want> = (0..20).map(|number| want_of(if number < 10 { "late" } else { "busy" }, "f", "m", 1)).collect();
    let said = gate.step(&step("a", &limits, wants), now);
    assert_eq!((goes(&said[..10]), goes(&said[10..])), (5, 5));
}

/// A worker of an earlier build knows no teams: what it stored is read, and what is stored now has what it looks for.
#[test]
fn a_gate_of_an_earlier_build_is_read() {
    let limits = [limit(Unit::Requests, 4)];
    let mut gate = Gate::default();
    gate.step(&step("b", &limits, (0..9).map(|_| want_of("t", "f", "m", 1)).collect()), NOW);
    let mut stored = serde_json::to_value(&gate).unwrap();
    assert_eq!(stored.pointer("/lanes/lanes/t~1f/served"), Some(&serde_json::json!(4)), "{stored:#}");
    stored.pointer_mut("/lanes").and_then(|lanes| lanes.as_object_mut()).unwrap().remove("teams");
    let mut read: Gate = serde_json::from_value(stored).unwrap();
    let later = NOW + 61 * SECOND;
    let wants: Vec<Want> = (0..8).map(|number| want_of(if number < 4 { "t" } else { "u" }, "f", "m", 1)).collect();
    let said = read.step(&step("a", &limits, wants), later);
    assert_eq!((goes(&said[..4]), goes(&said[4..])), (2, 2));
}

#[test]
fn another_process_finds_its_turn_kept() {
    let limits = [limit(Unit::Requests, 2)];
    let mut gate = Gate::default();
    let many = |lane: &str| (0..10).map(|_| want(lane, "m", 1)).collect::<Vec<_>>();
    assert_eq!(goes(&gate.step(&step("a", &limits, many("big")), NOW)), 2, "alone it takes all");
    assert_eq!(goes(&gate.step(&step("b", &limits, many("small")), NOW + SECOND)), 0);
    let later = NOW + 61 * SECOND;
    gate.step(&step("b", &limits, many("small")), later - 10 * SECOND);
    gate.step(&step("b", &limits, many("small")), later - SECOND);
    assert_eq!(goes(&gate.step(&step("a", &limits, many("big")), later)), 1, "the other half is the other's");
    assert_eq!(goes(&gate.step(&step("b", &limits, many("small")), later)), 1);
    // Of a process that died nobody waits for long.
    assert_eq!(goes(&gate.step(&step("a", &limits, many("big")), later + 61 * SECOND)), 2);
}

#[test]
fn an_idle_flow_saves_nothing_up() {
    let limits = [limit(Unit::Requests, 4)];
    let (mut gate, mut now) = (Gate::default(), NOW);
    for _ in 0..20 {
        gate.step(&step("a", &limits, vec![want("busy", "m", 1)]), now);
        now += 20 * SECOND;
    }
    now += 70 * SECOND;
    let wants: Vec<Want> = (0..8).map(|number| want(if number < 4 { "late" } else { "busy" }, "m", 1)).collect();
    let said = gate.step(&step("a", &limits, wants), now);
    assert_eq!((goes(&said[..4]), goes(&said[4..])), (2, 2));
}

#[test]
fn tokens_that_were_not_used_are_given_back() {
    let limits = [limit(Unit::Tokens, 100)];
    let mut gate = Gate::default();
    let said = gate.step(&step("a", &limits, vec![want("f", "m", 80), want("f", "m", 80)]), NOW);
    assert_eq!(goes(&said), 1);
    let used = Some((Turn { at: NOW, tokens: 80 }, 15));
    let reports = vec![Report { used, ..report("m", Outcome::Answered) }];
    let said = gate.step(&Step { reports, ..step("a", &limits, vec![want("f", "m", 80)]) }, NOW + SECOND);
    assert_eq!(goes(&said), 1);
}

#[test]
fn a_storm_of_later_lets_one_call_go_then_two_more_for_each_answer() {
    let mut gate = Gate::default();
    for _ in 0..64 {
        tell(&mut gate, "m", Outcome::Limited { wait_us: Some(7 * SECOND) }, NOW);
    }
    assert_eq!(gate.gated(NOW), Some(["m".to_owned()].into()));
    let many = || (0..100).map(|_| want("f", "m", 1)).collect::<Vec<_>>();
    let said = gate.step(&step("a", &[], many()), NOW + SECOND);
    assert!(said.iter().all(|said| *said == Said::Wait { until: NOW + 7 * SECOND }), "{said:?}");
    let mut now = NOW + 7 * SECOND;
    assert_eq!(goes(&gate.step(&step("a", &[], many()), now)), 1);
    let mut gone = 1;
    for round in [1, 2, 4] {
        now += SECOND;
        let reports = (0..gone).map(|_| report("m", Outcome::Answered)).collect();
        gone = goes(&gate.step(&Step { reports, ..step("a", &[], many()) }, now));
        assert_eq!(gone, 2 * round);
    }
    let reports = (0..16).map(|_| report("m", Outcome::Answered)).collect();
    assert_eq!(goes(&gate.step(&Step { reports, ..step("a", &[], many()) }, now)), 100, "all is well again");
    assert_eq!(gate.gated(now), Some(Default::default()));
    assert_eq!(serde_json::to_value(&gate).unwrap()["models"], serde_json::json!({}), "and nothing is kept of it");
}

#[test]
fn without_a_time_the_patience_doubles_with_each_round() {
    let (mut gate, mut now) = (Gate::default(), NOW);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        for _ in 0..5 {
            tell(&mut gate, "m", Outcome::Limited { wait_us: None }, now);
        }
        assert_eq!(ask(&mut gate, &[], now), Said::Wait { until: now + wait * SECOND });
        now += wait * SECOND;
        assert!(matches!(ask(&mut gate, &[], now), Said::Go(_)));
    }
}

#[test]
fn a_call_that_was_let_through_and_lost_does_not_stop_the_others() {
    let mut gate = Gate::default();
    tell(&mut gate, "m", Outcome::Limited { wait_us: Some(SECOND) }, NOW);
    assert!(matches!(ask(&mut gate, &[], NOW + SECOND), Said::Go(_)));
    let Said::Wait { until } = ask(&mut gate, &[], NOW + 2 * SECOND) else { panic!("one at a time") };
    assert!(matches!(ask(&mut gate, &[], until), Said::Go(_)));
}

#[test]
fn what_a_provider_tells_counts_when_little_is_left() {
    let mut gate = Gate::default();
    let told = |left: u64| {
        let reading = Reading { unit: Unit::Requests, most: 100, left, full_in_us: 30 * SECOND };
        Step { reports: vec![Report { readings: vec![reading], ..report("m", Outcome::Answered) }], ..Step::default() }
    };
    gate.step(&told(60), NOW);
    assert_eq!(gate.gated(NOW), Some(Default::default()), "there is enough");
    gate.step(&told(3), NOW);
    assert!(gate.wants_reports("m", NOW));
    let said = gate.step(&step("a", &[], (0..5).map(|_| want("f", "m", 1)).collect()), NOW);
    assert_eq!(goes(&said), 3);
    assert_eq!(said.last(), Some(&Said::Wait { until: NOW + 30 * SECOND }));
    assert_eq!(gate.gated(NOW + 30 * SECOND), Some(Default::default()));
}

#[test]
fn a_model_out_of_service_refuses_who_can_go_elsewhere() {
    let (mut gate, mut now) = (Gate::default(), NOW);
    for _ in 0..FAILURES_MAX {
        tell(&mut gate, "m", Outcome::Failed, now);
    }
    let mut wait = OPEN_US_MIN;
    for _ in 0..6 {
        let until = now + wait;
        let elsewhere = Want { may_be_refused: true, ..want("f", "m", 1) };
        let said = gate.step(&step("a", &[], vec![elsewhere, want("f", "m", 1), want("f", "other", 1)]), now);
        assert_eq!(said[..2], [Said::Refused { until }, Said::Wait { until }]);
        assert_eq!(goes(&said), 1, "other models go on");
        now = until;
        assert!(matches!(ask(&mut gate, &[], now), Said::Go(_)), "one call tries");
        assert!(matches!(ask(&mut gate, &[], now), Said::Wait { .. }), "and no other");
        tell(&mut gate, "m", Outcome::Failed, now);
        wait = (2 * wait).min(OPEN_US_MAX);
    }
    tell(&mut gate, "m", Outcome::Answered, now);
    assert_eq!(gate.gated(now), Some(Default::default()));
}
