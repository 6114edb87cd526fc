//! Settings of flows and shared budgets.

use super::Checker;
use super::expressions::dotted;
use super::names::Found;
use super::phrases::{Settings, Terms, value_span};
use super::resolve::TypeScope;
use super::ty::Ty;
use crate::Problem;
use crate::problems::nearest;
use crate::syntax::ast::{BudgetItem, FlowItem, Phrase, Setting, Term};
use pmflow_plan as plan;
use pmflow_plan::{
    Budget, BudgetScope, CatchUp, Money, OnError, OnExceed, Overlap, Schedule, SharedBudget, Webhook, When, WhenShort,
};

const SETTINGS: &[&str] = &[
    "schedule",
    "overlap",
    "catch_up",
    "webhook",
    "concurrency",
    "timeout",
    "on_error",
    "budget",
    "when_short",
    "on_exceed",
    "owner",
];
const BUDGET_SETTINGS: &[&str] = &["scope", "daily", "monthly", "alert", "when_short", "on_exceed"];
const CONCURRENCY_DEFAULT: u32 = 4;
const CONCURRENCY_MAX: u32 = 10_000;
const ALERTS_DEFAULT: &[(u32, &str)] = &[(75, "info"), (90, "warn")];

impl Checker<'_> {
    pub(super) fn flow_settings(&mut self, file: usize, flow: &FlowItem) -> plan::Settings {
        let settings = self.settings("a flow", &flow.settings, SETTINGS, &[]);
        let concurrency = self.read_setting(&settings, "concurrency", "how many items at a time, as in `5`", |terms| {
            super::prompts::small_count(terms, CONCURRENCY_MAX).filter(|count| *count > 0)
        });
        let timeout_ms = self.read_setting(&settings, "timeout", "how long, as in `10m`", |terms| terms.milliseconds());
        let on_error = match self.word_setting(&settings, "on_error", &["stop", "skip", "quarantine"]) {
            Some("skip") => OnError::Skip,
            Some("quarantine") => OnError::Quarantine,
            _ => OnError::Stop,
        };
        let schedule = self.schedule(&settings);
        plan::Settings {
            concurrency: concurrency.unwrap_or(CONCURRENCY_DEFAULT),
            timeout_ms,
            on_error,
            budget: self.flow_budget(file, &settings),
            schedule,
            webhook: self.webhook(file, &settings),
            owner: self.read_setting(&settings, "owner", "a name in quotes", |terms| {
                terms.text().map(|(text, _)| text.to_string()).or_else(|| terms.any_word().map(|(word, _)| word.to_string()))
            }),
        }
    }

    fn schedule(&mut self, settings: &Settings) -> Option<Schedule> {
        let form = "`every 2h`, or a cron expression with its time zone, as in `\"0 7 * * 1\" in \"Europe/Berlin\"`";
        let when = self.read_setting(settings, "schedule", form, |terms| {
            if terms.word("every") {
                return terms.milliseconds().filter(|every| *every > 0).map(When::EveryMs);
            }
            let (expression, _) = terms.text()?;
            let zone = if terms.word("in") { terms.text()?.0.to_string() } else { "UTC".to_string() };
            Some(When::Cron { expression: expression.to_string(), zone })
        });
        let overlap = match self.word_setting(settings, "overlap", &["skip", "queue", "allow"]) {
            Some("queue") => Overlap::Queue,
            Some("allow") => Overlap::Allow,
            _ => Overlap::Skip,
        };
        let catch_up = match self.word_setting(settings, "catch_up", &["none", "latest", "all"]) {
            Some("none") => CatchUp::None,
            Some("all") => CatchUp::All,
            _ => CatchUp::Latest,
        };
        if let (Some(When::Cron { expression, zone }), Some(setting)) = (&when, settings.get("schedule")) {
            self.check_cron(expression, zone, setting);
        }
        if let (Some(When::EveryMs(..EVERY_MS_MIN)), Some(setting)) = (&when, settings.get("schedule")) {
            let problem = Problem::new("E0302", value_span(setting), "a schedule fires once a second at most");
            self.report(problem.help("write `every 1s` or longer; to work on what comes in at once, take a `webhook`"));
        }
        for name in ["overlap", "catch_up"] {
            if let (None, Some(setting)) = (settings.get("schedule"), settings.get(name)) {
                let problem =
                    Problem::new("E0302", setting.name.span, format!("`{name}` says how a schedule behaves, and there is none"));
                self.report(problem.help("add `schedule: every 2h`, or remove it"));
            }
        }
        Some(Schedule { when: when?, overlap, catch_up })
    }

    fn check_cron(&mut self, expression: &str, zone: &str, setting: &Setting) {
        if let Some(reason) = cron_mistake(expression) {
            let problem = Problem::new("E0302", value_span(setting), format!("this cron expression is wrong: {reason}"));
            self.report(problem.help("it has five fields: minute, hour, day of the month, month, day of the week"));
        } else if never_fires(expression) {
            let message = format!("`{expression}` never fires: no such day comes in such a month");
            let problem = Problem::new("E0302", value_span(setting), message);
            self.report(
                problem.help("the third field is the day of the month, the fourth the month, as in `0 7 1 * *` for each first"),
            );
        }
        if zone.parse::<chrono_tz::Tz>().is_err() {
            let span = match setting.phrases.first().and_then(|phrase| phrase.terms.last()) {
                Some(Term::Expr(zone)) => zone.span,
                _ => value_span(setting),
            };
            let problem = Problem::new("E0302", span, format!("there is no time zone called `{zone}`"));
            let problem = match nearest(zone, chrono_tz::TZ_VARIANTS.iter().map(|known| known.name())) {
                Some(near) => {
                    problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), span, format!("\"{near}\""))
                }
                None => problem.help("as in \"Europe/Berlin\" or \"UTC\""),
            };
            self.report(problem);
        }
    }

    fn webhook(&mut self, file: usize, settings: &Settings) -> Option<Webhook> {
        let setting = settings.get("webhook").copied()?;
        let form = "`NAME: TYPE verify hmac secret(\"NAME\") limit 1000 per day`";
        let [phrase] = setting.phrases.as_slice() else {
            self.report_form(setting, form);
            return None;
        };
        let mut terms = Terms::of(phrase);
        let read = (|| {
            let (name, span) = terms.any_word()?;
            let ty = terms.ty()?;
            (terms.word("verify") && terms.word("hmac")).then_some(())?;
            let secret = terms.secret()?;
            terms.word("limit").then_some(())?;
            let per_day_max = terms.count()?;
            (terms.word("per") && terms.word("day") && terms.is_done()).then_some((name, span, ty, secret, per_day_max))
        })();
        let Some((name, _, ty, secret, per_day_max)) = read else {
            self.report_form(setting, form);
            return None;
        };
        let ty = self.resolve_type(TypeScope::file(file), ty);
        Some(Webhook { parameter: name.to_string(), ty: ty.to_plan(), hmac_secret: secret.to_string(), per_day_max })
    }

    /// The variable that a webhook's body is bound to.
    pub(super) fn webhook_variable(&mut self, file: usize, flow: &FlowItem) -> Option<(ecow::EcoString, Ty, crate::Span)> {
        let setting = flow.settings.iter().find(|setting| setting.name.text == "webhook")?;
        let [phrase] = setting.phrases.as_slice() else { return None };
        let mut terms = Terms::of(phrase);
        let (name, span) = terms.any_word()?;
        let ty = terms.ty()?;
        let problems = self.problems.all.len();
        let ty = self.resolve_type(TypeScope::file(file), ty);
        // Reported where the setting is read.
        self.problems.all.truncate(problems);
        Some((name, ty, span))
    }

    fn flow_budget(&mut self, file: usize, settings: &Settings) -> Budget {
        let mut budget = Budget::default();
        if self.word_setting(settings, "on_exceed", &["stop", "suspend"]) == Some("suspend") {
            budget.on_exceed = OnExceed::Suspend;
        }
        budget.when_short = self.when_short(settings).unwrap_or_default();
        let Some(setting) = settings.get("budget").copied() else { return budget };
        for phrase in &setting.phrases {
            if !self.budget_phrase(file, phrase, &mut budget) {
                self.report_form(
                    setting,
                    "amounts, as in `$2.00 per run, $20.00 per day, $500.00 per month`, or the names of shared budgets",
                );
                break;
            }
        }
        budget
    }

    fn budget_phrase(&mut self, file: usize, phrase: &Phrase, budget: &mut Budget) -> bool {
        let mut terms = Terms::of(phrase);
        if let Some(names) = Terms::of(phrase).expr_if(dotted) {
            return self.shared_budget_named(file, &names, budget);
        }
        let Some(amount) = terms.money() else { return false };
        if !terms.word("per") {
            return false;
        }
        let place = match terms.any_word() {
            Some((word, _)) if word == "run" => &mut budget.run,
            Some((word, _)) if word == "day" => &mut budget.day,
            Some((word, _)) if word == "month" => &mut budget.month,
            _ => return false,
        };
        let first = place.is_none();
        *place = Some(amount);
        if !first {
            self.report(Problem::new("E0111", phrase.span, "this period has an amount already").help("delete one of the two"));
        }
        terms.is_done()
    }

    fn shared_budget_named(&mut self, file: usize, names: &[crate::syntax::ast::Name], budget: &mut Budget) -> bool {
        let (found, _) = self.follow(file, None, names);
        match found {
            Found::Budget(index) => {
                budget.shared.extend(self.items.budgets.get(index).and_then(|declaration| declaration.budget.clone()));
                true
            }
            Found::Missing => true,
            other => {
                if let Some(last) = names.last() {
                    let problem =
                        Problem::new("E0302", last.span, format!("`{}` is {}, not a budget", last.text, other.described()));
                    self.report(problem.help("shared budgets are declared with `budget NAME { … }`"));
                }
                true
            }
        }
    }

    pub(super) fn shared_budget(&mut self, full: &str, item: &BudgetItem) -> SharedBudget {
        let settings = self.settings("a budget", &item.settings, BUDGET_SETTINGS, &[]);
        let amount = |checker: &mut Self, name: &str| {
            checker.read_setting(&settings, name, "an amount, as in `$500.00`", |terms| terms.money())
        };
        let day: Option<Money> = amount(self, "daily");
        let month: Option<Money> = amount(self, "monthly");
        if !settings.contains_key("daily") && !settings.contains_key("monthly") && !item.name.text.is_empty() {
            let message = format!("the budget `{}` limits nothing", item.name.text);
            self.report_missing_setting(item.name.span, &message, "add `daily: $20.00` or `monthly: $500.00`");
        }
        let scope = match self.word_setting(&settings, "scope", &["team", "user", "flow"]) {
            Some("user") => BudgetScope::User,
            Some("flow") => BudgetScope::Flow,
            _ => BudgetScope::Team,
        };
        let alerts = self.read_setting(&settings, "alert", "shares and levels, as in `[75% info, 90% warn]`", |terms| {
            let mut alerts = terms.list()?.iter().map(|phrase| alert(&mut Terms::of(phrase))).collect::<Option<Vec<_>>>()?;
            alerts.sort();
            Some(alerts)
        });
        let on_exceed = match self.word_setting(&settings, "on_exceed", &["stop", "suspend"]) {
            Some("suspend") => OnExceed::Suspend,
            _ => OnExceed::Stop,
        };
        let when_short = self.when_short(&settings);
        let default = || ALERTS_DEFAULT.iter().map(|(percent, level)| (*percent, (*level).to_string())).collect();
        let alerts = alerts.unwrap_or_else(default);
        SharedBudget { name: full.to_string(), scope, day, month, alerts, on_exceed, when_short }
    }

    fn when_short(&mut self, settings: &Settings) -> Option<WhenShort> {
        Some(match self.word_setting(settings, "when_short", &["wait", "refuse", "shrink_request"])? {
            "refuse" => WhenShort::Refuse,
            "shrink_request" => WhenShort::ShrinkRequest,
            _ => WhenShort::Wait,
        })
    }
}

