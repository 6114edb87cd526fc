//! What is printed where, and whether in colour.

use crate::exit::Failed;
use std::io::{IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug)]
pub struct Terminal {
    color: Color,
}

/// Semantic styles; each reads without colour as well.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    Strong,
    Good,
    Bad,
    Warn,
    Quiet,
}

impl Terminal {
    pub fn new(color: Color) -> Terminal {
        Terminal { color }
    }

    pub fn color_on_stdout(&self) -> bool {
        self.color_on(std::io::stdout().is_terminal())
    }

    pub fn color_on_stderr(&self) -> bool {
        self.color_on(std::io::stderr().is_terminal())
    }

    fn color_on(&self, is_terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                is_terminal && !refused && !dumb
            }
        }
    }

    /// Columns of the terminal; 100 where there is none.
    pub fn width(&self) -> usize {
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        set.or_else(|| comfy_table::Table::new().width().map(usize::from)).unwrap_or(100)
    }

    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.color_on_stdout(), style, text)
    }

    /// For [`Terminal::note`].
    pub fn paint_note(&self, style: Style, text: &str) -> String {
        paint(self.color_on_stderr(), style, text)
    }

    /// Writes to standard output. A closed pipe (`| head`) ends the program quietly.
    pub fn print(&self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    /// The same with what is no text.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }

    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// For people, beside the output proper.
    pub fn note(&self, text: &str) {
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// [`Terminal::line`], or [`Terminal::note`] for what is no output proper.
    pub fn say(&self, beside: bool, text: &str) {
        if beside { self.note(text) } else { self.line(text) }
    }

    pub fn error(&self, failed: &Failed) {
        let color = self.color_on_stderr();
        self.note(&format!("{}: {}", paint(color, Style::Bad, "error"), failed.message));
        if let Some(help) = &failed.help {
            self.note(&format!("{}: {help}", paint(color, Style::Strong, " help")));
        }
    }
}

pub fn paint(color: bool, style: Style, text: &str) -> String {
    let code = match style {
        Style::Strong => "1",
        Style::Good => "32",
        Style::Bad => "1;31",
        Style::Warn => "33",
        Style::Quiet => "2",
    };
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
