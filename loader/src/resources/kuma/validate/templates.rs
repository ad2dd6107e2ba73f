//! `HostnameGenerator` and `VirtualOutbound`: names made from Go's templates (Kuma
//! `pkg/core/resources/apis/hostnamegenerator/api/v1alpha1/validate.go` and
//! `pkg/core/resources/apis/mesh/virtual_outbound_validator.go` at 2.14.3).

use std::collections::BTreeSet;

use crate::resources::kuma::hostname_generator::HostnameGenerator;
use crate::resources::kuma::virtual_outbound::{Conf, VirtualOutbound};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{SUBDOMAIN, is_dns_name, is_domain, tags};

impl Validate for HostnameGenerator {
    fn validate(&self, report: &mut Report<'_>) {
        let selectors = [
            &self.selector.mesh_service,
            &self.selector.mesh_external_service,
            &self.selector.mesh_multi_zone_service,
        ];
        if selectors.into_iter().flatten().count() != 1 {
            report.violation(
                &Path::of("selector"),
                "exact one selector (meshService, meshExternalService) must be defined",
            );
        }
        self.template(report, &Path::of("template"));
        let extension = self.extension.as_ref();
        if extension.is_some_and(|extension| extension.kind.is_empty()) {
            report.violation(&Path::of("extension.type"), "must not be empty");
        }
    }
}

impl HostnameGenerator {
    fn template(&self, report: &mut Report<'_>, path: &Path) {
        if self.template.is_empty() {
            return report.violation(path, "must not be empty");
        }
        let value = |name: &str| match name {
            "Name" | "DisplayName" | "Namespace" | "Mesh" | "Zone" => Some(name.to_lowercase()),
            _ => None,
        };
        match render(&self.template, &["label"], value) {
            Err(Failure::Syntax(why)) => {
                let text = format!("couldn't parse template: template: :1: {why}");
                report.violation(path, text);
            }
            Err(Failure::Field(name)) => {
                let text = format!(
                    "couldn't render template with stub values: can't evaluate field {name}"
                );
                report.violation(path, text);
            }
            Ok(Some(name)) if !is_domain(&name) => {
                let text = format!(
                    "template renders to \"{name}\" which is not a valid DNS name: {SUBDOMAIN}"
                );
                report.violation(path, text);
            }
            Ok(_) => {}
        }
    }
}

impl Validate for VirtualOutbound {
    fn validate(&self, report: &mut Report<'_>) {
        tags::any_selectors(report, &Path::of("selectors"), &self.selectors);
        let path = Path::of("conf");
        let Some(conf) = &self.conf else {
            return report.violation(&path, "has to be defined");
        };
        parameters(report, &path.field("parameters"), conf);
        for (field, template, stub) in [("host", &conf.host, "dummy"), ("port", &conf.port, "1")] {
            let path = path.field(field);
            if template.is_empty() {
                report.violation(&path, "has to be defined");
            } else if let Err(why) = evaluate(conf, template, stub, field == "port") {
                let text = format!("template pre evaluation failed with error={why:?}");
                report.violation(&path, text);
            }
        }
    }
}

/// Tries a template with a value for each parameter (`EvalHost` and `EvalPort`).
fn evaluate(conf: &Conf, template: &str, stub: &str, is_port: bool) -> Result<(), String> {
    const FAILED: &str = "evaluation of template with parameters didn't";
    let value = |name: &str| {
        let is_set = conf.parameters.iter().any(|p| p.name == name);
        Some(if is_set { stub } else { "<no value>" }.to_owned())
    };
    let text = match render(template, &[], value) {
        Err(Failure::Syntax(why)) => {
            let why = format!("template: :1: {why}");
            return Err(format!("failed compiling gotemplate error={why:?}"));
        }
        Err(Failure::Field(_)) | Ok(None) => return Ok(()),
        Ok(Some(text)) => text,
    };
    if !is_port {
        return if is_dns_name(&text) {
            Ok(())
        } else {
            Err(format!("{FAILED} return a valid dns name result={text:?}"))
        };
    }
    match text.parse::<i64>() {
        Ok(1..=65535) => Ok(()),
        Ok(port) => Err(format!(
            "evaluation of template returned a port outside of the range [1..65535] result={port}"
        )),
        Err(_) => Err(format!(
            "{FAILED} evaluate to a parsable number result={text:?}"
        )),
    }
}

