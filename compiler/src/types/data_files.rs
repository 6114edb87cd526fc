//! Sources that are files: their options, and the type of their rows from the file's own head.

use super::Checker;
use super::flows::Body;
use super::phrases::constant_text;
use super::trust::Demand;
use super::ty::{FieldTy, RecordTy, Ty};
use crate::syntax::ast::{Argument, Expr, ExprKind};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::{BadRow, FileFormat, FileSource, SourceFrom};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Enough for any header, and for the first objects of a JSON file.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const CSV_OPTIONS: &[&str] = &["delimiter", "quote", "header", "on_bad_row", "encoding"];

impl Checker<'_> {
    pub(super) fn file_source(
        &mut self,
        body: &mut Body,
        format: &EcoString,
        arguments: &[Argument],
        span: Span,
        row: Option<Ty>,
    ) -> Option<(SourceFrom, Ty)> {
        if format == "sql" {
            let problem = Problem::new("E0407", span, "this version cannot read from a database");
            self.report(problem.help("export the rows to a file, and read them with `csv` or `jsonl`"));
            return None;
        }
        let known = if format == "csv" { CSV_OPTIONS } else { &[] };
        let (path, options) = self.split_file_arguments(arguments, known, format);
        let Some(path) = path else {
            self.report(
                Problem::new("E0208", span, format!("`{format}` needs the path of a file"))
                    .help(format!("as in `{format}(\"leads.{format}\")`")),
            );
            return None;
        };
        let options = self.file_format(format, &options);
        let place = self.check(&mut body.scope, path, &Ty::text(), "the path of the file");
        let demand = Demand { span: path.span, why: "it chooses the file that is read".into(), system: false };
        self.require_trusted(&place, "the path of a file", &demand);
        let row = match Self::literal_text(&place.expr) {
            Some(written) => self.row_of_file(body, written, path.span, &options, row),
            None => row.unwrap_or_else(|| {
                let problem =
                    Problem::new("E0902", path.span, "the columns of a file whose name is only known later must be declared");
                self.report(problem.help("write the rows' type: `source rows: [Row] = …`"));
                Ty::Error
            }),
        };
        Some((SourceFrom::File(FileSource { format: options, path: place.expr }), row))
    }

    fn file_format(&mut self, format: &str, options: &BTreeMap<EcoString, &Expr>) -> FileFormat {
        match format {
            "json" => return FileFormat::Json,
            "jsonl" => return FileFormat::Jsonl,
            _ => {}
        }
        let delimiter = options.get("delimiter").and_then(|value| self.one_character("delimiter", value)).unwrap_or(',');
        let quote = match options.get("quote") {
            None => Some('"'),
            Some(Expr { kind: ExprKind::None, .. }) => None,
            Some(value) => self.one_character("quote", value),
        };
        let header = match options.get("header").map(|value| (&value.kind, value.span)) {
            None | Some((ExprKind::Bool(true) | ExprKind::Missing, _)) => true,
            Some((ExprKind::Bool(false), _)) => false,
            Some((_, span)) => {
                self.report(Problem::new("E0302", span, "`header` is `true` or `false`"));
                true
            }
        };
        let on_bad_row = match options.get("on_bad_row") {
            None => BadRow::Fail,
            Some(value) => match (&value.kind, constant_text(value)) {
                (ExprKind::Name(word), _) if word == "skip" => BadRow::Skip,
                (ExprKind::Name(word), _) if word == "fail" => BadRow::Fail,
                (ExprKind::EnumValue(word), _) if word.text == "skip" => BadRow::Skip,
                (_, Some(text)) if text == "skip" => BadRow::Skip,
                (_, Some(text)) if text == "fail" => BadRow::Fail,
                _ => {
                    self.report(Problem::new("E0302", value.span, "`on_bad_row` is `skip` or `fail`"));
                    BadRow::Fail
                }
            },
        };
        let encoding = options.get("encoding").and_then(|value| {
            let name = constant_text(value);
            if name.is_none() {
                self.report(Problem::new("E0302", value.span, "`encoding` is a name in quotes, as in `\"windows-1252\"`"));
            }
            name.map(|name| name.to_lowercase().to_string())
        });
        FileFormat::Csv { delimiter, quote, header, on_bad_row, encoding }
    }

    fn one_character(&mut self, name: &str, value: &Expr) -> Option<char> {
        let text = constant_text(value);
        let mut chars = text.iter().flat_map(|text| text.chars());
        match (chars.next(), chars.next()) {
            (Some(character), None) => Some(character),
            _ => {
                self.report(Problem::new("E0302", value.span, format!("`{name}` is one character in quotes, as in `\";\"`")));
                None
            }
        }
    }

    fn row_of_file(&mut self, body: &Body, path: &str, span: Span, format: &FileFormat, declared: Option<Ty>) -> Ty {
        let Some(from) = self.files.get(body.scope.file).map(|file| file.id) else { return Ty::Error };
        self.reads_data = true;
        let head = match self.world.data_head(from, path, HEAD_BYTES_MAX) {
            Ok(head) => head,
            Err(reason) => {
                let problem = Problem::new("E0901", span, format!("`{path}` cannot be read: {reason}"));
                self.report(problem.help("the path is relative to the flow's file"));
                return declared.unwrap_or(Ty::Error);
            }
        };
        let whole = head.len() < HEAD_BYTES_MAX;
        match format {
            FileFormat::Csv { delimiter, quote, header, encoding, .. } => {
                let text = decoded(&head, encoding.as_deref());
                self.csv_row(&text, path, span, (*delimiter, *quote, *header), declared)
            }
            FileFormat::Json => {
                let text = decoded(&head, None);
                if whole
                    && declared.is_none()
                    && let Some(reason) = no_json(&text)
                {
                    let problem = Problem::new("E0902", span, format!("`{path}` is no JSON: {reason}"));
                    self.report(problem.help("correct the file: it holds one list, `[ … ]`, with a `,` between its rows"));
                    return Ty::Error;
                }
                self.json_row(&json_values(&text, whole), path, span, declared)
            }
            FileFormat::Jsonl => {
                let text = decoded(&head, None);
                let lines: Vec<serde_json::Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
                self.json_row(&lines, path, span, declared)
            }
        }
    }

    fn csv_row(
        &mut self,
        text: &str,
        path: &str,
        span: Span,
        (delimiter, quote, header): (char, Option<char>, bool),
        declared: Option<Ty>,
    ) -> Ty {
        let fields = first_record(text, delimiter, quote);
        if fields.iter().all(String::is_empty) {
            let problem = Problem::new("E0902", span, format!("`{path}` is empty, so its columns are not known"));
            self.report(problem.help("its first line names the columns"));
            return declared.unwrap_or(Ty::Error);
        }
        let names: Vec<EcoString> = match header {
            true => pmflow_plan::columns::field_names(&fields).into_iter().map(EcoString::from).collect(),
            false => (1..=fields.len()).map(|position| ecow::eco_format!("column_{position}")).collect(),
        };
        match declared {
            Some(declared) => {
                self.report_missing_columns(&declared, &names, path, span);
                declared
            }
            None => {
                let field = |name: EcoString| FieldTy { name, ty: Ty::text(), doc: None, span: None };
                Ty::Record(Arc::new(RecordTy::new(None, names.into_iter().map(field).collect())))
            }
        }
    }

    fn report_missing_columns(&mut self, declared: &Ty, names: &[EcoString], path: &str, span: Span) {
        let Ty::Record(record) = declared else {
            if !matches!(declared, Ty::Error | Ty::Map(_) | Ty::Json) {
                self.report(Problem::new("E0902", span, format!("a row of a CSV file is a record, not {declared}")));
            }
            return;
        };
        for field in &record.fields {
            if field.ty.is_optional() || names.contains(&field.name) {
                continue;
            }
            let mut problem = Problem::new("E0903", span, format!("`{path}` has no column `{}`", field.name));
            if let Some(declared) = field.span {
                problem = problem.related(declared, "declared here");
            }
            problem = match crate::problems::nearest(&field.name, names.iter().map(EcoString::as_str)) {
                Some(near) => problem.help(format!("it has a column `{near}`")),
                None => problem.help(format!("it has {}", super::project::listed(names.iter().map(EcoString::as_str)))),
            };
            self.report(problem);
        }
    }

    fn json_row(&mut self, rows: &[serde_json::Value], path: &str, span: Span, declared: Option<Ty>) -> Ty {
        if let Some(declared) = declared {
            return declared;
        }
        let mut common: Option<Ty> = None;
        for row in rows {
            let ty = type_of_json(row);
            common = Some(match common {
                None => ty,
                Some(common) => common.join(&ty).unwrap_or(Ty::Json),
            });
        }
        common.unwrap_or_else(|| {
            let problem = Problem::new("E0902", span, format!("the shape of `{path}` cannot be told from its beginning"));
            self.report(problem.help("it should hold a list of objects; or write the rows' type: `source rows: [Row] = …`"));
            Ty::Error
        })
    }
}

