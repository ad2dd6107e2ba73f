//! The part of Go's templates that hostnames are made with (Kuma `EvaluateTemplate` in
//! `pkg/core/resources/apis/hostnamegenerator/hostname/generator.go` at 2.14.3).

use std::collections::BTreeMap;

use crate::resources::is_subdomain;

/// What a template may ask for.
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    pub(super) mesh: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) local_zone: &'a str,
}

impl Facts<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    fn field(&self, name: &str) -> Option<&str> {
        Some(match name {
            "Name" => self.name,
            "DisplayName" => self.label("kuma.io/display-name").unwrap_or(self.name),
            "Namespace" => self.label("k8s.kuma.io/namespace").unwrap_or_default(),
            "Mesh" => self.mesh,
            "Zone" => {
                let zone = self.label("kuma.io/zone").filter(|zone| !zone.is_empty());
                zone.unwrap_or(self.local_zone)
            }
            _ => return None,
        })
    }

    fn value(&self, action: &str) -> Result<&str, String> {
        const COMPILING: &str = "failed compiling gotemplate";
        const EVALUATION: &str = "pre evaluation of template with parameters failed";
        let is_word = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if let Some(field) = action.strip_prefix('.') {
            if !is_word(field) {
                return Err(format!(
                    "{COMPILING}: `{action}` is not understood, only a field such as `.Name` or `label \"key\"`"
                ));
            }
            let value = self.field(field);
            return value.ok_or_else(|| format!("{EVALUATION}: there is no field `{field}`"));
        }
        let key = action.strip_prefix("label").map(str::trim_start);
        let key = key.and_then(|key| key.strip_prefix('"')?.strip_suffix('"'));
        match key {
            Some(key) if !key.contains(['"', '\\']) => self
                .label(key)
                .ok_or_else(|| format!("{EVALUATION}: label {key} not found")),
            _ => Err(format!(
                "{COMPILING}: `{action}` is not understood, only a field such as `.Name` or `label \"key\"`"
            )),
        }
    }
}

/// The hostname, or why there is none.
pub(super) fn evaluate(template: &str, facts: &Facts<'_>) -> Result<String, String> {
    let mut hostname = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return Err("failed compiling gotemplate: unclosed action".to_owned());
        };
        hostname += before;
        hostname += facts.value(action.trim())?;
        rest = after;
    }
    hostname += rest;
    if hostname.len() <= 253 && is_subdomain(&hostname) {
        Ok(hostname)
    } else {
        Err(format!(
            "generated hostname \"{hostname}\" is not a valid DNS name"
        ))
    }
}

#[cfg(test)]
mod tests;
