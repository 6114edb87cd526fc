//! Files as users have them: with marks, odd line ends, broken rows, other encodings.

use pmflow_connectors::files::{FileOptions, FileReader};
use pmflow_plan::{BadRow, Failure, Field, FileFormat, Type, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn csv() -> FileFormat {
    FileFormat::Csv { delimiter: ',', quote: Some('"'), header: true, on_bad_row: BadRow::Fail, encoding: None }
}

fn skipping() -> FileFormat {
    FileFormat::Csv { delimiter: ',', quote: Some('"'), header: true, on_bad_row: BadRow::Skip, encoding: None }
}

fn encoded(label: &str) -> FileFormat {
    FileFormat::Csv { delimiter: ',', quote: Some('"'), header: true, on_bad_row: BadRow::Fail, encoding: Some(label.into()) }
}

fn row() -> Type {
    let field = |name: &str, ty: Type| Field { name: name.into(), ty, doc: None };
    Type::Record(vec![field("name", Type::text()), field("age", Type::optional(Type::int()))])
}

struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Disk {
        Disk { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("rows");
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn open(path: &Path, format: &FileFormat, ty: &Type, cursor: Option<&str>) -> Result<FileReader, Failure> {
    FileReader::open(path, &FileOptions::new(format, ty, &BTreeMap::new()), cursor)
}

/// All rows in the exact form, one per line, then the bad ones; or the failure.
fn read(content: &[u8], format: &FileFormat, ty: &Type) -> String {
    let disk = Disk::new();
    let path = disk.file(content);
    let all = |reader: &mut FileReader| -> Result<String, Failure> {
        let mut text = String::new();
        loop {
            let page = reader.next_rows(2)?;
            assert_eq!(page.read, (page.rows.len() + page.skipped.len()) as u64);
            page.rows.iter().for_each(|row| writeln!(text, "{}", row.to_exact()).unwrap());
            page.skipped.iter().for_each(|bad| writeln!(text, "line {}: {}", bad.line, bad.reason).unwrap());
            if page.exhausted {
                return Ok(text);
            }
        }
    };
    let result = open(&path, format, ty, None).and_then(|mut reader| all(&mut reader));
    result.unwrap_or_else(|failure| failure.message.replace(&path.display().to_string(), "FILE"))
}

const ANN_AND_BOB: &str = "{\"name\":\"Änn\",\"age\":40}\n{\"name\":\"Bob\",\"age\":null}\n";

#[test]
fn rows_of_csv_whatever_the_encoding_and_line_ends() {
    let text = "name,age\nÄnn,40\nBob,\n";
    let utf16 = |text: &str, mark: bool, big: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let single: Vec<u8> = text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    for (what, content, format) in [
        ("plain", text.as_bytes().to_vec(), csv()),
        ("no last line end", text.trim_end().as_bytes().to_vec(), csv()),
        ("CRLF", text.replace('\n', "\r\n").into_bytes(), csv()),
        ("CR", text.replace('\n', "\r").into_bytes(), csv()),
        ("blank lines", text.replace('\n', "\n\r\n\n").into_bytes(), csv()),
        ("BOM", format!("\u{feff}{text}").into_bytes(), csv()),
        ("columns in another order", b"age,extra,name\n40,x,\xc3\x84nn\n,y,Bob\n".to_vec(), csv()),
        ("names written otherwise", "NAME, Age \nÄnn,40\nBob,\n".as_bytes().to_vec(), csv()),
        ("quoted", "\"name\",\"age\"\n\"Änn\",\"40\"\n\"Bob\",\"\"\n".as_bytes().to_vec(), csv()),
        ("UTF-16LE with a mark", utf16(text, true, false), csv()),
        ("UTF-16BE with a mark", utf16(text, true, true), csv()),
        ("UTF-16 declared, BE mark", utf16(text, true, true), encoded("utf-16")),
        ("UTF-16LE without a mark", utf16(text, false, false), encoded("utf-16le")),
        ("windows-1252", single.clone(), encoded("windows-1252")),
        ("latin-1", single, encoded("Latin-1")),
    ] {
        assert_eq!(read(&content, &format, &row()), ANN_AND_BOB, "{what}");
    }
}

#[test]
fn literal_quotes_and_columns_without_names() {
    let tabs = FileFormat::Csv { delimiter: '\t', quote: None, header: false, on_bad_row: BadRow::Fail, encoding: None };
    assert_eq!(
        read(b"\"a\t1\nb\"\"\t2\n", &tabs, &row()),
        "{\"name\":\"\\\"a\",\"age\":1}\n{\"name\":\"b\\\"\\\"\",\"age\":2}\n"
    );
    let quoted = b"name,age\n\"a, \"\"b\"\"\nc\",1\n";
    assert_eq!(read(quoted, &csv(), &row()), "{\"name\":\"a, \\\"b\\\"\\nc\",\"age\":1}\n");
    assert_eq!(read(b"a,b\n1,2\n", &csv(), &Type::Json), "{\"a\":\"1\",\"b\":\"2\"}\n");
    assert_eq!(read(b"name,age\n", &csv(), &row()), "");
}

#[test]
fn bad_rows_are_told_with_their_line() {
    let content = b"name,age\r\nAnn,40\r\n\r\n\"two\nlines\",x\r\nBob\r\nCid,1,2\r\n\xff,3\r\nDan,4\r\n";
    assert_eq!(
        read(content, &skipping(), &row()),
        "{\"name\":\"Ann\",\"age\":40}\n\
         {\"name\":\"Dan\",\"age\":4}\n\
         line 4: `age`: expected an int, found \"x\"\n\
         line 6: the row has 1 cells instead of 2\n\
         line 7: the row has 3 cells instead of 2\n\
         line 8: the row holds bytes that are no UTF-8; declare the file's `encoding`\n"
    );
    let failed = read(content, &csv(), &row());
    assert_eq!(
        failed,
        "`FILE`, line 4: `age`: expected an int, found \"x\"; correct the file, or read it with `on_bad_row: skip`"
    );
}

/// Otherwise it would take every row below it, and nobody would know.
#[test]
fn a_quote_that_is_never_closed_costs_its_own_row() {
    let bad = "the quote that opens here is never closed, so it would take the rest of the file with it; close it, or declare \
               `quote: none` where quotes mean nothing";
    let text = "name,age\nÄnn,40\n\"two\nlines\",\"7\nBob,\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide_skipping = FileFormat::Csv {
        delimiter: ',',
        quote: Some('"'),
        header: true,
        on_bad_row: BadRow::Skip,
        encoding: Some("utf-16le".into()),
    };
    for (content, format) in [(text.as_bytes(), skipping()), (&wide, wide_skipping)] {
        assert_eq!(read(content, &format, &row()), format!("{ANN_AND_BOB}line 4: {bad}\n"));
    }
    let failed = |content: &[u8]| read(content, &csv(), &row());
    assert_eq!(failed(text.as_bytes()), format!("`FILE`, line 4: {bad}; correct the file, or read it with `on_bad_row: skip`"));
    assert!(failed(b"name,age\nAnn,1\nBob,\"2").contains("line 3: the quote that opens here"));
    assert!(failed(b"name,age\n\"").contains("line 2: the quote that opens here"));
    assert_eq!(failed(b"name,\"age\nAnn,1\n"), format!("`FILE`, line 1: {bad}"));
    let mut huge = b"name,age\n\"Ann,1\n".to_vec();
    huge.extend(b"Bob,2\n".repeat(3 << 20));
    assert!(failed(&huge).contains("line 2: the quote that opens here"));
    for closed in [&b"name,age\n\"Ann\",\"1\""[..], b"name,age\nAnn,1\n\n\n", b"name,age\nA\"nn,1", b"name,age\n\"A\"\"\",1\r\n"]
    {
        assert!(failed(closed).starts_with('{'), "{}", failed(closed));
    }
}

/// As the compiler calls them.
#[test]
fn columns_of_one_name_are_numbered() {
    let field = |name: &str| Field { name: name.into(), ty: Type::text(), doc: None };
    let row = Type::Record(vec![field("a"), field("a_2"), field("company_size")]);
    let rows = "{\"a\":\"1\",\"a_2\":\"2\",\"company_size\":\"3\"}\n";
    assert_eq!(read(b"a,a,Company Size\n1,2,3\n", &csv(), &row), rows);
    assert_eq!(read(b"a,a\n1,2\n", &csv(), &Type::Json), "{\"a\":\"1\",\"a_2\":\"2\"}\n");
}

#[test]
fn a_row_that_is_too_long_is_passed_over_in_bounded_memory() {
    let mut content = b"name,age\nAnn,1\n\"".to_vec();
    content.extend(std::iter::repeat_n(b'x', 40 << 20));
    content.extend(b"\",2\nBob,3\n");
    let expected = "{\"name\":\"Ann\",\"age\":1}\n{\"name\":\"Bob\",\"age\":3}\nline 3: the row is longer than 16 MB or has more than 100000 cells; is a quote left open?\n";
    assert_eq!(read(&content, &skipping(), &row()), expected);
}

#[test]
fn files_that_are_not_what_was_declared() {
    for (content, format, message) in [
        (&b"name\nAnn\n"[..], csv(), ""),
        (b"age\n1\n", csv(), "`FILE` has no column for the field `name` (a text); its columns are age"),
        (b"name,Name,age\n", csv(), ""),
        (b"NAME,Name,age\n", csv(), "`FILE` has 2 columns for the field `name`; rename all but one"),
        (b"", csv(), "`FILE` has no column for the field `name` (a text); its columns are "),
        (
            b"x",
            encoded("klingon"),
            "`FILE` is declared in the encoding `klingon`, which is not known; such as `utf-8`, `utf-16`, `windows-1252`, `latin1`",
        ),
        (b"", FileFormat::Json, "`FILE` is empty; an array without rows is `[]`"),
        (b"{}", FileFormat::Json, "`FILE` is no JSON array; rows are the elements of one array, `[ \u{2026} ]`"),
        (b"[{\"name\":\"a\"}", FileFormat::Json, "`FILE`, line 1: the array is cut off; its closing `]` or a row is missing"),
        (b"[{\"name\":\"a\"},]", FileFormat::Json, "`FILE`, line 1: the array is cut off; its closing `]` or a row is missing"),
        (
            b"[{\"name\":\"a\"} {}]",
            FileFormat::Json,
            "`FILE`, line 1: a `,` is missing before the row that begins here; correct the file",
        ),
        (
            b"[\n{\"name\":\n\"a\"}\n{}]",
            FileFormat::Json,
            "`FILE`, line 4: a `,` is missing before the row that begins here; correct the file",
        ),
        (b"[]\n1", FileFormat::Json, "`FILE`, line 2: something follows the array"),
        (b"[\n{\"name\":1}]", FileFormat::Json, "`FILE`, line 2: `name`: expected a text, found the int 1; correct the file"),
        (
            b"{\"name\":\"a\"}\n{",
            FileFormat::Jsonl,
            "`FILE`, line 2: not JSON: EOF while parsing an object at column 1; correct the file",
        ),
        (b"\"\xff\"", FileFormat::Jsonl, "`FILE`, line 1: the row holds bytes that are no UTF-8; correct the file"),
    ] {
        let found = read(content, &format, &row());
        if message.is_empty() {
            assert!(!found.starts_with('`'), "{found}");
        } else {
            assert_eq!(found, message);
        }
    }
    let missing = open(Path::new("/nowhere/rows.csv"), &csv(), &row(), None).unwrap_err();
    assert!(missing.message.starts_with("`/nowhere/rows.csv` cannot be opened: No such file"), "{}", missing.message);
    let folder = open(Path::new("/"), &csv(), &row(), None).unwrap_err();
    assert!(folder.message.contains("is a folder"), "{}", folder.message);
}

#[test]
fn json_in_both_forms() {
    let rows = "{\"name\":\"a,]}\\\"\",\"age\":1}\n{\"name\":\"b\",\"age\":null}\n";
    let array = b" [ {\"age\":1, \"name\":\"a,]}\\\"\"} ,\n{\"name\":\"b\",\"more\":[{},[1]]}\n ] ";
    assert_eq!(read(array, &FileFormat::Json, &row()), rows);
    let lines = b"{\"age\":1, \"name\":\"a,]}\\\"\"}\r\n\r\n{\"name\":\"b\"}";
    assert_eq!(read(lines, &FileFormat::Jsonl, &row()), rows);
    assert_eq!(read(b"[]", &FileFormat::Json, &row()), "");
    assert_eq!(read(b"[1, [2], \"x\"]", &FileFormat::Json, &Type::Json), "1\n[2]\n\"x\"\n");
    let deep = "[".repeat(100_000);
    assert!(read(deep.as_bytes(), &FileFormat::Json, &Type::Json).contains("cut off"));
    assert!(
        read(format!("{deep}{}", "]".repeat(100_000)).as_bytes(), &FileFormat::Json, &Type::Json)
            .contains("nested more than 48 deep")
    );
}

#[test]
fn a_file_that_changes_is_a_failure() {
    let disk = Disk::new();
    let path = disk.file(b"name,age\nAnn,1\nBob,2\n");
    let mut reader = open(&path, &csv(), &row(), None).unwrap();
    let page = reader.next_rows(1).unwrap();
    disk.file(b"name,age\nAnn,1\nBob,2\nCid,3\n");
    let message = "has changed since the run began to read it";
    assert!(reader.next_rows(1).unwrap_err().message.contains(message));
    assert!(open(&path, &csv(), &row(), Some(&page.cursor)).unwrap_err().message.contains(message));
    assert!(open(&path, &csv(), &row(), Some("{}")).unwrap_err().message.contains("cannot be understood"));
}

fn names(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row.get("name").unwrap().to_text()).collect()
}

/// Reads in pages of `size`, opening the file anew before each.
fn read_resuming(path: &Path, format: &FileFormat, size: u64) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let mut reader = open(path, format, &row(), cursor.as_deref()).unwrap();
        let page = reader.next_rows(size).unwrap();
        all.extend(names(&page.rows));
        if page.exhausted {
            return all;
        }
        cursor = Some(page.cursor);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn resuming_anywhere_loses_nothing_and_doubles_nothing(
        wanted in proptest::collection::vec("[a-zä\",\n\r 🙂]{1,6}", 0..12),
        size in 1u64..5,
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        header in any::<bool>(),
    ) {
        let disk = Disk::new();
        let mut text = String::from(if header { "name,age" } else { "" });
        text.push_str(if header { line_end } else { "" });
        wanted.iter().for_each(|name| write!(text, "\"{}\",1{line_end}", name.replace('"', "\"\"")).unwrap());
        let format = |encoding: Option<&str>| FileFormat::Csv {
            delimiter: ',', quote: Some('"'), header, on_bad_row: BadRow::Fail, encoding: encoding.map(str::to_owned),
        };
        prop_assert_eq!(&read_resuming(&disk.file(text.as_bytes()), &format(None), size), &wanted);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        prop_assert_eq!(&read_resuming(&disk.file(&utf16), &format(Some("utf-16le")), size), &wanted);
        let objects: Vec<String> = wanted.iter().map(|name| serde_json::json!({ "name": name }).to_string()).collect();
        let array = format!("[{}]", objects.join(","));
        prop_assert_eq!(&read_resuming(&disk.file(array.as_bytes()), &FileFormat::Json, size), &wanted);
        let lines = objects.join(if line_end == "\r\n" { "\r\n" } else { "\n" });
        prop_assert_eq!(&read_resuming(&disk.file(lines.as_bytes()), &FileFormat::Jsonl, size), &wanted);
    }

    #[test]
    fn any_bytes_end_in_rows_or_a_failure(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [csv(), skipping(), encoded("utf-16"), encoded("shift_jis"), FileFormat::Json, FileFormat::Jsonl] {
            let _ = read(&content, &format, &row());
        }
    }
}

/// Run with `cargo test --release -- --ignored --nocapture` to see the rate.
#[test]
#[ignore = "a measurement"]
fn a_million_rows() {
    let disk = Disk::new();
    let mut text = String::from("name,age\n");
    (0..1_000_000).for_each(|row| writeln!(text, "somebody number {row},{}", row % 100).unwrap());
    let path = disk.file(text.as_bytes());
    let started = std::time::Instant::now();
    let mut reader = open(&path, &csv(), &row(), None).unwrap();
    let mut rows = 0;
    loop {
        let page = reader.next_rows(500).unwrap();
        rows += page.rows.len();
        if page.exhausted {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{rows} rows in {seconds:.2} s: {:.0} rows per second", rows as f64 / seconds);
    assert_eq!(rows, 1_000_000);
}
