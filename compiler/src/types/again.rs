//! Checking a project again after an edit: what an item gave is kept, and given again while everything that it rests on is as
//! it was.
//!
//! An item rests on its own text and on what its words mean. So a name has changed when its declaration was read anew, came or
//! went; an item has changed when a word in it has; and with the item the name that it declares. All else is as it was, but for
//! its place. Kept are prompts, flows and tests; types, signatures, models and functions are cheap, and checked every time.
//! What was wrong may rest on every name of the file ("did you mean"), so an item with a problem is checked every time, too.

use super::items::{At, CheckedFlow, CheckedTest, Expectation, Item};
use super::moves::{Moves, Other};
use super::trust::Demand;
use super::ty::Ty;
use super::{CheckedFile, Checker, Reference};
use crate::lints::{FileFindings, Findings};
use crate::syntax::Reading;
use crate::{FileId, Problems, Span};
use ecow::EcoString;
use pmflow_plan as plan;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What a check leaves for the next one.
#[derive(Debug, Default)]
pub struct Memory {
    catalog: String,
    today: i32,
    /// Flows that call each other stood in the way of what was found of others, or models of one name.
    entangled: bool,
    files: BTreeMap<FileId, KnownFile>,
    /// The functions in the order in which they were checked.
    functions: HashMap<Id, usize>,
}

#[derive(Debug)]
struct KnownFile {
    module: String,
    names: Arc<HashMap<EcoString, Origin>>,
    items: Arc<ById<Known>>,
    findings: Arc<ById<Findings>>,
    /// Keeps the readings alive, so that no other one gets the address of one of them.
    _readings: Vec<Option<Arc<Reading>>>,
}

/// Of a reading: its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Id(usize);

type ById<T> = HashMap<Id, Arc<T>, BuildHasherDefault<AddressHasher>>;

/// Addresses differ enough by themselves.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

impl Id {
    fn of(reading: &Arc<Reading>) -> Id {
        Id(Arc::as_ptr(reading).addr())
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Item(Id),
    /// An item that could not be read whole; never the same.
    Unclear,
    Module(Option<FileId>),
}

/// What an item without a problem gave, with its places as they were.
#[derive(Debug)]
pub(super) struct Known {
    own: Span,
    /// Other items into which its places lead.
    others: Vec<Other>,
    references: Vec<Reference>,
    types: Vec<(Span, Ty)>,
    pub made: Made,
}

#[derive(Debug)]
pub(super) enum Made {
    Prompt(KnownPrompt),
    Flow(KnownFlow),
    Test(CheckedTest),
}

#[derive(Debug)]
pub(super) struct KnownPrompt {
    pub plan: Arc<plan::Prompt>,
    pub models: Vec<(String, plan::Model)>,
    pub demands: Vec<Option<Demand>>,
}

#[derive(Debug)]
pub(super) struct KnownFlow {
    pub checked: CheckedFlow,
    pub writes: bool,
    pub outputs_max: Option<u64>,
    pub result: Ty,
    pub demands: Vec<Option<Demand>>,
    pub sources: Vec<(EcoString, Ty, Span)>,
    /// How deep the calls of other flows nest in it.
    pub flows_below: usize,
}

/// What is known while a project is checked.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Whether something is to be kept.
    on: bool,
    /// By file and item; none: what could not be read whole.
    readings: Vec<Vec<Option<Arc<Reading>>>>,
    /// By file and item, the name that it declares and where.
    declared: Vec<Vec<Option<(EcoString, Span)>>>,
    /// By file and item, whether it rests on something that is not as it was.
    changed: Vec<Vec<bool>>,
    /// By file, what its items gave before.
    before: Vec<Arc<ById<Known>>>,
    /// By file, what the lints found before.
    findings: Vec<Arc<ById<Findings>>>,
    /// By file, its names, when they are as they were.
    names: Vec<Option<Arc<HashMap<EcoString, Origin>>>>,
    now: Vec<ById<Known>>,
    entangled: bool,
}

