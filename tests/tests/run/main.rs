//! `meshgate run`: Envoy as its child, and its configuration as files that follow the resources.

mod chaos;
mod crash;
mod ending;
mod examples;
mod full_disk;
mod gateway;
mod identities;
mod istio;
mod lifecycle;
mod load;
mod logs;
mod nack;
mod named_files;
mod names;
mod observed;
mod refusal;
mod reload;
mod resources;
mod soak;
mod terminal;
mod tokens;
mod upgrade;
mod wrapper;
mod zone_egress;
