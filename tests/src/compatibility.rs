//! `docs/compatibility.md`: what the end-to-end tests said on each supported Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::envoy::VERSIONS;

/// What became of a test on a version of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

/// Tests, as `module::name`, with what became of each on the Envoys that it ran on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Matrix(BTreeMap<String, BTreeMap<&'static str, Outcome>>);

impl Matrix {
    /// Reads what `cargo test` printed: `Running tests/TARGET…`, and `test MODULE::envoy_1_40_0::NAME ... ok`. Other
    /// lines say nothing. Tests of Istio's gateways have `istio::` before their names.
    pub fn read(printed: &str) -> Self {
        let mut matrix = Self::default();
        let mut prefix = "";
        for line in printed.lines() {
            if let Some(target) = line.trim_start().strip_prefix("Running tests/") {
                prefix = if target.starts_with("istio/") {
                    "istio::"
                } else {
                    ""
                };
            }
            let Some((test, outcome)) = line
                .strip_prefix("test ")
                .and_then(|line| line.split_once(" ... "))
            else {
                continue;
            };
            let outcome = match outcome {
                "ok" => Outcome::Passed,
                "FAILED" => Outcome::Failed,
                _ => continue,
            };
            for version in VERSIONS {
                let module = format!("envoy_{}::", version.replace('.', "_"));
                if test.contains(&module) {
                    let test = format!("{prefix}{}", test.replacen(&module, "", 1));
                    let outcomes = matrix.0.entry(test).or_default();
                    outcomes.insert(version, outcome);
                }
            }
        }
        matrix
    }

    /// The names of the tests.
    pub fn tests(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Whether each test passed on each Envoy.
    pub fn is_complete(&self) -> bool {
        let all = |outcomes: &BTreeMap<_, _>| {
            let mut outcomes = VERSIONS.iter().map(|version| outcomes.get(version));
            outcomes.all(|outcome| outcome == Some(&Outcome::Passed))
        };
        !self.0.is_empty() && self.0.values().all(all)
    }

    /// The document.
    pub fn markdown(&self) -> String {
        let mut out = String::from(HEAD);
        let _ = writeln!(out, "| | {} |", VERSIONS.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(VERSIONS.len()));
        for (test, outcomes) in &self.0 {
            let cells = VERSIONS.map(|version| match outcomes.get(version) {
                Some(Outcome::Passed) => "passed",
                Some(Outcome::Failed) => "**failed**",
                None => "not run",
            });
            let _ = writeln!(out, "| `{test}` | {} |", cells.join(" | "));
        }
        out
    }
}

/// The tests that a document has rows for.
pub fn rows(document: &str) -> BTreeSet<&str> {
    let row = |line: &'_ str| -> Option<usize> { line.strip_prefix("| `")?.find("` |") };
    document
        .lines()
        .filter_map(|line| Some(&line[3..3 + row(line)?]))
        .collect()
}

const HEAD: &str = "# Envoys

meshgate is for stock Envoy 1.36 to 1.40. These tests send requests through each of them, to configurations that \
meshgate made; `tests/tests` has them under these names. Every change is tested in full on the newest and the oldest, \
and on the others with the fixture's own tests.

`make test-matrix` runs all and rewrites this page.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_become_rows_and_rows_names() {
        let matrix = Matrix::read(
            "running 4 tests\n\
             test hosts::envoy_1_40_0::exact ... ok\n\
             test hosts::envoy_1_36_4::exact ... FAILED\n\
             test envoy_1_37_0::plain ... ignored, make test-matrix\n\
             test other ... ok\n",
        );
        let document = matrix.markdown();
        let row = "| `hosts::exact` | passed | not run | not run | not run | **failed** |\n";
        assert!(document.ends_with(row), "{document}");
        assert_eq!(rows(&document), BTreeSet::from(["hosts::exact"]));
        assert_eq!(matrix.tests(), rows(&document));
        assert!(!matrix.is_complete());
    }

    #[test]
    fn tests_of_istio_have_names_of_their_own() {
        let matrix = Matrix::read(
            "     Running tests/end_to_end/main.rs (target/debug/deps/end_to_end-1)\n\
             test tls::envoy_1_40_0::versions ... ok\n\
             \x20    Running tests/istio/main.rs (target/debug/deps/istio-1)\n\
             test tls::envoy_1_40_0::versions ... ok\n",
        );
        let names = BTreeSet::from(["istio::tls::versions", "tls::versions"]);
        assert_eq!(matrix.tests(), names);
    }

    #[test]
    fn a_matrix_without_gaps_is_complete() {
        let line =
            |version: &str| format!("test a::envoy_{}::b ... ok\n", version.replace('.', "_"));
        assert!(Matrix::read(&VERSIONS.map(line).concat()).is_complete());
        assert!(!Matrix::read("").is_complete());
    }
}
