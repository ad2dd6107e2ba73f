//! Istio's own tables of route tables and listeners (`pilot/pkg/networking/core/gateway_test.go` at 1.32).
//!
//! The rows are in the folder `../shared` next to the checkout (`MESHGATE_SHARED` names another); without it the tests
//! are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use meshgate::model::Proxy;
use meshgate::model::istio::{self, Workload};
use meshgate::model::kuma::Input;
use meshgate::{resources, source};
use serde_json::{Value, json};

/// Rows that differ, each with the reason.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "privileged port on unprivileged pod",
    "whether a port can be opened is up to the machine: Envoy says so",
)];

fn rows(table: &str) -> Vec<Value> {
    let shared = std::env::var_os("MESHGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/istio/host-tables.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return Vec::new();
    };
    let mut file: Value = serde_json::from_str(&text).expect("tables are JSON");
    let cases = file["tables"][table]["cases"].take();
    let rows: Vec<Value> = serde_json::from_value(cases).expect(table);
    let is_exception = |row: &Value| EXCEPTIONS.iter().any(|(name, _)| row["name"] == *name);
    let count = rows.len();
    let rows: Vec<_> = rows.into_iter().filter(|row| !is_exception(row)).collect();
    println!("{} of {count} rows of {table}", rows.len());
    rows
}

/// The gateway of a row.
fn gateway(row: &Value) -> Option<Proxy> {
    let labels = json!({"istio": "ingressgateway"});
    let all = ["gateways", "virtualServices"].into_iter();
    let all = all.flat_map(|field| row[field].as_array().into_iter().flatten());
    let mut items: Vec<_> = all
        .map(|of| {
            let mut of = of.clone();
            // Istio's validation asks for hosts, and its table goes round that.
            for server in of["spec"]["servers"].as_array_mut().into_iter().flatten() {
                let hosts = server.as_object_mut().expect("a server").entry("hosts");
                hosts.or_insert(json!(["*"]));
            }
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": of["kind"],
                "metadata": {"name": of["name"], "namespace": of["namespace"]},
                "spec": of["spec"],
            })
        })
        .collect();
    let targets = row["node"]["ServiceTargets"].as_array();
    items.extend(targets.into_iter().flatten().map(|target| {
        let port = &target["Port"];
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": target["Service"]["Hostname"]},
            "spec": {"selector": labels, "ports": [
                {"name": "p", "port": port["ServicePort"]["Port"], "targetPort": port["TargetPort"]},
            ]},
        })
    }));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let (sources, documents, _) = source::read_text("row.yaml", &list);
    let (resources, _) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let workload = Workload {
        name: "row".to_owned(),
        namespace: "default".to_owned(),
        labels: serde_json::from_value(labels).expect("labels"),
        ..Workload::default()
    };
    istio::gateway(input, &workload, &mut Vec::new())
}

#[test]
fn route_tables_have_the_hosts_of_istio() {
    let mut failures = Vec::new();
    for row in rows("TestGatewayHTTPRouteConfig") {
        let proxy = gateway(&row);
        let ports = proxy.iter().flat_map(|proxy| &proxy.ports);
        let mut listeners = ports.flat_map(|port| &port.listeners);
        let table = listeners.find(|listener| row["routeName"] == listener.name);
        let hosts: Vec<_> = table
            .iter()
            .flat_map(|table| &table.virtual_hosts)
            .collect();
        let found: BTreeMap<_, _> = hosts
            .iter()
            .map(|host| {
                (
                    host.name.clone(),
                    (vec![host.domain.to_string()], host.routes.len()),
                )
            })
            .collect();
        let domains = row["expectedVirtualHosts"].as_object().expect("hosts");
        // What answers 404 to everything needs no virtual host.
        let domains = domains
            .iter()
            .filter(|(name, _)| !name.starts_with("blackhole"));
        let expected: BTreeMap<_, _> = domains
            .map(|(name, list)| {
                let list: Vec<String> = serde_json::from_value(list.clone()).expect("domains");
                let routes = row["expectedHTTPRoutes"][name].as_u64().unwrap_or_default();
                (
                    name.clone(),
                    (list, usize::try_from(routes).expect("a number")),
                )
            })
            .collect();
        let redirects = hosts.iter().any(|host| host.requires_tls);
        // On TLS itself nobody is sent to TLS.
        let is_plain = row["routeName"]
            .as_str()
            .is_some_and(|name| name.starts_with("http."));
        let expects = is_plain && row["redirect"] == true;
        if found != expected || redirects != expects {
            failures.push(format!(
                "{}\n{found:?} {redirects}\nis not\n{expected:?} {expects}",
                row["name"]
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn ports_are_opened_as_in_istio() {
    let mut failures = Vec::new();
    for row in rows("TestBuildGatewayListeners") {
        let proxy = gateway(&row);
        let ports = proxy.iter().flat_map(|proxy| &proxy.ports);
        let found: BTreeSet<_> = ports.map(|port| port.name.clone()).collect();
        let expected: BTreeSet<String> =
            serde_json::from_value(row["expectedListeners"].clone()).expect("names");
        if found != expected {
            failures.push(format!("{}\n{found:?}\nis not\n{expected:?}", row["name"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Rows of another domain than that of a cluster, or of no namespace, cannot be written.
#[test]
fn names_without_dots_are_of_the_namespace() {
    for row in rows("TestResolveShortnameToFQDN") {
        let name = row["name"].as_str().expect("a name");
        let is_short = !name.contains(['.', ':', '*']);
        let is_own = row["meta"] == json!({"domain": "cluster.local", "namespace": "default"});
        if name == "*" || is_short && !is_own {
            continue;
        }
        let route = json!([{"destination": {"host": name, "port": {"number": 80}}}]);
        let server =
            json!({"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]});
        let case = json!({
            "gateways": [{"kind": "Gateway", "name": "gw", "namespace": "default", "spec": {"servers": [server]}}],
            "virtualServices": [{"kind": "VirtualService", "name": "a", "namespace": "default", "spec": {
                "hosts": ["a.test"], "gateways": ["gw"], "http": [{"route": route}]}}],
        });
        let made = format!("{:?}", gateway(&case).expect("a gateway").ports);
        let cluster = format!("outbound|80||{}\"", row["out"].as_str().expect("a name"));
        assert!(made.contains(&cluster), "{cluster}: {made}");
    }
}

#[test]
fn whole_names_are_as_istio_takes_them() {
    for row in rows("TestValidateFQDN") {
        let entry = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "a"},
            "spec": {"hosts": ["a.test"], "resolution": "DNS", "endpoints": [{"address": row["fqdn"]}]},
        });
        let (_, documents, _) = source::read_text("row.yaml", &entry.to_string());
        let (_, findings) = resources::load(documents, true);
        assert_eq!(
            findings.is_empty(),
            row["valid"] == true,
            "{row} {findings:#?}"
        );
    }
}
