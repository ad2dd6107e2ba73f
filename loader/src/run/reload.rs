//! From changed resources to what Envoy serves.
//!
//! A configuration is proved by Envoy in one piece, as `bootstrap` would write it: `--mode validate` looks at all that
//! is in its bootstrap, and not at the files that a bootstrap names.

use std::fs;

use anyhow::anyhow;
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::Node;
use prost::Message;
use serde_json::Value;
use time::OffsetDateTime;

use super::blame;
use super::directory::Directory;
use super::discovery::Split;
use super::envoy::Program;
use super::errors::Errors;
use super::status::{Shown, certificates};
use super::swap::{NotTaken, Running, swap};
use crate::diagnostic::{Diagnostic, render};
use crate::hash::sha256_hex;
use crate::identity::{Remembered, Renewal};
use crate::model::Proxy;
use crate::output::Output;
use crate::source::Sources;

/// What the resources ask for.
#[derive(Debug)]
pub struct Wanted {
    /// The proxy.
    pub proxy: Proxy,
    /// Its configuration.
    pub bootstrap: Bootstrap,
    /// Its certificate for meshes, if it has one.
    pub renewal: Option<Renewal>,
    /// The files that it was made of, for findings about it.
    pub sources: Sources,
    /// What was found in them, and does not keep all of it from being served.
    pub findings: Vec<Diagnostic>,
}

impl Wanted {
    /// Says no to errors that what is served does not have.
    pub(super) fn check_beside(&self, served: &Errors, color: bool) -> Result<(), Refusal> {
        if Errors::of(&self.findings).are_known_to(served) {
            return Ok(());
        }
        let refusal = Refusal::findings(&self.sources, &self.findings, color);
        Err(Refusal {
            why: format!(
                "{}\nmeshgate: until the errors are mended, all stays as it is served; without anything served before, only what they are about would be left out",
                refusal.why
            ),
            ..refusal
        })
    }

    /// Prints what was found, and sees to it that the proxy can prove who it is.
    pub(super) fn begin(&mut self, output: &Output) -> Result<(), Refusal> {
        if !self.findings.is_empty() {
            let said = Refusal::findings(&self.sources, &self.findings, output.color_on_stderr());
            output.report(&said.why, &said.findings);
        }
        let Some(renewal) = &mut self.renewal else {
            return Ok(());
        };
        let renewed = renewal.renew(OffsetDateTime::now_utc(), |note| output.warn(note));
        renewed.map_err(|error| Refusal::failure(&error))
    }
}

/// Why resources are not served.
#[derive(Debug)]
pub struct Refusal {
    /// For people.
    pub why: String,
    /// All findings, as JSON.
    pub findings: Value,
    /// Whether the resources are not to blame, and it may be different the next time.
    pub is_failure: bool,
}

impl Refusal {
    /// Something that is not about a place in the resources.
    pub fn new(error: &anyhow::Error) -> Self {
        Self {
            why: format!("{error:#}"),
            findings: Value::Array(Vec::new()),
            is_failure: false,
        }
    }

    /// Something that could not be done with the resources, whatever they say.
    pub(super) fn failure(error: &anyhow::Error) -> Self {
        Self {
            is_failure: true,
            ..Self::new(error)
        }
    }

    /// Whether somebody who mends the resources mends it.
    pub(super) fn is_about_resources(&self) -> bool {
        self.findings
            .as_array()
            .is_some_and(|findings| !findings.is_empty())
    }

    /// Findings, of which some are errors.
    pub fn findings(sources: &Sources, findings: &[Diagnostic], color: bool) -> Self {
        let json = render::json(sources, findings);
        Self {
            why: render::human(sources, findings, color)
                .trim_end()
                .to_owned(),
            findings: serde_json::from_str(&json).unwrap_or_default(),
            is_failure: false,
        }
    }
}

/// A configuration, whole and taken apart.
#[derive(Debug)]
pub(super) struct Configuration {
    /// In one piece, as `bootstrap` would write it.
    pub(super) whole: Vec<u8>,
    pub(super) node: Node,
    pub(super) renewal: Option<Renewal>,
    /// Those beside which it is served.
    pub(super) errors: Errors,
    pub(super) split: Split,
    /// What people get to see of it.
    pub(super) shown: Shown,
}

impl Configuration {
    /// Of a proxy, which is not known of an earlier run.
    pub(super) fn new(
        proxy: Option<&Proxy>,
        bootstrap: Bootstrap,
        directory: &Directory,
    ) -> anyhow::Result<Self> {
        let whole = bootstrap.encode_to_vec();
        let node = bootstrap.node.clone().unwrap_or_default();
        let certificates = certificates(&bootstrap);
        let split = Split::new(bootstrap, &directory.live())?;
        let versions = split.files.values().map(|file| file.version.as_bytes());
        let hash = sha256_hex(versions.chain([split.bootstrap.as_slice()]), 8);
        Ok(Self {
            whole,
            node,
            renewal: None,
            errors: Errors::default(),
            split,
            shown: Shown::new(hash, proxy, certificates),
        })
    }

    /// Of what is wanted, with its sources.
    pub(super) fn of(wanted: Wanted, directory: &Directory) -> Result<(Self, Sources), Refusal> {
        let new = Self::new(Some(&wanted.proxy), wanted.bootstrap, directory);
        let new = Self {
            renewal: wanted.renewal,
            errors: Errors::of(&wanted.findings),
            ..new.map_err(|error| Refusal::failure(&error))?
        };
        Ok((new, wanted.sources))
    }

    /// What tells it from others: the beginning of a SHA-256.
    pub(super) fn hash(&self) -> &str {
        &self.shown.loaded.hash
    }

    /// What a later process needs to renew its identities.
    pub(super) fn remembered(&self) -> Option<Remembered> {
        self.renewal.as_ref()?.remembered()
    }

    /// Whether Envoy would take it.
    pub(super) fn prove(
        &self,
        directory: &Directory,
        program: &Program,
        sources: &Sources,
        color: bool,
    ) -> Result<(), Refusal> {
        let judgement = self.ask(directory, program);
        judgement
            .map_err(|error| Refusal::failure(&error))?
            .map_err(|words| {
                let refused = blame::of_proof(&words, &self.whole, sources);
                Refusal::findings(sources, &[refused], color)
            })
    }

    /// The same of one that is served already; another Envoy might not.
    pub(super) fn judge(&self, directory: &Directory, program: &Program) -> anyhow::Result<()> {
        let judgement = self.ask(directory, program)?;
        judgement.map_err(|words| anyhow!("{}", blame::gist(&words)))
    }

    fn ask(&self, directory: &Directory, program: &Program) -> anyhow::Result<Result<(), String>> {
        let trial = directory.trial();
        Directory::write(&trial, &self.whole)?;
        let judgement = program.judge(&trial);
        let _ = fs::remove_file(&trial);
        judgement
    }
}

/// Gives `new` to a running Envoy.
pub(super) fn apply(
    envoy: Running<'_>,
    old: &Configuration,
    new: &Configuration,
    sources: &Sources,
    color: bool,
) -> Result<(), Refusal> {
    match swap(envoy, &old.split, &new.split) {
        Ok(()) => Ok(()),
        Err(NotTaken::Refused(refused)) => {
            let finding = blame::of_change(&refused, &new.whole, sources);
            Err(Refusal::findings(sources, &[finding], color))
        }
        Err(NotTaken::Failed(error)) => Err(Refusal::failure(&error)),
    }
}
