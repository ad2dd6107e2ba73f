//! What there is, for people and for programs. Keys are in neither.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::until;
use crate::cli::CertsFormat;
use crate::identity::{Keeper, Kept, Meshes, Why};
use crate::model::Identity;

/// All meshes with mTLS, and all their Dataplanes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    meshes: Vec<MeshLine>,
    identities: Vec<IdentityLine>,
    /// What has happened to CAs.
    #[serde(skip)]
    pub(super) warnings: Vec<String>,
    #[serde(skip)]
    due: Option<OffsetDateTime>,
}

#[derive(Debug, Serialize)]
struct MeshLine {
    mesh: String,
    backend: String,
    #[serde(rename = "type")]
    kind: String,
    mode: &'static str,
    expires: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct IdentityLine {
    mesh: String,
    dataplane: String,
    /// All URIs of the certificate.
    uris: Vec<String>,
    expires: Option<String>,
    renews: Option<String>,
    renewed: Option<Why>,
    folder: Option<String>,
    error: Option<String>,
}

impl Report {
    /// Makes what is missing and renews what is due, or everything; and says what there is then.
    pub(super) fn make(
        keeper: &Keeper,
        meshes: &Meshes,
        identities: &[Identity],
        renew: bool,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let round = keeper.open(now)?;
        let mut report = Self {
            meshes: Vec::new(),
            identities: Vec::new(),
            warnings: round.warnings().collect(),
            due: None,
        };
        for (mesh, authority) in round.authorities() {
            let Some(mtls) = meshes.get(mesh) else {
                continue;
            };
            let authority = authority.as_ref();
            report.meshes.push(MeshLine {
                mesh: mesh.clone(),
                backend: mtls.backend.clone(),
                kind: mtls.kind.clone(),
                mode: if mtls.permissive {
                    "PERMISSIVE"
                } else {
                    "STRICT"
                },
                expires: authority.ok().map(|authority| date(authority.until)),
                error: authority.err().map(|why| format!("{why:#}")),
            });
        }
        for identity in identities {
            let kept = round.keep(identity, renew);
            if let Ok(kept) = &kept {
                report.due = Some(report.due.map_or(kept.due, |due| due.min(kept.due)));
            }
            report.identities.push(IdentityLine::new(identity, kept));
        }
        Ok(report)
    }

    /// Whether every Dataplane has its identity.
    pub(super) fn is_whole(&self) -> bool {
        self.identities.iter().all(|line| line.error.is_none())
    }

    /// Whether anything has happened since the other one.
    pub(super) fn is_news_after(&self, other: &Self) -> bool {
        let errors = |report: &Self| -> Vec<_> {
            let lines = report.identities.iter();
            lines.map(|line| line.error.clone()).collect()
        };
        self.identities.iter().any(|line| line.renewed.is_some()) || errors(self) != errors(other)
    }

    /// How long nothing has to be done.
    pub(super) fn wait(&self) -> Duration {
        until(
            self.due
                .unwrap_or(OffsetDateTime::now_utc() + Duration::from_hours(1)),
        )
    }

    pub(super) fn text(&self, format: CertsFormat) -> anyhow::Result<String> {
        Ok(match format {
            CertsFormat::Human => self.human(),
            CertsFormat::Json => serde_json::to_string_pretty(self)? + "\n",
        })
    }

    fn human(&self) -> String {
        if self.meshes.is_empty() {
            return "no mesh has mTLS\n".to_owned();
        }
        let mut rows = vec![["MESH", "CA", "TYPE", "MODE", "EXPIRES"].map(ToOwned::to_owned)];
        rows.extend(self.meshes.iter().map(|line| {
            [
                line.mesh.clone(),
                line.backend.clone(),
                line.kind.clone(),
                line.mode.to_owned(),
                end(line.expires.as_ref(), line.error.as_ref()),
            ]
        }));
        let mut text = table(&rows);
        let mut rows = vec![["MESH", "DATAPLANE", "SPIFFE ID", "EXPIRES"].map(ToOwned::to_owned)];
        for line in &self.identities {
            let mut ids = line.uris.iter().filter(|uri| uri.starts_with("spiffe:"));
            let news = match line.renewed {
                Some(Why::Missing) => " (new)",
                Some(_) => " (renewed)",
                None => "",
            };
            rows.push([
                line.mesh.clone(),
                line.dataplane.clone(),
                ids.next().cloned().unwrap_or_default(),
                end(line.expires.as_ref(), line.error.as_ref()) + news,
            ]);
            rows.extend(ids.map(|id| [String::new(), String::new(), id.clone(), String::new()]));
        }
        text.push('\n');
        text += &table(&rows);
        text
    }
}

impl IdentityLine {
    fn new(identity: &Identity, kept: anyhow::Result<Kept>) -> Self {
        let (kept, error) = match kept {
            Ok(kept) => (Some(kept), None),
            Err(why) => (None, Some(format!("{why:#}"))),
        };
        let line = Self {
            mesh: identity.mesh.clone(),
            dataplane: identity.dataplane.clone(),
            uris: Vec::new(),
            expires: None,
            renews: None,
            renewed: None,
            folder: None,
            error,
        };
        match kept {
            None => line,
            Some(kept) => Self {
                uris: kept.names,
                expires: Some(date(kept.until)),
                renews: Some(date(kept.due)),
                renewed: kept.renewed,
                folder: Some(kept.folder.display().to_string()),
                ..line
            },
        }
    }
}

fn end(expires: Option<&String>, error: Option<&String>) -> String {
    let error = error.map(|why| format!("none: {why}"));
    expires.cloned().or(error).unwrap_or_default()
}

fn date(time: OffsetDateTime) -> String {
    // A certificate's time has no fractions of seconds; that of its renewal may have.
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// Columns as wide as their widest cell; the last one is as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
