//! Cases as sections of a text.
//!
//! ```text
//! --- the title of a case ---
//! the text of its main file
//! --- file: leads.csv ---
//! the text of another file of the same case
//! --- the next case ---
//! ```

/// A case: a title, and files by name, the main one first.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub title: String,
    /// The line of its title in the data file, from 1.
    pub line: usize,
    pub files: Vec<SectionFile>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SectionFile {
    pub name: String,
    pub text: String,
}

pub const MAIN: &str = "main.pmflow";

/// The sections of a text. What stands above the first title belongs to no case, and is for the reader.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (heading(line), sections.last_mut()) {
            (Some(Heading::Case(title)), _) => sections.push(Section { title, line: index + 1, files: vec![file(MAIN)] }),
            (Some(Heading::File(name)), Some(section)) => section.files.push(file(&name)),
            (None, Some(section)) => {
                if let Some(file) = section.files.last_mut() {
                    file.text.push_str(line);
                    file.text.push('\n');
                }
            }
            (_, None) => {}
        }
    }
    sections
}

/// The files of one example: what stands above the first `--- file: … ---` is the main one.
pub fn files(text: &str) -> Vec<SectionFile> {
    let mut whole = sections(&format!("--- example ---\n{text}"));
    whole.pop().map_or_else(Vec::new, |section| section.files)
}

/// The sections as a text again, headed by what stood above the first one.
pub fn joined(preamble: &str, sections: &[Section]) -> String {
    let mut text = preamble.to_owned();
    for section in sections {
        text.push_str(&format!("--- {} ---\n", section.title));
        for (index, file) in section.files.iter().enumerate() {
            if index > 0 {
                text.push_str(&format!("--- file: {} ---\n", file.name));
            }
            text.push_str(&file.text);
        }
    }
    text
}

/// The lines above the first case.
pub fn preamble(text: &str) -> String {
    text.lines().take_while(|line| heading(line).is_none()).map(|line| format!("{line}\n")).collect()
}

enum Heading {
    Case(String),
    File(String),
}

fn heading(line: &str) -> Option<Heading> {
    let inner = line.strip_prefix("--- ")?.strip_suffix(" ---")?.trim();
    Some(match inner.strip_prefix("file: ") {
        Some(name) => Heading::File(name.trim().to_owned()),
        None => Heading::Case(inner.to_owned()),
    })
}

fn file(name: &str) -> SectionFile {
    SectionFile { name: name.to_owned(), text: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_apart_and_together_again() {
        let text = "for the reader\n\n--- one ---\na\nb\n--- file: x.csv ---\n1,2\n--- two ---\n\n";
        let parts = sections(text);
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].line, parts[0].files.len(), parts[0].files[1].text.as_str()), (3, 2, "1,2\n"));
        assert_eq!(joined(&preamble(text), &parts), text);
        assert_eq!(files("a\n--- file: b.pmflow ---\nc\n")[1], SectionFile { name: "b.pmflow".into(), text: "c\n".into() });
    }
}
