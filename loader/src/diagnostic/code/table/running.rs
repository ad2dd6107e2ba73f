//! `05xx`: a running gateway.

macro_rules! running {
    ([$next:ident $($then:ident)*] $($rows:tt)*) => {$next! { [$($then)*] $($rows)*
    RefusedByEnvoy 501 "refused by Envoy"
        means "Envoy does not take the configuration that was made of the resources. `run` keeps the last one that it took."
        why "What the resources say is not served. Most often something on this machine is in the way: an address that is in use, a file that is not there."
        example ""
        fix "Do what Envoy's own words ask for, and save the file again or send SIGHUP. If nothing on the machine is in the way, it is a bug of meshgate."
    }};
}

pub(super) use running;
