//! From paths to documents: which files are read, and where each value in them stands.

pub mod node;
mod parse;
pub mod path;
mod read;

use std::sync::OnceLock;

pub use node::{Key, Node, Value};
pub use path::{Path, Segment};
pub use read::{MAX_FILE_BYTES, files, read, read_text};

/// A YAML document with the file that it stands in.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its value; never empty.
    pub root: Node,
    /// The file.
    pub file: FileId,
}

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) usize);

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The place before the byte `at`.
    pub fn point(file: FileId, at: usize) -> Self {
        Self {
            file,
            start: at,
            end: at,
        }
    }
}

/// All files that were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// A file with its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name as the user gave it; `<stdin>` for `-`.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// Where each line begins; made when the first position is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl SourceFile {
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self
                .text
                .bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0)
                .chain(ends.map(|(end, _)| end + 1))
                .collect()
        })
    }
}

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
            lines: OnceLock::new(),
        });
        FileId(self.files.len() - 1)
    }

    /// The file.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0]
    }

    /// All files, in the order in which they were read.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(id, file)| (FileId(id), file))
    }

    /// The beginning of a line, counted from 1, of the file with this name.
    pub fn line(&self, name: &str, line: usize) -> Option<Span> {
        let (id, file) = self.files().find(|(_, file)| file.name == name)?;
        let start = file.lines().get(line.checked_sub(1)?)?;
        let end = file.text.get(*start..)?.lines().next()?.len() + start;
        Some(Span {
            file: id,
            start: *start,
            end,
        })
    }

    /// The line of the span's start, counted from 1: what [`Sources::line_column`] says, without going through the line.
    pub fn line_of(&self, span: Span) -> usize {
        let file = self.file(span.file);
        let at = file.text.floor_char_boundary(span.start);
        file.lines().partition_point(|start| *start <= at).max(1)
    }

    /// Line and column of the span's start, both counted from 1; the column in characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let file = self.file(span.file);
        let at = file.text.floor_char_boundary(span.start);
        let line = self.line_of(span);
        let start = file.lines()[line - 1];
        (line, file.text[start..at].chars().count() + 1)
    }
}
