//! The rows are those of `loadbalancer_test.go` beside Istio's own code, at 1.32.

use super::*;
use crate::resources::istio::traffic_policy::Failover;

fn labels(text: &str) -> Labels {
    let pairs = text.split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once(':').expect("name:value"));
    let name = |name: &str| match name {
        "network" | "cluster" => format!("topology.istio.io/{name}"),
        other => other.to_owned(),
    };
    pairs
        .map(|(label, value)| (name(label), value.to_owned()))
        .collect()
}

fn endpoint(number: u16, locality: &str, weight: Option<u32>) -> Endpoint {
    Endpoint {
        address: "192.0.2.1".to_owned(),
        port: number,
        priority: 0,
        tls: None,
        weight,
        locality: Locality::read(locality),
    }
}

/// Endpoints in these localities with these labels, from `from` with these labels: their priorities.
fn priorities(
    from: (&str, &str),
    setting: Option<&LocalityLb>,
    ejects: bool,
    all: &[(&str, &str)],
) -> Vec<u32> {
    let sets: Vec<_> = all.iter().map(|(_, text)| labels(text)).collect();
    let own = labels(from.1);
    let from = From {
        locality: Locality::read(from.0).unwrap_or_default(),
        labels: &own,
    };
    let all = (1..).zip(all).zip(&sets);
    let all = all.map(|((number, (locality, _)), labels)| Labelled {
        endpoint: endpoint(number, locality, None),
        labels,
    });
    let spread = spread(&from, setting, ejects, all.collect());
    spread.endpoints.iter().map(|own| own.priority).collect()
}

fn failover(pairs: &[(&str, &str)]) -> LocalityLb {
    let pairs = pairs.iter().map(|&(from, to)| Failover {
        from: from.to_owned(),
        to: to.to_owned(),
    });
    LocalityLb {
        failover: pairs.collect(),
        ..LocalityLb::default()
    }
}

fn by_labels(names: &[&str]) -> LocalityLb {
    LocalityLb {
        failover_priority: names.iter().map(|&name| name.to_owned()).collect(),
        ..LocalityLb::default()
    }
}

const HOME: (&str, &str) = ("region1/zone1/subzone1", "");

#[test]
fn the_nearer_come_first() {
    let to_two = failover(&[("region1", "region2")]);
    let all = [
        "region1/zone1/subzone1",
        "region1/zone1/subzone2",
        "region1/zone2/subzone1",
        "region2",
        "region3",
    ];
    let with_gaps = ["region1/zone1/subzone2", "region2"];
    let with_nowhere = ["", "region1/zone1/subzone2", "region2"];
    type Row<'a> = (
        &'a str,
        Option<&'a LocalityLb>,
        bool,
        &'a [&'a str],
        &'a [u32],
    );
    let off = LocalityLb {
        enabled: Some(false),
        ..to_two.clone()
    };
    let elsewhere = failover(&[("region9", "region2")]);
    let rows: [Row<'_>; 8] = [
        (
            "all priorities",
            Some(&to_two),
            true,
            &all,
            &[0, 1, 2, 3, 4],
        ),
        ("gaps", Some(&to_two), true, &with_gaps, &[0, 1]),
        (
            "some are nowhere",
            Some(&to_two),
            true,
            &with_nowhere,
            &[2, 0, 1],
        ),
        ("switched off", Some(&off), true, &all, &[0, 0, 0, 0, 0]),
        (
            "nothing is ejected",
            Some(&to_two),
            false,
            &all,
            &[0, 0, 0, 0, 0],
        ),
        ("nothing is said", None, true, &all, &[0, 1, 2, 3, 3]),
        ("nothing at all", None, false, &all, &[0, 0, 0, 0, 0]),
        (
            "for other regions",
            Some(&elsewhere),
            true,
            &all,
            &[0, 1, 2, 3, 3],
        ),
    ];
    for (name, setting, ejects, localities, expected) in rows {
        let all: Vec<_> = localities.iter().map(|&own| (own, "")).collect();
        assert_eq!(priorities(HOME, setting, ejects, &all), expected, "{name}");
    }
    let unknown = priorities(("", ""), Some(&to_two), true, &[("region1", ""), ("", "")]);
    assert_eq!(unknown, [1, 0]);
}

