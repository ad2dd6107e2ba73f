//! `MeshTLS` (Kuma `pkg/plugins/policies/meshtls/api/v1alpha1/validator.go` at 2.14.3).

use super::super::target_ref::{target_ref, target_ref_at_top};
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_tls::{MeshTls, TlsConf, TlsVersion};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

const MODES: [&str; 2] = ["Strict", "Permissive"];
/// From the oldest; the first one is no version.
const VERSIONS: [&str; 5] = ["TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13"];
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

impl Validate for MeshTls {
    fn validate(&self, report: &mut Report<'_>) {
        let target = self.target_ref.as_ref();
        let top = target.map_or("Mesh", |target| target.kind.as_str());
        if let Some(target) = target {
            let kinds = ["Mesh", "MeshSubset", "Dataplane"];
            let is_inbound = !self.from.is_empty() || !self.rules.is_empty();
            target_ref_at_top(report, &Path::of("targetRef"), target, &kinds, is_inbound);
        }
        if !self.to.is_empty() {
            none_here(report, &Path::of("to"));
        }
        if !self.rules.is_empty() && !self.from.is_empty() {
            report.violation(
                &Path::root(),
                "field 'from' must be empty when 'rules' is defined",
            );
        }
        for (index, entry) in self.from.iter().enumerate() {
            let path = Path::of("from").index(index);
            target_ref(
                report,
                &path.field("targetRef"),
                &entry.target_ref,
                &["Mesh"],
            );
            conf(report, &path.field("default"), &entry.conf, top);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let path = Path::of("rules").index(index);
            if !rule.matches.is_empty() {
                none_here(report, &path.field("matches"));
            }
            conf(report, &path.field("default"), &rule.conf, top);
        }
    }
}

/// A field that other policies have. Kuma drops it.
fn none_here(report: &mut Report<'_>, path: &Path) {
    report.beyond(
        path,
        Diagnostic::error(Code::InvalidValue, "must not be defined"),
    );
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &TlsConf, top: &str) {
    one_of(report, path, "mode", conf.mode.as_deref(), &MODES);
    let ciphers = conf.tls_ciphers.as_deref().unwrap_or_default();
    let unknown = ciphers
        .iter()
        .any(|cipher| !CIPHERS.contains(&cipher.as_str()));
    if !ciphers.is_empty() && top != "Mesh" {
        report.violation(
            &path.field("tlsCiphers"),
            "tlsCiphers can only be defined with top level targetRef kind: Mesh",
        );
    } else if unknown {
        report.violation(&path.field("tlsCiphers"), must_be("tlsCiphers", &CIPHERS));
    }
    let Some(versions) = &conf.tls_version else {
        return;
    };
    let path = path.field("tlsVersion");
    if top != "Mesh" {
        report.violation(
            &path,
            "tlsVersion can only be defined with top level targetRef kind: Mesh",
        );
        return;
    }
    let TlsVersion { min, max } = versions;
    one_of(report, &path, "min", min.as_deref(), &VERSIONS);
    one_of(report, &path, "max", max.as_deref(), &VERSIONS);
    if let (Some(min), Some(max)) = (number(min.as_deref()), number(max.as_deref()))
        && min > max
    {
        report.violation(&path.field("min"), "min version must be lower than max");
    }
}

fn number(version: Option<&str>) -> Option<usize> {
    let place = VERSIONS.iter().position(|name| Some(*name) == version)?;
    (place > 0).then_some(place)
}

fn one_of(report: &mut Report<'_>, path: &Path, field: &str, word: Option<&str>, words: &[&str]) {
    if word.is_some_and(|word| !words.contains(&word)) {
        report.violation(&path.field(field), must_be(field, words));
    }
}

fn must_be(field: &str, words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("\"{field}\" must be one of [{}]", words.join(", "))
}
