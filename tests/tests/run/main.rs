//! `meshgate run`: Envoy as its child, and its configuration as files that follow the resources.

mod crash;
mod gateway;
mod identities;
mod lifecycle;
mod load;
mod logs;
mod names;
mod observed;
mod refusal;
mod reload;
mod soak;
