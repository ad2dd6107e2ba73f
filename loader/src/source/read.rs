//! Which files are read: those that the user names, and those in the folders that they name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::diagnostic::{Code, Diagnostic};

use super::parse;
use super::{Document, FileId, Sources, Span};

/// Files above this size are refused: 64 MiB of YAML become some GiB of nodes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads files, folders (all `*.yaml`, `*.yml` and `*.json` below them, sorted, hidden ones left out) and `-`, the
/// standard input.
///
/// Findings with the code [`Code::PathNotRead`] say that a path itself could not be read; all others are about what
/// stands in the files. A file that is reached twice is read once.
pub fn read(paths: &[PathBuf]) -> (Sources, Vec<Document>, Vec<Diagnostic>) {
    let mut reader = Reader::default();
    for path in paths {
        reader.path(path);
    }
    reader.finish()
}

/// Reads one text as if it stood in the file `name`.
pub fn read_text(name: &str, text: &str) -> (Sources, Vec<Document>, Vec<Diagnostic>) {
    let mut reader = Reader::default();
    reader.bytes(name, text.as_bytes().to_vec());
    reader.finish()
}

/// The files that [`read`] would look at for one path, as far as they can be found.
pub fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let files = entries(path).flatten().map(DirEntry::into_path);
    files.filter(|file| has_extension(file)).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry))
}

#[derive(Default)]
struct Reader {
    sources: Sources,
    documents: Vec<Document>,
    findings: Vec<Diagnostic>,
    seen: HashSet<PathBuf>,
}

impl Reader {
    fn path(&mut self, path: &Path) {
        if path == Path::new("-") {
            if self.seen.insert(path.to_owned()) {
                match limited(io::stdin().lock()) {
                    Ok(bytes) => self.bytes("<stdin>", bytes),
                    Err(error) => self.not_read(path, &error),
                }
            }
            return;
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => self.folder(path),
            Ok(_) => {
                if self.is_new(path) {
                    match File::open(path).and_then(limited) {
                        Ok(bytes) => self.bytes(&path.display().to_string(), bytes),
                        Err(error) => self.not_read(path, &error),
                    }
                }
            }
            Err(error) => self.not_read(path, &error),
        }
    }

    /// Links are followed and names that begin with a dot are left out: together that reads the files of a mounted
    /// ConfigMap, which are links into the folder `..data`, exactly once.
    fn folder(&mut self, folder: &Path) {
        for entry in entries(folder) {
            match entry {
                Ok(entry) if entry.depth() == 0 || !entry.file_type().is_file() => {}
                Ok(entry) => {
                    let path = entry.path();
                    if has_extension(path) && self.is_new(path) {
                        let name = path.display().to_string();
                        match File::open(path).and_then(limited) {
                            Ok(bytes) => self.bytes(&name, bytes),
                            Err(error) => self.unreadable(&name, &error),
                        }
                    }
                }
                // A link to a folder above it: what is there is read anyway.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) if error.depth() == 0 => {
                    self.not_read(folder, &error.into());
                }
                Err(error) => {
                    let name = error.path().unwrap_or(folder).display().to_string();
                    self.unreadable(&name, &error.into());
                }
            }
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.seen.insert(path)
    }

    fn bytes(&mut self, name: &str, bytes: Vec<u8>) {
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let error = io::Error::other(format!(
                "it is larger than {} MiB, the most that is read of one file",
                MAX_FILE_BYTES >> 20
            ));
            return self.unreadable(name, &error);
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text = text
                    .strip_prefix('\u{feff}')
                    .map(str::to_owned)
                    .unwrap_or(text);
                let file = self.sources.add(name, text);
                parse::documents(
                    &self.sources.file(file).text,
                    file,
                    &mut self.documents,
                    &mut self.findings,
                );
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let file = self.sources.add(name, text);
                self.findings.push(
                    Diagnostic::error(Code::UnreadableFile, "the file is not UTF-8 text")
                        .at(Span::point(file, valid))
                        .help("save it as UTF-8"),
                );
            }
        }
    }

    fn unreadable(&mut self, name: &str, error: &io::Error) {
        let file: FileId = self.sources.add(name, "");
        self.findings.push(
            Diagnostic::error(
                Code::UnreadableFile,
                format!("the file cannot be read: {error}"),
            )
            .at(Span::point(file, 0)),
        );
    }

    fn not_read(&mut self, path: &Path, error: &io::Error) {
        self.findings.push(Diagnostic::error(
            Code::PathNotRead,
            format!("{} cannot be read: {error}", path.display()),
        ));
    }

    fn finish(self) -> (Sources, Vec<Document>, Vec<Diagnostic>) {
        (self.sources, self.documents, self.findings)
    }
}

/// One byte more than is allowed, so that the caller sees that there was more.
fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn has_extension(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|found| {
            EXTENSIONS
                .iter()
                .any(|known| found.eq_ignore_ascii_case(known))
        })
}

#[cfg(test)]
mod tests;
