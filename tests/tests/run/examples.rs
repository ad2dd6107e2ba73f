//! Every example of `envoy-configs`, each of its files broken in each way, and mended.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use meshgate::model::kuma;
use meshgate::{resources, source};
use rustix::process::Signal;
use serde_json::Value;
use system_tests::{checkout, until};
use walkdir::WalkDir;

use crate::gateway::{HTTP, Run};

/// What a breakage leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing of the file may be served.
    Refused,
    /// What is left may be served, if it is whole.
    Whole,
}

/// A way to break a file; nothing where there is nothing to break.
type Break = fn(&str) -> Option<String>;

const BREAKAGES: [(&str, Then, Break); 8] = [
    ("bad YAML", Then::Refused, |text| {
        Some(format!("{text}\n}} : ["))
    }),
    ("half of it", Then::Refused, |text| {
        let end = text.rfind(": ")?;
        Some(format!("{}: [", &text[..end]))
    }),
    ("an unknown field", Then::Refused, |text| {
        // Of Kubernetes' own resources only what is served is looked at.
        let of_kubernetes = ["apiVersion: kuma.io", "apiVersion: networking.istio.io"];
        let known = if text.contains("apiVersion: ") {
            &of_kubernetes[..]
        } else {
            &["type: "]
        };
        let known = known.iter();
        let at = known.filter_map(|key| lines_from(text, key)).min()?;
        let (before, after) = text.split_at(at);
        Some(format!("{before}fieldOfNobody: 1\n{after}"))
    }),
    ("no name", Then::Refused, |text| {
        let at = ["name: ", "  name: "]
            .into_iter()
            .filter_map(|key| lines_from(text, key))
            .min()?;
        let (before, after) = text.split_at(at);
        Some(format!(
            "{before}{}",
            after.replacen("name: ", "name: [] # ", 1)
        ))
    }),
    ("not UTF-8", Then::Refused, |_| None),
    ("no Mesh", Then::Whole, |text| {
        let is_mesh = |document: &&str| lines_from(document, "type: Mesh\n").is_some();
        let rest: Vec<_> = text.split("---\n").filter(|d| !is_mesh(d)).collect();
        let rest = rest.join("---\n");
        (rest != text).then_some(rest)
    }),
    ("a broken certificate", Then::Whole, |text| {
        let at = text.find("data: ")? + "data: ".len();
        let (before, after) = text.split_at(at);
        Some(format!("{before}bm8gY2VydGlmaWNhdGU= # {after}"))
    }),
    ("nothing in it", Then::Whole, |_| Some(String::new())),
];

/// Where the first line begins that starts with `key`.
fn lines_from(text: &str, key: &str) -> Option<usize> {
    if text.starts_with(key) {
        return Some(0);
    }
    text.find(&format!("\n{key}")).map(|at| at + 1)
}

fn examples() -> Vec<PathBuf> {
    let all = WalkDir::new(checkout().join("envoy-configs")).sort_by_file_name();
    let folders = all.into_iter().flatten().map(walkdir::DirEntry::into_path);
    folders
        .filter(|path| path.ends_with("resources") && path.is_dir())
        .collect()
}

/// The Dataplane to be; none for a gateway of Istio, which the resources have once.
fn dataplane(folder: &Path) -> Option<String> {
    let (_, documents, _) = source::read(&[folder.to_owned()]);
    let (resources, _) = resources::load(documents, false);
    let all = &resources.dataplanes;
    let gateway = all.iter().find(|d| kuma::is_builtin_gateway(d));
    let calls = || all.iter().find(|d| !d.spec.networking.outbound.is_empty());
    let one = gateway.or_else(calls).or_else(|| all.first());
    one.map(|dataplane| dataplane.meta.name.clone())
}

fn copy(from: &Path, address: Ipv4Addr, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        // All that is opened is opened on the address of this test.
        let text = text.replace("address: 127.0.0.1", &format!("address: {address}"));
        fs::write(to.join(entry.file_name()), text)?;
    }
    Ok(())
}

fn start(example: &Path) -> anyhow::Result<Run> {
    let dataplane = dataplane(example);
    let args = match &dataplane {
        Some(name) => ["--no-watch", "--dataplane", name.as_str()],
        // Istio says in no resource where its gateway listens.
        None => ["--no-watch", "--address", "{address}"],
    };
    Run::start_files(&args, &[], |address, folder| copy(example, address, folder))
}