fn decoded(bytes: &[u8], encoding: Option<&str>) -> String {
    let wide = |big_endian: bool, bytes: &[u8]| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
            .map(|pair| if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
            .collect();
        String::from_utf16_lossy(&units)
    };
    match (bytes, encoding) {
        ([0xFF, 0xFE, rest @ ..], _) => wide(false, rest),
        ([0xFE, 0xFF, rest @ ..], _) => wide(true, rest),
        ([0xEF, 0xBB, 0xBF, rest @ ..], _) => String::from_utf8_lossy(rest).into_owned(),
        (bytes, Some("utf-16" | "utf-16le")) => wide(false, bytes),
        (bytes, Some("utf-16be")) => wide(true, bytes),
        (bytes, Some("utf-8") | None) => String::from_utf8_lossy(bytes).into_owned(),
        // A single-byte encoding: names of columns are almost always ASCII, and Latin-1 is near enough for the rest.
        (bytes, Some(_)) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The fields of the first line; a quoted field may hold delimiters, line breaks and doubled quotes.
fn first_record(text: &str, delimiter: char, quote: Option<char>) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else { break };
        if quoted {
            if Some(c) == quote && chars.peek() == Some(&c) {
                field.push(c);
                chars.next();
            } else if Some(c) == quote {
                quoted = false;
            } else {
                field.push(c);
            }
        } else if Some(c) == quote && field.is_empty() {
            quoted = true;
        } else if c == delimiter {
            fields.push(String::new());
        } else if c == '\n' {
            break;
        } else if c != '\r' {
            field.push(c);
        }
    }
    fields
}

