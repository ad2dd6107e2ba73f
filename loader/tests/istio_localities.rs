//! Where endpoints and gateways are, from all that says it, and what is said about rules that do nothing for it.

use meshgate::diagnostic::Diagnostic;
use meshgate::model::istio::{self, Workload, workloads};
use meshgate::model::kuma::Input;
use meshgate::model::{Endpoint, Locality, Proxy};
use meshgate::{resources, source};

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.test']}
  - {port: {number: 90, name: tcp, protocol: TCP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: ['*.test'], gateways: [edge], http: [{route: [{destination: {host: web}}]}]}
---
";

/// The gateways that the resources tell of.
fn known(text: &str) -> Vec<Workload> {
    let (_, documents, _) = source::read_text("input.yaml", text);
    workloads(&resources::load(documents, false).0)
}

fn made(text: &str, locality: Option<&str>) -> (Proxy, Vec<Diagnostic>) {
    let (sources, documents, found) = source::read_text("input.yaml", text);
    assert!(found.is_empty(), "{found:#?}");
    let (resources, mut findings) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let mut workload = workloads(&resources).remove(0);
    if let Some(text) = locality {
        workload.locality = Locality::read(text);
    }
    let proxy = istio::gateway(input, &workload, &mut findings).expect(text);
    (proxy, findings)
}

fn endpoints(text: &str, locality: Option<&str>) -> Vec<Endpoint> {
    let (proxy, _) = made(text, locality);
    let mut clusters = proxy.clusters.into_iter();
    clusters.next().expect("a cluster").endpoints
}

#[test]
fn gateways_are_where_their_pods_and_nodes_are() {
    let node = "
apiVersion: v1
kind: Node
metadata: {name: one, labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s}}
---
apiVersion: v1
kind: Node
metadata: {name: old, labels: {failure-domain.beta.kubernetes.io/region: r, failure-domain.beta.kubernetes.io/zone: z}}
---
";
    let pod = |labels: &str, spec: &str| {
        format!(
            "{GATEWAY}{node}apiVersion: v1\nkind: Pod\nmetadata: {{name: edge, labels: {{app: edge, {labels}}}}}\nspec: {{{spec}}}\n"
        )
    };
    let deployment = |labels: &str, spec: &str| {
        format!(
            "{GATEWAY}{node}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: edge}}\nspec: {{template: {{metadata: {{labels: {{app: edge, {labels}}}}}, spec: {{{spec}}}}}}}\n"
        )
    };
    for (text, expected) in [
        (pod("", "nodeName: one"), Some("r/z/s")),
        (pod("", "nodeName: old"), Some("r/z")),
        (pod("", "nodeName: none"), None),
        (pod("", ""), None),
        (pod("istio-locality: a.b.c", "nodeName: one"), Some("a/b/c")),
        (
            pod("istio-locality: a.b, topology.istio.io/locality: c.d", ""),
            Some("c/d"),
        ),
        (
            pod("topology.kubernetes.io/zone: own", "nodeName: one"),
            Some("r/z/s"),
        ),
        (pod("topology.kubernetes.io/zone: own", ""), Some("/own")),
        (deployment("topology.istio.io/locality: a", ""), Some("a")),
        (
            deployment(
                "",
                "nodeSelector: {topology.kubernetes.io/region: r2, disk: fast}",
            ),
            Some("r2"),
        ),
        (deployment("", "nodeSelector: {disk: fast}"), None),
        (
            GATEWAY.replace("app: edge", "istio-locality: a.b"),
            Some("a/b"),
        ),
        (GATEWAY.to_owned(), None),
    ] {
        let [workload] = known(&text).try_into().expect("one workload");
        let found = workload.locality.map(|own| own.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn endpoints_are_where_their_pods_nodes_and_slices_say() {
    let text = format!(
        "{GATEWAY}
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Node
metadata: {{name: one, labels: {{topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z1}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: labelled, labels: {{istio-locality: a.b}}}}
spec: {{nodeName: one}}
---
apiVersion: v1
kind: Pod
metadata: {{name: scheduled}}
spec: {{nodeName: one}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints:
- {{addresses: [192.0.2.1], targetRef: {{kind: Pod, name: labelled}}, zone: z9}}
- {{addresses: [192.0.2.2], targetRef: {{kind: Pod, name: scheduled}}}}
- {{addresses: [192.0.2.3], nodeName: one}}
- {{addresses: [192.0.2.4], zone: z1}}
- {{addresses: [192.0.2.5], zone: z2}}
- {{addresses: [192.0.2.6]}}
"
    );
    let found: Vec<_> = endpoints(&text, None)
        .iter()
        .map(|own| own.locality.as_ref().map(ToString::to_string))
        .collect();
    let expected = [
        Some("a/b"),
        Some("r/z1"),
        Some("r/z1"),
        Some("r/z1"),
        Some("/z2"),
        None,
    ];
    assert_eq!(found, expected.map(|own| own.map(str::to_owned)));
}

#[test]
fn services_prefer_near_endpoints() {
    let text = |annotation: &str, field: &str, policy: &str| {
        let rule = match policy {
            "" => String::new(),
            policy => format!(
                "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec: {{host: web, trafficPolicy: {policy}}}
"
            ),
        };
        format!(
            "{GATEWAY}
apiVersion: v1
kind: Service
metadata: {{name: web, annotations: {{networking.istio.io/traffic-distribution: '{annotation}'}}}}
spec: {{ports: [{{name: http, port: 80}}], trafficDistribution: '{field}'}}
---
apiVersion: v1
kind: Pod
metadata: {{name: edge, labels: {{app: edge, istio-locality: r.z1}}}}
spec: {{nodeName: one}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints:
- {{addresses: [192.0.2.1], nodeName: two, targetRef: {{kind: Pod, name: two}}}}
- {{addresses: [192.0.2.2], nodeName: one, targetRef: {{kind: Pod, name: one}}}}
- {{addresses: [192.0.2.3], targetRef: {{kind: Pod, name: far}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: one, labels: {{istio-locality: r.z1}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: two, labels: {{istio-locality: r.z1}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: far, labels: {{istio-locality: r.z2}}}}
{rule}"
        )
    };
    for (annotation, field, policy, expected) in [
        ("", "", "", [0, 0, 0]),
        ("", "PreferClose", "", [0, 0, 1]),
        ("", "PreferSameZone", "", [0, 0, 1]),
        ("", "PreferSameNode", "", [1, 0, 2]),
        ("prefersamenode", "", "", [1, 0, 2]),
        ("PreferSameNode", "PreferClose", "", [0, 0, 1]),
        ("sometimes", "", "", [0, 0, 0]),
        (
            "",
            "PreferClose",
            "{loadBalancer: {localityLbSetting: {enabled: false}}}",
            [0, 0, 0],
        ),
        (
            "",
            "PreferClose",
            "{loadBalancer: {simple: RANDOM}}",
            [0, 0, 1],
        ),
    ] {
        let found = endpoints(&text(annotation, field, policy), None);
        let found: Vec<_> = found.iter().map(|own| own.priority).collect();
        assert_eq!(found, expected, "{annotation} {field} {policy}");
    }
}

/// A rule for the service `web`, whose endpoints are in `west/one` and `east/one`.
fn with_rule(policy: &str) -> String {
    format!(
        "{GATEWAY}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec: {{host: web.test, trafficPolicy: {policy}, subsets: [{{name: east, labels: {{topology.kubernetes.io/region: east}}}}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
  - {{address: 192.0.2.1, locality: west/one}}
  - {{address: 192.0.2.2, locality: east/one}}
  - {{address: 192.0.2.3, labels: {{istio-locality: west.two}}}}
"
    )
    .replace("host: web}", "host: web.test}")
}

#[test]
fn priorities_and_shares_are_those_of_the_rule() {
    let ejects = "outlierDetection: {interval: 1s}";
    for (policy, from, expected) in [
        ("{connectionPool: {}}", Some("west/one"), [0, 0, 0]),
        (&*format!("{{{ejects}}}"), Some("west/one"), [0, 2, 1]),
        (&*format!("{{{ejects}}}"), Some("east"), [1, 0, 1]),
        (&*format!("{{{ejects}}}"), None, [0, 0, 0]),
        (
            &*format!("{{{ejects}, loadBalancer: {{localityLbSetting: {{enabled: false}}}}}}"),
            Some("west/one"),
            [0, 0, 0],
        ),
        (
            &*format!(
                "{{{ejects}, portLevelSettings: [{{port: {{number: 80}}, tls: {{mode: DISABLE}}}}]}}"
            ),
            Some("west/one"),
            [0, 0, 0],
        ),
        (
            &*format!(
                "{{{ejects}, loadBalancer: {{localityLbSetting: {{failoverPriority: [topology.kubernetes.io/region]}}}}}}"
            ),
            Some("west/one"),
            [0, 1, 0],
        ),
    ] {
        let found = endpoints(&with_rule(policy), from);
        let found: Vec<_> = found.iter().map(|own| own.priority).collect();
        assert_eq!(found, expected, "{policy} {from:?}");
    }
    let policy =
        "{loadBalancer: {localityLbSetting: {distribute: [{from: '*', to: {west/*: 100}}]}}}";
    let (proxy, findings) = made(&with_rule(policy), None);
    assert!(
        findings
            .iter()
            .all(|own| own.code.to_string().as_str() < "MG07"),
        "{findings:#?}"
    );
    let [cluster] = proxy.clusters.as_slice() else {
        panic!("{:#?}", proxy.clusters);
    };
    let left: Vec<_> = cluster
        .endpoints
        .iter()
        .map(|own| own.address.as_str())
        .collect();
    assert_eq!(left, ["192.0.2.1", "192.0.2.3"]);
    let shares = cluster.policy.upstream.shares.as_ref().expect("shares");
    assert_eq!(shares.values().sum::<u32>(), 100);
}

#[test]
fn subsets_are_by_locality_too() {
    let text = with_rule("{connectionPool: {}}")
        .replace("host: web.test}}]}]", "host: web.test, subset: east}}]}]");
    let found = endpoints(&text, None);
    let found: Vec<_> = found.iter().map(|own| own.address.as_str()).collect();
    assert_eq!(found, ["192.0.2.2"]);
}

/// Resources, where the gateway is, findings.
type Row<'a> = (String, Option<&'a str>, &'a [(&'a str, &'a str)]);

#[test]
fn rules_that_do_nothing_are_named() {
    let lb = |setting: &str| {
        with_rule(&format!(
            "{{outlierDetection: {{interval: 1s}}, loadBalancer: {{localityLbSetting: {setting}}}}}"
        ))
    };
    let tunnel = with_rule("{tunnel: {targetHost: inner.test, targetPort: 443}}");
    let tcp = |route: &str| {
        let more = format!(
            "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: tcp}}
spec: {{hosts: ['*'], gateways: [edge], tcp: [{{route: [{route}]}}]}}
"
        );
        tunnel.replace("http: [{route", "tcp: [{match: [{port: 1}], route") + &more
    };
    let east = "{destination: {host: web.test, subset: east}";
    let whole = "{destination: {host: web.test}";
    let rows: [Row<'_>; 12] = [
        (
            lb("{failover: [{from: west, to: east}]}"),
            Some("west"),
            &[],
        ),
        (
            lb("{failover: [{from: west, to: east}]}"),
            None,
            &[("MG0700", "where the gateway is, is not known")],
        ),
        (lb("{failoverPriority: [version]}"), None, &[]),
        (
            lb("{failoverPriority: [topology.kubernetes.io/zone]}"),
            None,
            &[("MG0700", "where the gateway is, is not known")],
        ),
        (
            lb("{enabled: false, failover: [{from: west, to: east}]}"),
            None,
            &[],
        ),
        (
            lb("{distribute: [{from: '*', to: {west: 50, south: 50}}]}"),
            None,
            &[("MG0701", "outbound|80||web.test: no endpoint is in south")],
        ),
        (
            lb("{distribute: [{from: '*', to: {south: 100}}]}"),
            None,
            &[
                ("MG0701", "outbound|80||web.test: no endpoint is in south"),
                ("MG0701", "outbound|80||web.test: no endpoint is left"),
            ],
        ),
        (
            tunnel.clone(),
            None,
            &[(
                "MG0702",
                "requests do not go through the tunnel of its DestinationRule",
            )],
        ),
        (tcp(&format!("{whole}}}")), None, &[]),
        // A subset has a tunnel of its own, or none.
        (tcp(&format!("{east}}}")), None, &[]),
        (
            tcp(&format!("{whole}, weight: 50}}, {east}, weight: 50}}")),
            None,
            &[],
        ),
        (
            tcp(&format!(
                "{whole}, weight: 50}}, {{destination: {{host: other.test, port: {{number: 1}}}}, weight: 50}}"
            )),
            None,
            &[(
                "MG0702",
                "of several destinations the first one's tunnel is for all",
            )],
        ),
    ];
    for (text, from, expected) in rows {
        let (_, findings) = made(&text, from);
        let found: Vec<_> = findings
            .iter()
            .map(|own| (own.code.to_string(), own.message.clone()))
            .filter(|(code, _)| code.as_str() >= "MG0700")
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(code, text)| (code.to_owned(), text.to_owned()))
            .collect();
        assert_eq!(found, expected, "{text}");
        assert!(
            findings.iter().all(|own| own.help.is_some()),
            "{findings:#?}"
        );
    }
}

#[test]
fn tunnels_are_those_of_the_destination() {
    let tunnels = |policy: &str, route: &str| {
        let text = with_rule(policy).replace(
            "http: [{route: [{destination: {host: web.test}}]}]",
            &format!("tcp: [{{route: [{route}]}}]"),
        );
        let text = text.replace("hosts: ['*.test'], gateways", "hosts: ['*'], gateways");
        let (proxy, _) = made(&text, None);
        let ports = proxy.ports.iter();
        let connections = ports
            .flat_map(|port| &port.listeners)
            .flat_map(|own| &own.connections);
        let mut tunnels = connections.map(|own| own.tunnel.as_ref());
        let tunnel = tunnels.next().expect("connections");
        tunnel.map(|own| format!("{} {} {}", own.host, own.port, own.posts))
    };
    let policy = "{tunnel: {protocol: POST, targetHost: inner.test, targetPort: 443}}";
    let whole = "{destination: {host: web.test}, weight: 1}";
    let east = "{destination: {host: web.test, subset: east}, weight: 1}";
    let both = format!("{east}, {whole}");
    for (route, expected) in [
        (whole, Some("inner.test 443 true")),
        (east, None),
        // Of several destinations the service's holds.
        (both.as_str(), Some("inner.test 443 true")),
    ] {
        assert_eq!(tunnels(policy, route).as_deref(), expected, "{route}");
    }
}
