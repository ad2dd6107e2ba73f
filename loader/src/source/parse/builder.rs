//! The tree of a document, out of the parser's events.

mod aliases;
mod tags;

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle, StructureStyle};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{FileId, Key, Node, Span, Value};

use super::entries;

/// How much a file may grow to: a node counts 1, and each 64 bytes of copied text another 1.
/// Some 100 bytes of memory stand behind each.
const BUDGET: usize = 4_000_000;

/// After so many findings about the YAML of a file, further ones say nothing new.
const MAX_FINDINGS: usize = 1000;

pub(super) struct Builder<'a> {
    file: FileId,
    findings: &'a mut Vec<Diagnostic>,
    /// The collections that are open.
    open: Vec<Collection>,
    anchors: HashMap<usize, Anchored>,
    /// How much may still be built of the whole file.
    budget: usize,
    root: Option<Built>,
    found: usize,
    /// How many findings there were before the document.
    before: usize,
}

struct Collection {
    start: usize,
    style: StructureStyle,
    anchor: usize,
    size: Size,
    items: Items,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        /// What `<<` brings.
        merged: Vec<Node>,
        key: Pending,
    },
}

/// What a mapping waits for.
enum Pending {
    Key,
    Value(Key),
    /// The value of `<<`.
    Merged,
    /// The value of a key that cannot be used.
    Ignored,
}

struct Built {
    node: Node,
    size: Size,
    /// Stood without quotes and is `<<`.
    merges: bool,
}

#[derive(Clone, Copy)]
struct Size {
    cost: usize,
    depth: usize,
}

/// A node that aliases copy.
struct Anchored {
    node: Node,
    size: Size,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: FileId, findings: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            file,
            findings,
            open: Vec::new(),
            anchors: HashMap::new(),
            budget: BUDGET,
            root: None,
            found: 0,
            before: 0,
        }
    }

    pub(super) fn finding(&mut self, finding: Diagnostic) {
        if self.found < MAX_FINDINGS {
            self.found += 1;
            self.findings.push(finding);
        }
    }

    /// Whether the file has more values than are read.
    pub(super) fn is_spent(&self) -> bool {
        self.budget == 0
    }

    pub(super) fn start_document(&mut self) {
        self.open.clear();
        self.anchors.clear();
        self.root = None;
        self.before = self.findings.len();
    }

    /// The document, unless it is empty.
    pub(super) fn end_document(&mut self) -> Option<Node> {
        self.anchors.clear();
        let root = self.root.take().map(|built| built.node);
        let root = root.filter(|node| !matches!(node.value, Value::Null))?;
        if root.get("apiVersion").is_some() {
            self.refuse_duplicates();
        }
        Some(root)
    }

    /// `kubectl` has the API server look at fields strictly since Kubernetes 1.25, which refuses keys given twice.
    fn refuse_duplicates(&mut self) {
        let own = self.findings.iter_mut().skip(self.before);
        for finding in own.filter(|finding| finding.code == Code::DuplicateKey) {
            finding.severity = Severity::Error;
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merges = plain && tag.is_none() && text == "<<";
                let size = Size {
                    cost: 1 + text.len() / 64,
                    depth: 0,
                };
                let value = self.scalar(text.into_owned(), plain, tag.as_deref(), &range);
                self.close(value, &range, anchor, size, merges);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", &range);
                self.start(range.start, style, anchor, Items::Sequence(Vec::new()));
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", &range);
                let items = Items::Mapping {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: Pending::Key,
                };
                self.start(range.start, style, anchor, items);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(id) => self.alias(id, &range),
            Event::UnresolvedAlias(name) => {
                self.error(
                    Code::Alias,
                    format!("no anchor `&{name}` stands before this alias"),
                    &range,
                    None,
                );
                self.close(Value::Null, &range, 0, Size { cost: 1, depth: 0 }, false);
            }
            _ => {}
        }
    }

    fn start(&mut self, start: usize, style: StructureStyle, anchor: usize, items: Items) {
        self.open.push(Collection {
            start,
            style,
            anchor,
            size: Size { cost: 1, depth: 1 },
            items,
        });
    }

    fn end(&mut self, end: usize) {
        let Some(collection) = self.open.pop() else {
            return;
        };
        let (value, last) = match collection.items {
            Items::Sequence(items) => {
                let last = items.last().map(|item| item.span);
                (Value::Sequence(items), last)
            }
            Items::Mapping {
                entries, merged, ..
            } => {
                let last = entries.last().map(|(_, value)| value.span);
                let value = match entries::word(&entries, collection.start) {
                    Some(word) if collection.style == StructureStyle::Flow => word,
                    _ => Value::Mapping(self.settle(entries, merged)),
                };
                (value, last)
            }
        };
        // A block ends where the next thing begins, after blank lines and comments that are not its own.
        let end = match (collection.style, last) {
            (StructureStyle::Block, Some(last)) => last.end.max(collection.start),
            _ => end,
        };
        let range = collection.start..end;
        self.close(value, &range, collection.anchor, collection.size, false);
    }

    fn settle(&mut self, entries: Vec<(Key, Node)>, merged: Vec<Node>) -> Vec<(Key, Node)> {
        let mut findings = Vec::new();
        let entries = entries::settle(entries, merged, &mut findings);
        for finding in findings {
            self.finding(finding);
        }
        entries
    }

    /// Puts a finished node where it belongs.
    fn close(
        &mut self,
        value: Value,
        range: &Range<usize>,
        anchor: usize,
        size: Size,
        merges: bool,
    ) {
        let node = Node {
            span: self.span(range),
            value,
        };
        if anchor != 0 && self.spend(size.cost, range) {
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, size });
        }
        self.place(Built { node, size, merges });
    }

    fn place(&mut self, mut built: Built) {
        let range = built.node.span.start..built.node.span.end;
        if !self.spend(1, &range) {
            built.node.value = Value::Null;
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(built);
            return;
        };
        parent.size.cost += built.size.cost;
        parent.size.depth = parent.size.depth.max(built.size.depth + 1);
        match &mut parent.items {
            Items::Sequence(items) => items.push(built.node),
            Items::Mapping {
                entries,
                merged,
                key,
            } => match std::mem::replace(key, Pending::Key) {
                Pending::Key => {
                    let span = built.node.span;
                    *key = match built.node.value {
                        Value::Scalar { .. } if built.merges => Pending::Merged,
                        Value::Scalar { text, .. } => Pending::Value(Key { name: text, span }),
                        _ => Pending::Ignored,
                    };
                    if matches!(key, Pending::Ignored) {
                        self.finding(entries::unusable_key(span));
                    }
                }
                Pending::Value(key) => entries.push((key, built.node)),
                Pending::Merged => merged.push(built.node),
                Pending::Ignored => {}
            },
        }
    }

    fn error(&mut self, code: Code, message: String, range: &Range<usize>, help: Option<&str>) {
        let mut finding = Diagnostic::error(code, message).at(self.span(range));
        finding.help = help.map(str::to_owned);
        self.finding(finding);
    }

    fn span(&self, range: &Range<usize>) -> Span {
        Span {
            file: self.file,
            start: range.start,
            end: range.end,
        }
    }
}
