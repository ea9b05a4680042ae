//! YAML as a tree that knows where each part stands in the file.
//!
//! Aliases are expanded, within limits: a short file can otherwise stand for
//! more than memory holds ("billion laughs").

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::diagnostic::quote;
use crate::report::Report;
use crate::source::{Source, Span};
use crate::{MAX_DEPTH, MAX_NODES, MAX_TEXT};

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar {
        text: String,
        /// Written without quotes, so it may be a number, a boolean or null.
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A field of a mapping. No two fields of a mapping have the same key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// A field of a mapping.
    pub(crate) fn field(&self, key: &str) -> Option<&Node> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// A field of a mapping, to be changed.
    pub(crate) fn field_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Mapping(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Node>()
            + match &self.value {
                Value::Scalar { text, .. } => text.len(),
                Value::Sequence(nodes) => nodes.iter().map(Node::size).sum(),
                Value::Mapping(entries) => {
                    entries.iter().map(|entry| entry.key.len() + entry.node.size()).sum::<usize>()
                }
            }
    }

    /// Whether it is a scalar with this text.
    pub(crate) fn is_text(&self, expected: &str) -> bool {
        matches!(&self.value, Value::Scalar { text, .. } if text == expected)
    }
}

/// An error that ends reading: its place, what is wrong, and what to write instead.
struct Fatal(Span, String, Option<&'static str>);

/// Reads the documents of a file. Empty documents are left out; what follows an error is not read.
pub(crate) fn documents(source: &Source, report: &mut Report<'_>) -> Vec<Node> {
    let mut builder = Builder {
        report,
        documents: vec![],
        unfinished: vec![],
        anchors: HashMap::new(),
        spent: Cost::default(),
    };
    let result = builder.read(source);
    let documents = builder.documents;
    match result {
        Ok(()) => {}
        Err(Fatal(span, message, None)) => report.error(span, message),
        Err(Fatal(span, message, Some(help))) => report.error_with_help(span, message, help),
    }
    documents
}

/// What a node costs: counted, so that it can be limited.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    nodes: usize,
    text: usize,
    /// Levels of sequences and mappings.
    depth: usize,
}

/// A sequence or mapping whose end has not been read yet.
struct Unfinished {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, lines: HashMap<String, u32>, key: Option<(String, Span)> },
}

struct Builder<'b, 's> {
    report: &'b mut Report<'s>,
    documents: Vec<Node>,
    unfinished: Vec<Unfinished>,
    anchors: HashMap<usize, (Node, Cost)>,
    spent: Cost,
}