/// What was gathered of an item before another one is checked in its midst.
#[derive(Default)]
pub(super) struct Gathered {
    problems: Problems,
    references: Vec<Reference>,
    types: Vec<(Span, Ty)>,
    demands: Vec<(usize, Demand)>,
    source_ends: Vec<(String, Span)>,
    depth: u32,
    reads_data: bool,
}

impl Checker<'_> {
    /// `before`: of another check of these files; none: nothing is to be kept.
    pub(super) fn recall(&mut self, before: Option<&Memory>) {
        let Some(before) = before else { return };
        self.again.on = true;
        self.again.readings = (0..self.files.len()).map(|file| self.readings(file)).collect();
        self.again.declared = (0..self.files.len()).map(|file| self.declared(file)).collect();
        self.again.now = vec![ById::default(); self.files.len()];
        let known = |file: &CheckedFile| before.files.get(&file.id);
        self.again.findings =
            self.files.iter().map(|file| known(file).map(|known| known.findings.clone()).unwrap_or_default()).collect();
        let same_prices = before.catalog == self.world.catalog().hash() && before.today == self.world.today();
        if !same_prices || before.entangled {
            return;
        }
        self.again.before =
            self.files.iter().map(|file| known(file).map(|known| known.items.clone()).unwrap_or_default()).collect();
        let names = self.changed_names(before);
        self.again.changed = self.changed_items(names);
    }

    fn readings(&self, file: usize) -> Vec<Option<Arc<Reading>>> {
        let (Some(parsed), Some(checked)) = (self.parsed.get(file), self.files.get(file)) else { return Vec::new() };
        let whole = parsed.readings().into_iter().zip(checked.ast.items());
        let sound = whole.map(|(reading, item)| {
            let (reading, range) = reading.filter(|_| !self.damage.meets(item.span))?;
            reading.words(checked.text.get(range).unwrap_or_default());
            Some(reading)
        });
        sound.collect()
    }

    fn declared(&self, file: usize) -> Vec<Option<(EcoString, Span)>> {
        let (Some(checked), Some(names)) = (self.files.get(file), self.items.names.get(file)) else { return Vec::new() };
        let items = &checked.ast.items;
        let mut declared = vec![None; items.len()];
        #[allow(clippy::iter_over_hash_type, reason = "each name has a place of its own, so the order does not matter")]
        for (name, (_, span)) in names {
            let before = items.partition_point(|item| item.span.start <= span.start);
            if let Some(place) = before.checked_sub(1).and_then(|position| declared.get_mut(position)) {
                *place = Some((name.clone(), *span));
            }
        }
        declared
    }

    fn origin(&self, file: usize, item: Item) -> Origin {
        let at = match item {
            Item::Module(to) => return Origin::Module(to.and_then(|to| self.files.get(to)).map(|file| file.id)),
            Item::Type(index) => self.items.types.get(index).map(|item| item.at),
            Item::Model(index) => self.items.models.get(index).map(|item| item.at),
            Item::Prompt(index) => self.items.prompts.get(index).map(|item| item.at),
            Item::Function(index) => self.items.functions.get(index).map(|item| item.at),
            Item::Connector(index) => self.items.connectors.get(index).map(|item| item.at),
            Item::Budget(index) => self.items.budgets.get(index).map(|item| item.at),
            Item::Flow(index) => self.items.flows.get(index).map(|item| item.at),
        };
        let reading = at.filter(|at| at.file == file).and_then(|at| self.reading(at));
        reading.map_or(Origin::Unclear, |reading| Origin::Item(Id::of(reading)))
    }

    #[allow(clippy::iter_over_hash_type, reason = "the result has no order either")]
    fn origins(&self, file: usize) -> HashMap<EcoString, Origin> {
        let names = self.items.names.get(file).into_iter().flatten();
        names.map(|(name, (item, _))| (name.clone(), self.origin(file, *item))).collect()
    }

    fn reading(&self, at: At) -> Option<&Arc<Reading>> {
        self.again.readings.get(at.file)?.get(at.item)?.as_ref()
    }

    #[allow(clippy::iter_over_hash_type, reason = "the result is a set")]
    fn changed_names(&mut self, before: &Memory) -> HashSet<EcoString> {
        let mut changed = HashSet::new();
        let mut kept = Vec::with_capacity(self.files.len());
        for (file, (checked, names)) in self.files.iter().zip(&self.items.names).enumerate() {
            let known = before.files.get(&checked.id).filter(|known| known.module == checked.module);
            let known = known.map(|known| &known.names);
            let mut all_same = true;
            for (name, (item, _)) in names {
                let origin = self.origin(file, *item);
                let same = origin != Origin::Unclear && known.and_then(|known| known.get(name)) == Some(&origin);
                if !same {
                    changed.insert(name.clone());
                }
                all_same &= same;
            }
            for gone in known.into_iter().flat_map(|known| known.keys()).filter(|name| !names.contains_key(*name)) {
                changed.insert(gone.clone());
                all_same = false;
            }
            kept.push(known.filter(|_| all_same).cloned());
        }
        self.again.names = kept;
        if self.functions_change_places(before) {
            changed.extend(self.items.functions.iter().map(|function| function.name.clone()));
        }
        changed
    }

    /// What a function demands of its arguments is known to those that are checked after it.
    fn functions_change_places(&self, before: &Memory) -> bool {
        let ids = self.items.functions.iter().filter_map(|function| self.reading(function.at)).map(Id::of);
        let places: Vec<usize> = ids.filter_map(|id| before.functions.get(&id).copied()).collect();
        !places.is_sorted()
    }

    /// By file and item, whether it mentions a name that has changed, or one whose item does.
    fn changed_items(&self, names: HashSet<EcoString>) -> Vec<Vec<bool>> {
        let mut changed: Vec<Vec<bool>> =
            self.again.readings.iter().map(|readings| readings.iter().map(Option::is_none).collect()).collect();
        let mut open: Vec<EcoString> = names.iter().cloned().collect();
        let mut seen = names;
        while let Some(name) = open.pop() {
            for (file, changed) in changed.iter_mut().enumerate() {
                let items = self.again.readings.get(file).into_iter().flatten().zip(changed).enumerate();
                for (position, (reading, changed)) in items.filter(|(_, (_, changed))| !**changed) {
                    *changed = reading.as_ref().is_none_or(|reading| reading.words("").have(&name));
                    if !*changed {
                        continue;
                    }
                    let declared = self.again.declared.get(file).and_then(|declared| declared.get(position)?.as_ref());
                    if let Some((declared, _)) = declared.filter(|(declared, _)| !seen.contains(declared)) {
                        seen.insert(declared.clone());
                        open.push(declared.clone());
                    }
                }
            }
        }
        changed
    }

    /// What the item gave before, with where its places are now; none: it must be checked.
    pub(super) fn recalled(&self, at: At) -> Option<(Arc<Known>, Moves)> {
        if *self.again.changed.get(at.file)?.get(at.item)? {
            return None;
        }
        let known = self.again.before.get(at.file)?.get(&Id::of(self.reading(at)?))?;
        let own = self.files.get(at.file)?.ast.items.get(at.item)?.span;
        let mut moves = Moves::default();
        moves.add(known.own, own.start);
        for other in &known.others {
            let names = self.items.names.get(*self.file_index.get(&other.span.file)?)?;
            let (_, name) = names.get(&other.name)?;
            moves.add(other.span, name.start.wrapping_sub(other.name_at));
        }
        Some((known.clone(), moves))
    }

    /// As if the item had been checked.
    pub(super) fn give_again(&mut self, at: At, known: Arc<Known>, moves: &Moves) {
        let reference = |known: &Reference| Reference { span: moves.span(known.span), definition: moves.span(known.definition) };
        self.finished.references.extend(known.references.iter().map(reference));
        self.finished.types.extend(known.types.iter().map(|(span, ty)| (moves.span(*span), moves.ty(ty))));
        self.keep(at, known);
    }

    fn keep(&mut self, at: At, known: Arc<Known>) {
        let id = self.reading(at).map(Id::of);
        if let (Some(id), Some(now)) = (id, self.again.now.get_mut(at.file)) {
            now.insert(id, known);
        }
    }

    /// Before an item is checked; [`Checker::leave_item`] comes after.
    pub(super) fn enter_item(&mut self) -> Gathered {
        Gathered {
            problems: std::mem::take(&mut self.problems),
            references: std::mem::take(&mut self.references),
            types: std::mem::take(&mut self.types),
            demands: std::mem::take(&mut self.items.demands),
            source_ends: std::mem::take(&mut self.items.source_ends),
            depth: std::mem::take(&mut self.depth),
            reads_data: std::mem::take(&mut self.reads_data),
        }
    }

    /// `made`: what the item became; it is kept when nothing is wrong with it.
    pub(super) fn leave_item(&mut self, at: At, outer: Gathered, made: impl FnOnce(&Self) -> Option<Made>) {
        // In order already, so that all of them are soon in order.
        self.types.sort_by_key(super::order_of_types);
        if self.again.on && !self.reads_data && self.problems.all.is_empty() && self.reading(at).is_some() {
            let known = made(self).and_then(|made| self.to_keep(at, made));
            if let Some(known) = known {
                self.keep(at, Arc::new(known));
            }
        }
        self.finished.problems.all.append(&mut self.problems.all);
        self.finished.references.append(&mut self.references);
        self.finished.types.append(&mut self.types);
        self.problems = outer.problems;
        self.references = outer.references;
        self.types = outer.types;
        self.items.demands = outer.demands;
        self.items.source_ends = outer.source_ends;
        self.depth = outer.depth;
        self.reads_data = outer.reads_data;
    }

    fn to_keep(&self, at: At, made: Made) -> Option<Known> {
        let own = self.files.get(at.file)?.ast.items.get(at.item)?.span;
        let mut known = Known { own, others: Vec::new(), references: self.references.clone(), types: self.types.clone(), made };
        let (mut others, mut all_known) = (Vec::<Other>::new(), true);
        known.each_span(&mut |span| {
            let is_in = |item: Span| item.file == span.file && item.start <= span.start && span.start <= item.end;
            if span.file.is_standard() || is_in(own) || others.iter().any(|other| is_in(other.span)) {
                return;
            }
            match self.other(span) {
                Some(other) => others.push(other),
                None => all_known = false,
            }
        });
        known.others = others;
        all_known.then_some(known)
    }

    /// The item around a place, by its name.
    fn other(&self, span: Span) -> Option<Other> {
        let file = *self.file_index.get(&span.file)?;
        let items = &self.files.get(file)?.ast.items;
        let position = items.partition_point(|item| item.span.start <= span.start).checked_sub(1)?;
        let item = items.get(position).filter(|item| span.end <= item.span.end)?.span;
        self.reading(At { file, item: position })?;
        let (name, declared) = self.again.declared.get(file)?.get(position)?.clone()?;
        Some(Other { name, name_at: declared.start.wrapping_sub(item.start), span: item })
    }

    /// What the next check may know.
    /// What the lints find in each item, by file.
    pub(super) fn findings(&self) -> Vec<FileFindings> {
        let own = |(file, checked): (usize, &CheckedFile)| match checked.id.is_standard() {
            true => Vec::new(),
            false => self.findings_of(file, checked),
        };
        self.files.iter().enumerate().map(own).collect()
    }

    fn findings_of(&self, file: usize, checked: &CheckedFile) -> FileFindings {
        let linted = checked.linted();
        let known = |item: usize| self.again.findings.get(file)?.get(&Id::of(self.reading(At { file, item })?)).cloned();
        let items = checked.ast.items().enumerate();
        items.map(|(position, item)| known(position).unwrap_or_else(|| Arc::new(Findings::of(&linted, item)))).collect()
    }

    pub(super) fn memory(&mut self, findings: &[FileFindings]) -> Option<Memory> {
        if !self.again.on {
            return None;
        }
        let functions = self.items.functions.iter().enumerate();
        let functions = functions.filter_map(|(place, function)| Some((Id::of(self.reading(function.at)?), place))).collect();
        let files = (0..self.files.len()).filter_map(|file| self.known_file(file, findings.get(file)?)).collect();
        Some(Memory {
            catalog: self.world.catalog().hash().to_owned(),
            today: self.world.today(),
            entangled: self.again.entangled || self.problems.all.iter().any(|problem| problem.code == "E0115"),
            files,
            functions,
        })
    }

    fn known_file(&mut self, file: usize, findings: &[Arc<Findings>]) -> Option<(FileId, KnownFile)> {
        let names = match self.again.names.get(file).cloned().flatten() {
            Some(names) => names,
            None => Arc::new(self.origins(file)),
        };
        let readings = std::mem::take(self.again.readings.get_mut(file)?);
        let found = readings.iter().zip(findings);
        let findings = found.filter_map(|(reading, findings)| Some((Id::of(reading.as_ref()?), findings.clone()))).collect();
        let items = std::mem::take(self.again.now.get_mut(file)?);
        let checked = self.files.get(file)?;
        let (module, items, findings) = (checked.module.clone(), Arc::new(items), Arc::new(findings));
        Some((checked.id, KnownFile { module, names, items, findings, _readings: readings }))
    }

    pub(super) fn gather_finished(&mut self) {
        self.problems.all.append(&mut self.finished.problems.all);
        self.references.append(&mut self.finished.references);
        self.types.append(&mut self.finished.types);
    }

    pub(super) fn entangle(&mut self) {
        self.again.entangled = true;
        self.again.changed.clear();
    }
}

