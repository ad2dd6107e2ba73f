//! `04xx`: what is known and not served.

macro_rules! not_served {
    ([$next:ident $($then:ident)*] $($rows:tt)*) => {$next! { [$($then)*] $($rows)*
    NotServedKind 401 "kind that is not served"
        means "The kind is one of Kuma's, Istio's or Kubernetes', and has no effect here."
        why "It is an error where leaving it out could let a request in or send it elsewhere, and a warning where it could not."
        example "type: MeshProxyPatch\nmesh: default\nname: patches"
        fix "Remove it if its effect is not needed."
    NotServedField 402 "field that is not served"
        means "The field is one of Kuma's and has no effect here."
        why "It is an error where leaving it out could let a request in or send it elsewhere, and a warning where it could not."
        example "routing:\n  localityAwareLoadBalancing: true"
        fix "Remove it if its effect is not needed."
    }};
}

pub(super) use not_served;
