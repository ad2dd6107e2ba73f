//! Where gateways and endpoints are.

use std::fmt;
use std::str::FromStr;

/// A region, a zone of it and a part of the zone. A part that is empty is not known; the ones before it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locality {
    /// `topology.kubernetes.io/region`.
    pub region: String,
    /// `topology.kubernetes.io/zone`.
    pub zone: String,
    /// `topology.istio.io/subzone`.
    pub subzone: String,
}

impl Locality {
    /// Reads `region/zone/subzone`, of which the last ones may be missing and all that follows is left out
    /// (`SplitLocalityLabel` in `pilot/pkg/serviceregistry/util/label` of Istio 1.32); nothing if it is empty.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let locality = Self {
            region: part(),
            zone: part(),
            subzone: part(),
        };
        (locality != Self::default()).then_some(locality)
    }
}

/// A text that is no `region/zone/subzone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a locality is written region, region/zone or region/zone/subzone")]
pub struct NoLocality;

impl FromStr for Locality {
    type Err = NoLocality;

    fn from_str(text: &str) -> Result<Self, NoLocality> {
        let is_whole = text.split('/').count() <= 3 && !text.split('/').any(str::is_empty);
        Self::read(text)
            .filter(|_| is_whole && !text.contains(['*', ' ']))
            .ok_or(NoLocality)
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}/{}/{}", self.region, self.zone, self.subzone);
        f.write_str(text.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_resources_say_is_read_as_far_as_it_goes() {
        for (text, parts) in [
            ("r", Some(["r", "", ""])),
            ("r/z", Some(["r", "z", ""])),
            ("r/z/s", Some(["r", "z", "s"])),
            ("r/z/s/more", Some(["r", "z", "s"])),
            ("/z", Some(["", "z", ""])),
            ("r//", Some(["r", "", ""])),
            ("", None),
            ("//", None),
        ] {
            let parts = parts.map(|parts| parts.map(str::to_owned));
            let expected = parts.map(|[region, zone, subzone]| Locality {
                region,
                zone,
                subzone,
            });
            assert_eq!(Locality::read(text), expected, "{text}");
        }
    }

    #[test]
    fn arguments_have_to_be_whole() {
        for text in ["r", "r/z", "r/z/s"] {
            let read: Locality = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        for text in [
            "",
            "/",
            "r/",
            "/z",
            "r//s",
            "r/z/s/more",
            "*",
            "r/*",
            "r /z",
        ] {
            assert_eq!(text.parse::<Locality>(), Err(NoLocality), "{text}");
        }
    }
}
