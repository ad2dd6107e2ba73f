//! The committed JSON Schema is the one of the code.
#![cfg(not(target_arch = "wasm32"))]

use std::path::Path;
use std::{env, fs};

use policy::PluginConfig;

#[test]
fn the_schema_of_the_plugin_configuration_is_up_to_date() {
    let schema = schemars::schema_for!(PluginConfig);
    let now = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../envoy-configs/schemas/plugin-config.json");
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "envoy-configs/schemas/plugin-config.json is out of date; write it again with\n    \
         UPDATE=1 cargo test -p policy --features schema --test plugin_config_schema"
    );
}
