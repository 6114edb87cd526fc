//! Problems for a person at a terminal or in a log: the place, the lines, what is wrong there, how to mend it.

use super::super::position::{Files, Lines};
use super::super::{Code, Problem, Problems, Severity};
use super::excerpt::{Excerpt, visible_start};
use super::visible::{PLACE_MARK, columns, visible, wrap};
use super::{Summary, in_order};
use crate::FileId;
use crate::world::Source;
use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// How to write for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Human {
    pub color: bool,
    /// The terminal's width; fewer than 40 columns are taken for 40.
    pub columns: usize,
    /// Only ASCII for the drawing; what the author wrote stays as it is.
    pub ascii: bool,
}

impl Default for Human {
    fn default() -> Human {
        Human { color: false, columns: 100, ascii: false }
    }
}

/// All problems, a line that counts them and a hint at `pmflow explain`; nothing when there are none.
pub fn human(problems: &Problems, read: &dyn Fn(FileId) -> Source, style: Human) -> String {
    if problems.all.is_empty() {
        return String::new();
    }
    let style = Human { columns: style.columns.max(40), ..style };
    let mut files = Files::new(read);
    let mut text = String::new();
    for problem in in_order(problems) {
        text.push_str(&Message::new(&problem, &mut files, style).write());
        text.push('\n');
    }
    let summary = Summary::of(problems).to_string();
    text.push_str(&format!("{}\n{}\n", painted(style, BOLD, &summary), explain_hint(problems)));
    text
}

fn explain_hint(problems: &Problems) -> String {
    let codes: BTreeSet<Code> = problems.all.iter().map(|problem| problem.code).collect();
    match codes.first() {
        Some(code) if codes.len() == 1 => format!("More about it: pmflow explain {code}"),
        Some(code) => format!("More about a code: pmflow explain CODE, as in pmflow explain {code}"),
        None => String::new(),
    }
}

/// What ariadne calls a source: a mark and a number, so that the right place can be put in after the drawing.
type SourceName = String;
type Underline = Label<(SourceName, Range<usize>)>;

struct Message<'a> {
    problem: &'a Problem,
    style: Human,
    /// The problem's own place first.
    places: Vec<Place>,
    files: Vec<ShownFile>,
}

/// A stretch that is underlined.
struct Place {
    file: FileId,
    bytes: Range<usize>,
    label: String,
    primary: bool,
}

struct ShownFile {
    id: FileId,
    lines: Rc<Lines>,
    excerpt: Excerpt,
}

