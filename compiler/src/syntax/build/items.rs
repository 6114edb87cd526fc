//! Items.

use super::{Builder, CommaState, Pair, Pairs, Rule, meant_by, nearest};
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::scan::ITEM_WORDS;
use crate::{FileId, Span};

impl<'a> Builder<'a> {
    pub(super) fn read_items(&mut self, items: &mut Vec<Item>) {
        let whole = self.range(0, self.masked.len());
        let Some(pairs) = self.parse(Rule::item) else {
            items.push(Item { span: whole, doc: self.doc(whole), kind: ItemKind::Broken });
            return;
        };
        for pair in pairs {
            match pair.as_rule() {
                Rule::EOI => {}
                Rule::tail => items.push(self.tail(&pair)),
                _ => items.push(self.item(pair)),
            }
        }
    }

    fn item(&mut self, pair: Pair<'a>) -> Item {
        let span = self.span(&pair);
        let doc = self.doc(span);
        let kind = match pair.as_rule() {
            Rule::import_item => self.import(pair.into_inner(), span),
            Rule::type_item => ItemKind::Type(self.type_item(pair.into_inner(), span)),
            Rule::enum_item => ItemKind::Enum(self.enum_item(pair.into_inner(), span)),
            Rule::model_item => ItemKind::Model(self.model(pair.into_inner(), span)),
            Rule::prompt_item => ItemKind::Prompt(self.prompt(pair.into_inner(), span)),
            Rule::function_item => ItemKind::Function(self.function(pair.into_inner(), span)),
            Rule::connector_item => ItemKind::Connector(self.connector(pair.into_inner(), span)),
            Rule::budget_item => ItemKind::Budget(self.budget(pair.into_inner(), span)),
            Rule::flow_item => ItemKind::Flow(self.flow(pair.into_inner(), span)),
            Rule::test_item => ItemKind::Test(self.test(pair.into_inner(), span)),
            _ => ItemKind::Broken,
        };
        Item { span, doc, kind }
    }

    /// What follows the item, or stands in its place.
    fn tail(&mut self, pair: &Pair<'a>) -> Item {
        let span = self.span(pair);
        let source = self.source(span);
        let word = super::first_token(source);
        let word_span = Span { end: span.start + word.len() as u32, ..span };
        let rest = source.get(word.len()..).unwrap_or_default();
        let names_something =
            rest.trim_start().starts_with(|character: char| character.is_alphabetic() || matches!(character, '_' | '"'));
        if ITEM_WORDS.contains(&word) {
            self.expected(
                word_span,
                if word == "test" { "the test's title in quotes after `test`" } else { "a name after this word" },
            );
        } else if word.starts_with(|character: char| character.is_ascii_alphabetic())
            && (names_something || span.start as usize == self.base)
        {
            let problem = Problem::new("E0010", word_span, format!("there is no item `{word}`"));
            let problem = problem.help(format!("an item starts with one of: {}", ITEM_WORDS.join(", ")));
            self.report(match nearest(word, ITEM_WORDS).or_else(|| meant_by(word, &FOREIGN_ITEMS)) {
                Some(meant) => problem.fix(format!("write `{meant}`"), word_span, meant),
                None => problem,
            });
        } else {
            self.unexpected_at(span, "the next item");
        }
        Item { span, doc: self.doc(span), kind: ItemKind::Broken }
    }

    fn import(&mut self, mut inner: Pairs<'a>, span: Span) -> ItemKind {
        inner.next();
        let Some(target) = inner.next() else {
            self.expected(span, "`std.NAME` or a file's name in quotes after `import`");
            return ItemKind::Broken;
        };
        let target_span = self.span(&target);
        if target.as_rule() == Rule::path {
            let path = self.path(target);
            if path.names.first().is_none_or(|name| name.text != "std") || path.names.len() < 2 {
                let problem = Problem::new("E0011", target_span, "expected `std.NAME` or a file's name in quotes after `import`");
                self.report(problem.help("the standard library's modules are `std.NAME`, your own files `\"./name.pmflow\"`"));
            }
            return ItemKind::Import(Import::Std { path });
        }
        let path = self.constant(target_span, "the name of a file");
        ItemKind::Import(Import::File { path, path_span: target_span })
    }

    /// A text without holes.
    fn constant(&mut self, span: Span, what: &str) -> ecow::EcoString {
        let text = self.template(span).as_constant();
        if text.is_none() {
            self.report(Problem::new("E0012", span, format!("{what} has no `{{{{ }}}}` holes")));
        }
        text.unwrap_or_default()
    }

