//! Istio's own table of gateways with requests (`pilot/pkg/networking/core/gateway_simulation_test.go` at 1.32), with
//! real requests. It is no part of this project and stands in the shared data; without them the test is skipped.
//!
//! Names in full (`a.default.svc.cluster.local`) are `a.default` there, because its VirtualServices have no domain.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use system_tests::client::Connection;
use system_tests::tls::Tls;
use system_tests::{on_each_envoy, shared};

use crate::gateway::{Gateway, Setup, secret, served};

/// What is not as in the table, and why.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    (
        "duplicate tls gateway",
        "no route matched",
        "Istio makes two filter chains for one SNI, which Envoy refuses (istio/istio#24638); here the first server wins",
    ),
    (
        "ingress shared TLS cert conflict - beta first",
        "skip",
        "made from Ingress, which is not served",
    ),
    (
        "ingress shared TLS cert conflict - alpha first",
        "skip",
        "made from Ingress, which is not served",
    ),
];

on_each_envoy! { requests_go_where_istio_sends_them }

async fn requests_go_where_istio_sends_them(version: &str) -> anyhow::Result<()> {
    let Some(file) = shared::find("conformance/istio/simulation.json") else {
        return Ok(());
    };
    let table: Value = serde_json::from_slice(&fs::read(file)?)?;
    let cases = table["cases"].as_array().context("no cases")?;
    let mut failures = Vec::new();
    for case in cases {
        let name = case["name"].as_str().context("no name")?;
        let exception = EXCEPTIONS.iter().find(|(of, ..)| *of == name);
        if exception.is_some_and(|(_, error, _)| *error == "skip") {
            continue;
        }
        let error = exception.map(|(_, error, _)| *error);
        if let Err(why) = check(version, case, error).await {
            failures.push(format!("{name}: {why:#}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

async fn check(version: &str, case: &Value, error: Option<&str>) -> anyhow::Result<()> {
    let config = case["config"].as_str().context("no config")?;
    let calls = case["calls"].as_array().context("no calls")?;
    let mut setup = Setup::new(&config.replace("1.1.1.1", "{address}"))?;
    setup = setup
        .with(&secret("istio-system", "test", "example.com")?)
        .with(&secret("istio-system", "sds-credential", "foo.bar")?);
    let mut made = BTreeSet::new();
    for call in calls {
        if let Some((host, port)) = cluster(&call["expect"])?
            && made.insert((host.clone(), port))
        {
            setup = if call["call"]["protocol"] == "tcp" {
                setup.tcp_service(&host, port).await?
            } else {
                setup.service(&host, port).await?
            };
        }
    }
    let args = [
        "--gateway-labels",
        "istio=ingressgateway",
        "--namespace",
        "istio-system",
    ];
    let nothing = calls
        .iter()
        .all(|call| call["expect"]["error"] == "no listener matched");
    if nothing {
        let output = setup.bootstrap(&args)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(said.contains("nothing to serve"), "{said}");
        return Ok(());
    }
    let gateway = setup.start(version, &args).await?;
    for call in calls {
        let expect = &call["expect"];
        let expected = error.or(expect["error"].as_str()).unwrap_or("");
        request(&gateway, &call["call"], expect, expected)
            .await
            .with_context(|| format!("{}", call["name"]))?;
    }
    Ok(())
}

async fn request(
    gateway: &Gateway,
    call: &Value,
    expect: &Value,
    error: &str,
) -> anyhow::Result<()> {
    let text = |field: &str| call[field].as_str().unwrap_or_default().to_owned();
    let port = u16::try_from(call["port"].as_u64().context("no port")?)?;
    if error == "no listener matched" {
        ensure!(
            Connection::open(gateway.at(port)).await.is_err(),
            "it is open"
        );
        return Ok(());
    }
    named(gateway, port, expect)?;
    let cluster = cluster(expect)?.map(|(host, port)| format!("{host}:{port}"));
    let path = match text("path").as_str() {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    if text("protocol") == "tcp" {
        let mut connection = Connection::open(gateway.at(port)).await?;
        let echo = connection.exchange(b"ping\n", b"\n").await?;
        ensure!(echo == b"ping\n", "{echo:?}");
        return Ok(());
    }
    let host = text("host");
    let is_passed = gateway.listener(port)?.to_string().contains("tcp_proxy");
    if is_passed {
        let (host, number) = self::cluster(expect)?.context("no cluster")?;
        let _ = gateway
            .get_tls(port, &Tls::sni(&text("host")), &text("host"), &path)
            .await;
        let counter = format!("cluster.outbound|{number}||{host}.upstream_cx_total");
        let count = gateway.envoy.counter(&counter).await?;
        ensure!(count > 0, "{counter} is 0");
        return Ok(());
    }
    let response = if text("tls").is_empty() {
        gateway.get(port, &host, &path).await?
    } else {
        gateway
            .get_tls(port, &Tls::sni(&host), &host, &path)
            .await?
    };
    let expected = match error {
        "" => cluster.context("no cluster")?,
        "no route matched" | "no virtual host matched" => "404".to_owned(),
        "tls required, sending 301" => "301".to_owned(),
        other => bail!("unknown: {other}"),
    };
    ensure!(
        served(&response) == expected,
        "{response:?}, not {expected}"
    );
    Ok(())
}

/// Whether things are called as in Istio. A virtual host that takes nothing is not written here.
fn named(gateway: &Gateway, port: u16, expect: &Value) -> anyhow::Result<()> {
    let listener = gateway.listener(port)?;
    ensure!(listener.is_object(), "no listener of this name");
    let text = listener.to_string();
    for field in ["routeConfig", "virtualHost"] {
        let Some(name) = expect[field].as_str() else {
            continue;
        };
        let quoted = format!("\"name\":\"{name}\"");
        let is_there = name.starts_with("blackhole") || text.contains(&quoted);
        ensure!(is_there, "no {field} {name}: {text}");
    }
    Ok(())
}

/// Host and port of the cluster that is expected.
fn cluster(expect: &Value) -> anyhow::Result<Option<(String, u16)>> {
    let Some(name) = expect["cluster"].as_str() else {
        return Ok(None);
    };
    let parts: Vec<_> = name.split('|').collect();
    let [_, port, _, host] = parts.as_slice() else {
        bail!("{name} is no cluster");
    };
    let is_full = host.ends_with(".svc.cluster.local");
    let end = if is_full { "" } else { ".svc.cluster.local" };
    Ok(Some((format!("{host}{end}"), port.parse()?)))
}