/// All changes so far, whatever came of them.
fn count(status: &Value) -> u64 {
    let reloads = status["reloads"].as_object().into_iter().flatten();
    reloads.filter_map(|(_, count)| count.as_u64()).sum()
}

/// Reloads, and the status after it.
async fn reload(run: &Run) -> anyhow::Result<Value> {
    let before = count(&run.status().await?);
    run.signal(Signal::HUP)?;
    until("a reload", async || {
        let status = run.status().await.ok()?;
        (count(&status) > before).then_some(status)
    })
    .await
    .with_context(|| run.said())
}

/// What the first listeners answer; connections that are refused, and those of meshes, are answers too.
async fn answers(run: &Run, status: &Value) -> Vec<Option<u16>> {
    let listeners = status["loaded"]["listeners"].as_array();
    let mut answers = Vec::new();
    for listener in listeners.into_iter().flatten().take(4) {
        let host = listener["hostname"].as_str().unwrap_or_default();
        let place = listener["place"].as_str().unwrap_or_default();
        let at = place.rsplit('/').next().and_then(|at| at.parse().ok());
        let at = at.unwrap_or((run.address, HTTP).into());
        answers.push(run.get_at(at, host).await.ok().map(|answer| answer.status));
    }
    answers
}

async fn survives(example: &Path) -> anyhow::Result<usize> {
    let run = start(example)?;
    run.ready().await.with_context(|| run.said())?;
    let good = run.status().await?;
    let expected = answers(&run, &good).await;
    ensure!(!expected.is_empty(), "nothing is served: {good:#}");
    let mut files: Vec<_> = fs::read_dir(run.resources(""))?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let mut broken = 0;
    for file in files.iter().map(fs::DirEntry::path) {
        let text = fs::read_to_string(&file)?;
        for (what, then, make) in BREAKAGES {
            let name = file.display();
            match make(&text) {
                Some(text) => fs::write(&file, text)?,
                None if what == "not UTF-8" => {
                    fs::write(&file, [b"\xff\xfe", text.as_bytes()].concat())?;
                }
                None => continue,
            }
            broken += 1;
            check(&run, &good, &expected, then)
                .await
                .with_context(|| format!("{what}: {name}"))?;
            fs::write(&file, &text)?;
            mended(&run, &good, &expected)
                .await
                .with_context(|| format!("{what}, mended: {name}"))?;
        }
        fs::remove_file(&file)?;
        check(&run, &good, &expected, Then::Whole)
            .await
            .context("gone")?;
        symlink("nowhere", &file)?;
        check(&run, &good, &expected, Then::Refused)
            .await
            .context("a link to nowhere")?;
        fs::remove_file(&file)?;
        fs::write(&file, &text)?;
        mended(&run, &good, &expected).await.context("back")?;
        broken += 2;
    }
    Ok(broken)
}

async fn check(
    run: &Run,
    good: &Value,
    expected: &[Option<u16>],
    then: Then,
) -> anyhow::Result<()> {
    let before = run.status().await?;
    let status = reload(run).await?;
    ensure!(run.endpoint("/readyz").await?.status == 200, "{status:#}");
    let is_refused = !status["refused"].is_null();
    if then == Then::Refused {
        ensure!(is_refused, "it is served: {status:#}");
    }
    if is_refused {
        ensure!(
            status["loaded"]["hash"] == before["loaded"]["hash"],
            "{status:#}"
        );
        if before["loaded"]["hash"] == good["loaded"]["hash"] {
            let now = answers(run, good).await;
            ensure!(now == expected, "{now:?} in place of {expected:?}");
        }
    }
    Ok(())
}

async fn mended(run: &Run, good: &Value, expected: &[Option<u16>]) -> anyhow::Result<()> {
    let status = reload(run).await?;
    ensure!(status["refused"].is_null(), "{status:#}");
    ensure!(
        status["loaded"]["hash"] == good["loaded"]["hash"],
        "{status:#}"
    );
    let now = answers(run, good).await;
    ensure!(now == expected, "{now:?} in place of {expected:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_survives_every_broken_file() -> anyhow::Result<()> {
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let broken = survives(&example)
            .await
            .with_context(|| example.display().to_string())?;
        println!("{}: {broken} breakages", example.display());
    }
    Ok(())
}