    /// The keyword, then perhaps a name.
    fn head(&mut self, inner: &mut std::iter::Peekable<Pairs<'a>>, span: Span) -> Name {
        let keyword = inner.next().map_or(span, |keyword| self.span(&keyword));
        let name = inner.next_if(|piece| piece.as_rule() == Rule::name).map(|name| self.name(&name));
        let what = format!("a name after `{}`", self.source(keyword));
        self.name_or_report(name, keyword, &what)
    }

    fn no_body(&mut self, after: Span, of: &str) {
        self.expected(after, &format!("a `{{` and the body of {of}"));
    }

    fn type_item(&mut self, inner: Pairs<'a>, span: Span) -> TypeItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("type", &name);
        let mut fields = None;
        for piece in inner {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::record_type => fields = Some(self.fields(piece, piece_span, &of)),
                _ => self.unexpected(&piece, "the `{` of the fields"),
            }
        }
        if fields.is_none() {
            self.no_body(name.span, &of);
        }
        TypeItem { name, fields: fields.unwrap_or_default() }
    }

    fn enum_item(&mut self, inner: Pairs<'a>, span: Span) -> EnumItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("enum", &name);
        let mut values = None;
        for piece in inner {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::enum_body => values = Some(self.enum_values(piece, piece_span, &of)),
                _ => self.unexpected(&piece, "the `{` of the values"),
            }
        }
        if values.is_none() {
            self.no_body(name.span, &of);
        }
        EnumItem { name, values: values.unwrap_or_default() }
    }

    fn enum_values(&mut self, pair: Pair<'a>, span: Span, of: &str) -> Vec<EnumValue> {
        let mut values = Vec::new();
        let (mut closed, mut commas) = (false, CommaState::Start);
        for inner in pair.into_inner() {
            let inner_span = self.span(&inner);
            match inner.as_rule() {
                Rule::close_curly => closed = true,
                Rule::comma => self.check_commas(&mut commas, &inner),
                Rule::list_junk => {
                    self.unexpected(&inner, "a `,` or the next value's name");
                    commas = CommaState::Element(inner_span);
                }
                _ => {
                    self.check_commas(&mut commas, &inner);
                    let doc = self.doc(inner_span);
                    values.push(EnumValue { doc, name: Name { text: self.source(inner_span).into(), span: inner_span } });
                }
            }
        }
        if !closed {
            self.unclosed(span, "{", of);
        }
        values
    }

    fn model(&mut self, inner: Pairs<'a>, span: Span) -> ModelItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let mut chain = Vec::new();
        // The `=` or `else` that still waits for its model.
        let mut waiting = None;
        let mut assigned = false;
        for piece in inner {
            let piece_span = self.span(&piece);
            if piece.as_rule() == Rule::model_link {
                chain.push(self.model_link(piece));
                waiting = None;
                continue;
            }
            assigned |= piece.as_rule() == Rule::assign;
            if let Some(after) = waiting.replace(piece_span) {
                chain.push(self.missing_model(after));
            }
        }
        if !assigned {
            self.expected_with_fix(name.span, &format!("a `=` and the id of a model after `{}`", name.text), " =");
        }
        if let Some(after) = waiting {
            chain.push(self.missing_model(after));
        }
        ModelItem { name, chain }
    }

    fn missing_model(&mut self, after: Span) -> ModelLink {
        self.expected(after, "the id of a model in quotes, such as `\"openai/gpt-6.1-terra\"`");
        let span = super::behind(after);
        ModelLink { span, target: ModelTarget::Missing(span), options: Vec::new() }
    }

    fn model_link(&mut self, pair: Pair<'a>) -> ModelLink {
        let span = self.span(&pair);
        let mut target = ModelTarget::Missing(span);
        let mut options = Vec::new();
        for piece in pair.into_inner() {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::text => target = ModelTarget::Id { text: self.constant(piece_span, "the id of a model"), span: piece_span },
                Rule::name => target = ModelTarget::Name(self.name(&piece)),
                _ => options = self.setting_block(piece, "this model's options"),
            }
        }
        ModelLink { span, target, options }
    }

    fn prompt(&mut self, inner: Pairs<'a>, span: Span) -> PromptItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("prompt", &name);
        let (mut parameters, mut result, mut body) = (None, None, None);
        let mut last = name.span;
        for piece in inner {
            last = self.span(&piece);
            match piece.as_rule() {
                Rule::parameters => parameters = Some(self.parameters(piece)),
                Rule::result => result = Some(self.result_type(piece)),
                Rule::prompt_body => body = Some(self.prompt_body(piece, last, &of)),
                _ => self.unexpected(&piece, "`(parameters) -> Type {`"),
            }
        }
        self.check_parameters(&parameters, name.span);
        if body.is_none() {
            self.no_body(last, &of);
        }
        let (settings, examples) = body.unwrap_or_default();
        PromptItem { name, parameters: parameters.unwrap_or_default(), result, settings, examples }
    }

    fn check_parameters(&mut self, parameters: &Option<Vec<Parameter>>, name: Span) {
        if parameters.is_none() && name.start < name.end {
            self.expected_with_fix(name, "parameters in round brackets after the name", "()");
        }
    }

    fn prompt_body(&mut self, pair: Pair<'a>, span: Span, of: &str) -> (Vec<Setting>, Vec<Example>) {
        let (mut settings, mut examples, mut closed) = (Vec::new(), Vec::new(), false);
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::setting => {
                    let (setting, behind) = self.setting(piece);
                    settings.push(setting);
                    behind.into_iter().for_each(|span| self.broken_member(span, &["example"], PROMPT_MEMBER));
                }
                Rule::example => {
                    let span = self.span(&piece);
                    let block = piece.into_inner().nth(1);
                    let settings = block.map(|block| self.setting_block(block, "this example")).unwrap_or_default();
                    examples.push(Example { span, settings });
                }
                Rule::close_curly => closed = true,
                Rule::comma => {}
                _ => self.broken_member(self.span(&piece), &["example"], PROMPT_MEMBER),
            }
        }
        if !closed {
            self.unclosed(span, "{", of);
        }
        (settings, examples)
    }

    fn function(&mut self, inner: Pairs<'a>, span: Span) -> FunctionItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let (mut generics, mut parameters, mut result, mut assign, mut body) = (Vec::new(), None, None, None, None);
        for piece in inner {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::generics => {
                    if self.file != FileId::PRELUDE {
                        self.report(Problem::new(
                            "E0018",
                            piece_span,
                            "a function's type parameters can be written in the prelude only",
                        ));
                    }
                    generics = self.generics(piece);
                }
                Rule::parameters => parameters = Some(self.parameters(piece)),
                Rule::function_result => result = Some(self.result_type(piece)),
                Rule::assign => assign = Some(piece_span),
                _ => body = Some(piece),
            }
        }
        self.check_parameters(&parameters, name.span);
        let body = match (assign, body) {
            (None, None) if self.file == FileId::PRELUDE => super::expressions::missing(span),
            (None, body) => self.expression_or_report(body, span, &format!("a `=` and the value of `fn {}`", name.text)),
            (Some(assign), body) => {
                self.expression_or_report(body, assign, &format!("the value of `fn {}` after the `=`", name.text))
            }
        };
        FunctionItem { name, parameters: parameters.unwrap_or_default(), result, body, generics }
    }

    fn connector(&mut self, inner: Pairs<'a>, span: Span) -> ConnectorItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("connector", &name);
        let mut item = ConnectorItem { name, settings: Vec::new(), types: Vec::new(), operations: Vec::new() };
        let mut body = false;
        for piece in inner {
            match piece.as_rule() {
                Rule::connector_body => {
                    self.connector_body(piece, &of, &mut item);
                    body = true;
                }
                _ => self.unexpected(&piece, "the `{` of the connector"),
            }
        }
        if !body {
            self.no_body(item.name.span, &of);
        }
        item
    }

    fn connector_body(&mut self, pair: Pair<'a>, of: &str, item: &mut ConnectorItem) {
        let span = self.span(&pair);
        let mut closed = false;
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::setting => {
                    let (setting, behind) = self.setting(piece);
                    item.settings.push(setting);
                    behind.into_iter().for_each(|span| self.broken_member(span, &CONNECTOR_WORDS, CONNECTOR_MEMBER));
                }
                Rule::operation => item.operations.push(self.operation(piece)),
                Rule::inner_item => item.types.extend(piece.into_inner().next().map(|inner| self.item(inner))),
                Rule::close_curly => closed = true,
                Rule::comma => {}
                _ => self.broken_member(self.span(&piece), &CONNECTOR_WORDS, CONNECTOR_MEMBER),
            }
        }
        if !closed {
            self.unclosed(span, "{", of);
        }
    }

    fn operation(&mut self, pair: Pair<'a>) -> OperationItem {
        let span = self.span(&pair);
        let doc = self.doc(span);
        let mut inner = pair.into_inner().peekable();
        let source = inner.peek().is_some_and(|keyword| keyword.as_rule() == Rule::kw_source);
        let name = self.head(&mut inner, span);
        let of = format!("`{}`", name.text);
        let (mut generics, mut parameters, mut result, mut settings) = (Vec::new(), None, None, None);
        let mut last = name.span;
        for piece in inner {
            last = self.span(&piece);
            match piece.as_rule() {
                Rule::generics => generics = self.generics(piece),
                Rule::parameters => parameters = Some(self.parameters(piece)),
                Rule::result => result = Some(self.result_type(piece)),
                Rule::setting_block => settings = Some(self.setting_block(piece, &of)),
                _ => self.unexpected(&piece, "`(parameters) -> Type {`"),
            }
        }
        self.check_parameters(&parameters, name.span);
        if settings.is_none() {
            self.no_body(last, &of);
        }
        let (parameters, settings) = (parameters.unwrap_or_default(), settings.unwrap_or_default());
        OperationItem { span, doc, source, name, generics, parameters, result, settings }
    }

    fn budget(&mut self, inner: Pairs<'a>, span: Span) -> BudgetItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("budget", &name);
        let mut settings = None;
        for piece in inner {
            match piece.as_rule() {
                Rule::setting_block => settings = Some(self.setting_block(piece, &of)),
                _ => self.unexpected(&piece, "the `{` of the budget"),
            }
        }
        if settings.is_none() {
            self.no_body(name.span, &of);
        }
        BudgetItem { name, settings: settings.unwrap_or_default() }
    }

    fn flow(&mut self, inner: Pairs<'a>, span: Span) -> FlowItem {
        let mut inner = inner.peekable();
        let name = self.head(&mut inner, span);
        let of = called("flow", &name);
        let (mut parameters, mut body) = (None, None);
        let mut last = name.span;
        for piece in inner {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::parameters => parameters = Some(self.parameters(piece)),
                Rule::result => self.unexpected(&piece, "the `{` of the steps: a flow's results are its `output` steps"),
                Rule::flow_body => body = Some((self.members(piece, piece_span, &of, true), piece_span)),
                _ => self.unexpected(&piece, "`(parameters) {`"),
            }
            last = piece_span;
        }
        self.check_parameters(&parameters, name.span);
        if body.is_none() {
            self.no_body(last, &of);
        }
        let ((steps, settings), body_span) = body.unwrap_or_else(|| (Default::default(), super::behind(last)));
        FlowItem { name, parameters: parameters.unwrap_or_default(), settings, body: Block { span: body_span, steps } }
    }

    fn test(&mut self, inner: Pairs<'a>, span: Span) -> TestItem {
        let mut inner = inner.peekable();
        let keyword = inner.next().map_or(span, |keyword| self.span(&keyword));
        let title_span = inner.next_if(|piece| piece.as_rule() == Rule::text).map(|text| self.span(&text));
        let title = match title_span {
            Some(title_span) => self.constant(title_span, "the title of a test"),
            None => {
                self.expected(keyword, "the test's title in quotes after `test`");
                Default::default()
            }
        };
        let title_span = title_span.unwrap_or(super::behind(keyword));
        let mut steps = None;
        for piece in inner {
            let piece_span = self.span(&piece);
            match piece.as_rule() {
                Rule::test_body => steps = Some(self.test_steps(piece, piece_span)),
                _ => self.unexpected(&piece, "the `{` of the test"),
            }
        }
        if steps.is_none() {
            self.no_body(title_span, "this test");
        }
        TestItem { title, title_span, steps: steps.unwrap_or_default() }
    }
}

/// The words of other languages for items.
const FOREIGN_ITEMS: [(&str, &str); 5] =
    [("class", "type"), ("struct", "type"), ("interface", "type"), ("record", "type"), ("include", "import")];

const PROMPT_MEMBER: &str = "a setting (`name: value`) or an `example { … }`";
const CONNECTOR_WORDS: [&str; 4] = ["source", "action", "type", "enum"];
const CONNECTOR_MEMBER: &str = "a setting (`name: value`), a `source`, an `action` or a `type`";

/// How messages name an item.
fn called(keyword: &str, name: &Name) -> String {
    if name.text.is_empty() { format!("this `{keyword}`") } else { format!("`{keyword} {}`", name.text) }
}