fn parameters(report: &mut Report<'_>, path: &Path, conf: &Conf) {
    let is_tag = |name: &str| {
        let is_byte = |b: u8| b.is_ascii_alphanumeric() || b".-_:/".contains(&b);
        name.bytes().all(is_byte)
    };
    let mut names = BTreeSet::new();
    for (index, parameter) in conf.parameters.iter().enumerate() {
        let path = path.index(index);
        let name = path.field("name");
        if !names.insert(&parameter.name) {
            report.violation(&name, "name is already used");
        }
        if !parameter.tag_key.is_empty() && !is_tag(&parameter.tag_key) {
            report.violation(&path.field("tagKey"), "must be a valid tag name");
        }
        if parameter.tag_key.is_empty() && !is_tag(&parameter.name) {
            let text = "must be a valid tag name if you are not setting tagKey";
            report.violation(&name, text);
        }
        let is_key =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_key(&parameter.name) {
            let text = "must consist of alphanumeric characters to be used as a gotemplate key";
            report.violation(&name, text);
        }
    }
    let has_service = |key: &str| key == tags::SERVICE;
    if !conf.parameters.iter().any(|p| has_service(&p.tag_key)) {
        let text = "must contain a parameter with kuma.io/service as a tagKey";
        report.violation(path, text);
    }
}

/// Why a template gives no text.
enum Failure {
    /// In Go's words.
    Syntax(String),
    /// A field that is not there.
    Field(String),
}

/// Go's own functions and words, which are not looked into.
const BUILT_IN: [&str; 29] = [
    "and", "block", "break", "call", "continue", "define", "else", "end", "eq", "false", "ge",
    "gt", "html", "if", "index", "js", "le", "len", "lt", "ne", "nil", "not", "or", "print",
    "printf", "println", "range", "true", "with",
];

/// The text of a template, for the actions that name templates use: a field, or one of `functions`, which gives its
/// own name. Nothing where there are others, which only Go can judge.
fn render(
    template: &str,
    functions: &[&str],
    value: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, Failure> {
    let syntax = |why: String| Err(Failure::Syntax(why));
    let mut text = String::new();
    let mut rest = template;
    let mut is_known = true;
    while let Some((before, after)) = rest.split_once("{{") {
        text += before;
        let (action, after, is_closed) = match after.split_once("}}") {
            Some((action, after)) => (action, after, true),
            None => (after, "", false),
        };
        let action = action.trim();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let (is_field, word) = match action.strip_prefix('.') {
            Some(field) => (true, field),
            None => (false, action),
        };
        let end = word.find(|c: char| !is_word(c)).unwrap_or(word.len());
        let (word, more) = word.split_at(end);
        if let Some(c) = more.chars().next()
            && !matches!(c, ' ' | '\t' | '|' | ')' | ',' | '.' | '(')
            && !word.is_empty()
        {
            return syntax(format!("bad character U+{:04X} '{c}'", u32::from(c)));
        }
        if !is_field
            && word.starts_with(char::is_alphabetic)
            && !functions.contains(&word)
            && !BUILT_IN.contains(&word)
        {
            return syntax(format!("function \"{word}\" not defined"));
        }
        if !is_closed {
            return syntax("unclosed action".to_owned());
        }
        if action.is_empty() {
            return syntax("missing value for command".to_owned());
        }
        if is_field && more.is_empty() {
            text += &value(word).ok_or_else(|| Failure::Field(word.to_owned()))?;
        } else if functions.contains(&word) && more.trim().starts_with('"') {
            text += word;
        } else {
            is_known = false;
        }
        rest = after;
    }
    Ok(is_known.then(|| text + rest))
}