#[test]
fn those_with_more_of_the_labels_come_first() {
    let all = [
        ("region1", "network:n1 cluster:c1"),
        ("region1", "key:value network:n2 cluster:c2"),
        ("region2", "key:value network:n1 cluster:c3"),
        ("region2", "key:value network:n2 cluster:c4"),
        ("region3", "key:value network:n1 cluster:c1"),
        ("region3", "key:value network:n2 cluster:c2"),
    ];
    let network = "topology.istio.io/network";
    let cluster = "topology.istio.io/cluster";
    for (name, names, own, expected) in [
        (
            "none",
            &[network, cluster][..],
            "network:test cluster:test",
            [0, 0, 0, 0, 0, 0],
        ),
        (
            "the network",
            &[network, cluster],
            "network:n1 cluster:test",
            [0, 1, 0, 1, 0, 1],
        ),
        (
            "not the first",
            &[network, cluster],
            "network:test cluster:c1",
            [0, 1, 1, 1, 0, 1],
        ),
        (
            "all",
            &["key", network, cluster],
            "key:value network:n2 cluster:c2",
            [3, 0, 2, 1, 2, 0],
        ),
        (
            "a value that is given",
            &["topology.istio.io/network=n1"],
            "network:n2",
            [0, 1, 0, 1, 0, 1],
        ),
        (
            "a value that nobody has",
            &["topology.istio.io/network=n3"],
            "network:n1",
            [0; 6],
        ),
    ] {
        let setting = by_labels(names);
        let found = priorities(("region1", own), Some(&setting), true, &all);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn other_networks_are_behind_and_in_the_order_of_the_labels() {
    let setting = by_labels(&["topology.istio.io/network", "region", "zone"]);
    let all = [
        ("", "network:n1 region:region1 zone:zone1"),
        ("", "network:n2 region:region1 zone:zone1"),
        ("", "network:n1 region:region2 zone:zone2"),
        ("", "network:n2 region:region3 zone:zone3"),
        ("", "network:n2 region:region2 zone:zone2"),
        ("", "network:n1 region:region3 zone:zone3"),
    ];
    let own = "network:n1 region:region2 zone:zone2";
    let found = priorities(("", own), Some(&setting), true, &all);
    assert_eq!(found, [1, 3, 0, 3, 2, 1]);
}

#[test]
fn labels_come_before_regions() {
    let setting = LocalityLb {
        failover: failover(&[("region1", "region2")]).failover,
        ..by_labels(&["topology.istio.io/network", "topology.istio.io/cluster"])
    };
    let all = [
        ("region1/zone1/subzone1", "network:n1 cluster:c1"),
        ("region1/zone1/subzone1", "key:value network:n2 cluster:c2"),
        ("region2/zone1/subzone1", "key:value network:n1 cluster:c3"),
        ("region3/zone1/subzone1", "key:value network:n2 cluster:c4"),
        ("region2/zone1/subzone1", "network:n2 cluster:c2"),
        ("region3/zone1/subzone1", "key:value network:n1 cluster:c6"),
    ];
    let from = ("region1/zone1/subzone1", "network:n2 cluster:c2");
    let found = priorities(from, Some(&setting), true, &all);
    assert_eq!(found, [3, 0, 4, 2, 1, 5]);
}

/// What localities get, and which endpoints are left.
#[test]
fn shares_are_those_of_the_entry_for_the_gateway() {
    let entry = |from: &str, to: &[(&str, u32)]| Distribute {
        from: from.to_owned(),
        to: to
            .iter()
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect(),
    };
    let places = [
        ("region1/zone1/subzone1", None),
        ("region1/zone1/subzone1", Some(3)),
        ("region1/zone1/subzone2", None),
        ("region1/zone1/subzone3", Some(2)),
        ("region1/zone2", None),
        ("region2/zone1", None),
        ("", None),
    ];
    let subzones: &[(&str, u32)] = &[
        ("region1/zone1/subzone1", 80),
        ("region1/zone1/subzone2", 15),
        ("region1/zone1/subzone3", 5),
    ];
    let wide: &[(&str, u32)] = &[("region1/*", 70), ("region2/zone1/*", 30)];
    let overlapping: &[(&str, u32)] = &[("*", 10), ("region1/zone1/subzone1", 90)];
    type Row<'a> = (
        &'a str,
        &'a [(&'a str, u32)],
        &'a [(&'a str, u32)],
        usize,
        &'a [&'a str],
    );
    let rows: [Row<'_>; 6] = [
        ("region1/zone1/subzone1", subzones, subzones, 4, &[]),
        // By the weights of the endpoints: 4, 1, 2 and 1 of 8, each rounded up.
        (
            "region1/zone1/*",
            wide,
            &[
                ("region1/zone1/subzone1", 35),
                ("region1/zone1/subzone2", 9),
                ("region1/zone1/subzone3", 18),
                ("region1/zone2", 9),
                ("region2/zone1", 30),
            ],
            6,
            &[],
        ),
        (
            "*",
            overlapping,
            &[
                ("", 2),
                ("region1/zone1/subzone1", 90),
                ("region1/zone1/subzone2", 2),
                ("region1/zone1/subzone3", 4),
                ("region1/zone2", 2),
                ("region2/zone1", 2),
            ],
            7,
            &[],
        ),
        (
            "region1",
            &[("region2", 50), ("region7", 50)],
            &[("region2/zone1", 50)],
            1,
            &["region7"],
        ),
        ("region1", &[("region7", 100)], &[], 0, &["region7"]),
        // For another gateway.
        ("region2", subzones, &[], 7, &[]),
    ];
    for (from, to, expected, left, deserted) in rows {
        let setting = LocalityLb {
            distribute: vec![entry(from, to)],
            ..LocalityLb::default()
        };
        let none = Labels::new();
        let own = From {
            locality: Locality::read(HOME.0).unwrap_or_default(),
            labels: &none,
        };
        let all = (1..).zip(places).map(|(number, (place, weight))| Labelled {
            endpoint: endpoint(number, place, weight),
            labels: &none,
        });
        let spread = spread(&own, Some(&setting), true, all.collect());
        let shares = expected.iter().map(|(place, share)| {
            let place = Locality::read(place).unwrap_or_default();
            (place, *share)
        });
        assert_eq!(spread.shares, Some(shares.collect()), "{from} {to:?}");
        assert_eq!(spread.endpoints.len(), left, "{from} {to:?}");
        assert_eq!(spread.deserted, deserted, "{from} {to:?}");
        assert!(spread.endpoints.iter().all(|own| own.priority == 0));
    }
}

#[test]
fn localities_share_by_weight_only_where_somebody_says_so() {
    let none = Labels::new();
    let from = From {
        locality: Locality::default(),
        labels: &none,
    };
    for (setting, ejects, expected) in [
        (None, true, None),
        (Some(failover(&[("a", "b")])), true, Some(BTreeMap::new())),
        (Some(failover(&[("a", "b")])), false, None),
        (Some(by_labels(&["key"])), true, Some(BTreeMap::new())),
    ] {
        let found = spread(&from, setting.as_ref(), ejects, Vec::new());
        assert_eq!(found.shares, expected, "{setting:?} {ejects}");
    }
}