fn alert(terms: &mut Terms) -> Option<(u32, String)> {
    let percent = terms.expr_if(|expr| match expr.kind {
        crate::syntax::ast::ExprKind::Percent(thousandths) => u32::try_from(thousandths / 1000).ok(),
        _ => None,
    })?;
    let (level, _) = terms.any_word()?;
    (matches!(level.as_str(), "info" | "warn" | "urgent") && terms.is_done()).then(|| (percent, level.to_string()))
}

/// A schedule's shortest distance, as the runtime keeps it.
const EVERY_MS_MIN: u64 = 1000;

/// What is wrong with the five fields of a cron expression.
fn cron_mistake(expression: &str) -> Option<String> {
    const FIELDS: [(&str, u32, u32); 5] =
        [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7)];
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} fields", fields.len()));
    }
    for (field, (name, min, max)) in fields.iter().zip(FIELDS) {
        if !field.split(',').all(|part| is_cron_part(part, min, max)) {
            return Some(format!("`{field}` is no {name} from {min} to {max}"));
        }
    }
    // The runtime reads it by the same means.
    expression.parse::<croner::Cron>().err().map(|error| error.to_string())
}

/// Whether no moment of the next thousands of years suits it, as on the 30th of February.
fn never_fires(expression: &str) -> bool {
    let cron = expression.parse::<croner::Cron>();
    cron.is_ok_and(|cron| cron.find_next_occurrence(&chrono::DateTime::<chrono::Utc>::UNIX_EPOCH, false).is_err())
}

fn is_cron_part(part: &str, min: u32, max: u32) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if step.is_some_and(|step| step.parse::<u32>().map_or(true, |step| step == 0)) {
        return false;
    }
    let number = |text: &str| cron_number(text).filter(|number| (min..=max).contains(number));
    match range.split_once('-') {
        Some((from, to)) => matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to),
        None => range == "*" || number(range).is_some(),
    }
}

/// `MON` and `JAN` count as well.
fn cron_number(text: &str) -> Option<u32> {
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let upper = text.to_ascii_uppercase();
    let named =
        |names: &[&str], from: usize| names.iter().position(|name| *name == upper).and_then(|at| u32::try_from(at + from).ok());
    text.parse().ok().or_else(|| named(&DAYS, 0)).or_else(|| named(&MONTHS, 1))
}
