//! Findings for people, in the way of rustc.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Sources, Span};

use super::clean;
use super::excerpt::Excerpts;

/// Each finding with its place, a line of the file, and what to do. What is secret in the file is not shown.
pub fn human(sources: &Sources, findings: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.decor_style(DecorStyle::Unicode);
    let mut excerpts = Excerpts::new(sources);
    let mut out = String::new();
    for finding in findings {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(clean(&finding.message).into_owned())
            .id(finding.code.to_string());
        let mut group = Group::with_title(title);
        if let Some(span) = finding.span {
            let label = finding
                .label
                .as_deref()
                .map(|label| clean(label).into_owned());
            group = group.element(place(
                sources,
                &mut excerpts,
                span,
                AnnotationKind::Primary,
                label,
            ));
        }
        for (span, label) in &finding.related {
            let label = Some(clean(label).into_owned());
            group = group.element(place(
                sources,
                &mut excerpts,
                *span,
                AnnotationKind::Context,
                label,
            ));
        }
        if let Some(help) = &finding.help {
            group = group.element(Level::HELP.message(clean(help).into_owned()));
        }
        out += &renderer.render(&[group]);
        out += "\n\n";
    }
    out
}

fn place(
    sources: &Sources,
    excerpts: &mut Excerpts<'_>,
    span: Span,
    kind: AnnotationKind,
    label: Option<String>,
) -> Element<'static> {
    let path = clean(&sources.file(span.file).name).into_owned();
    if let Some(excerpt) = excerpts.of(span) {
        Snippet::source(excerpt.text)
            .line_start(excerpt.line)
            .path(path)
            .annotation(kind.span(excerpt.marked).label(label))
            .into()
    } else {
        let (line, column) = sources.line_column(span);
        Origin::path(path).line(line).char_column(column).into()
    }
}
