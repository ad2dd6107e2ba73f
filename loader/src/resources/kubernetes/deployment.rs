//! `Deployment` (`apps/v1`): Pods that are not there yet.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Pod;

/// The `spec` of a Deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// What its Pods are made from.
    pub template: Template,
}

/// `PodTemplateSpec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Of the Pods.
    pub metadata: TemplateMeta,
    /// What the Pods say.
    pub spec: Pod,
}

/// `ObjectMeta` of a template.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    /// The labels of the Pods.
    pub labels: BTreeMap<String, String>,
}