impl Builder<'_, '_> {
    fn read(&mut self, source: &Source) -> Result<(), Fatal> {
        for event in Parser::new_from_str(source.text()) {
            let (event, span) = event.map_err(|error| {
                let marker = *error.marker();
                Fatal(span_of(marker, marker), format!("not valid YAML: {}", error.info()), None)
            })?;
            self.event(event, span_of(span.start, span.end))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(span, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.complete(Node { span, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(span, anchor, tag.is_some(), Content::Sequence(vec![]))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { entries: vec![], lines: HashMap::new(), key: None };
                self.begin(span, anchor, tag.is_some(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(span, anchor),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, tagged: bool, content: Content) -> Result<(), Fatal> {
        refuse_tag(span, tagged)?;
        self.limit_depth(span, 1)?;
        let span = Span { length: 1, ..span };
        self.unfinished.push(Unfinished { span, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fatal> {
        let Some(Unfinished { span, anchor, content }) = self.unfinished.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(nodes) => Value::Sequence(nodes),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        self.complete(Node { span, value }, anchor)
    }

    fn alias(&mut self, span: Span, anchor: usize) -> Result<(), Fatal> {
        let Some((node, cost)) = self.anchors.get(&anchor) else {
            return Err(Fatal(span, "this alias stands inside of what it refers to".into(), None));
        };
        let (node, cost) = (node.clone(), *cost);
        self.limit_depth(span, cost.depth)?;
        self.spend(span, cost)?;
        self.place(node)
    }

    /// Takes a node that has been read to its end.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Fatal> {
        let text = if let Value::Scalar { text, .. } = &node.value { text.len() } else { 0 };
        self.spend(node.span, Cost { nodes: 1, text, depth: 0 })?;
        if anchor != 0 {
            let cost = measure(&node);
            self.spend(node.span, cost)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        self.place(node)
    }

    /// Puts a node where it belongs: into what is open, or to the documents.
    fn place(&mut self, node: Node) -> Result<(), Fatal> {
        match self.unfinished.last_mut().map(|parent| &mut parent.content) {
            None if is_empty_document(&node) => Ok(()),
            None => {
                self.documents.push(node);
                Ok(())
            }
            Some(Content::Sequence(nodes)) => {
                nodes.push(node);
                Ok(())
            }
            Some(Content::Mapping { entries, lines, key }) => match key.take() {
                None => {
                    *key = Some(mapping_key(node)?);
                    Ok(())
                }
                Some((key, key_span)) => {
                    if let Some(first) = lines.insert(key.clone(), key_span.line) {
                        let message = format!("{} is given twice, first on line {first}", quote(&key));
                        self.report.error_with_help(key_span, message, "keep one of them");
                    } else {
                        entries.push(Entry { key, key_span, node });
                    }
                    Ok(())
                }
            },
        }
    }

    fn limit_depth(&self, span: Span, more: usize) -> Result<(), Fatal> {
        if self.unfinished.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        Err(Fatal(span, format!("nested more than {MAX_DEPTH} levels deep"), None))
    }

    fn spend(&mut self, span: Span, cost: Cost) -> Result<(), Fatal> {
        self.spent.nodes += cost.nodes;
        self.spent.text += cost.text;
        if self.spent.nodes <= MAX_NODES && self.spent.text <= MAX_TEXT {
            return Ok(());
        }
        let message = format!(
            "with its aliases expanded, the file has more than {MAX_NODES} values or {MAX_TEXT} bytes of text"
        );
        Err(Fatal(span, message, Some("split it into several files, or use fewer aliases")))
    }
}

fn span_of(start: saphyr_parser::Marker, end: saphyr_parser::Marker) -> Span {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { usize::MAX };
    Span { line: number(start.line()), column: number(start.col() + 1), length: number(length.max(1)) }
}

fn refuse_tag(span: Span, tagged: bool) -> Result<(), Fatal> {
    if !tagged {
        return Ok(());
    }
    Err(Fatal(span, "YAML tags are not supported".into(), Some("write the value without its `!…` tag")))
}

fn is_empty_document(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true } if text.is_empty())
}

fn mapping_key(node: Node) -> Result<(String, Span), Fatal> {
    match node.value {
        Value::Scalar { text, plain: true } if text == "<<" => {
            Err(Fatal(node.span, "merge keys are not supported".into(), Some("write the fields out")))
        }
        Value::Scalar { text, .. } => Ok((text, node.span)),
        Value::Sequence(_) | Value::Mapping(_) => {
            Err(Fatal(node.span, "a field's name must be a word, not a list or a mapping".into(), None))
        }
    }
}

/// The cost of a node that has already been limited in depth.
fn measure(node: &Node) -> Cost {
    let children = |costs: &mut dyn Iterator<Item = Cost>, text| {
        let start = Cost { nodes: 1, text, depth: 0 };
        let mut sum = costs.fold(start, |sum, cost| Cost {
            nodes: sum.nodes + cost.nodes,
            text: sum.text + cost.text,
            depth: sum.depth.max(cost.depth),
        });
        sum.depth += 1;
        sum
    };
    match &node.value {
        Value::Scalar { text, .. } => Cost { nodes: 1, text: text.len(), depth: 0 },
        Value::Sequence(nodes) => children(&mut nodes.iter().map(measure), 0),
        Value::Mapping(entries) => {
            let keys = entries.iter().map(|entry| entry.key.len()).sum();
            children(&mut entries.iter().map(|entry| measure(&entry.node)), keys)
        }
    }
}