/// What is wrong with it and where, when the whole text is not JSON.
fn no_json(text: &str) -> Option<String> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err().filter(|_| !text.trim().is_empty())?;
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or_default();
    let what = match what {
        "expected `,` or `]`" => "a `,` is missing before the row that begins here",
        other => other,
    };
    Some(format!("line {}, column {}: {what}", error.line(), error.column()))
}

/// The elements of a list, as many as the beginning of a file holds.
fn json_values(text: &str, whole: bool) -> Vec<serde_json::Value> {
    if whole {
        return match serde_json::from_str(text) {
            Ok(serde_json::Value::Array(items)) => items,
            Ok(object @ serde_json::Value::Object(_)) => vec![object],
            _ => Vec::new(),
        };
    }
    let Some((_, mut rest)) = text.split_once('[') else { return Vec::new() };
    let mut values = Vec::new();
    loop {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        let Some(Ok(value)) = stream.next() else { return values };
        values.push(value);
        let end = stream.byte_offset();
        let Some(next) = rest.get(end..).map(str::trim_start).and_then(|rest| rest.strip_prefix(',')) else { return values };
        rest = next;
    }
}

fn type_of_json(value: &serde_json::Value) -> Ty {
    use serde_json::Value;
    match value {
        Value::Null => Ty::None,
        Value::Bool(_) => Ty::Bool,
        Value::Number(number) if number.is_i64() => Ty::int(),
        Value::Number(_) => Ty::Float,
        Value::String(_) => Ty::text(),
        Value::Array(items) => {
            let of = items.iter().map(type_of_json).reduce(|a, b| a.join(&b).unwrap_or(Ty::Json));
            Ty::list(of.unwrap_or(Ty::Json), None)
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let ty = match type_of_json(value) {
                    Ty::None => Ty::Json,
                    ty => ty,
                };
                FieldTy { name: name.as_str().into(), ty, doc: None, span: None }
            };
            Ty::Record(Arc::new(RecordTy::new(None, fields.iter().map(field).collect())))
        }
    }
}