impl<'a> Message<'a> {
    fn new(problem: &'a Problem, files: &mut Files<'_>, style: Human) -> Message<'a> {
        let places = places(problem);
        let mut by_file: Vec<(FileId, Vec<Range<usize>>)> = Vec::new();
        for place in &places {
            match by_file.iter_mut().find(|(file, _)| *file == place.file) {
                Some((_, spans)) => spans.push(place.bytes.clone()),
                None => by_file.push((place.file, vec![place.bytes.clone()])),
            }
        }
        let columns_max = style.columns.saturating_sub(MARGIN_COLUMNS);
        let shown = by_file.into_iter().map(|(id, spans)| {
            let lines = files.lines(id);
            let excerpt = Excerpt::new(&lines, &spans, columns_max);
            ShownFile { id, lines, excerpt }
        });
        let files = shown.collect();
        Message { problem, style, places, files }
    }

    fn write(&self) -> String {
        let (labels, notes) = self.labels_and_notes();
        let drawn = self.drawn(labels);
        // ariadne's own header cannot be wrapped, and colours a custom word even when told not to.
        let below_header = self.with_places(&drawn).lines().skip(1).map(|line| line.trim_end().to_owned()).collect();
        let mut lines: Vec<String> = below_header;
        let close = lines.pop().unwrap_or_default();
        let margin = columns(&without_colors(&close)).saturating_sub(1);
        lines.insert(0, self.header());
        lines.extend(self.advice(&notes, margin));
        lines.push(close);
        lines.push(String::new());
        lines.join("\n")
    }

    fn header(&self) -> String {
        let severity = self.problem.severity();
        let lead = format!("[{}] {}:", self.problem.code, severity_word(severity));
        let indent = columns(&lead) + 1;
        let message = wrap(&visible(&self.problem.message), self.style.columns.saturating_sub(indent));
        let color = match severity {
            Severity::Error => "31",
            Severity::Warning => "33",
            Severity::Hint => "34",
        };
        format!("{} {}", painted(self.style, color, &lead), message.join(&format!("\n{}", " ".repeat(indent))))
    }

    fn drawn(&self, labels: Vec<Underline>) -> String {
        let char_set = if self.style.ascii { CharSet::Ascii } else { CharSet::Unicode };
        // Excerpts are measured in characters: ariadne takes the place of a second file for characters in any case.
        let config = Config::default().with_index_type(IndexType::Char).with_color(self.style.color).with_char_set(char_set);
        let report = Report::build(ReportKind::Error, self.primary_span()).with_labels(labels).with_config(config).finish();
        let sources = self.files.iter().enumerate().map(|(index, file)| (source_name(index), file.excerpt.text.clone()));
        let mut bytes = Vec::new();
        match report.write(ariadne::sources(sources), &mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("{}\n{error}\n", self.problem.message),
        }
    }

    fn primary_span(&self) -> (SourceName, Range<usize>) {
        self.places.first().map_or_else(|| (source_name(0), 0..0), |place| self.span_of(place))
    }

    fn span_of(&self, place: &Place) -> (SourceName, Range<usize>) {
        let index = self.files.iter().position(|file| file.id == place.file).unwrap_or(0);
        let chars = self.files.get(index).map_or(0..0, |file| file.excerpt.chars(&file.lines, &place.bytes));
        (source_name(index), chars)
    }

    /// Labels where they fit on the screen; the text of the others becomes a note below.
    fn labels_and_notes(&self) -> (Vec<Underline>, Vec<String>) {
        let mut notes = Vec::new();
        let mut labels = Vec::new();
        for place in self.places_in_drawing_order() {
            let color = if place.primary { severity_color(self.problem.severity()) } else { Color::Cyan };
            let label = Label::new(self.span_of(place));
            // A label's colour is drawn even where the configuration says none.
            let label = if self.style.color { label.with_color(color) } else { label };
            // Without any text ariadne underlines nothing.
            if place.label.is_empty() {
                labels.push(label.with_message("here"));
            } else if self.fits(place) {
                labels.push(label.with_message(&place.label));
            } else {
                notes.push(format!("[{}] {}", notes.len() + 1, self.note(place)));
                labels.push(label.with_message(format!("[{}]", notes.len())));
            }
        }
        (labels, notes)
    }

    /// By file, the problem's own first, and downwards: ariadne opens a new section whenever a label stands above the last.
    fn places_in_drawing_order(&self) -> Vec<&Place> {
        let rank = |place: &Place| self.files.iter().position(|file| file.id == place.file).unwrap_or(0);
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.sort_by_key(|place| (rank(place), self.span_of(place).1.end, place.bytes.start));
        places
    }

    fn fits(&self, place: &Place) -> bool {
        let Some(file) = self.files.iter().find(|file| file.id == place.file) else { return false };
        let line = file.lines.position(visible_start(&file.lines, &place.bytes)).line;
        let ends = self.places.iter().filter(|other| other.file == place.file).filter_map(|other| {
            let (first, last) = (file.lines.position(other.bytes.start).line, file.lines.position(other.bytes.end).line);
            match first == last {
                true => (first == line).then(|| file.excerpt.columns_before(&file.lines, other.bytes.end)),
                false => Some(file.excerpt.line_columns(last)),
            }
        });
        let arrow = ends.max().unwrap_or(0) + LABEL_GAP_COLUMNS;
        MARGIN_COLUMNS + arrow + columns(&place.label) <= self.style.columns
    }

    fn note(&self, place: &Place) -> String {
        if place.primary {
            return place.label.clone();
        }
        let file = self.files.iter().find(|file| file.id == place.file);
        let line = file.map_or(0, |file| file.lines.position(visible_start(&file.lines, &place.bytes)).line);
        let path = file.map_or("", |file| file.lines.path());
        format!("{}:{line}: {}", visible(path), place.label)
    }

    /// Puts `path:line:column` where ariadne wrote a mark and a place of the excerpt.
    fn with_places(&self, drawn: &str) -> String {
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for (index, file) in self.files.iter().enumerate() {
            let own = self.places.iter().find(|place| place.file == file.id && place.primary);
            let first = self.places_in_drawing_order().into_iter().find(|place| place.file == file.id);
            let Some(place) = own.or(first) else { continue };
            let at = file.lines.position(visible_start(&file.lines, &place.bytes));
            places.insert(source_name(index), format!("{}:{}:{}", visible(file.lines.path()), at.line, at.column));
        }
        let mut text = String::new();
        let mut rest = drawn;
        while let Some((before, marked)) = rest.split_once(PLACE_MARK) {
            text.push_str(before);
            let Some((number, after)) = marked.split_once(PLACE_MARK) else { break };
            let name = format!("{PLACE_MARK}{number}{PLACE_MARK}");
            text.push_str(places.get(&name).map_or("", String::as_str));
            rest = after.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
        }
        text + rest
    }

    fn advice(&self, notes: &[String], margin: usize) -> Vec<String> {
        let mut advice: Vec<(&str, &str)> = notes.iter().map(|note| ("Note", note.as_str())).collect();
        advice.extend(self.problem.help.as_deref().map(|help| ("Help", help)));
        advice.extend(self.problem.fix.as_ref().map(|fix| ("Fix", fix.title.as_str())));
        let bar = if self.style.ascii { '|' } else { '│' };
        let mut lines = Vec::new();
        for (word, text) in advice {
            let indent = word.len() + 2;
            let width = self.style.columns.saturating_sub(margin + 2 + indent);
            lines.push(format!("{}{bar}", " ".repeat(margin)));
            for (index, line) in wrap(&visible(text), width).iter().enumerate() {
                let lead = if index == 0 { format!("{}: ", painted(self.style, ADVICE, word)) } else { " ".repeat(indent) };
                lines.push(format!("{}{bar} {lead}{line}", " ".repeat(margin)).trim_end().to_owned());
            }
        }
        lines
    }
}

/// Columns left of the source text: the line number and the bars, with room for the arc of a label over several lines.
const MARGIN_COLUMNS: usize = 14;
/// Columns between the end of the underlined stretch and its label.
const LABEL_GAP_COLUMNS: usize = 4;

const BOLD: &str = "1";
const ADVICE: &str = "38;5;115";

fn painted(style: Human, color: &str, text: &str) -> String {
    if style.color { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn source_name(index: usize) -> SourceName {
    format!("{PLACE_MARK}{index}{PLACE_MARK}")
}

fn places(problem: &Problem) -> Vec<Place> {
    let primary = Place { file: problem.span.file, bytes: problem.span.range(), label: one_line(&problem.label), primary: true };
    let related = problem.related.iter().map(|related| Place {
        file: related.span.file,
        bytes: related.span.range(),
        label: one_line(&related.message),
        primary: false,
    });
    std::iter::once(primary).chain(related).collect()
}

fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Hint => "Hint",
    }
}

fn severity_color(severity: Severity) -> Color {
    match severity {
        Severity::Error => Color::Red,
        Severity::Warning => Color::Yellow,
        Severity::Hint => Color::Blue,
    }
}

pub(super) fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