impl Known {
    fn each_span(&self, take: &mut dyn FnMut(Span)) {
        self.references.iter().for_each(|reference| take(reference.definition));
        self.references.iter().for_each(|reference| take(reference.span));
        self.types.iter().for_each(|(span, ty)| {
            take(*span);
            ty.each_span(take);
        });
        match &self.made {
            Made::Prompt(prompt) => prompt.demands.iter().flatten().for_each(|demand| take(demand.span)),
            Made::Flow(flow) => {
                take(flow.checked.span);
                flow.checked.places.iter().for_each(|(_, span)| take(*span));
                flow.demands.iter().flatten().for_each(|demand| take(demand.span));
                flow.result.each_span(take);
                for (_, ty, span) in &flow.sources {
                    take(*span);
                    ty.each_span(take);
                }
            }
            Made::Test(test) => {
                take(test.span);
                test.expectations.iter().for_each(|expectation| take(expectation.span()));
            }
        }
    }
}

impl Moves {
    pub fn demands(&self, demands: &[Option<Demand>]) -> Vec<Option<Demand>> {
        let moved = |demand: &Demand| Demand { span: self.span(demand.span), ..demand.clone() };
        demands.iter().map(|demand| demand.as_ref().map(moved)).collect()
    }

    pub fn flow(&self, flow: &CheckedFlow, file: usize) -> CheckedFlow {
        let places = match self.are_none() {
            true => flow.places.clone(),
            false => flow.places.iter().map(|(path, span)| (path.clone(), self.span(*span))).collect(),
        };
        CheckedFlow { file, span: self.span(flow.span), places, ..flow.clone() }
    }

    pub fn test(&self, test: &CheckedTest, file: usize) -> CheckedTest {
        let mut moved = CheckedTest { file, span: self.span(test.span), ..test.clone() };
        for expectation in &mut moved.expectations {
            let (Expectation::Condition { span, .. } | Expectation::Called { span, .. }) = expectation;
            *span = self.span(*span);
        }
        moved
    }
}
