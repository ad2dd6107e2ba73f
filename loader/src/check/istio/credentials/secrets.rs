//! Secrets as the servers of gateways ask for them: one by many, in the namespaces of many workloads.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::check::istio::workloads::workloads;
use crate::diagnostic::Code;
use crate::model::Certificate;
use crate::model::istio::credentials::{CredentialError, Named, certificate, server_pair};
use crate::model::istio::label_index::{LabelIndex, Labels};
use crate::resources::Resource;
use crate::resources::istio::gateway::Gateway;
use crate::resources::kubernetes::Kubernetes;
use crate::resources::kubernetes::secret::Secret;

/// Secrets, each judged once.
pub(super) struct Secrets<'r> {
    pub(super) of: &'r Kubernetes,
    pub(super) by_name: HashMap<&'r str, Vec<&'r Resource<Secret>>>,
    namespaces: HashSet<&'r str>,
    workloads: Vec<&'r str>,
    by_label: LabelIndex<'r>,
    places: HashMap<&'r Labels, Rc<[&'r str]>>,
    judged: HashMap<String, Result<Validity, Unfit>>,
}

/// Why no client can be served.
pub(super) enum Unfit {
    Missing(CredentialError),
    Useless(Code, String),
}

/// The time of a certificate in seconds since 1970, as far as it can be told.
pub(super) struct Validity(Option<(i64, i64)>);

impl<'r> Secrets<'r> {
    pub(super) fn new(of: &'r Kubernetes) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for secret in &of.secrets {
            let known = by_name.entry(secret.meta.name.as_str());
            known.or_default().push(secret);
        }
        let labels = workloads(of).map(|workload| (workload.namespace, workload.labels));
        Self {
            of,
            by_name,
            namespaces: of.secrets.namespaces().collect(),
            workloads: workloads(of).map(|workload| workload.namespace).collect(),
            by_label: LabelIndex::new(labels),
            places: HashMap::new(),
            judged: HashMap::new(),
        }
    }

    /// The namespaces of the workloads of a gateway. Where nobody names workloads they may be in any: its own comes
    /// first, then those in which there may be a Secret of this name.
    pub(super) fn places(&mut self, gateway: &'r Resource<Gateway>, name: &str) -> Rc<[&'r str]> {
        if self.workloads.is_empty() {
            let own = gateway.meta.namespace();
            let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
            if let Some((namespace, _)) = rest.split_once('/') {
                let other = self.namespaces.get(namespace).copied();
                let other = other.filter(|other| *other != own);
                return std::iter::once(own).chain(other).collect();
            }
            let secrets = self.by_name.get(rest).into_iter().flatten();
            let mut others: Vec<_> = secrets.map(|secret| secret.meta.namespace()).collect();
            others.sort_unstable();
            others.dedup();
            others.retain(|other| *other != own);
            return std::iter::once(own).chain(others).collect();
        }
        let selector = &gateway.spec.selector;
        let (by_label, workloads) = (&self.by_label, &self.workloads);
        let places = self.places.entry(selector).or_insert_with(|| {
            let selected = by_label.selected(None, selector);
            let mut seen = HashSet::new();
            let namespaces = selected.filter_map(|place| workloads.get(place).copied());
            namespaces
                .filter(|namespace| seen.insert(*namespace))
                .collect()
        });
        Rc::clone(places)
    }

    pub(super) fn judge(&mut self, named: Named<'_>) -> &Result<Validity, Unfit> {
        let of = self.of;
        let known = self.judged.entry(named.to_string());
        known.or_insert_with(|| judge(of, named))
    }
}

fn judge(of: &Kubernetes, named: Named<'_>) -> Result<Validity, Unfit> {
    let (_, pair) = server_pair(of, named).map_err(|error| match error {
        CredentialError::Content(why) => Unfit::Useless(Code::UnusableCredential, why.to_string()),
        error => Unfit::Missing(error),
    })?;
    let id = format!("secret:{named}");
    let served = certificate(&id, pair);
    let served = served.map_err(|unfit| Unfit::Useless(unfit.code, unfit.why))?;
    Ok(Validity::of(&served))
}

impl Validity {
    pub(super) fn of(served: &Certificate) -> Self {
        let chain = pem::parse_many(&served.chain).unwrap_or_default();
        let der = chain.first().map(pem::Pem::contents).unwrap_or_default();
        let read = X509Certificate::from_der(der).ok();
        Self(read.map(|(_, x509)| {
            let validity = x509.validity();
            (
                validity.not_before.timestamp(),
                validity.not_after.timestamp(),
            )
        }))
    }

    /// Whether clients take it at this time, as far as can be told.
    pub(super) fn holds(&self, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        self.0.is_none_or(|(from, to)| from <= now && now <= to)
    }
}
