//! What validators say, and where it goes.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Node, Path, Span, Value};

use super::{Meta, Place, istio};

/// After so many findings about one resource, further ones say nothing new.
const MAX_FINDINGS: usize = 100;

/// A resource that knows what is wrong with it by itself.
pub(crate) trait Validate {
    /// The rules of Kuma's or Istio's own validator, in its words.
    ///
    /// Kubernetes has no other rules for its resources than their types here: its API server has checked them.
    fn validate(&self, report: &mut Report<'_>) {
        let _ = report;
    }

    /// What Kuma or Istio accepts and then cannot serve, or serves in another way than it reads.
    fn pitfalls(&self, report: &mut Report<'_>) {
        let _ = report;
    }
}

/// Gathers what is wrong with one resource.
pub(crate) struct Report<'a> {
    meta: &'a Meta,
    place: &'a Place,
    /// How Kuma begins the paths of this kind.
    prefix: Path,
    /// The code of what its own validator refuses.
    refusal: Code,
    /// Whether only the verdict of its own validator is asked for.
    resource_only: bool,
    /// Whether its own validator drops the warnings about the part that is looked at.
    drops_warnings: bool,
    /// A part, and what its own validator calls it, where that is not its place in the document.
    called: Option<(Path, Path)>,
    faults: Vec<Path>,
    findings: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        meta: &'a Meta,
        place: &'a Place,
        prefix: Path,
        refusal: Code,
        resource_only: bool,
    ) -> Self {
        Self {
            meta,
            place,
            prefix,
            refusal,
            resource_only,
            drops_warnings: false,
            called: None,
            faults: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Path>) {
        (self.findings, self.faults)
    }

    /// What the validator of Kuma or Istio says about `path`.
    pub(crate) fn violation(&mut self, path: &Path, text: impl AsRef<str>) {
        let mut finding = Diagnostic::error(self.refusal, text.as_ref());
        if self.refusal == Code::RefusedByIstio {
            finding.help = istio::help(text.as_ref()).map(str::to_owned);
        }
        self.say(path, finding);
    }

    /// What the validator of Kuma or Istio says about `path`, and what to write instead.
    pub(crate) fn advise(&mut self, path: &Path, text: impl AsRef<str>, help: impl Into<String>) {
        self.say(
            path,
            Diagnostic::error(self.refusal, text.as_ref()).help(help),
        );
    }

    /// A finding about what its own validator lets pass.
    pub(crate) fn beyond(&mut self, path: &Path, finding: Diagnostic) {
        if !self.resource_only {
            self.say(path, finding);
        }
    }

    /// Whether only the verdict of its own validator is asked for.
    pub(crate) fn is_resource_only(&self) -> bool {
        self.resource_only
    }

    /// What is said about a part of which its own validator drops the warnings.
    pub(crate) fn errors_only(&mut self, part: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.drops_warnings, self.resource_only);
        part(self);
        self.drops_warnings = outer;
    }

    /// What is said about the part at `place`, which its own validator calls `name`.
    pub(crate) fn calling(&mut self, place: &Path, name: &Path, part: impl FnOnce(&mut Self)) {
        let outer = self.called.replace((place.clone(), name.clone()));
        part(self);
        self.called = outer;
    }

    /// Whether something but `null` is written at `path`.
    pub(crate) fn is_written(&self, path: &Path) -> bool {
        let node = self.place.root.at(&self.place.spec.join(path));
        node.is_some_and(|node| !matches!(node.value, Value::Null))
    }

    /// Whether `null` is written at `path`.
    pub(crate) fn is_null(&self, path: &Path) -> bool {
        let node = self.place.root.at(&self.place.spec.join(path));
        node.is_some_and(|node| matches!(node.value, Value::Null))
    }

    /// What the resource is called.
    pub(crate) fn meta(&self) -> &'a Meta {
        self.meta
    }

    /// Where `path` stands.
    pub(crate) fn locate(&self, path: &Path) -> Span {
        self.place.root.locate(&self.place.spec.join(path))
    }

    /// The resource's name as its author gave it.
    pub(crate) fn display_name(&self) -> &'a str {
        let label = self.meta.labels.get("kuma.io/display-name");
        label.unwrap_or(&self.meta.name)
    }

    /// What the validator of Kuma or Istio says about the name.
    pub(crate) fn about_name(&mut self, text: &str) {
        let path = Path::of("name");
        let finding = Diagnostic::error(self.refusal, format!("name: {text}"))
            .at(self.place.root.locate(&path));
        self.findings.push(finding.about(self.meta, &path));
    }

    /// A finding about `path`, unless a mistake there has been named already.
    pub(crate) fn say(&mut self, path: &Path, mut finding: Diagnostic) {
        let is_dropped = self.drops_warnings && finding.severity == Severity::Warning;
        if is_dropped || self.findings.len() >= MAX_FINDINGS || self.is_named(path) {
            return;
        }
        let called = self.called.as_ref();
        let said = called.map_or_else(|| path.clone(), |(place, name)| path.moved(place, name));
        let said = self.prefix.join(&said);
        if finding.span.is_none() {
            finding.span = Some(self.locate(path));
        }
        if said != Path::root() {
            finding.message = format!("{said}: {}", finding.message);
        }
        self.findings.push(finding.about(self.meta, &said));
        self.faults.push(path.clone());
    }

    /// Whether a mistake was named while the resource was read, at `path` or above it.
    pub(crate) fn is_named(&self, path: &Path) -> bool {
        self.place
            .faults
            .iter()
            .any(|fault| path.starts_with(fault))
    }

    /// The specification as it was written.
    pub(crate) fn node(&self) -> &'a Node {
        self.place
            .spec
            .segments()
            .first()
            .and_then(|_| self.place.root.get("spec"))
            .unwrap_or(&self.place.root)
    }
}
